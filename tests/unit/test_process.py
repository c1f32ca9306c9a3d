"""Whose a process is, and the proof of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import proctree
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ID, OTHER_ID

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process
from pytest_exposed.sockets.cgroups import owner_of, pids_in_cgroups, pids_of
from pytest_exposed.sockets.process import (
    ContainerProcess,
    GoneProcessError,
    namespace_of,
)
from pytest_exposed.sockets.table import TableError

IDS = {ID.encode(), OTHER_ID.encode()}

V1 = """\
12:pids:/docker/{id}
11:hugetlb:/docker/{id}
10:net_prio,net_cls:/docker/{id}
9:name=systemd:/docker/{id}
4:memory:/docker/{id}
0::/docker/{id}
"""


@pytest.mark.parametrize(
    "cgroup",
    [
        "0::/docker/{id}\n",
        "0::/{id}\n",
        "0::/some/parent/{id}\n",
        "0::/../{id}\n",
        "0::/../../docker/{id}\n",
        "0::/system.slice/docker-{id}.scope\n",
        "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{id}.scope\n",
        "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope\n",
        "0::/machine.slice/libpod-{id}.scope/container\n",
        "0::/libpod_parent/libpod-{id}\n",
        "0::/docker/{id}/init.scope\n",
        "0::/docker/{id}/system.slice/nginx.service\n",
        "0::/docker/{id}\n\n",
        "0::/docker/{id}",
        "2:cpu:/\n1:name=systemd:/docker/{id}\n0::/\n",
        V1,
        # The id of a container that another engine runs, this one's parent or child.
        "0::/docker/" + "cd" * 32 + "/docker/{id}\n",
        "0::/docker/{id}/docker/" + "cd" * 32 + "\n",
        "0::/docker/{id}/build/\xe9\n",
    ],
)
def test_a_cgroup_that_names_one_container_is_its(cgroup: str) -> None:
    assert owner_of(cgroup.format(id=ID).encode("latin-1"), IDS) == ID.encode()


@pytest.mark.parametrize(
    "cgroup",
    [
        "",
        "0::/\n",
        "0::/init.scope\n",
        "0::/docker/" + "cd" * 32 + "\n",
        "0::/docker/{id}0\n",
        "0::/docker/0{id}\n",
        "0::/docker/{id}{id}\n",
        "0::/docker/{short}\n",
        "0::/docker/{short}g\n",
        "0::/docker/{id:.12}\n",
        "0::/docker/{upper}\n",
        "0::/docker/{short}\n0::/f\n",
        # A container may name its own cgroups: two names prove nothing.
        "0::/docker/{id}/docker/{other}\n",
        "0::/docker/{other}/{id}\n",
        "1:cpu:/docker/{id}\n0::/docker/{other}\n",
        "0::/docker/{id}-{other}\n",
    ],
)
def test_a_cgroup_that_names_none_or_two_is_nobody_s(cgroup: str) -> None:
    text = cgroup.format(id=ID, other=OTHER_ID, short=ID[:-1], upper=ID.upper())
    assert owner_of(text.encode(), IDS) is None


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_cgroup_names_a_known_container_or_none(before: bytes, after: bytes) -> None:
    assert owner_of(before + after, IDS) is None
    assert owner_of(before + b"/" + ID.encode() + b"/" + after, IDS) == ID.encode()
    assert owner_of(before + b"/" + ID.encode() + b"/" + after, ()) is None


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return an empty /proc."""
    folder = tmp_path / "proc"
    folder.mkdir()
    return folder


@pytest.fixture
def network(proc: Path) -> Path:
    """Return a network namespace."""
    return proctree.namespace(proc, "net")


def proven(proc: Path, pid: int = 7) -> ContainerProcess:
    return ContainerProcess(pid, IDS, ID.encode(), str(proc))


# Finding


def test_every_process_of_a_container_is_found(proc: Path) -> None:
    for pid, path in (
        (30, f"/docker/{ID}"),
        (4, f"/docker/{ID}/deeper/still"),
        (123, f"/system.slice/docker-{ID}.scope"),
        (5, f"/docker/{OTHER_ID}"),
        (6, f"/docker/{ID}/{OTHER_ID}"),
        (8, "/"),
    ):
        proctree.process(proc, pid, cgroup=f"0::{path}\n")
    assert pids_of([ID, OTHER_ID, "cd" * 32], str(proc)) == {
        ID: [4, 30, 123],
        OTHER_ID: [5],
        "cd" * 32: [],
    }
    assert pids_of([], str(proc)) == {}


def test_what_is_no_process_or_ended_is_passed_over(proc: Path) -> None:
    proctree.process(proc, 7)
    (proc / "8").mkdir()
    (proc / "9").mkdir()
    (proc / "9" / "cgroup").mkdir()
    shutil.copytree(proc / "7", proc / "self", symlinks=True)
    shutil.copytree(proc / "7", proc / "7x", symlinks=True)
    (proc / "uptime").write_text("1")
    assert pids_of([ID], str(proc)) == {ID: [7]}


