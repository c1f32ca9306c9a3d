"""Source `helper`: one container on the engine, which may read and no more, and never stays."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from demo.images import busybox
from docker.errors import NotFound
from engine.test_identity import IN_CGROUP, POWERS
from remote.common import (
    clock,
    helper_of,
    helpers,
    in_background,
    pytest_process,
    refusing_port,
    running_helper,
)
from remote.registry import registry
from stage import Stage, wait_until

from pytest_exposed import (
    Container,
    Engine,
    ObservationError,
    container_listens_on,
    container_matches_image,
)
from pytest_exposed.engine import helper
from pytest_exposed.engine.helper import LABEL, is_helper
from pytest_exposed.engine.transport import frames
from pytest_exposed.plugin import fixtures
from pytest_exposed.sockets import chain
from pytest_exposed.sockets.cgroups import pids_of
from pytest_exposed.sockets.helper_script import SCRIPT, parse

if TYPE_CHECKING:
    from pathlib import Path

    import docker
    from remote.private import PrivateEngine
    from remote.relay import Relay
    from stage import Images, Staged

HANGS = "exec /bin/busybox sleep 1000"
REAL = '/bin/busybox sh "$@" </dev/null'
"""What a helper's sh would have printed that is asked once."""


@pytest.fixture(scope="module")
def look(helper: Engine) -> Engine:
    return helper


@pytest.fixture(scope="module")
def web(shared_stage: Stage) -> Staged:
    """A container to look at."""
    return shared_stage.run("tcp:0.0.0.0:80", exposes=("80",))


