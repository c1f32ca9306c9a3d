"""Network namespaces: shared with the host or with containers, without a network, with DNS."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_exposed import Container, Engine, container_publishes
from pytest_exposed.sockets.process import namespace_of

if TYPE_CHECKING:
    from stage import Stage

    from pytest_exposed.engine.records import Listed


def found(container: Container) -> set[str]:
    """Return the findings: "silent 80/tcp"."""
    return {str(x) for x in container.findings}


def heard(container: Container) -> set[str]:
    """Return all listeners with their kinds: "0.0.0.0:80/tcp reachable"."""
    return {f"{x} {x.kind}" for x in container.listeners}


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int, int]]:
    """A port of the host on which this process listens, and two free ones."""
    with socket.socket() as foreign, socket.socket() as one, socket.socket() as two:
        for each in (foreign, one, two):
            each.bind(("127.0.0.1", 0))
        foreign.listen()
        numbers = [x.getsockname()[1] for x in (foreign, one, two)]
        one.close()
        two.close()
        yield numbers[0], numbers[1], numbers[2]


@pytest.fixture(scope="module")
def on_host(ports: tuple[int, int, int], shared_stage: Stage) -> list[str]:
    _, one, two = ports
    stage, host = shared_stage, "host"
    documented = stage.run(f"tcp:0.0.0.0:{one}", exposes=(str(one),), network_mode=host)
    other = stage.run(f"tcp:0.0.0.0:{two}", name="other", network_mode=host)
    idle = stage.run(name="idle", exposes=(str(two),), network_mode=host)
    return [x.name for x in (documented, other, idle)]


class TestHostNetwork:
    def test_only_its_own_listeners_are_a_containers(
        self, look: Engine, on_host: list[str], ports: tuple[int, int, int]
    ) -> None:
        _, one, two = ports
        documented, other, idle = (look.container(x) for x in on_host)
        assert heard(documented) == {f"0.0.0.0:{one}/tcp reachable"}
        assert heard(other) == {f"0.0.0.0:{two}/tcp reachable"}
        assert heard(idle) == set()

    def test_each_is_judged_by_its_own(
        self, look: Engine, on_host: list[str], ports: tuple[int, int, int]
    ) -> None:
        _, _, two = ports
        documented, other, idle = (look.container(x) for x in on_host)
        assert found(documented) == set()
        assert found(other) == {f"undocumented {two}/tcp"}
        assert found(idle) == {f"silent {two}/tcp"}

    def test_the_proxy_of_a_published_port_is_nobodys(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        published = stage.run("tcp:0.0.0.0:80", exposes=("80",), ports={"80/tcp": 0})
        port = published.host_port("80/tcp")
        idle = stage.run(name="idle", exposes=(str(port),), network_mode="host")
        for look in looks:
            assert heard(look.container(idle.name)) == set()
            assert found(look.container(idle.name)) == {f"silent {port}/tcp"}

    def test_who_joins_a_container_on_it_is_on_it_too(
        self, looks: list[Engine], stage: Stage, ports: tuple[int, int, int]
    ) -> None:
        foreign, _, _ = ports
        owner = stage.run(name="owner", exposes=(str(foreign),), network_mode="host")
        joiner = stage.run(
            name="joiner", exposes=(str(foreign),), network_mode=f"container:{owner.id}"
        )
        for look in looks:
            for name in (owner.name, joiner.name):
                assert heard(look.container(name)) == set()
                assert found(look.container(name)) == {f"silent {foreign}/tcp"}

    def test_also_when_that_has_ended(self, engine_url: str, stage: Stage) -> None:
        owner = stage.run(name="owner", network_mode="host")
        joiner = stage.run(name="joiner", network_mode=f"container:{owner.id}")
        with ExitStack() as stack:
            looks = [
                stack.enter_context(Engine(engine_url, source=x, select=["host-network"]))
                for x in ("netlink", "procfs")
            ]
            assert [found(x.container(joiner.name)) for x in looks] == [{"host-network"}] * 2
            owner.sdk.stop()
            assert [found(x.container(joiner.name)) for x in looks] == [{"host-network"}] * 2


def test_one_look_at_many_namespaces_ends_where_it_began(
    netlink: Engine, stage: Stage, on_host: list[str], ports: tuple[int, int, int]
) -> None:
    _, one, _ = ports
    own = [stage.run(f"tcp:0.0.0.0:{80 + x}", name=f"own-{x}") for x in range(3)]
    here = namespace_of("/proc/thread-self")
    everyone = netlink.observer.running()
    order = [own[0].name, on_host[0], own[1].name, own[2].name]
    wanted = sorted((x for x in everyone if x.name in order), key=lambda x: order.index(x.name))
    answers = netlink.observer.observe(wanted, [*wanted, *(x for x in everyone if x not in wanted)])
    heard_by_id = {x.name: heard(x) for x in answers.values() if isinstance(x, Container)}
    assert heard_by_id == {
        on_host[0]: {f"0.0.0.0:{one}/tcp reachable"},
        **{x.name: {f"0.0.0.0:{80 + n}/tcp reachable"} for n, x in enumerate(own)},
    }
    assert namespace_of("/proc/thread-self") == here
    assert not [x for x in threading.enumerate() if "setns" in x.name]


@pytest.fixture(scope="module")
def members(shared_stage: Stage) -> dict[str, str]:
    owner = shared_stage.run(
        "tcp:0.0.0.0:80",
        "udpclient:127.0.0.1:53",
        name="owner",
        exposes=("80",),
        ports={f"{x}/tcp": ("127.0.0.1",) for x in (80, 8081, 8082, 8083, 8084)},
    )
    joiners = {
        # What only it documents and serves.
        "documented": (("tcp:0.0.0.0:8081",), ("8081",)),
        "undocumented": (("tcp:0.0.0.0:8082",), ()),
        "on-loopback": (("tcp:127.0.0.1:8083",), ()),
        "idle-member": ((), ("80",)),
    }
    mode = {"network_mode": f"container:{owner.id}"}
    members = [
        shared_stage.run(*words, name=name, exposes=exposes, **mode)
        for name, (words, exposes) in joiners.items()
    ]
    return {x.name.removeprefix(f"{shared_stage.name}-"): x.name for x in (owner, *members)}


class TestSharedWithContainers:
    def test_each_has_its_own_listeners(self, look: Engine, members: dict[str, str]) -> None:
        listening = {k: set(map(str, look.container(v).listening)) for k, v in members.items()}
        assert listening == {
            "owner": {"80/tcp"},
            "documented": {"8081/tcp"},
            "undocumented": {"8082/tcp"},
            "on-loopback": set(),
            "idle-member": set(),
        }

    def test_a_publication_of_the_owner_is_answered_by_any_member(
        self, look: Engine, members: dict[str, str]
    ) -> None:
        assert found(look.container(members["owner"])) == {
            "published-undocumented 8082/tcp",
            "unreachable 8083/tcp",
            "published-silent 8084/tcp",
        }

    def test_a_joiner_tells_whose_network_it_is_in(
        self, look: Engine, members: dict[str, str]
    ) -> None:
        (note,) = look.container(members["undocumented"]).notes
        shown = f"it shares the network of {members['owner']}, which publishes 127.0.0.1:"
        assert note.startswith(shown)
        assert note.endswith(" and 1 more")
        assert look.container(members["owner"]).notes[0].startswith(members["documented"])
        asked = container_publishes(look, members["documented"], 8081)
        assert f"(it publishes nothing; {shown}" in repr(asked)

    def test_the_owner_tells_who_answers_its_publications(
        self, look: Engine, members: dict[str, str]
    ) -> None:
        owner = look.container(members["owner"])
        assert set(owner.notes) == {
            f"{members['documented']}, which shares its network, listens on 8081/tcp",
            f"{members['undocumented']}, which shares its network, listens on 8082/tcp",
        }
        undocumented, loopback, _ = owner.findings
        assert f", where {members['undocumented']} answers, " in undocumented.message
        assert loopback.fix.endswith(f" in {members['on-loopback']}")

    def test_each_member_is_judged_by_its_own(self, look: Engine, members: dict[str, str]) -> None:
        findings = {k: found(look.container(v)) for k, v in members.items() if k != "owner"}
        assert findings == {
            "documented": set(),
            "undocumented": {"undocumented 8082/tcp"},
            "on-loopback": set(),
            "idle-member": {"silent 80/tcp"},
        }

    def test_members_have_each_other_as_neighbours(
        self, look: Engine, members: dict[str, str]
    ) -> None:
        owner = look.container(members["owner"])
        assert {x.name for x in owner.neighbours} == set(members.values()) - {owner.name}

    def test_names_do_not_matter(self, look: Engine, members: dict[str, str]) -> None:
        by_name = {x.name: x for x in look.containers(name=members["undocumented"])}
        assert found(by_name[members["undocumented"]]) == {"undocumented 8082/tcp"}


class TestJoinersOfJoiners:
    def test_they_answer_for_the_owner_even_when_those_between_have_ended(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        owner = stage.run(name="owner", ports={"80/tcp": ("127.0.0.1",)})
        between = stage.run(name="between", network_mode=f"container:{owner.id}")
        last = stage.run(
            "tcp:0.0.0.0:80",
            name="last",
            exposes=("80",),
            network_mode=f"container:{between.id}",
        )
        names = owner.name, last.name
        assert [found(x.container(y)) for x in looks for y in names] == [set()] * 4
        between.sdk.stop()
        assert [found(x.container(y)) for x in looks for y in names] == [set()] * 4


class TestPausedNeighbour:
    def test_it_is_called_so(self, looks: list[Engine], stage: Stage) -> None:
        owner = stage.run(name="owner", ports={"80/tcp": ("127.0.0.1",)})
        member = stage.run(
            "tcp:0.0.0.0:80", name="member", exposes=("80",), network_mode=f"container:{owner.id}"
        )
        member.sdk.pause()
        said = f"{member.name}, which shares its network, listens on 80/tcp, and is paused"
        assert [x.container(owner.name).notes for x in looks] == [(said,)] * 2


class TestOwnerThatRestarted:
    """It gets a new namespace; the joiner stays in the old one."""

    def test_each_is_alone_then(self, looks: list[Engine], stage: Stage) -> None:
        owner = stage.run(
            "tcp:0.0.0.0:80", name="owner", exposes=("80",), ports={"81/tcp": ("127.0.0.1",)}
        )
        joiner = stage.run(
            "tcp:0.0.0.0:81", name="joiner", exposes=("81",), network_mode=f"container:{owner.id}"
        )
        assert [found(x.container(owner.name)) for x in looks] == [set(), set()]
        owner.restart()
        for look in looks:
            after = look.container(owner.name)
            assert found(after) == {"published-silent 81/tcp"}
            (finding,) = after.findings
            assert f": {joiner.name} does, which is in the network that" in finding.message
            assert finding.fix.startswith(f"restart {joiner.name}, as {owner.name}, whose network ")
            assert after.neighbours == ()
            # The old one has no address any more.
            assert heard(look.container(joiner.name)) == {"0.0.0.0:81/tcp unreachable"}
            stray = look.container(joiner.name)
            assert found(stray) == {"unreachable 81/tcp"}
            why = f"restart {joiner.name}, as {owner.name}, whose network it joined, was restarted"
            assert stray.findings[0].fix == why
            assert stray.notes == (f"it is in no network any more: {why}",)
        owner.sdk.stop(timeout=0)
        why = f"start {owner.name}, whose network it joined, and then restart {joiner.name}"
        for look in looks:
            assert look.container(joiner.name).notes[0].endswith(f": {why}")
        owner.sdk.remove(force=True)
        for look in looks:
            note = look.container(joiner.name).notes[0]
            assert f": remove {joiner.name} and create it anew, as the container whose" in note
            assert note.endswith(f" has been removed ({owner.id[:12]})")

    def test_an_owner_that_was_replaced(self, looks: list[Engine], stage: Stage) -> None:
        owner = stage.run(name="owner")
        joiner = stage.run(
            "tcp:0.0.0.0:81", name="joiner", exposes=("81",), network_mode=f"container:{owner.id}"
        )
        owner.sdk.remove(force=True)
        ports = {"81/tcp": ("127.0.0.1",), "82/tcp": ("127.0.0.1",)}
        again = stage.run(name="owner", ports=ports)
        for look in looks:
            served, silent = look.container(again.name).findings
            assert served.message.endswith(f": {joiner.name} does, which is in no network any more")
            assert served.fix.startswith(
                f"if {joiner.name} is to answer there, remove {joiner.name} "
            )
            assert served.fix.endswith("; or start its service")
            assert joiner.name not in silent.message

    def test_a_joiner_that_does_not_run(self, looks: list[Engine], stage: Stage) -> None:
        owner = stage.run(name="owner", ports={"81/tcp": ("127.0.0.1",)})
        mode = f"container:{owner.id}"
        once = stage.run("ready", name="a-once", network_mode=mode)  # which has done its work
        # One of the service's image that does something else, as a migration.
        migrate = {"exposes": ("81",), "entrypoint": ["migrate"]}
        stage.create(name="a-migration", network_mode=mode, **migrate)
        once.sdk.stop(timeout=0)
        for look in looks:
            message = look.container(owner.name).findings[0].message
            assert message.endswith(" listens on 81/tcp")
        second = stage.run("ready", name="second", network_mode=mode)
        mode = f"container:{second.id}"  # the owner's network by another that joined it
        joiner = stage.run("ready", name="joiner", exposes=("81",), network_mode=mode)
        joiner.sdk.stop(timeout=0)
        for look in looks:
            (silent,) = look.container(owner.name).findings
            why = f": {joiner.name}, which is to share its network, doesn't run"
            assert silent.message.endswith(why)
            assert silent.fix == f"start {joiner.name}, or don't publish it"

    def test_a_joiner_that_does_not_run_of_an_owner_that_was_replaced(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        owner = stage.run(name="owner")
        mode = f"container:{owner.id}"
        joiner = stage.run("ready", name="joiner", exposes=("1081",), network_mode=mode)
        other = stage.run("ready", name="other", network_mode=mode)
        for x in (joiner, other):
            x.sdk.stop(timeout=0)
        owner.sdk.remove(force=True)
        again = stage.run(name="owner", ports={"1081/tcp": ("127.0.0.1",)})
        for look in looks:
            (silent,) = look.container(again.name).findings
            why = "joined the network of a container that was removed, doesn't run"
            assert silent.message.endswith(f"; {joiner.name}, which {why}")
            todo = f"create it anew in the network of {again.name}"
            end = f"; or, if {joiner.name} is to answer there, {todo}"
            assert silent.fix == f"start its service, or don't publish it{end}"


class TestNoNetwork:
    def test_is_seen(self, looks: list[Engine], stage: Stage) -> None:
        matching = stage.run("tcp:0.0.0.0:80", exposes=("80",), network_mode="none")
        loopback = stage.run("tcp:127.0.0.1:80", name="l", exposes=("80",), network_mode="none")
        for look in looks:
            seen = look.container(matching.name)
            assert heard(seen) == {"0.0.0.0:80/tcp unreachable"}
            assert found(seen) == {"unreachable 80/tcp"}
            assert "without an IPv4 address" in seen.findings[0].message
            assert found(look.container(loopback.name)) == {"unreachable 80/tcp"}


@pytest.fixture(scope="module")
def beside_dns(shared_stage: Stage) -> dict[str, str]:
    network = shared_stage.network().name
    run = shared_stage.run
    plain = run("tcp:0.0.0.0:80", name="plain", exposes=("80",), network=network)
    own = run(
        "tcp:127.0.0.11:5353",
        "udp:127.0.0.11:5353",
        name="own",
        exposes=("5353/udp",),
        network=network,
    )
    high = run("tcp:127.0.0.11:40000", name="high", exposes=("40000",), network=network)
    return {x.name.rpartition("-")[2]: x.name for x in (plain, own, high)}


class TestDockersDns:
    def test_its_sockets_are_not_the_containers(
        self, look: Engine, beside_dns: dict[str, str]
    ) -> None:
        plain = look.container(beside_dns["plain"])
        assert heard(plain) == {"0.0.0.0:80/tcp reachable"}
        assert found(plain) == set()

    def test_the_containers_own_sockets_at_that_address_are(
        self, look: Engine, beside_dns: dict[str, str]
    ) -> None:
        own = look.container(beside_dns["own"])
        assert heard(own) == {"127.0.0.11:5353/tcp loopback", "127.0.0.11:5353/udp loopback"}
        assert found(own) == {"unreachable 5353/udp"}

    def test_even_on_a_port_that_it_could_have_chosen(
        self, look: Engine, beside_dns: dict[str, str]
    ) -> None:
        high = look.container(beside_dns["high"])
        assert heard(high) == {"127.0.0.11:40000/tcp loopback"}
        assert found(high) == {"unreachable 40000/tcp"}

    def test_they_stay_after_a_disconnect_and_are_still_not_the_containers(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        network = stage.network()
        container = stage.run(
            "tcp:0.0.0.0:80", "udp:0.0.0.0:53", exposes=("80", "53/udp"), network=network.name
        )
        network.disconnect(container.sdk)
        for look in looks:
            seen = look.container(container.name)
            assert heard(seen) == {"0.0.0.0:80/tcp unreachable", "0.0.0.0:53/udp unreachable"}
            assert found(seen) == {"unreachable 80/tcp", "unreachable 53/udp"}

    def test_nor_after_a_restart(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",), network=stage.network().name)
        container.restart()
        for look in looks:
            seen = look.container(container.name)
            assert heard(seen) == {"0.0.0.0:80/tcp reachable"}
            assert found(seen) == set()


class TestPidNamespaces:
    def test_a_process_of_one_inside_has_the_pid_that_the_container_numbers(
        self, netlink: Engine, stage: Stage
    ) -> None:
        script = 'unshare -U -r -p -f sh -c "listener tcp:0.0.0.0:80 ready & wait"'
        nest = stage.script(script, security_opt=["seccomp=unconfined"])
        (seen,) = netlink.observer.snapshots(*_found(netlink, nest.name))
        pids = [x.pid for listener in seen.listeners for x in listener.owners]
        table = nest.sdk.top(ps_args="-eo pid,args")["Processes"]
        (outside,) = [pid for pid, command in table if command.startswith("listener ")]
        with open(f"/proc/{outside}/status") as status:
            (line,) = [x for x in status if x.startswith("NStgid:")]
        _, _, own, inmost = line.split()
        assert own != inmost
        assert pids == [int(own)]


def _found(engine: Engine, name: str) -> tuple[list[Listed], list[Listed]]:
    listed, everyone = engine.observer.find(name)
    return [listed], everyone
