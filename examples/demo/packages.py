"""Programs of the machine: finding them, and installing missing ones with apt-get."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TAIL_LINES = 20

# A root shell started by `su` has no /usr/sbin in its PATH, and that is where dockerd and the
# programs it starts are.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


class EngineMissing(RuntimeError):  # noqa: N818 - the word its users look for
    """No docker engine answers and none can be started here."""


class NotInstalled(RuntimeError):  # noqa: N818 - says what it is
    """A program is missing and can't be installed here."""


def install(*packages: str) -> None:
    """Install Debian packages with apt-get, without starting the services they bring.

    Raises NotInstalled where that is not possible.
    """
    names = " ".join(packages)
    if obstacle := cannot_install():
        raise NotInstalled(f"{names}: not installed and can't be: {obstacle}")
    print(f"installing {names}", flush=True)
    with _services_stay_down():
        updated = _apt_get("update")
        installed = _apt_get("install", "--yes", "--no-install-recommends", *packages)
    if installed.returncode != 0:
        # A failed update is no failure by itself: the lists at hand may do.
        output = (updated.stdout if updated.returncode != 0 else "") + installed.stdout
        raise NotInstalled(
            f"apt-get could not install {names} (status {installed.returncode}). "
            f"Install it by hand. The end of apt-get's output:\n{tail(output)}"
        )


def which(command: str) -> str | None:
    """Return the path of `command`, looked for in the system's own folders too."""
    return shutil.which(command, path=PATH)


def cannot_install() -> str | None:
    """Return why this process can't install packages and run an engine, None where it can."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return f"that needs Debian or Ubuntu, and this is {platform.system()}"
    if not {"debian", "ubuntu"} & {release["ID"], *release.get("ID_LIKE", "").split()}:
        return f"that needs Debian or Ubuntu, and this is {release['ID']}"
    if os.geteuid() != 0:
        return f"that needs root, and this is uid {os.geteuid()}"
    return None


def tail(text: str) -> str:
    """Return the last lines of a program's output."""
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def _apt_get(*arguments: str) -> subprocess.CompletedProcess[str]:
    options = ["-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    return subprocess.run(
        ["apt-get", *options, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PATH": PATH, "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Tell Debian's packages not to start their daemons: only their programs are wanted."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield  # the machine has a policy of its own
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    try:
        policy.chmod(0o755)
        yield
    finally:
        policy.unlink(missing_ok=True)
