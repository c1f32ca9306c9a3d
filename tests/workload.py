"""The workload of the test images: tests/listener.c, compiled."""

from __future__ import annotations

import atexit
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from demo.packages import install, which

SOURCE = Path(__file__).with_name("listener.c")


@cache
def listener() -> Path:
    """Return the path of the compiled listener, a static program, once per process.

    It is removed when the process ends. gcc and libc6-dev are installed with apt-get where they
    are missing and that is possible.

    Raises demo.packages.NotInstalled where they can't be, RuntimeError where gcc fails.
    """
    if which("gcc") is None or not _has_static_libc():
        install("gcc", "libc6-dev")
    folder = Path(mkdtemp(prefix="listener-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    program = folder / "listener"
    command = ["gcc", "-static", "-O1", "-o", str(program), str(SOURCE)]
    compiled = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if compiled.returncode != 0:
        raise RuntimeError(
            f"gcc could not compile {SOURCE} to a static program (status {compiled.returncode}); "
            f"it needs a C library to link statically, as in libc6-dev. It says:\n{compiled.stderr}"
        )
    return program


def _has_static_libc() -> bool:
    # gcc answers with the bare name where there is no such file.
    command = ["gcc", "-print-file-name=libc.a"]
    answer = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return Path(answer.stdout.strip()).is_absolute()
