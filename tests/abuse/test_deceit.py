"""A container that wants to fool the audit: what it can make us say, and what it can not."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from docker.types import Ulimit
from engine.test_addresses import pool, served
from engine.test_identity import POWERS
from workload import listener

from pytest_exposed import Container, Engine, NotFoundError, ObservationError
from pytest_exposed.engine.helper import LABEL

if TYPE_CHECKING:
    from stage import Images, Stage, Staged

    Run = Callable[..., Staged]


def heard(container: Container) -> set[str]:
    """Return the listeners, with the name of the process where one is known."""
    return {f"{x} {x.process}" for x in container.listeners}


class TestAFirstThreadThatEnds:
    """Of the process only a zombie is seen then, without a network, while its threads live on."""

    @pytest.fixture
    def run(self, stage: Stage) -> Iterator[Callable[..., Staged]]:
        """Run containers whose processes are ended from outside: to runc they have ended."""
        pids = []

        def run(*words: str, **options: Any) -> Staged:
            container = stage.run(*words, **options)
            container.sdk.reload()
            pids.append(container.sdk.attrs["State"]["Pid"])
            return container

        yield run
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    @pytest.mark.parametrize("words", [("thread", "tcp:0.0.0.0:80"), ("tcp:0.0.0.0:80", "thread")])
    def test_hides_nothing(self, words: tuple[str, ...], looks: list[Engine], run: Run) -> None:
        container = run(*words)
        for look in looks:
            assert heard(look.container(container.name)) == {"0.0.0.0:80/tcp listener"}

    def test_nor_in_a_shared_namespace(self, looks: list[Engine], run: Run) -> None:
        owner = run("tcp:0.0.0.0:80", name="owner")
        joiner = run(
            "thread", "tcp:0.0.0.0:81", name="joiner", network_mode=f"container:{owner.id}"
        )
        for look in looks:
            assert heard(look.container(owner.name)) == {"0.0.0.0:80/tcp listener"}
            assert heard(look.container(joiner.name)) == {"0.0.0.0:81/tcp listener"}

    def test_nor_from_the_helper(self, engine_url: str, helper_image: str, run: Run) -> None:
        container = run("thread", "tcp:0.0.0.0:80")
        with Engine(engine_url, source="helper", helper_image=helper_image) as helper:
            assert heard(helper.container(container.name)) == {"0.0.0.0:80/tcp None"}


class TestASocketHandedOver:
    """By a message of a unix socket (SCM_RIGHTS) that both containers can reach."""

    @pytest.fixture
    def shelf(self) -> Iterator[dict[str, Any]]:
        """Options of containers that share a folder."""
        with TemporaryDirectory(prefix="pe-shelf-") as folder:
            yield {"volumes": {folder: {"bind": "/shelf", "mode": "rw"}}}

    def test_stays_where_it_answers(
        self, shelf: dict[str, Any], looks: list[Engine], stage: Stage
    ) -> None:
        """It is reached at the address of the network that it was made in, whoever holds it."""
        maker = stage.create("tcp:0.0.0.0:80", "give:/shelf/x", "ready", name="maker", **shelf)
        maker.sdk.start()
        taker = stage.run("take:/shelf/x", name="taker", **shelf)
        maker.wait_for("ready")
        for look in looks:
            assert heard(look.container(maker.name)) == {"0.0.0.0:80/tcp None"}
            assert heard(look.container(taker.name)) == set()

    def test_is_its_holders_in_a_shared_namespace(
        self, shelf: dict[str, Any], looks: list[Engine], stage: Stage
    ) -> None:
        maker = stage.create("tcp:0.0.0.0:80", "give:/shelf/x", "ready", name="maker", **shelf)
        maker.sdk.start()
        network = f"container:{maker.id}"
        taker = stage.run("take:/shelf/x", name="taker", network_mode=network, **shelf)
        maker.wait_for("ready")
        for look in looks:
            assert heard(look.container(maker.name)) == set()
            assert heard(look.container(taker.name)) == {"0.0.0.0:80/tcp listener"}


# Without a privilege: podman's own filter of system calls lets user namespaces be made, too.
UNFILTERED = {"security_opt": ["seccomp=unconfined", "apparmor=unconfined"]}

# Continues in a user namespace and a network of the container's own making, with its address.
ELSEWHERE = (
    "address=$(hostname -i || echo 192.0.2.1) && "
    'exec unshare -U -r -n sh -ec "ip addr add $address/32 dev lo;'
)


class TestAddressesOfItsOwnMaking:
    """With CAP_NET_ADMIN a container changes the addresses and routes that its network shows."""

    def test_a_range_in_the_place_of_its_address_hides_nothing(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        container = stage.script(
            "ip address flush dev eth0; ip route add local 172.0.0.0/8 dev lo; "
            "exec listener tcp:0.0.0.0:9999 ready",
            cap_add=["NET_ADMIN"],
        )
        for look in looks:
            seen = look.container(container.name)
            assert {str(x) for x in seen.findings} == {"undocumented 9999/tcp"}

    def test_its_default_route_changes_nothing(self, looks: list[Engine], stage: Stage) -> None:
        prefixes = [f"10.{x}.{secrets.randbelow(256)}" for x in (219, 220)]
        networks = [stage.network(ipam=pool(f"{x}.0/24")) for x in prefixes]
        container = stage.create(
            f"ip route replace default via {prefixes[1]}.1; "
            f"exec listener tcp:{prefixes[1]}.9:80 ready",
            image=stage.images.with_shell(("80",)),
            network=networks[0].name,
            cap_add=["NET_ADMIN"],
            ports={"80/tcp": ("127.0.0.1",)},
        )
        networks[1].connect(container.sdk, ipv4_address=f"{prefixes[1]}.9")
        container.start()
        for look in looks:
            seen = look.container(container.name)
            rules = {x.rule for x in seen.findings}
            assert rules == (set() if served(seen.published[0].host_port) else {"unreachable"})


class TestANetworkOfItsOwnMaking:
    """In a user namespace of its own a container is root, and can make a network like its own."""

    def test_hides_nobody_who_stays(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.script(
            f'listener tcp:0.0.0.0:80 & {ELSEWHERE} exec listener tcp:0.0.0.0:81 ready"',
            **UNFILTERED,
        )
        for look in looks:
            assert {str(x) for x in look.container(container.name).listeners} == {"0.0.0.0:80/tcp"}

    def test_nor_in_anothers_network(self, looks: list[Engine], stage: Stage) -> None:
        owner = stage.run("tcp:0.0.0.0:80", name="owner")
        joiner = stage.script(
            "listener tcp:0.0.0.0:81 & exec unshare -U -r -n listener tcp:0.0.0.0:82 ready",
            name="joiner",
            network_mode=f"container:{owner.id}",
            **UNFILTERED,
        )
        for look in looks:
            assert {str(x) for x in look.container(joiner.name).listeners} == {"0.0.0.0:81/tcp"}
            assert {str(x) for x in look.container(owner.name).listeners} == {"0.0.0.0:80/tcp"}

    @pytest.mark.parametrize("network", ["bridge", "none"])
    def test_is_not_taken_for_its_network(
        self, network: str, looks: list[Engine], stage: Stage
    ) -> None:
        container = stage.script(
            f'{ELSEWHERE} exec listener tcp:0.0.0.0:80 ready"',
            exposes=("80",),
            network_mode=network,
            **UNFILTERED,
        )
        for look in looks:
            with pytest.raises(ObservationError, match="they have left it"):
                look.container(container.name)

    def test_is_doubted_by_the_helper(
        self, engine_url: str, helper_image: str, stage: Stage
    ) -> None:
        container = stage.script(
            f'listener tcp:0.0.0.0:80 & {ELSEWHERE} exec listener ready"', **UNFILTERED
        )
        with (
            Engine(engine_url, source="helper", helper_image=helper_image) as helper,
            pytest.raises(ObservationError, match="in 2 network namespaces with its address"),
        ):
            helper.container(container.name)

    def test_of_a_user_namespace_alone_nothing_is_thought(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        container = stage.script("exec unshare -U -r listener tcp:0.0.0.0:80 ready", **UNFILTERED)
        for look in looks:
            assert heard(look.container(container.name)) == {"0.0.0.0:80/tcp listener"}


def test_a_process_of_the_host_in_the_network_is_not_the_containers(
    netlink: Engine, procfs: Engine, stage: Stage
) -> None:
    """The kernel says who made the socket. The tables of /proc don't: there it is charged."""
    container = stage.run()
    container.sdk.reload()
    enter = ["nsenter", f"--net=/proc/{container.sdk.attrs['State']['Pid']}/ns/net"]
    guest = subprocess.Popen(
        [*enter, listener(), "tcp:0.0.0.0:80", "ready"], stdout=subprocess.PIPE
    )
    try:
        assert guest.stdout is not None
        assert guest.stdout.readline() == b"ready\n"
        assert heard(netlink.container(container.name)) == set()
        assert heard(procfs.container(container.name)) == {"0.0.0.0:80/tcp None"}
    finally:
        guest.kill()
        guest.communicate()