class TestWhatItFinds:
    def test_ipv6_only_as_if_it_were_dual_stack(self, look: Engine, stage: Stage) -> None:
        # /proc shows both alike. To netlink this one is unreachable: there is no IPv6 address.
        container = stage.run("tcp6only:[::]:80", exposes=("80",))
        seen = look.container(container.name)
        (listener,) = seen.listeners
        assert (str(listener), listener.kind) == ("[::]:80/tcp", "reachable")
        assert not listener.v6only
        assert seen.findings == ()

    def test_a_device_is_not_told(self, look: Engine, stage: Stage) -> None:
        # Nor is this: to netlink it is loopback.
        container = stage.run("device:lo:tcp:0.0.0.0:80", exposes=("80",))
        assert look.container(container.name).listening == {"80/tcp"}

    def test_dockers_dns_is_not_the_containers(self, look: Engine, stage: Stage) -> None:
        network = stage.network().name
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",), network=network)
        own = stage.run("udp:127.0.0.11:5353", name="own", network=network)
        seen = look.container(container.name)
        assert [str(x) for x in seen.listeners] == ["0.0.0.0:80/tcp"]
        assert seen.findings == ()
        assert [str(x) for x in look.container(own.name).listeners] == ["127.0.0.11:5353/udp"]

    def test_a_paused_container(self, look: Engine, stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
        container.sdk.pause()
        seen = look.container(container.name)
        assert (seen.state, seen.findings) == ("paused", ())
        assert seen.listening == {"80/tcp"}

    def test_a_container_with_the_pids_of_the_host(self, look: Engine, stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",), pid_mode="host")
        assert look.container(container.name).findings == ()

    def test_a_process_that_names_another_container_is_nobodys(
        self, look: Engine, stage: Stage
    ) -> None:
        # A container may call a cgroup below its own whatever it likes.
        other = stage.run("tcp:0.0.0.0:80", name="other")
        liar = stage.script(
            f"{IN_CGROUP} in_cgroup {other.id} listener tcp:0.0.0.0:6666 ready",
            name="liar",
            **POWERS,
        )
        assert look.container(other.name).listening == {"80/tcp"}
        with pytest.raises(ObservationError, match="the helper found no process of the container"):
            look.container(liar.name)

    def test_the_local_ports_of_the_engine(self, look: Engine, stage: Stage) -> None:
        range_ = {"net.ipv4.ip_local_port_range": "50000 50010"}
        container = stage.run("udp:0.0.0.0:50005", "udp:0.0.0.0:49999", sysctls=range_)
        kinds = {str(x.port): x.kind for x in look.container(container.name).listeners}
        assert kinds == {"49999/udp": "reachable", "50005/udp": "ephemeral"}

    def test_an_ended_container_is_no_empty_one(self, look: Engine, stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80")
        listed, everyone = look.observer.find(container.name)
        container.sdk.kill()
        wait_until(lambda: container.state() == "exited", "its end")
        answer = look.observer.observe([listed], everyone)[container.id]
        assert isinstance(answer, ObservationError)
        assert "has exited with code 137" in str(answer)


@pytest.fixture(scope="module")
def members(images: Images) -> Iterator[dict[str, str]]:
    with Stage(images) as stage:
        owner = stage.run("tcp:0.0.0.0:80", name="owner", exposes=("80",))
        with_owner = {"network_mode": f"container:{owner.id}"}
        joiner = stage.run("tcp:0.0.0.0:81", name="joiner", **with_owner)
        idle = stage.run(name="idle", **with_owner)
        yield {"owner": owner.name, "joiner": joiner.name, "idle": idle.name}


class TestSharedNamespaces:
    """It can't see who made or holds a socket: what hangs on that has no answer."""

    def test_listeners_are_unattributed(self, look: Engine, members: dict[str, str]) -> None:
        for name in members.values():
            container = look.container(name)
            assert {(str(x), x.kind) for x in container.listeners} == {
                ("0.0.0.0:80/tcp", "unattributed"),
                ("0.0.0.0:81/tcp", "unattributed"),
            }
            assert container.listening == set()

    def test_nothing_is_charged_and_nothing_passes(
        self, look: Engine, members: dict[str, str]
    ) -> None:
        for name in members.values():
            with pytest.raises(ObservationError, match=r"is unknown: .* run as root"):
                _ = look.container(name).findings

    def test_what_hangs_on_no_rule_that_is_left_is_judged(
        self, look: Engine, members: dict[str, str]
    ) -> None:
        # The joiner's image documents nothing: what listens there is undocumented, if it is its.
        assert container_matches_image(look, members["joiner"], ignore="undocumented")
        with pytest.raises(ObservationError, match="is unknown"):
            container_matches_image(look, members["joiner"], ignore="silent")
        with pytest.raises(ObservationError, match="is unknown"):
            container_matches_image(look, members["owner"], ignore="undocumented")

    def test_they_are_neighbours(self, look: Engine, members: dict[str, str]) -> None:
        neighbours = look.container(members["owner"]).neighbours
        assert {x.name for x in neighbours} == {members["joiner"], members["idle"]}

    def test_those_of_the_host_are_unattributed(self, look: Engine, stage: Stage) -> None:
        with refusing_port() as port:
            pass
        container = stage.run(f"tcp:127.0.0.1:{port}", network_mode="host")
        seen = look.container(container.name)
        assert seen.listening == set()
        assert {x.kind for x in seen.listeners if x.port.number == port} == {"unattributed"}
        assert {x.kind for x in seen.listeners} <= {"unattributed", "ephemeral"}


class TestItsContainer:
    def test_is_one_for_tests_of_all_running_containers(
        self,
        relay: Relay,
        stage: Stage,
        helper_image: str,
        monkeypatch: pytest.MonkeyPatch,
        pytester: pytest.Pytester,
    ) -> None:
        for number in range(3):
            stage.run(name=f"c{number}")
        pytester.makepyfile(
            "def test_one(running_container): pass\ndef test_other(running_container): pass"
        )
        options = ["--docker-host", relay.url, "--exposed-filter", stage.filter]
        options += ["--exposed-source=helper", f"--exposed-helper-image={helper_image}"]
        lists = []
        for seconds in (3600, 0):
            monkeypatch.setattr(fixtures, "_FRESH", seconds)
            relay.requests.clear()
            pytester.runpytest(*options).assert_outcomes(passed=6)
            assert made(relay) == 1
            # Not those of helpers, at the end: other tests' are among them, or not.
            asked = [x for x in relay.requests if "/containers/json?" in x and LABEL not in x]
            lists.append(len(asked))
        assert lists[1] == lists[0] + 5  # one for each further look

    def test_may_read_and_nothing_else(
        self, engine_url: str, client: docker.DockerClient, images: Images, web: Staged
    ) -> None:
        # Its sh waits for a signal before it does what a sh does.
        waits = ("trap go=1 USR1", 'until [ "$go" ]; do sleep 0.05; done', f"exec {REAL}")
        image = helper_of(images, *waits)
        with (
            Engine(engine_url, source="helper", helper_image=image) as look,
            in_background(lambda: look.container(web.name)) as came_to,
        ):
            helper = running_helper(client, image)
            found = client.api.inspect_container(helper)
            # It has trapped the signal when it sleeps, in a process of its own.
            wait_until(lambda: len(pids_of([helper])[helper]) > 1, "its sh waits")
            client.api.kill(helper, "USR1")
        (container,) = came_to
        assert isinstance(container, Container)
        assert (container.source, container.findings) == ("helper", ())
        assert not helpers(client, image)

        config, host = found["Config"], found["HostConfig"]
        assert found["Name"] == f"/{config['Labels'][LABEL]}"
        script, name, _, identity = config["Cmd"]
        assert (script, name, identity) == (SCRIPT, "sh", web.id)
        assert config["User"] == "65534:65534"
        assert (config["OpenStdin"], config["StdinOnce"], config["Tty"]) == (True, True, False)
        assert host["AutoRemove"] is True
        assert (host["PidMode"], host["NetworkMode"]) == ("host", "none")
        assert (host["ReadonlyRootfs"], host["Privileged"]) == (True, False)
        assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)
        assert "no-new-privileges" in host["SecurityOpt"]
        assert host["LogConfig"]["Type"] == "none"
        assert (host["Memory"], host["PidsLimit"]) == (64 << 20, 16)
        assert (host["Binds"], found["Mounts"], host["Devices"]) == (None, [], None)
        assert found["NetworkSettings"]["Networks"].keys() <= {"none"}


def made(relay: Relay) -> int:
    """Return how many containers were created through a relay."""
    return sum("/containers/create" in x for x in relay.requests)


@pytest.fixture
def through(relay: Relay, helper_image: str) -> Iterator[Engine]:
    """The engine, by a helper and through a relay that counts."""
    with Engine(relay.url, source="helper", helper_image=helper_image) as engine:
        yield engine


class TestItStays:
    """One that has answered is asked again: to start another takes longer than to look."""

    def test_and_sees_what_is_new(self, relay: Relay, through: Engine, stage: Stage) -> None:
        web = stage.run("tcp:0.0.0.0:80", name="web")
        assert through.container(web.name).listening == {80}
        for number in range(3):
            other = stage.run(f"tcp:0.0.0.0:{1000 + number}", name=f"other-{number}")
            assert through.container(other.name).listening == {1000 + number}
            web.restart()
            assert through.container(web.name).listening == {80}
        assert made(relay) == 1

    def test_until_the_engine_is_closed(
        self, relay: Relay, client: docker.DockerClient, helper_image: str, web: Staged
    ) -> None:
        with Engine(relay.url, source="helper", helper_image=helper_image) as engine:
            engine.container(web.name)
            assert helper_made(relay, client)["State"]["Running"] is True
            assert [x for x in engine.observer.running() if is_helper(x)] == []
        with pytest.raises(NotFound):
            helper_made(relay, client)

    def test_while_a_check_waits(self, relay: Relay, through: Engine, stage: Stage) -> None:
        slow = stage.script("echo ready; sleep 1; exec listener tcp:0.0.0.0:80", name="slow")
        assert container_listens_on(through, slow.name, 80, within=30)
        assert made(relay) == 1

    @pytest.mark.parametrize("end", ["kill", "remove"])
    def test_and_is_replaced_where_it_was_ended(
        self,
        end: str,
        relay: Relay,
        through: Engine,
        client: docker.DockerClient,
        web: Staged,
    ) -> None:
        through.container(web.name)
        identity = helper_made(relay, client)["Id"]
        if end == "kill":
            client.api.kill(identity)
        else:
            client.api.remove_container(identity, force=True)
        assert through.container(web.name).listening == {80}
        assert made(relay) == 2

    def test_and_is_replaced_where_it_is_old(
        self, relay: Relay, through: Engine, web: Staged, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Other runs would take it for left behind.
        monkeypatch.setattr(helper.Helper, "_is_young", False)
        for number in range(1, 4):
            assert through.container(web.name).listening == {80}
            assert made(relay) == number

    def test_not_where_its_shell_can_not_wait(
        self, relay: Relay, images: Images, web: Staged
    ) -> None:
        image = helper_of(images, REAL)
        with Engine(relay.url, source="helper", helper_image=image) as engine:
            for number in range(1, 4):
                assert engine.container(web.name).listening == {80}
                assert made(relay) == number

    def test_not_for_a_process_that_was_forked(
        self, relay: Relay, through: Engine, web: Staged, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It would read the answers to others."""
        through.container(web.name)
        here = os.getpid()
        monkeypatch.setattr(os, "getpid", lambda: here + 1)
        assert through.container(web.name).listening == {80}
        assert made(relay) == 2
        monkeypatch.undo()
        assert through.container(web.name).listening == {80}
        assert made(relay) == 3

    def test_and_takes_no_answer_to_another_question(self, through: Engine, web: Staged) -> None:
        through.container(web.name)
        helper = through.observer.remote._helper
        assert helper is not None
        helper._stream.send(f"0 {web.id}\n".encode(), 5)
        with pytest.raises(ObservationError, match="the helper wrote b'@done 0'"):
            through.container(web.name)

    def test_and_holds_no_namespace(
        self, relay: Relay, client: docker.DockerClient, through: Engine, web: Staged
    ) -> None:
        through.container(web.name)
        pid = helper_made(relay, client)["State"]["Pid"]
        held = [os.readlink(f"/proc/{pid}/fd/{x}") for x in os.listdir(f"/proc/{pid}/fd")]
        assert not [x for x in held if "/net/" in x]

    def test_for_no_longer_than_its_run(
        self, engine_url: str, client: docker.DockerClient, images: Images, web: Staged
    ) -> None:
        """That is killed, and can remove nothing: the engine does it."""
        image = images.build(parent=helper_of(images), instructions=["LABEL only=killed"])
        program = f"""
            from pytest_exposed import Engine
            engine = Engine({engine_url!r}, source="helper", helper_image={image!r})
            print(engine.container({web.name!r}).listening, flush=True)
            input()
        """
        run = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with run:
            assert run.stdout is not None
            assert run.stdout.readline() == "80/tcp\n"
            assert helpers(client, image)
            run.kill()
        wait_until(lambda: not helpers(client, image), "the engine has removed it")


def helper_made(relay: Relay, client: docker.DockerClient) -> dict[str, Any]:
    """Return what the engine tells of the last helper that was created through a relay."""
    (*_, line) = [x for x in relay.requests if "/containers/create" in x]
    name = line.rpartition("name=")[2].split()[0]
    return dict(client.api.inspect_container(name))


Why = Callable[..., str]


@pytest.fixture
def why(engine_url: str, client: docker.DockerClient, images: Images, web: Staged) -> Why:
    """Return why a helper sees nothing, whose sh is a script of these lines; it must be gone."""

    def why(*lines: str, image: str | None = None) -> str:
        image = image or helper_of(images, *lines)
        try:
            return reason(engine_url, image, web)
        finally:
            assert not helpers(client, image)

    return why


def reason(engine_url: str, image: str, container: Staged) -> str:
    """Return why a helper of an image sees nothing of a container."""
    with (
        Engine(engine_url, source="helper", helper_image=image) as look,
        pytest.raises(ObservationError) as caught,
    ):
        look.container(container.name)
    first, line = str(caught.value).splitlines()
    assert first == f"no source can see the sockets of {container.name}:"
    assert line.isprintable()
    return line.removeprefix("helper: ")


def with_its_code(found: Callable[[], bool]) -> None:
    """Wait until it is found: the engine may have removed a helper before it is asked for its code.

    Then all that is known is what it wrote.
    """
    wait_until(found, "its exit code is shown")


class TestUselessImages:
    def test_without_sh(self, why: Why, images: Images) -> None:
        found = why(image=images.build())
        assert found.startswith("its container failed: ")
        assert '"sh": executable file not found' in found

    def test_without_cat(self, why: Why) -> None:
        # busybox's sh has a cat of its own: a shell that has none is played.
        lines = ("cat() { return 127; }", "x=$2", "shift 3", 'eval "$x"')
        said = "its container failed: there is no sh or no cat in t"
        with_its_code(lambda: why(*lines).startswith(said))

    def test_that_ends_with_an_error(self, why: Why) -> None:
        with_its_code(lambda: why("exit 3") == "its container failed: it ended with code 3")


NO_END = "the helper did not come to its end; it wrote b'"
NO_PROCESS = "the helper found no process of the container"
NO_TABLE = "is not a row of a table of sockets"


class TestLies:
    """The image is the user's choice, and what it prints is still checked."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames, "LIMIT", 1 << 20)

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            (":", f"{NO_END}'"),
            ("echo hello", rf"{NO_END}hello\n'"),
            ("echo hello; echo @done $4", "the helper wrote something before its first mark"),
            ("echo @before; echo @done $4", "the helper wrote b'@before'"),
            ("echo -n @done $4", "the text ends in the middle of a line"),
            (f"{REAL} | head -c 400", "the text ends in the middle of a line"),
            (f"{REAL} | head -n 9", NO_END),
            ("head -c 5000 /dev/urandom; echo; echo @done $4", "the helper wrote something before"),
            # What it sees, but in the name of another container.
            (f"{REAL} | sed 's/[0-9a-f]\\{{64\\}}/{'ab' * 32}/'", NO_PROCESS),
            (f"{REAL} | sed '/^@after/,/^@end/d'", NO_PROCESS),
            (f"{REAL} | sed 's/:0050 /:00050 /'", f"line 2 of tcp {NO_TABLE}"),
            (f"{REAL} | sed '/^@table tcp6/d'", f"line 3 of tcp {NO_TABLE}"),
            (f"{REAL} | sed 's/^@table udp$/@table tcp/'", "the text has no table udp"),
            (f"{REAL} | sed 's/:0050 /:0000 /'", "tcp has a socket on port 0"),
        ],
    )
    def test_are_found_out(self, line: str, found: str, why: Why) -> None:
        assert found in why(line)

    def test_do_not_flood(self, why: Why) -> None:
        found = "its container failed: the helper wrote over 1048576 bytes"
        assert why("exec /bin/busybox yes @host") == found

    @pytest.mark.parametrize(
        "line",
        ["exec /bin/busybox yes >&2", "while :; do echo @host; sleep 0.1; done", HANGS],
        ids=["floods its errors", "drips", "hangs"],
    )
    def test_do_not_last(self, line: str, why: Why, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(helper, "SECONDS", 2.0)
        began = time.monotonic()
        assert why(line) == "its container took too long"
        assert time.monotonic() - began < 30

    def test_tables_that_it_invents_are_believed(
        self, engine_url: str, images: Images, web: Staged
    ) -> None:
        # Nobody can tell them from true ones: who names an image vouches for it.
        image = helper_of(images, f"{REAL} | sed 's/:0050 /:1F90 /'")
        with Engine(engine_url, source="helper", helper_image=image) as look:
            assert look.container(web.name).listening == {"8080/tcp"}


class TestItsScript:
    SHELLS = ("busybox", "dash", "bash")

    @pytest.mark.parametrize("shell", SHELLS)
    def test_goes_on_where_a_process_ends_meanwhile(self, shell: str) -> None:
        # A /proc of files, where one can't be opened although it is there.
        command = [str(busybox()), "sh"] if shell == "busybox" else [shell]
        identity = "ab" * 32
        script = f"""
            set -e
            mount -t tmpfs none /proc
            mkdir -p /proc/1/net /proc/7/net /proc/8/net /proc/self
            ln -s {busybox()} /proc/self/exe
            for x in 7 8; do echo 0::/docker/{identity} > /proc/$x/cgroup; done
            mknod /proc/7/net/tcp c 240 0
            echo the table > /proc/8/net/tcp
            exec {shlex.join([*command, "-c", SCRIPT, "sh", "5", identity])}
        """
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        assert (done.returncode, lines[-1]) == (0, "@done 5")
        assert "@process 8" in lines
        assert lines[lines.index("@table tcp") + 1] == "the table"

    @pytest.mark.parametrize("shell", SHELLS)
    def test_one_namespace_is_one_where_a_process_ends_before_it_is_compared(
        self, shell: str
    ) -> None:
        # The first process goes when the cgroup of the second is read.
        command = [str(busybox()), "sh"] if shell == "busybox" else [shell]
        identity = "ab" * 32
        script = f"""
            set -e
            mount -t tmpfs none /proc
            mkdir -p /proc/1/net /proc/7/net /proc/8/net /proc/self/fd
            ln -s {busybox()} /proc/self/exe
            echo the table > /proc/7/net/tcp
            ln /proc/7/net/tcp /proc/8/net/tcp
            ln -s /proc/8/net/tcp /proc/self/fd/9
            echo 0::/docker/{identity} > /proc/7/cgroup
            mkfifo /proc/8/cgroup
            {{
                cp /proc/7/cgroup /proc/8/new
                rm -r /proc/7
                mv /proc/8/new /proc/8/cgroup
                echo 0::/docker/{identity}
            }} > /proc/8/cgroup &
            exec {shlex.join([*command, "-c", SCRIPT, "sh", "5", identity])}
        """
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        found, _, _ = parse(done.stdout, b"@done 5\n")
        assert [(x.pid, x.owner({identity.encode()})) for x in found] == [(8, identity)]

    @pytest.mark.parametrize("shell", SHELLS)
    def test_looks_again_for_each_line(self, shell: str) -> None:
        command = [str(busybox()), "sh"] if shell == "busybox" else [shell]
        looks = 1 if shell == "dash" else 3  # its read waits for ever
        done = subprocess.run(
            [*command, "-c", SCRIPT, "sh", "0", "ab" * 32],
            input=f"1 {'cd' * 32} {'ef' * 32}\n2\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout.splitlines() == [
            y for x in range(looks) for y in ("@host ", f"@done {x}")
        ]

    @pytest.mark.parametrize("shell", SHELLS)
    def test_ends_where_no_line_comes(self, shell: str) -> None:
        command = [str(busybox()), "sh"] if shell == "busybox" else [shell]
        script = SCRIPT.replace("-t 30", "-t 1")
        assert script != SCRIPT
        with subprocess.Popen(
            [*command, "-c", script, "sh", "0", "ab" * 32],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as run:
            assert run.wait(20) == 0

    @pytest.mark.parametrize("shell", SHELLS)
    def test_says_so_where_there_is_no_cat(self, shell: str) -> None:
        if shell == "busybox":
            script = f"cat() {{ return 127; }}\n{SCRIPT}"  # it is a part of the shell
            command = [str(busybox()), "sh"]
        else:
            script, command = SCRIPT, [f"/bin/{shell}"]
        environment = {"PATH": "/nowhere"}
        done = subprocess.run(
            [*command, "-c", script, "sh", "0", "ab" * 32],
            env=environment,
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (127, b"@no cat\n")


class TestItsEnd:
    def test_by_being_killed(self, why: Why, client: docker.DockerClient, images: Images) -> None:
        image = helper_of(images, "echo @host", HANGS)

        def found() -> bool:
            with in_background(lambda: why(image=image)) as came_to:
                client.api.kill(running_helper(client, image))
            return came_to == ["its container failed: it ended with code 137"]

        with_its_code(found)

    def test_by_being_removed(
        self, engine_url: str, client: docker.DockerClient, images: Images, web: Staged
    ) -> None:
        image = helper_of(images, "echo @host", HANGS)
        with in_background(lambda: reason(engine_url, image, web)) as came_to:
            helper = running_helper(client, image)
            client.api.remove_container(helper, force=True)
        assert str(came_to[0]).startswith(("its container failed: ", NO_END))
        assert not helpers(client, image)

    def test_by_an_interrupt(
        self, engine_url: str, images: Images, stage: Stage, tmp_path: Path
    ) -> None:
        stage.run("tcp:0.0.0.0:80")
        image = helper_of(images, HANGS)
        run = pytest_process(tmp_path, *_by_helper(engine_url, image, stage))
        running_helper(stage.client, image)
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=20)
        assert run.returncode == pytest.ExitCode.INTERRUPTED, output
        assert not helpers(stage.client, image)

    def test_after_a_killed_run_by_a_later_one(
        self,
        private: PrivateEngine,
        private_stage: Stage,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        client, images = private_stage.client, private_stage.images
        container = private_stage.run("tcp:0.0.0.0:80", exposes=("80",))
        labelled = private_stage.run(name="labelled", labels={LABEL: "x"})
        image = helper_of(images, HANGS)
        run = pytest_process(tmp_path, *_by_helper(private.url, image, private_stage))
        running_helper(client, image)
        run.kill()
        run.communicate()
        (left,) = helpers(client, image)

        def look() -> None:
            with Engine(private.url, source="helper", helper_image=helper_of(images)) as engine:
                assert engine.container(container.name).findings == ()

        look()
        assert helpers(client, image)  # its run might still be at work
        # On an engine that others use, too, this would remove their helpers.
        monkeypatch.setattr(helper, "LEFT_AFTER", 12)
        wait_until(lambda: clock(client) - left["Created"] > 12, "it is older than any gets")
        look()
        assert not helpers(client, image)
        assert labelled.state() == "running"  # it has nothing of a helper but the label

    @pytest.mark.parametrize("kind", ["audit", "suite"])
    def test_that_is_not_answered_is_told_when_all_is_over(
        self,
        kind: str,
        relay: Relay,
        stage: Stage,
        helper_image: str,
        pytester: pytest.Pytester,
    ) -> None:
        web = stage.run("tcp:0.0.0.0:80", exposes=("80",))
        relay.meddle = lambda line: (lambda _: None) if line.startswith("DELETE") else None
        given = _by_helper(relay.url, helper_image, stage)
        given += ["--exposed"] if kind == "audit" else []
        if kind == "suite":
            given = given[: given.index("--exposed-filter")]
            pytester.makepyfile(
                f"def test_it(container_listens_on): assert container_listens_on('{web.name}', 80)"
            )
        result = pytester.runpytest("-W", "error", *given)
        result.assert_outcomes(passed=1)
        assert result.ret == pytest.ExitCode.OK
        (line,) = [x for x in result.errlines if x]
        assert line.startswith(f"pytest-exposed: {relay.url}: DELETE /containers/")
        name = line.rpartition("docker rm -f ")[2]
        wait_until(  # its input has ended, and so has it
            lambda: not stage.client.api.containers(all=True, filters={"name": name}), "its removal"
        )


def _by_helper(url: str, image: str, stage: Stage) -> list[str]:
    given = ["--docker-host", url, "--exposed-source=helper", "--exposed-helper-image", image]
    return [*given, "--exposed-filter", stage.filter]


class TestItsImage:
    def test_is_a_busybox_of_the_engine_if_none_is_named(
        self, private: PrivateEngine, private_stage: Stage
    ) -> None:
        container = private_stage.run("tcp:0.0.0.0:80", exposes=("80",))
        images = private_stage.client.images
        made = images.get(helper_of(private_stage.images))
        for name in ("registry.example/busybox", "notbusybox", "busybox"):
            made.tag(name, "test")
        try:
            with Engine(private.url, source="helper") as look:
                assert look.container(container.name).findings == ()
        finally:
            for name in ("registry.example/busybox", "notbusybox", "busybox"):
                images.remove(f"{name}:test")

    def test_if_there_is_none_the_option_is_named(
        self,
        private: PrivateEngine,
        private_stage: Stage,
        run_pytest: Callable[..., pytest.RunResult],
    ) -> None:
        container = private_stage.run("tcp:0.0.0.0:80", exposes=("80",))
        result = run_pytest("--docker-host", private.url, "--exposed-source=helper")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                f"no source can see the sockets of {container.name}:",
                "helper: it needs an image with sh and cat: * --exposed-helper-image names none",
            ]
        )

    def test_that_is_named_and_cannot_be_had_is_told_where_exec_looks(
        self,
        relay: Relay,
        stage: Stage,
        run_pytest: Callable[..., pytest.RunResult],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        container = stage.script("listener tcp:0.0.0.0:80 ready", exposes=("80",))
        monkeypatch.setattr(chain, "ORDER", chain.REMOTE)  # as where the kernel is another one
        given = ("--docker-host", relay.url, "--exposed", "--exposed-filter", stage.filter)
        result = run_pytest(*given, "--exposed-helper-image=127.0.0.1:9/no/such")
        result.assert_outcomes(passed=1)
        note = f"exposed: {container.name}: it was seen by exec, which believes its image"
        result.stdout.fnmatch_lines(
            [f"{note}; helper: its image 127.0.0.1:9/no/such is missing and can't be *"]
        )
        result = run_pytest(*given, "--exposed-source=exec")
        result.stdout.no_fnmatch_line("*believes*")

    def test_that_is_named_and_missing_is_pulled(
        self, private: PrivateEngine, private_stage: Stage
    ) -> None:
        container = private_stage.run("tcp:0.0.0.0:80", exposes=("80",))
        images = private_stage.client.images
        with registry() as found:
            names = [f"{found.address}/tools/box:7", f"{found.address}/plain"]
            names += [f"{found.address}/by/digest@{found.digest}"]
            for name in names:
                with Engine(private.url, source="helper", helper_image=name) as look:
                    assert look.container(container.name).findings == ()
            assert "/v2/tools/box/manifests/7" in found.asked
            assert "/v2/plain/manifests/latest" in found.asked
            assert f"/v2/by/digest/manifests/{found.digest}" in found.asked
            del found.asked[:]
            with Engine(private.url, source="helper", helper_image=names[0]) as look:
                look.container(container.name)
            assert found.asked == []
        for name in names:
            images.remove(name)

    def test_that_can_not_be_pulled(self, why: Why) -> None:
        with refusing_port() as port:
            found = why(image=f"127.0.0.1:{port}/nosuch:1")
        assert found.startswith(
            f"its image 127.0.0.1:{port}/nosuch:1 is missing and can't be pulled: "
        )
        assert "connection refused" in found

    def test_that_breaks_while_it_is_pulled(
        self, private: PrivateEngine, private_stage: Stage
    ) -> None:
        container = private_stage.run("tcp:0.0.0.0:80")
        with registry(broken=True) as place:
            found = reason(private.url, f"{place.address}/box:1", container)
        assert found.startswith(f"its image {place.address}/box:1 is missing and can't be pulled: ")

    @pytest.mark.parametrize("name", ["no such image", "-v", "UPPER/case", "a" * 300, "x:\x1b[2J"])
    def test_that_is_no_name_of_one(self, name: str, engine_url: str, web: Staged) -> None:
        assert reason(engine_url, name, web).startswith("its image ")


def test_a_run_that_can_not_see_fails_with_each_reason(
    engine_url: str, web: Staged, shared_stage: Stage, run_pytest: Callable[..., pytest.RunResult]
) -> None:
    with refusing_port() as port:
        image = f"127.0.0.1:{port}/nosuch:1"
        result = run_pytest(*_by_helper(engine_url, image, shared_stage))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"no source can see the sockets of {web.name}:",
            f"helper: its image {image} is missing and can't be pulled: *",
            "exposed: 1 container on 1 host, 0 match, *",
        ]
    )
