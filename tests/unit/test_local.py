"""Looking at containers through the processes of this kernel: proven before and after."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import proctree
import pytest
from make import ANY, DATA, ID, OTHER_ID, socket, target

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process
from pytest_exposed.sockets import procfs
from pytest_exposed.sockets.local import Local
from pytest_exposed.sockets.process import ContainerProcess
from pytest_exposed.sockets.reading import SocketSnapshot, Target
from pytest_exposed.sockets.table import Socket

ROUTES = "Local:\n  |-- 10.0.0.{0}\n     /32 host LOCAL\n"
SCTP = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """Return a /proc with the host's first process."""
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "self" / "mountinfo").touch()
    proctree.process(folder, 1, cgroup="0::/\n", network=proctree.namespace(folder, "host"))
    return folder


def sees(*sockets: Socket) -> Callable[[ContainerProcess], tuple[list[Socket], None]]:
    return lambda _: (list(sockets), None)


def observe(proc: Path, *targets: Target, read: object = None) -> dict[str, object]:
    local = Local([ID, OTHER_ID], str(proc))
    return dict(local.observe(targets, "procfs", read or sees(socket())))  # type: ignore[arg-type]  # a Read


def seen(proc: Path, one: Target, read: object = None) -> SocketSnapshot:
    answer = observe(proc, one, read=read)[one.id]
    assert isinstance(answer, SocketSnapshot), answer
    return answer


def refused(proc: Path, one: Target, read: object = None) -> str:
    answer = observe(proc, one, read=read)[one.id]
    assert isinstance(answer, ObservationError), answer
    return str(answer)


