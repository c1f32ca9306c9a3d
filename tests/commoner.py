"""Commands as an ordinary user: without root's rights, with or without the engine's socket."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest_exposed

NOBODY = 65534

NEEDED = (sys.prefix, sys.base_prefix, str(Path(pytest_exposed.__file__).parents[1]))
"""What must be readable to run Python with the package."""


def run_as_commoner(*command: str, group: int = NOBODY) -> subprocess.CompletedProcess[str]:
    """Run a command as nobody of a group, in an empty folder; as oneself, if that is not root."""
    with tempfile.TemporaryDirectory(prefix="commoner-") as folder:
        os.chmod(folder, 0o777)  # noqa: S103  # it is the commoner's
        become: list[str] = []
        if os.geteuid() == 0:
            ids = f"--reuid={NOBODY} --regid={group} --clear-groups"
            script = f'{_open_up(folder)}exec setpriv {ids} "$@"'
            become = ["unshare", "--mount", "--propagation=private", "sh", "-ec", script, "sh"]
        kept = {x: os.environ[x] for x in ("PATH", "PYTHONPATH") if x in os.environ}
        return subprocess.run(
            [*become, *command],
            cwd=folder,
            env={**kept, "HOME": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def _open_up(folder: str) -> str:
    """Return shell commands that make what is needed readable in a mount namespace of its own.

    A virtual environment or an interpreter below /root is out of everybody's reach: there an empty
    folder takes the place of the closed one, with just what is needed in it.
    """
    hidden = {x: closed for x in NEEDED if (closed := _closed(x)) is not None}
    lines = []
    for number, path in enumerate(hidden):
        kept = shlex.quote(f"{folder}/{number}")
        lines += [f"mkdir {kept}", f"mount --rbind {shlex.quote(path)} {kept}"]
    lines += [f"mount -t tmpfs -o mode=755 none {shlex.quote(x)}" for x in set(hidden.values())]
    for number, path in enumerate(hidden):
        place = shlex.quote(path)
        lines += [f"mkdir -p {place}", f"mount --move {shlex.quote(folder)}/{number} {place}"]
    return "".join(f"{x}\n" for x in lines)


def _closed(path: str) -> str | None:
    """Return the first folder on the way to path that not everybody can enter, or None."""
    for parent in (*reversed(Path(path).parents), Path(path)):
        if not parent.stat().st_mode & 0o001:
            return str(parent)
    return None
