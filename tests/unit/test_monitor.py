"""What a container's monitor tells: by files that look like those of /proc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from make import ID

from pytest_exposed.sockets.monitor import (
    ancestor_of,
    descendants_of,
    is_monitor_of,
    mounted_namespace,
    parent_in,
)
from pytest_exposed.sockets.tables.uid_map import has_one_user

MOUNT = "1 2 0:4 net:[{inode}] {path} rw shared:3 - nsfs nsfs rw\n"


def process(proc: Path, pid: int, parent: int, **files: str) -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} (a) S 9 (b) S {parent} 1 1 0\n")
    for name, text in files.items():
        (folder / name).write_text(text)


def test_the_parent_stands_behind_the_name_whatever_that_is() -> None:
    assert parent_in(b"7 (a) S 9 ) S 5 1 1 0\n") == 5
    assert parent_in(b"7 (a) S 0 1 1 0\n") is None
    assert parent_in(b"") is None


def test_ancestors_and_descendants(tmp_path: Path) -> None:
    for pid, parent in ((2, 1), (3, 2), (4, 3), (5, 2), (6, 1)):
        process(tmp_path, pid, parent)
    proc = str(tmp_path)
    assert ancestor_of(4, lambda x: x == 2, proc) == 2
    assert ancestor_of(4, lambda x: x == 6, proc) is None
    assert descendants_of(2, proc) == [3, 4, 5]


@pytest.mark.parametrize(
    ("command", "is_its"),
    [
        (f"containerd-shim-runc-v2\0-namespace\0moby\0-id\0{ID}\0", True),
        (f"/usr/bin/conmon\0--api-version\0001\0-c\0{ID}\0", True),
        (f"cat\0{ID}\0", False),
        (f"containerd-shim-runc-v2\0-id\0{ID}0\0", False),
        ("", False),
    ],
)
def test_a_monitor_names_its_container(tmp_path: Path, command: str, is_its: bool) -> None:
    process(tmp_path, 2, 1, cmdline=command)
    assert is_monitor_of(2, ID.encode(), str(tmp_path)) is is_its


@pytest.mark.parametrize(
    ("mounts", "inode"),
    [
        ([("/run/docker/netns/default", 7)], 7),
        ([("/run/.ro1/user/2000/docker/netns/default", 7)], 7),
        ([("/var/run/docker/netns/default", 7), ("/x/run/docker/netns/default", 8)], 7),
        ([("/a/docker/netns/default", 7), ("/b/docker/netns/default", 8)], None),
        ([("/run/netns/default", 7)], None),
        ([], None),
    ],
)
def test_a_namespace_is_found_by_where_it_is_mounted(
    tmp_path: Path, mounts: list[tuple[str, int]], inode: int | None
) -> None:
    text = "".join(MOUNT.format(path=path, inode=number) for path, number in mounts)
    process(tmp_path, 2, 1, mountinfo=f"1 2 0:5 / /proc rw - proc proc rw\n{text}")
    found = mounted_namespace(2, "/var/run/docker/netns/default", str(tmp_path))
    assert found == ((os.makedev(0, 4), inode) if inode else None)


@pytest.mark.parametrize(
    ("users", "one"),
    [
        (b"         0       1000          1\n", True),
        (b"", True),
        (b"         0          0 4294967295\n", False),
        (b"         0       1000          1\n         1     100000      65536\n", False),
    ],
)
def test_maps_of_one_user(users: bytes, one: bool) -> None:
    assert has_one_user(users) is one