def test_a_container_of_one_process_is_seen(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"))
    reading = seen(proc, target())
    assert reading.sockets == (socket(),)
    assert (reading.source, reading.shared, reading.held) == ("procfs", False, None)
    assert (reading.ipv6, reading.cgroups) == (False, None)


def test_the_tables_of_its_namespace_are_read(proc: Path) -> None:
    heading = DATA.joinpath("tcp").read_text().partition("\n")[0]
    row = (
        "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000"
        "     0        0 42 1 0\n"
    )
    proctree.process(proc, 7, network=proctree.namespace(proc, "web", tcp=f"{heading}\n{row}"))
    reading = seen(proc, target(), procfs.sockets)
    assert reading.sockets == (socket(inode=42, v6only=False),)


@pytest.mark.parametrize("name", ["tcp", "udp"])
def test_a_table_that_is_missing_or_none_is_an_error(proc: Path, name: str) -> None:
    folder = proctree.process(proc, 7, network=proctree.namespace(proc, "web", udp="nonsense\n"))
    assert "udp does not begin" in refused(proc, target(), procfs.sockets)
    (folder / "net" / "udp").unlink()
    if name == "udp":
        assert "no net/udp" in refused(proc, target(), procfs.sockets)
        return
    (folder / "net" / "tcp").unlink()
    assert "no process here is the container's" in refused(proc, target(), procfs.sockets)


def test_a_kernel_without_ipv6_has_no_tables_for_it(proc: Path) -> None:
    folder = proctree.process(proc, 7, network=proctree.namespace(proc, "web"))
    for name in ("tcp6", "udp6", "if_inet6"):
        (folder / "net" / name).unlink()
    reading = seen(proc, target(), procfs.sockets)
    assert (reading.sockets, reading.ipv6) == ((), False)


def test_an_ipv6_address_of_its_namespace_is_seen(proc: Path) -> None:
    table = "20010db8000000000000000000000010 02 40 00 82     eth0\n"
    proctree.process(proc, 7, network=proctree.namespace(proc, "web", if_inet6=table))
    assert seen(proc, target()).ipv6


def test_sctp_endpoints_are_among_its_sockets(proc: Path) -> None:
    folder = proctree.process(proc, 7, network=proctree.namespace(proc, "web"))
    (folder / "net" / "sctp").mkdir()
    table = folder / "net" / "sctp" / "eps"
    table.write_text(SCTP + "0 0 2   10  22   8888      0 9 0.0.0.0 \n")
    found = socket(8888, ANY, inode=9, protocol="sctp")
    # Whether this process is in that /proc or not: each namespace has the table, or none has.
    assert seen(proc, target()).sockets == (socket(), found)
    (proc / "self" / "net" / "sctp").mkdir(parents=True)
    assert seen(proc, target()).sockets == (socket(), found)
    table.write_text("nonsense\n")
    assert "sctp/eps" in refused(proc, target())


@pytest.mark.parametrize("address", ["10.0.0.2", "10.0.0.9"])
def test_its_addresses_are_known_where_a_socket_is_bound_to_one(proc: Path, address: str) -> None:
    network = proctree.namespace(proc, "web", fib_trie=ROUTES.format(2))
    proctree.process(proc, 7, network=network)
    reading = seen(proc, target(), sees(socket(80, address)))
    assert reading.addresses == frozenset({"10.0.0.2"})


def test_addresses_that_can_not_be_read_are_unknown_and_not_none(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web", fib_trie="nonsense\n"))
    assert seen(proc, target(), sees(socket(80, "10.0.0.2"))).addresses is None


# Proof


def test_a_container_without_a_process_here_is_unknown_and_not_empty(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"), cgroup=f"0::/{OTHER_ID}\n")
    assert "no process here is the container's" in refused(proc, target())


def end(proc: Path) -> None:
    shutil.rmtree(proc / "7")


def join_another_container(proc: Path) -> None:
    (proc / "7" / "cgroup").write_text(f"0::/docker/{OTHER_ID}\n")


def leave_its_namespace(proc: Path) -> None:
    proctree.move(proc / "7", proctree.namespace(proc, "new"))


@pytest.mark.parametrize("happens", [end, join_another_container, leave_its_namespace])
def test_what_a_process_showed_is_not_believed_when_it_ended_meanwhile(
    proc: Path, happens: Callable[[Path], None]
) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"))

    def read(process: ContainerProcess) -> tuple[list[Socket], None]:
        assert process.pid == 7
        happens(proc)
        return [], None

    assert re.match("process 7 |/proc/7/", refused(proc, target(), read))


def test_one_process_that_ended_leaves_the_others_to_be_asked(proc: Path) -> None:
    network = proctree.namespace(proc, "web")
    proctree.process(proc, 7, network=network)
    proctree.process(proc, 8, network=network)
    local = Local([ID], str(proc))
    end(proc)
    (answer,) = local.observe([target()], "procfs", sees(socket())).values()
    assert isinstance(answer, SocketSnapshot)


def test_an_error_of_one_container_is_not_the_others(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"))
    answers = observe(proc, target(), target(OTHER_ID))
    assert isinstance(answers[ID], SocketSnapshot)
    assert isinstance(answers[OTHER_ID], ObservationError)


# Namespaces


def test_with_processes_in_two_namespaces_the_first_process_tells(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "nested"))
    folder = proctree.process(proc, 8, network=proctree.namespace(proc, "web"))
    expected = (folder / "net" / "tcp").stat()
    found = seen(proc, target(main_pid=8))
    assert found.namespace == (expected.st_dev, expected.st_ino)
    assert "process 9" in refused(proc, target(main_pid=9))


def test_the_namespace_of_its_address_is_the_container_s(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "nested", fib_trie=ROUTES.format(9)))
    folder = proctree.process(
        proc, 8, network=proctree.namespace(proc, "web", fib_trie=ROUTES.format(2))
    )
    expected = (folder / "net" / "tcp").stat()
    found = seen(proc, target(ID, "10.0.0.2", main_pid=7))
    assert found.namespace == (expected.st_dev, expected.st_ino)
    assert found.addresses == frozenset({"10.0.0.2"})


def test_a_process_that_left_for_another_network_is_told(proc: Path) -> None:
    proctree.process(
        proc, 7, network=proctree.namespace(proc, "elsewhere", fib_trie=ROUTES.format(9))
    )
    assert "10.0.0.2: they have left it" in refused(proc, target(ID, "10.0.0.2"))


class TestANetworkOfItsOwnMaking:
    """It has the container's address, and is another one than the engine made."""

    @pytest.fixture
    def proc(self, tmp_path: Path) -> Path:
        """Return a /proc that shows our user namespace, and the host's first process."""
        for name in ("host-users", "own-users", "made", "own"):
            tmp_path.joinpath(name).touch()
        folder = tmp_path / "proc"
        network = proctree.namespace(folder, "host")
        proctree.process(folder, 1, cgroup="0::/\n", network=network)
        folder.joinpath("self", "ns").mkdir(parents=True)
        folder.joinpath("self", "ns", "user").hardlink_to(tmp_path / "host-users")
        return folder

    @staticmethod
    def process(proc: Path, pid: int, users: str, net: str) -> Path:
        network = proctree.namespace(proc, f"{pid}", fib_trie=ROUTES.format(2))
        files = {"user": proc.parent / f"{users}-users", "net": proc.parent / net}
        return proctree.process(proc, pid, network=network, namespaces=files)

    @staticmethod
    def target(proc: Path, sandbox: str = "made", **rest: Any) -> Target:
        made = str(proc.parent / sandbox) if sandbox else ""
        return target(ID, "10.0.0.2", sandbox=lambda: made, **rest)

    def test_has_been_left_for(self, proc: Path) -> None:
        self.process(proc, 7, "own", "own")
        assert "10.0.0.2: they have left it" in refused(proc, self.target(proc))

    def test_is_not_the_one_that_is_read(self, proc: Path) -> None:
        self.process(proc, 7, "own", "own")
        stayed = self.process(proc, 8, "host", "made") / "net" / "tcp"
        found = seen(proc, self.target(proc, main_pid=7))
        assert found.namespace == (stayed.stat().st_dev, stayed.stat().st_ino)

    def test_in_a_user_namespace_of_its_own_it_may_be_the_engines(self, proc: Path) -> None:
        self.process(proc, 7, "own", "made")
        assert seen(proc, self.target(proc)).sockets == (socket(),)

    def test_is_not_asked_for_where_all_is_as_ever(self, proc: Path) -> None:
        def asked() -> str:
            raise AssertionError

        self.process(proc, 7, "host", "made")
        assert seen(proc, target(ID, "10.0.0.2", sandbox=asked)).sockets == (socket(),)

    @pytest.mark.parametrize("sandbox", ["", "not-here"])
    def test_where_the_engines_is_not_seen_one_is_believed(self, sandbox: str, proc: Path) -> None:
        self.process(proc, 7, "own", "own")
        assert seen(proc, self.target(proc, sandbox)).sockets == (socket(),)

    @pytest.mark.parametrize("sandbox", ["", "not-here"])
    def test_and_of_two_none(self, sandbox: str, proc: Path) -> None:
        self.process(proc, 7, "own", "own")
        self.process(proc, 8, "host", "made")
        assert "in 2 network namespaces with its address" in refused(
            proc, self.target(proc, sandbox, main_pid=7)
        )


def test_a_namespace_of_several_is_read_once_and_shared(proc: Path) -> None:
    network = proctree.namespace(proc, "both")
    proctree.process(proc, 7, network=network, holds=[5, 6])
    proctree.process(proc, 8, network=network, holds=[6, 7])
    proctree.process(proc, 9, network=network, holds=[8], cgroup=f"0::/{OTHER_ID}\n")
    reads = []

    def read(process: ContainerProcess) -> tuple[list[Socket], None]:
        reads.append(process.namespace)
        return [socket()], None

    answers = observe(proc, target(shares=True), target(OTHER_ID, shares=True, place=ID), read=read)
    assert len(reads) == 1
    one, other = answers[ID], answers[OTHER_ID]
    assert isinstance(one, SocketSnapshot)
    assert isinstance(other, SocketSnapshot)
    assert one.shared
    assert other.shared
    assert one.namespace == other.namespace
    assert one.held == frozenset({5, 6, 7})
    assert other.held == frozenset({8})


class TestTwoNotSaidToShare:
    """Both look as if they were in one namespace, which one may have been in before the other."""

    @pytest.fixture
    def proc(self, proc: Path) -> Path:
        network = proctree.namespace(proc, "both")
        proctree.process(proc, 7, network=network)
        proctree.process(proc, 8, network=network, cgroup=f"0::/{OTHER_ID}\n")
        return proc

    def test_are_read_each_and_share_where_both_are_in_it_now(self, proc: Path) -> None:
        reads: list[int] = []

        def read(process: ContainerProcess) -> tuple[list[Socket], None]:
            reads.append(process.pid)
            return [socket(process.pid)], None

        answers = observe(proc, target(), target(OTHER_ID), read=read)
        one, other = answers[ID], answers[OTHER_ID]
        assert isinstance(one, SocketSnapshot)
        assert isinstance(other, SocketSnapshot)
        assert reads == [7, 8]
        assert (one.sockets, other.sockets) == ((socket(7),), (socket(8),))
        assert one.namespace == other.namespace
        assert one.shared
        assert other.shared

    @pytest.mark.parametrize("happens", [end, leave_its_namespace])
    def test_do_not_share_where_one_is_gone(
        self, happens: Callable[[Path], None], proc: Path
    ) -> None:
        def read(process: ContainerProcess) -> tuple[list[Socket], None]:
            if process.pid == 8:
                happens(proc)
            return [socket(process.pid)], None

        answers = observe(proc, target(), target(OTHER_ID), read=read)
        one, other = answers[ID], answers[OTHER_ID]
        assert isinstance(one, SocketSnapshot)
        assert isinstance(other, SocketSnapshot)
        assert (one.sockets, other.sockets) == ((socket(7),), (socket(8),))
        assert one.namespace != other.namespace
        assert not one.shared
        assert not other.shared
        assert held_open(proc) == []


def held_open(proc: Path) -> list[str]:
    links = [os.path.join("/proc/self/fd", x) for x in os.listdir("/proc/self/fd")]
    return [x for x in map(os.path.realpath, links) if x.startswith(f"{proc}/")]


def test_many_are_read_in_groups_each_of_which_is_told_ahead(proc: Path) -> None:
    """Whatever number there is of them, few processes are held open together."""
    ids = [f"{number:064x}" for number in range(300)]
    shared = proctree.namespace(proc, "shared")
    for number, identity in enumerate(ids):
        own = proctree.namespace(proc, str(number)) if number % 3 else shared
        proctree.process(proc, 1000 + number, network=own, cgroup=f"0::/{identity}\n")
    targets = [target(x, shares=not n % 3, place=x if n % 3 else "") for n, x in enumerate(ids)]
    namespaces: list[object] = []
    reads: list[object] = []
    most = 0

    def ahead(processes: Iterable[ContainerProcess]) -> None:
        nonlocal most
        namespaces.extend(x.namespace for x in processes)
        most = max(most, len(held_open(proc)))

    def read(process: ContainerProcess) -> tuple[list[Socket], None]:
        assert process.namespace in namespaces
        reads.append(process.namespace)
        return [socket()], None

    local = Local(ids, str(proc))
    answers = local.observe(targets, "netlink", read, ahead)
    assert [x for x in answers.values() if not isinstance(x, SocketSnapshot)] == []
    assert list(answers) == ids
    assert namespaces == reads
    assert len(set(reads)) == len(reads) == 201
    assert 32 <= most <= 64
    assert held_open(proc) == []


def test_of_the_processes_of_a_container_the_one_that_is_read_is_held_open(proc: Path) -> None:
    for number in range(20):
        network = proctree.namespace(proc, str(number), fib_trie=ROUTES.format(number))
        proctree.process(proc, 7 + number, network=network)
    held: list[str] = []
    local = Local([ID], str(proc))
    local.observe(
        [target(ID, "10.0.0.2", main_pid=7)],
        "netlink",
        sees(socket()),
        lambda _: held.extend(held_open(proc)),
    )
    assert held == [str(proc / "9")]
    assert "they have left it" in refused(proc, target(ID, "10.0.1.1", main_pid=7))
    assert held_open(proc) == []


def test_the_host_s_namespace_is_shared(proc: Path) -> None:
    network = proc.parent / "proc-host"
    proctree.process(proc, 7, network=network, holds=[5])
    reading = seen(proc, target())
    assert reading.shared
    assert reading.held == frozenset({5})


def test_what_is_said_to_be_shared_is_not_taken_for_its_own(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"), holds=[5])
    reading = seen(proc, target(shares=True))
    assert reading.shared
    assert reading.held == frozenset({5})


@pytest.mark.parametrize(("address", "held"), [("127.0.0.11", {5}), (ANY, None)])
def test_holders_are_looked_up_where_someone_else_may_have_made_a_socket(
    proc: Path, address: str, held: set[int] | None
) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"), holds=[5])
    assert seen(proc, target(), sees(socket(80, address))).held == held


def test_hidden_descriptors_are_unknown_and_not_none(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proctree.process(proc, 7, network=proc.parent / "proc-host", holds=[5])

    def hidden(_: ContainerProcess) -> set[int]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ContainerProcess, "sockets_held", hidden)
    assert seen(proc, target()).held is None
    assert Local([ID], str(proc)).owners(ID, [5]) == {}


# Owners


def test_owners_are_all_processes_that_hold_a_socket(proc: Path) -> None:
    network = proctree.namespace(proc, "web")
    for pid, held, name in ((7, [5, 6], b"nginx\n"), (8, [5], b"worker\n"), (9, [77], b"x\n")):
        proctree.process(proc, pid, network=network, holds=held, comm=name, nspid=str(pid - 6))
    local = Local([ID], str(proc))
    assert local.owners(ID, [5, 6, 7]) == {
        5: (Process(1, "nginx"), Process(2, "worker")),
        6: (Process(1, "nginx"),),
    }
    end(proc)
    assert local.owners(ID, [5]) == {5: (Process(2, "worker"),)}
    assert local.owners(OTHER_ID, [5]) == {}


def test_cgroups_are_the_container_s_and_those_below(proc: Path, tmp_path: Path) -> None:
    mount = tmp_path / "cgroup"
    (proc / "self" / "mountinfo").write_text(f"42 22 0:27 / {mount} rw - cgroup2 cgroup rw\n")
    below = mount / "docker" / ID / f"of-{ID}"  # it may give those below any name
    below.mkdir(parents=True)
    (mount / "docker" / OTHER_ID).mkdir()
    proctree.process(
        proc, 7, network=proctree.namespace(proc, "web"), cgroup=f"0::/docker/{ID}/of-{ID}\n"
    )
    own = below.parent.stat().st_ino
    assert seen(proc, target(), sees(socket(cgroup=own))).cgroups == frozenset({own})
    both = frozenset({own, below.stat().st_ino})
    assert seen(proc, target(), sees(socket(cgroup=below.stat().st_ino))).cgroups == both
    foreign = (mount / "docker" / OTHER_ID).stat().st_ino
    assert seen(proc, target(), sees(socket(cgroup=foreign))).cgroups == both


def test_what_is_raised_for_one_container_is_no_others(proc: Path) -> None:
    proctree.process(proc, 7, network=proctree.namespace(proc, "web"))
    proctree.process(
        proc, 8, cgroup=f"0::/docker/{OTHER_ID}\n", network=proctree.namespace(proc, "db")
    )

    def read(process: ContainerProcess) -> tuple[list[Socket], None]:
        if process.pid == 7:
            raise KeyError("port")
        return [socket()], None

    found = observe(proc, target(ID), target(OTHER_ID), read=read)
    assert isinstance(found[OTHER_ID], SocketSnapshot)
    assert str(found[ID]) == "KeyError: 'port'"
