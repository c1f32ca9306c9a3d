"""A machine of its own for a newer engine: its network and its mounts; the pids are the host's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo.packages import PATH, tail
from demo.throwaway import EngineMissing
from newer.root import engines_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEADLINE = 60.0
"""How many seconds a machine or an engine may take to start, or to end."""

# Folder and root are bound where they are outside, so that sockets have one path.
# It lives as long as its standard input is open: no longer than the tests.
SETUP = """
set -eu
root=$1 folder=$2
mount --make-rprivate /
mount --bind "$root" "$root"
for part in proc sys dev; do mount --rbind "/$part" "$root/$part"; done
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
cd "$root"
pivot_root . .
umount -l .
cd /
ip link set lo up
echo ready
exec cat
"""


@dataclass(frozen=True)
class Machine:
    """Namespaces of network and mounts, with the Debian root of newer engines as their root."""

    folder: Path
    """What is kept here is seen at the same path inside."""
    pid: int
    """A process inside, as long as the machine exists."""
    environment: Mapping[str, str]
    prefix: tuple[str, ...] = ()
    """What runs each command: a command that changes the user, for one."""

    def inside(self, *words: str) -> list[str]:
        """Return the command that runs words inside."""
        entry = ["nsenter", f"--target={self.pid}", "--net", "--mount", "--root", "--wd"]
        variables = [f"{x}={y}" for x, y in self.environment.items()]
        return [*entry, *self.prefix, "env", *variables, *words]

    def command(self, *words: str, check: bool = True) -> str:
        """Run a command inside and return its output; AssertionError where it fails."""
        done = subprocess.run(
            self.inside(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DEADLINE,
            check=False,
        )
        said = f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0 or not check, said
        return done.stdout

    @contextmanager
    def daemon(self, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run a daemon inside; yield it and its log."""
        log = self.folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                # Should the tests be killed, it ends its containers and itself.
                ["setpriv", "--pdeathsig", "TERM", *self.inside(*words)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        try:
            yield process, log
        finally:
            process.terminate()
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def machine(environment: Mapping[str, str]) -> Iterator[Machine]:
    """Make a machine; "{folder}" in values of the environment is its folder. Remove it in the end.

    Raises EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    root = engines_root()
    # A socket's path has room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pe-", dir="/tmp"))
    folder.chmod(0o711)  # who may use an engine is a matter of its socket
    with ExitStack() as undo:
        undo.callback(_remove, folder)
        holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", SETUP, "machine", str(root), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PATH": PATH},
            start_new_session=True,
        )
        undo.callback(_close, holder)
        assert holder.stdout is not None
        assert holder.stderr is not None
        if holder.stdout.readline() != b"ready\n":
            raise EngineMissing(
                "no namespaces of network and mounts can be made here: "
                f"{tail(holder.stderr.read().decode(errors='replace'))}. Run as root on a machine, "
                "or in a container, that may."
            )
        undo.callback(end_processes, holder.pid, folder)
        values = {x: y.format(folder=folder) for x, y in environment.items()}
        yield Machine(folder, holder.pid, values)


def _close(holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    holder.wait()
    for pipe in (holder.stdin, holder.stdout, holder.stderr):
        assert pipe is not None
        pipe.close()


def end_processes(holder: int, folder: Path) -> None:
    """End all that still runs inside, and its children: the containers."""
    deadline = time.monotonic() + DEADLINE
    while left := _inside(holder, folder):
        assert time.monotonic() < deadline, f"processes that don't end: {left}"
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _inside(holder: int, folder: Path) -> set[int]:
    """Return the pids of processes of the holder's machine and of their descendants."""
    parents, found = {}, set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            # proc(5): "pid (comm) state ppid …", and a comm may hold blanks and brackets
            state, parent = (process / "stat").read_bytes().rpartition(b")")[2].split()[:2]
            pid = int(process.name)
            if state == b"Z":
                continue
            parents[pid] = int(parent)
            if _is_inside(process, Path(f"/proc/{holder}"), folder):
                found.add(pid)
    while more := {x for x, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {holder}


def _is_inside(process: Path, holder: Path, folder: Path) -> bool:
    """Return whether a process has the holder's mounts, or is of a rootless engine in its folder.

    Such an engine has mounts and a network of its own; what it starts has its environment.
    """
    if os.stat(process / "ns/mnt").st_ino == os.stat(holder / "ns/mnt").st_ino:
        return True
    variables = (process / "environ").read_bytes().split(b"\0")
    return f"XDG_RUNTIME_DIR={folder}/run".encode() in variables


def _remove(folder: Path) -> None:
    # What was mounted inside was mounted there alone, and went with the machine.
    shutil.rmtree(folder)
