"""Where rootless engines lead what containers publish: by connecting, and as the audit says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import commoner
import pytest
from commoner import run_as_commoner
from newer.rootless import ADDRESS, USER
from stage import wait_until

from pytest_exposed import Engine, ObservationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from newer.daemons import NewerEngine

LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")

# A proxy accepts for a server that isn't there, and closes: one that answers keeps it open.
CONNECT = """
import json, socket, sys
def answers(address, port):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as client:
        client.settimeout(0.5)
        try:
            client.connect((address, port))
            client.recv(1)
        except TimeoutError:
            return True
        except OSError:
            pass
        return False
print(json.dumps([x for x in sys.argv[2:] if answers(x, int(sys.argv[1]))]))
"""

AUDIT = """
import json, sys
from pytest_exposed import Engine
with Engine(sys.argv[1]) as engine:
    print(json.dumps([str(x) for x in engine.container(sys.argv[2]).findings]))
"""

EVERYWHERE = ["127.0.0.1", ADDRESS, "::1"]
IPV4 = ["127.0.0.1", ADDRESS]
SERVERS = {
    "any": "tcp:0.0.0.0:8080",
    "loopback": "tcp:127.0.0.1:8080",
    "ipv6only": "tcp6only:[::]:8080",
    "loopback6": "tcp:[::1]:8080",
    "none": "tcp:0.0.0.0:8081",
}


class Run:
    """Containers of one test, by the engine's own command."""

    def __init__(self, engine: NewerEngine, program: str) -> None:
        self.engine = engine
        self.program = program
        self.image = engine.images.build(exposes=("8080", "8081"))

    def __call__(self, server: str, *options: str) -> str:
        limits = LIMITS if self.program == "podman" else ()
        words = ("run", "-d", "--name", "published", *limits, *options, self.image, server, "ready")
        self.command(*words)
        wait_until(lambda: "ready" in self.command("logs", "published"), "it is ready")
        return "published"

    def command(self, *words: str) -> str:
        return self.engine.command(self.program, *words)

    def answering(self, *addresses: str) -> list[str]:
        """Return the addresses of the machine at which the container's port 8080 answers."""
        port = self.command("port", "published", "8080").split()[0].rpartition(":")[2]
        connect = [sys.executable, "-c", CONNECT, port, *(addresses or EVERYWHERE)]
        network = f"--net=/proc/{self.engine.machine.pid}/ns/net"
        done = subprocess.run(
            ["nsenter", network, *connect], capture_output=True, text=True, check=True
        )
        found: list[str] = json.loads(done.stdout)
        return found

    def findings(self) -> list[str]:
        with Engine(self.engine.url) as engine:
            return [str(x) for x in engine.container("published").findings]

    def close(self) -> None:
        self.engine.command(self.program, "rm", "-f", "published", check=False)


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commoner is the user of the engines."""
    monkeypatch.setattr(commoner, "NOBODY", USER)


@pytest.fixture
def podman(podman_rootless_cgroups: NewerEngine) -> Iterator[Run]:
    run = Run(podman_rootless_cgroups, "podman")
    yield run
    run.close()


@pytest.fixture
def docker(docker_rootless: NewerEngine) -> Iterator[Run]:
    run = Run(docker_rootless, "docker")
    yield run
    run.close()


@pytest.fixture(scope="module")
def networks(podman_rootless_cgroups: NewerEngine, docker_rootless: NewerEngine) -> Iterator[None]:
    podman, docker = podman_rootless_cgroups.command, docker_rootless.command
    for command in (podman, docker):
        program = "podman" if command is podman else "docker"
        command(program, "network", "create", "four")
        command(program, "network", "create", "--ipv6", "dual")
    yield
    for command in (podman, docker):
        program = "podman" if command is podman else "docker"
        command(program, "network", "rm", "four", "dual")


def expected(server: str, answers: list[str]) -> list[str]:
    """Return the findings on port 8080 and 8081 where it answers at some addresses."""
    if server == "none":
        return ["published-silent 8080/tcp"]
    return [*([] if answers else ["unreachable 8080/tcp"]), "silent 8081/tcp"]


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("network", "truth"),
    [
        ("pasta", {"any": IPV4, "ipv6only": ["::1"]}),
        ("slirp4netns", {"any": EVERYWHERE}),
        ("slirp4netns:port_handler=slirp4netns", {"any": IPV4}),
        ("four", {"any": EVERYWHERE}),
        ("dual", {"any": EVERYWHERE}),
    ],
)
def test_podman(podman: Run, network: str, truth: dict[str, list[str]], server: str) -> None:
    podman(SERVERS[server], f"--network={network}", "-p", "8080")
    answers = truth.get(server, [])
    # Until pasta has seen an IPv6 address of the container, it leads ::1 of the host to loopback.
    asked = IPV4 if (network, server) == ("pasta", "loopback6") else EVERYWHERE
    assert podman.answering(*asked) == answers
    assert podman.findings() == expected(server, answers)


@pytest.mark.parametrize(
    ("network", "answers"), [("pasta", []), ("pasta:--host-lo-to-ns-lo", ["127.0.0.1"])]
)
def test_pasta_may_lead_the_hosts_loopback_to_the_containers(
    podman: Run, network: str, answers: list[str]
) -> None:
    podman(SERVERS["loopback"], f"--network={network}", "-p", "127.0.0.1::8080")
    assert podman.answering() == answers
    with pytest.raises(ObservationError, match=r"127\.0\.0\.1:8080 .* is unknown: some versions"):
        podman.findings()


def test_what_pasta_publishes_to_the_outside_does_not_lead_to_loopback(podman: Run) -> None:
    podman(SERVERS["loopback"], "--network=pasta:--host-lo-to-ns-lo", "-p", "8080")
    assert podman.answering(ADDRESS) == []
    assert "unreachable 8080/tcp" in podman.findings()


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("network", "truth"),
    [("four", {"any": EVERYWHERE}), ("dual", {"any": IPV4, "ipv6only": ["::1"]})],
)
def test_docker(docker: Run, network: str, truth: dict[str, list[str]], server: str) -> None:
    docker(SERVERS[server], f"--network={network}", "-p", "8080")
    answers = truth.get(server, [])
    assert docker.answering() == answers
    assert docker.findings() == expected(server, answers)


@pytest.mark.parametrize("engine", ["podman", "docker"])
@pytest.mark.parametrize(
    ("server", "findings"),
    [
        ("tcp:0.0.0.0:8080", ["silent 8081/tcp"]),
        ("tcp:127.0.0.1:8080", ["silent 8081/tcp", "unreachable 8080/tcp"]),
        ("tcp:0.0.0.0:8081", ["published-silent 8080/tcp"]),
    ],
)
@pytest.mark.parametrize("network", ["private", "host"])
@pytest.mark.usefixtures("as_user")
def test_as_that_user(
    engine: str,
    server: str,
    findings: list[str],
    network: str,
    request: pytest.FixtureRequest,
) -> None:
    run: Run = request.getfixturevalue(engine)
    options = ["--network=host"] if network == "host" else ["-p", "8080"]
    run(server, *options)
    if network == "host":
        findings = [x.replace("published-", "") for x in findings]
    done = run_as_commoner(sys.executable, "-c", AUDIT, run.engine.url, "published", group=USER)
    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)) == findings


@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize(
    ("engine", "network"), [("podman", "pasta"), ("podman", "four"), ("docker", "four")]
)
def test_one_that_leaves_its_network_is_an_error(
    engine: str, network: str, request: pytest.FixtureRequest
) -> None:
    """Podman shows no address of one that is in no network of its own."""
    run: Run = request.getfixturevalue(engine)
    run.image = run.engine.images.with_shell(("8080",))
    options = (f"--network={network}", "--security-opt=seccomp=unconfined")
    run("exec unshare -Urn /bin/listener tcp:0.0.0.0:8080 ready", *options)
    with pytest.raises(ObservationError, match="they have left it"):
        run.findings()
