"""Finds a process's container by its cgroups. Formats: proc(5), cgroups(7)."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

# libpod-conmon-<id>.scope is left out: podman's monitor of a container is a process of the host.
_ID = re.compile(rb"(?<![0-9a-f])(?<!conmon-)[0-9a-f]{64}(?![0-9a-f])")

# A line for each hierarchy (twelve in cgroup v1) with a path of at most PATH_MAX, 4,096 bytes.
CGROUP_LIMIT = 65536

_LINKS_OF_A_LEAF = 2
"""Links of a folder without folders in it: its name, and its own "."."""


def owner_of(cgroup: bytes, ids: Collection[bytes]) -> bytes | None:
    """Return the one container id of ids that a cgroup file names, or None.

    A file that names several proves nothing: a container can name its own cgroups after another
    container's id.
    """
    named = {x for x in _ID.findall(cgroup) if x in ids}
    return named.pop() if len(named) == 1 else None


def names_any(cgroup: bytes, ids: Collection[bytes]) -> bool:
    """Return whether a cgroup file names any of the container ids."""
    return any(x in ids for x in _ID.findall(cgroup))


def pids_of(ids: Collection[str], proc: str = "/proc") -> dict[str, list[int]]:
    """Return the pids of each container, lowest first, by one pass over /proc/*/cgroup."""
    wanted = {x.encode() for x in ids}
    pids: dict[str, list[int]] = {x: [] for x in ids}
    for entry in os.listdir(proc):
        if not entry.isdecimal():
            continue
        try:
            fd = os.open(f"{proc}/{entry}/cgroup", os.O_RDONLY | os.O_CLOEXEC)
            try:
                cgroup = os.read(fd, CGROUP_LIMIT)
            finally:
                os.close(fd)
        except OSError:  # it ended, or hidepid hides it: then it is not found here, and said to be
            continue
        owner = owner_of(cgroup, wanted)
        if owner is not None:
            pids[owner.decode()].append(int(entry))
    for found in pids.values():
        found.sort()
    return pids


def pids_in_cgroups(ids: Collection[str], proc: str = "/proc") -> dict[str, list[int]]:
    """Return the pids of those containers that have cgroups of cgroup2 here, lowest first.

    This takes a tenth of the time of pids_of, because the kernel fills each folder of /proc on the
    first access. Containers without such cgroups are missing here, and found by pids_of.
    """
    wanted = {x.encode() for x in ids}
    pids: dict[str, list[int]] = {}
    mount = cgroup2_mount(proc)
    folders = [mount] if mount is not None else []
    while folders:
        folder = folders.pop()
        owner = owner_of(os.fsencode(folder), wanted)
        try:
            below = _below(folder)
        except OSError:  # it was removed
            continue
        if owner is not None:
            pids.setdefault(owner.decode(), []).extend(_pids_in(folder))
        # A cgroup named after another container proves nothing.
        folders += [x.path for x in below if _is_open(os.fsencode(x.name), wanted)]
    return {key: sorted(found) for key, found in pids.items() if found}


def _below(folder: str) -> Sequence[os.DirEntry[str]]:
    """Return the folders in a folder; raises OSError."""
    # Each of them adds a link to the two of a folder, also in cgroup2 (kernfs). Most have none, and
    # to list a folder's many files takes longer than all else here.
    if os.lstat(folder).st_nlink == _LINKS_OF_A_LEAF:
        return ()
    with os.scandir(folder) as entries:
        return [x for x in entries if x.is_dir(follow_symlinks=False)]


def _pids_in(folder: str) -> list[int]:
    text = b""
    try:
        fd = os.open(f"{folder}/cgroup.procs", os.O_RDONLY | os.O_CLOEXEC)
        try:
            while chunk := os.read(fd, CGROUP_LIMIT):
                text += chunk
        finally:
            os.close(fd)
    except OSError:  # it was removed, or is threaded: its processes are listed in a cgroup above
        return []
    return [int(x) for x in text.split() if x != b"0"]  # 0: invisible here


def _is_open(name: bytes, wanted: Collection[bytes]) -> bool:
    return not _ID.search(name) or names_any(name, wanted)


@cache
def cgroup2_mount(proc: str) -> str | None:
    """Return where the root of the cgroup2 hierarchy is mounted (proc_pid_mountinfo(5))."""
    try:
        lines = Path(proc, "self/mountinfo").read_bytes().split(b"\n")
    except OSError:
        return None
    for line in lines:
        fields, _, kind = line.partition(b" - ")
        words = fields.split(b" ")
        if kind.startswith(b"cgroup2 ") and words[3:4] == [b"/"]:
            return os.fsdecode(words[4])
    return None
