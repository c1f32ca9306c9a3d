"""The monitor that an engine runs beside each container: containerd-shim, or podman's conmon.

It is the parent of the container's first process and of exec's processes, and the subreaper of the
others (prctl(2)). It runs in the engine's network and mount namespaces, and its command line names
the container. Formats: proc_pid_stat(5), proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

_MOST_ANCESTORS = 4096

# The options before the container's id (containerd's pkg/shim/util.go, podman's
# libpod/oci_conmon_common.go).
_NAMING = (b"-id", b"-c")

_NETWORK = re.compile(rb"net:\[([0-9]+)\]")


def parent_in(stat: bytes) -> int | None:
    """Return the parent's pid in the text of a file stat; None if no parent is visible here."""
    fields = stat.rpartition(b")")[2].split()  # the name before it can have any character
    return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() and fields[1] != b"0" else None


def parent_of(pid: int, proc: str) -> int | None:
    """Return the pid of a process's parent; None if it has ended or no parent is visible."""
    return parent_in(read_file(pid, "stat", proc))


def ancestor_of(pid: int, chosen: Callable[[int], bool], proc: str) -> int | None:
    """Return the nearest ancestor of a process that is chosen, or None."""
    parent: int | None = pid
    for _ in range(_MOST_ANCESTORS):
        parent = parent_of(parent, proc) if parent is not None else None
        if parent is None or chosen(parent):
            return parent
    return None


def descendants_of(ancestor: int, proc: str) -> list[int]:
    """Return the pids of all descendants of a process, lowest first."""
    children: dict[int | None, list[int]] = {}
    for name in os.listdir(proc):
        if name.isdecimal():
            children.setdefault(parent_of(int(name), proc), []).append(int(name))
    found: list[int] = []
    left = [ancestor]
    while left:
        born = children.pop(left.pop(), [])
        found += born
        left += born
    return sorted(found)


def is_monitor_of(pid: int, container: bytes, proc: str) -> bool:
    """Return whether the command line of a process is that of a container's monitor."""
    words = read_file(pid, "cmdline", proc).split(b"\0")
    return any(x in _NAMING and y == container for x, y in pairwise(words))


def mounted_namespace(monitor: int, path: str, proc: str) -> tuple[int, int] | None:
    """Return device and inode of the network namespace that is mounted at a path.

    The path is in the monitor's mount namespace, which can be another one than ours. A way through
    /proc/<pid>/root would resolve absolute links, such as /var/run, among our own files. Folders
    on the way can be links: rootlesskit makes /run/user/1000 one.
    """
    exact: set[tuple[int, int]] = set()
    alike: set[tuple[int, int]] = set()
    wanted = os.fsencode(path)
    ends = b"/" + b"/".join(wanted.split(b"/")[-3:]).lstrip(b"/")
    for line in read_file(monitor, "mountinfo", proc).split(b"\n"):
        words = line.split(b" ")
        # Number, parent, device, root, where it is mounted, ...
        if len(words) > 4 and words[4].endswith(ends) and (match := _NETWORK.fullmatch(words[3])):
            major, _, minor = words[2].partition(b":")
            found = os.makedev(int(major), int(minor)), int(match[1])
            alike.add(found)
            if words[4] == wanted:
                exact.add(found)
    chosen = exact or alike
    return chosen.pop() if len(chosen) == 1 else None


def read_file(pid: int, name: str, proc: str) -> bytes:
    """Return a file of the process of a pid; empty if it has ended or is hidden."""
    try:
        return Path(proc, str(pid), name).read_bytes()
    except OSError:
        return b""
