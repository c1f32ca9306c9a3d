"""The directory of a throwaway engine, and its network bridge."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.packages import EngineMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

# A unix socket's path has room for 107 bytes; the longest one below the engine's directory is
# containerd's exec/containerd/containerd-debug.sock.
LONGEST_DIRECTORY = 60

NEEDED_MEMORY = 4 << 30
"""Available bytes from which an engine's data is kept in memory: all tests need some 200 MB."""

# linux/sockios.h, linux/if.h: struct ifreq begins with a name of 16 bytes.
SIOCSIFFLAGS = 0x8914
SIOCBRADDBR = 0x89A0
SIOCBRDELBR = 0x89A1


@contextmanager
def bridged_directory() -> Iterator[Path]:
    """Yield a directory for an engine, whose name is its network bridge's; remove both."""
    directory = make_directory()
    try:
        _add_bridge(directory.name)
        try:
            yield directory
        finally:
            _remove_bridge(directory.name)
    finally:
        remove_directory(directory)


def make_directory() -> Path:
    """Return a new directory for an engine: room for its sockets, data in memory if there is."""
    directory = Path(tempfile.mkdtemp(prefix="pe-"))
    if len(os.fsencode(directory)) > LONGEST_DIRECTORY:
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="pe-", dir="/tmp"))
    # An engine waits for its disk at each step, and none of this one's data is needed later. Its
    # socket is on disk: who shares the engine may have mounts of its own.
    if _available_memory() >= NEEDED_MEMORY:
        data = directory / "data"
        data.mkdir()
        mount = ["mount", "-t", "tmpfs", directory.name, str(data)]
        subprocess.run(mount, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    # As with a system's engine, who may use it is a matter of the socket's mode, not its folder's.
    directory.chmod(0o711)
    return directory


def _available_memory() -> int:
    """Return the bytes of memory that are available; proc_meminfo(5)."""
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return 0


def remove_directory(directory: Path) -> None:
    """Remove an engine's directory and what is mounted there."""
    for point in reversed(_mounts_in(directory)):
        subprocess.run(["umount", "--lazy", point], stdin=subprocess.DEVNULL, check=False)
    try:
        shutil.rmtree(directory)
    except OSError as error:
        print(f"{directory} could not be removed: {error}", file=sys.stderr)


def _mounts_in(directory: Path) -> list[str]:
    """Return the mount points at `directory` and below, in the order they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    # proc(5): the fifth field is the mount point, its blanks escaped
    points = [line.split(" ")[4].replace(r"\040", " ") for line in lines]
    return [point for point in points if f"{point}/".startswith(f"{directory}/")]


def _add_bridge(name: str) -> None:
    """Create a network bridge: dockerd creates none but docker0."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, SIOCBRADDBR, name.encode() + b"\0")
    except OSError as error:
        raise EngineMissing(
            f"a throwaway engine can't be started: no network bridge can be created ({error}). "
            "Run with CAP_NET_ADMIN, or set DOCKER_HOST to an engine you can use."
        ) from error


def _remove_bridge(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), 0))  # down
        fcntl.ioctl(control, SIOCBRDELBR, name.encode() + b"\0")