def test_a_wide_range_of_ports_for_clients_keeps_udp_from_the_findings(
    looks: list[Engine], stage: Stage
) -> None:
    """It is listed as ephemeral. TCP is a finding, whatever the range."""
    wide = {"net.ipv4.ip_local_port_range": "1024 65000"}
    container = stage.run("udp:0.0.0.0:5353", "tcp:0.0.0.0:5353", sysctls=wide)
    for look in looks:
        seen = look.container(container.name)
        assert [(str(x), x.kind) for x in seen.listeners] == [
            ("0.0.0.0:5353/tcp", "reachable"),
            ("0.0.0.0:5353/udp", "ephemeral"),
        ]
        assert [str(x) for x in seen.findings] == ["dynamic 5353/tcp"]


class TestDescriptorsOfOneThread:
    """A thread can have a table of descriptors of its own, which is not looked through."""

    def test_hide_nothing_where_the_kernel_says_who_made_a_socket(
        self, netlink: Engine, stage: Stage
    ) -> None:
        assert heard(netlink.container(self._joiner(stage))) == {"0.0.0.0:81/tcp None"}

    def test_hide_a_listener_in_a_shared_namespace_from_procfs_as_root(
        self, procfs: Engine, stage: Stage
    ) -> None:
        assert heard(procfs.container(self._joiner(stage))) == set()

    @staticmethod
    def _joiner(stage: Stage) -> str:
        network = f"container:{stage.run(name='owner').id}"
        words = ("worker", "tcp:0.0.0.0:81")
        return stage.run(*words, name="joiner", network_mode=network, **POWERS).name