def test_no_proc_is_an_error_and_not_no_process(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        pids_of([ID], str(tmp_path / "nowhere"))


def test_the_processes_in_a_containers_cgroups_are_found(proc: Path, tmp_path: Path) -> None:
    top = tmp_path / "cgroup2"
    for folder, pids in (
        (f"docker/{ID}", "30\n4\n"),
        (f"docker/{ID}/deeper/still", "123\n0\n"),
        (f"docker/{ID}/{OTHER_ID}", "6\n"),
        (f"system.slice/docker-{OTHER_ID}.scope", "5\n"),
        (f"system.slice/libpod-conmon-{OTHER_ID}.scope", "7\n"),
        (f"docker/{'ef' * 32}", "8\n"),
        (f"docker/{'cd' * 32}", ""),
        ("init.scope", "1\n"),
    ):
        (top / folder).mkdir(parents=True)
        (top / folder / "cgroup.procs").write_text(pids)
    (top / "cgroup.procs").write_text("9\n")
    (proc / "self").mkdir()
    (proc / "self" / "mountinfo").write_text(f"42 22 0:27 / {top} rw - cgroup2 cgroup rw\n")
    ids = [ID, OTHER_ID, "cd" * 32, "ab" * 32]
    assert pids_in_cgroups(ids, str(proc)) == {ID: [4, 30, 123], OTHER_ID: [5]}


def test_without_cgroup2_no_process_is_found_by_its_cgroup(proc: Path) -> None:
    proctree.process(proc, 7)
    assert pids_in_cgroups([ID], str(proc)) == {}


# Proving


def test_a_process_of_the_container_is_proven(proc: Path, network: Path) -> None:
    folder = proctree.process(proc, 7, network=network)
    with proven(proc) as process:
        process.prove()
        found = (folder / "net" / "tcp").stat()
        assert process.namespace == (found.st_dev, found.st_ino) == namespace_of(str(folder))


@pytest.mark.parametrize("cgroup", ["0::/\n", "", f"0::/{OTHER_ID}\n", f"0::/{ID}/{OTHER_ID}\n"])
def test_a_process_of_another_is_refused(proc: Path, network: Path, cgroup: str) -> None:
    proctree.process(proc, 7, network=network, cgroup=cgroup)
    with pytest.raises(GoneProcessError, match="process 7"), proven(proc):
        pytest.fail("it is not the container's")


def test_a_pid_of_nobody_is_refused(proc: Path) -> None:
    with pytest.raises(GoneProcessError, match="process 7"), proven(proc):
        pytest.fail("there is no such process")


def test_a_zombie_is_refused(proc: Path) -> None:
    # It has a cgroup still, but no net.
    proctree.process(proc, 7)
    with pytest.raises(GoneProcessError, match="has ended"), proven(proc):
        pytest.fail("it has ended")


def test_a_reused_pid_is_not_taken_for_the_process(proc: Path, network: Path) -> None:
    folder = proctree.process(proc, 7, network=network)
    (folder / "comm").write_text("mine\n")
    with proven(proc) as process:
        folder.rename(proc / "ended")
        impostor = proctree.namespace(proc, "host")
        proctree.process(proc, 7, network=impostor, comm=b"impostor\n", cgroup="0::/\n")
        assert process.read("comm", 64) == b"mine\n"
        process.prove()
        shutil.rmtree(proc / "ended")
        with pytest.raises(GoneProcessError):
            process.prove()


def test_a_process_that_moved_is_no_longer_proven(proc: Path, network: Path) -> None:
    folder = proctree.process(proc, 7, network=network)
    with proven(proc) as process:
        (folder / "cgroup").write_text("0::/\n")
        with pytest.raises(GoneProcessError, match="no longer"):
            process.prove()
        (folder / "cgroup").write_text(f"0::/{ID}\n")
        process.prove()
        proctree.move(folder, proctree.namespace(proc, "other"))
        with pytest.raises(GoneProcessError, match="another network namespace"):
            process.prove()


def test_no_descriptor_is_left_open(proc: Path, network: Path) -> None:
    proctree.process(proc, 7, network=network, holds=[5])
    proctree.process(proc, 8, network=network, cgroup="0::/\n")
    proctree.process(proc, 9)
    before = len(os.listdir("/dev/fd"))
    with proven(proc) as process:
        process.owner()
        process.sockets_held()
        next(process.chunks("net/tcp"))
    process.close()
    for pid in (8, 9, 10):
        with pytest.raises(GoneProcessError), proven(proc, pid):
            pytest.fail("it is not the container's")
    pids_of([ID], str(proc))
    assert len(os.listdir("/dev/fd")) == before


# Reading


def test_a_file_longer_than_its_limit_is_refused(proc: Path, network: Path) -> None:
    folder = proctree.process(proc, 7, network=network)
    with proven(proc) as process:
        (folder / "comm").write_bytes(b"x" * 64)
        assert process.read("comm", 64) == b"x" * 64
        with pytest.raises(TableError, match="longer than 63 bytes"):
            process.read("comm", 63)


def test_a_file_that_is_gone_is_a_process_that_is(proc: Path, network: Path) -> None:
    proctree.process(proc, 7, network=network)
    with proven(proc) as process:
        with pytest.raises(GoneProcessError, match="No such file"):
            process.read("nosuch", 10)
        with pytest.raises(FileNotFoundError):
            list(process.chunks("net/sctp/eps"))


def test_the_sockets_that_a_process_holds(proc: Path, network: Path) -> None:
    others = ["/dev/null", "pipe:[77]", "anon_inode:[eventpoll]", "socket:[x]", "xsocket:[9]"]
    proctree.process(proc, 7, network=network, holds=[5, 123456789, *others, 5])
    with proven(proc) as process:
        assert process.sockets_held() == {5, 123456789}


@pytest.mark.parametrize(
    ("comm", "nspid", "owner"),
    [
        (b"nginx\n", "1", Process(1, "nginx")),
        (b"two words\n", "12", Process(12, "two words")),
        (b" x \n", "1", Process(1, " x ")),
        # In a pid namespace inside the container's: as its innermost numbers it.
        (b"x\n", "12\t3", Process(3, "x")),
        (b") R 1 (\n", "1", Process(1, ") R 1 (")),
        (b"a\nb\n", "1", Process(1, "a\nb")),
        (b"\xff\x1b[2J\n", "1", Process(1, "\\xff\x1b[2J")),
        (b"caf\xc3\xa9\n", "1", Process(1, "caf\xe9")),
        (b"\n", "1", Process(1, "")),
    ],
)
def test_name_and_pid_of_a_process(
    proc: Path, network: Path, comm: bytes, nspid: str, owner: Process
) -> None:
    proctree.process(proc, 7, network=network, comm=comm, nspid=nspid)
    with proven(proc) as process:
        assert process.owner() == owner


def test_a_kernel_without_nspid_tells_the_pid_that_it_has(proc: Path, network: Path) -> None:
    folder = proctree.process(proc, 7, network=network)
    (folder / "status").write_text("Name:\tNStgid:\nPid:\t7\n")
    with proven(proc) as process:
        assert process.owner().pid == 7


def test_the_processes_of_a_line_are_safe_to_show(proc: Path, network: Path) -> None:
    proctree.process(proc, 7, network=network, comm=b"\x1b]0;\x07\nx\xe2\x80\xae\n")
    with proven(proc) as process:
        assert str(process.owner()).isprintable()


# Cgroups


@pytest.mark.parametrize(
    ("cgroup", "below"),
    [
        (f"0::/docker/{ID}\n", f"docker/{ID}"),
        (V1.format(id=ID), f"docker/{ID}"),
        (f"0::/docker/{ID}/init.scope\n", f"docker/{ID}/init.scope"),
        # Its own cgroup namespace hides the path; cgroup v1 has none; another's is no proof.
        (f"0::/../{ID}\n", None),
        (f"1:cpu:/docker/{ID}\n", None),
        (f"1:cpu:/docker/{ID}\n0::/\n", None),
        (f"1:cpu:/docker/{ID}\n0::/docker/{'cd' * 32}\n", None),
        (f"10::/docker/{ID}\n", None),
    ],
)
def test_the_cgroup2_directory_is_that_of_its_own_line(
    proc: Path, network: Path, cgroup: str, below: str | None
) -> None:
    proctree.process(proc, 7, network=network, cgroup=cgroup)
    (proc / "self").mkdir()
    (proc / "self" / "mountinfo").write_text(
        "22 1 0:20 / /proc rw,nosuid - proc proc rw\n"
        "30 22 0:26 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"
        "41 22 0:27 /docker /elsewhere rw - cgroup2 cgroup rw\n"
        "42 22 0:27 / /sys/fs/cgroup/unified rw shared:10 master:3 - cgroup2 cgroup rw\n"
    )
    with proven(proc) as process:
        expected = None if below is None else f"/sys/fs/cgroup/unified/{below}"
        assert process.cgroup_directory() == expected


def test_without_a_cgroup2_mount_there_is_no_directory(proc: Path, network: Path) -> None:
    proctree.process(proc, 7, network=network)
    (proc / "self").mkdir()
    (proc / "self" / "mountinfo").write_text("30 22 0:26 / /sys/cg rw - cgroup cgroup rw,memory\n")
    with proven(proc) as process:
        assert process.cgroup_directory() is None


# This machine's own processes


def test_this_process_is_in_a_namespace() -> None:
    assert namespace_of("/proc/self") == namespace_of("/proc/thread-self") is not None
    assert namespace_of("/proc/nosuch") is None


def test_errors_of_processes_are_observation_errors() -> None:
    assert issubclass(GoneProcessError, ObservationError)