class TestTheHelpersLabel:
    """A container, or its image, has the label of the helper, which audits leave out."""

    NAME = f"pytest-exposed-{'0' * 32}"

    def test_hides_nothing(self, looks: list[Engine], images: Images, stage: Stage) -> None:
        image = images.build(
            files={"/bin/listener": listener()},
            instructions=[f"LABEL {LABEL}={self.NAME}", 'ENTRYPOINT ["/bin/listener"]'],
        )
        labelled = stage.run("tcp:0.0.0.0:80", image=image)
        for look in looks:
            assert heard(look.container(labelled.name)) == {"0.0.0.0:80/tcp listener"}

    def test_nor_with_a_helpers_name(self, looks: list[Engine], stage: Stage) -> None:
        named = stage.create("tcp:0.0.0.0:80", "ready", labels={LABEL: self.NAME})
        named.sdk.rename(self.NAME)
        named.start()
        for look in looks:
            assert heard(look.container(named.id)) == {"0.0.0.0:80/tcp listener"}


NASTY = "\x1b[2J\x1b]0;pwned\x07\n::error::x\u202e<b>&\"'|`[x](y)"
"""Escape codes, a new line, a command of CI, marks of HTML and Markdown, reversed writing."""


class TestNames:
    """What a container calls itself, its labels and processes is shown, and does nothing."""

    @pytest.fixture
    def nasty(self, stage: Stage, images: Images) -> Stage:
        image = images.build(
            files={"/bin/listener": listener()},
            instructions=['LABEL nasty="<script>|`x`"', 'ENTRYPOINT ["/bin/listener"]'],
        )
        labels = {"com.docker.compose.service": NASTY, NASTY: NASTY}
        name = f"name:{NASTY[:14]}"
        stage.run(name, "tcp:0.0.0.0:80", "name:\n::error::x", image=image, labels=labels)
        stage.run("name:<b>&|`x`", "tcp:0.0.0.0:81", name="markup", image=image, labels=labels)
        return stage

    def test_in_no_output(
        self,
        nasty: Stage,
        engine_url: str,
        run_pytest: Callable[..., pytest.RunResult],
    ) -> None:
        reports = [f"report.{x}" for x in ("json", "html", "sarif", "md")]
        result = run_pytest(
            *("--docker-host", engine_url, "--exposed-filter", nasty.filter, "-v"),
            *(f"--exposed-report={x}" for x in reports),
            "--junitxml=report.xml",
        )
        result.assert_outcomes(failed=2)
        texts = [result.stdout.str(), result.stderr.str()]
        texts += [Path(x).read_text(encoding="utf-8") for x in (*reports, "report.xml")]
        for text in texts:
            assert all(x.isprintable() or x == "\n" for x in text)
            assert not any(x.lstrip().startswith("::error") for x in text.splitlines())
        html = Path("report.html").read_text(encoding="utf-8")
        assert "<b>&" not in html
        assert "<script>|" not in html

    @pytest.mark.usefixtures("nasty")
    def test_a_service_of_that_name_is_found_and_shown_escaped(self, engine: Engine) -> None:
        with pytest.raises(NotFoundError) as caught:
            engine.container(NASTY)
        assert str(caught.value).isprintable()
        assert "could be 2 containers" in str(caught.value)


def test_ten_thousand_listeners(looks: list[Engine], stage: Stage) -> None:
    limit = {"ulimits": [Ulimit(name="nofile", soft=20_000, hard=20_000)]}
    container = stage.run("tcp:0.0.0.0:1-10000", exposes=("1-10000",), **limit)
    for look in looks:
        seen = look.container(container.name)
        assert len(seen.listening) == 10_000
        assert seen.findings == ()


def test_an_image_with_endless_ports_that_are_none(
    looks: list[Engine], stage: Stage, images: Images
) -> None:
    image = images.load({f"x{i}": {} for i in range(5000)})
    container = stage.run(image=image)
    for look in looks:
        notes = look.container(container.name).notes
        assert len(notes) == 9
        assert notes[-1] == "and 4992 more that are not ports"
