"""`--docker-host swarm://MANAGER`: every ready node of a real swarm, of one machine and of two."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from demo.throwaway import connect
from engines import started
from stage import Images, wait_until
from swarm.nodes import CABLE, Machine, machines
from swarm.services import ANYWHERE, Services

from pytest_exposed import Engine, ObservationError, container_publishes

if TYPE_CHECKING:
    from pathlib import Path

    import docker

Run = Callable[..., pytest.RunResult]
Audit = Callable[..., str]


@pytest.fixture(scope="class")
def web(manager_images: Images) -> Iterator[None]:
    """A service of two tasks on the one node."""
    with Services(manager_images) as services:
        services.run("web", "tcp:0.0.0.0:80", exposes=("80",), publishes={18080: 80}, replicas=2)
        yield


@pytest.mark.usefixtures("web")
class TestOneNode:
    def test_is_the_manager(self, run_pytest: Run, manager: Machine) -> None:
        result = run_pytest("--docker-host", f"swarm://{manager.url}")
        result.assert_outcomes(passed=2)
        # Its name is in the ids, though it is the only one: another node may join.
        result.stdout.fnmatch_lines(
            [
                f"exposed: * ({manager.url}), 2 running containers",
                "exposed[[]*[]] ..*",
                "exposed: 2 containers on 1 host, 2 match",
            ]
        )

    def test_is_the_default_engine(
        self, run_pytest: Run, manager: Machine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", manager.url)
        run_pytest("--docker-host", "swarm://").assert_outcomes(passed=2)

    def test_a_service_is_no_test(self, run_pytest: Run, manager: Machine) -> None:
        result = run_pytest("--docker-host", manager.url, "exposed::web")
        told = "*: service web has 2 tasks here, each with a test of its own: choose them by -k web"
        result.stderr.fnmatch_lines([told])


class TestNoManager:
    def test_is_refused(self, run_pytest: Run, engine_url: str) -> None:
        result = run_pytest("--docker-host", f"swarm://{engine_url}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [x for x in result.errlines if x]
        assert line.startswith(
            f"ERROR: pytest-exposed: {engine_url}: GET /nodes failed: This node is not a swarm "
        )

    def test_is_a_failing_item_among_several(
        self, run_pytest: Run, engine_url: str, manager: Machine
    ) -> None:
        hosts = [f"--docker-host={x}" for x in (f"swarm://{engine_url}", manager.url)]
        result = run_pytest(*hosts)
        result.stdout.fnmatch_lines(["*GET /nodes failed: This node is not a swarm manager*"])
        result.assert_outcomes(failed=1)

    def test_that_is_no_address(self, run_pytest: Run) -> None:
        result = run_pytest("--docker-host", "swarm://ansible://web")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*'ansible://web' is a list of engines*"])


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Machine, Machine]]:
    """A manager and a worker."""
    with started(machines(2)) as (first, second):
        with closing(connect(first.url)) as manager, closing(connect(second.url)) as worker:
            manager.swarm.init(advertise_addr=first.address)
            token = manager.swarm.attrs["JoinTokens"]["Worker"]
            worker.swarm.join([f"{first.address}:2377"], token, advertise_addr=second.address)
        yield first, second


@pytest.fixture(scope="module")
def clients(
    pair: tuple[Machine, Machine],
) -> Iterator[tuple[docker.DockerClient, docker.DockerClient]]:
    with closing(connect(pair[0].url)) as manager, closing(connect(pair[1].url)) as worker:
        yield manager, worker


@pytest.fixture(scope="module")
def across(clients: tuple[docker.DockerClient, docker.DockerClient]) -> Iterator[Services]:
    """A service with a task on each of two nodes, which publishes a port that none of them has."""
    both = [Images(x, "pair") for x in clients]
    (tag,) = {x.build(exposes=("80",)) for x in both}
    with Services(both[0], clients[1]) as services:
        services.run(
            *("wrong", "tcp:0.0.0.0:80", "ready"), image=tag, publishes={18080: 81}, replicas=None
        )
        yield services


@pytest.fixture
def audit(pair: tuple[Machine, Machine], across: Services, tmp_path: Path) -> Audit:
    """Audit from the manager's machine, and return what pytest prints."""
    assert across

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--exposed", "-rf"]
        done = subprocess.run(
            pair[0].enter(*command, "--exposed-grace=0", *arguments),
            cwd=tmp_path,
            env={**os.environ, "DOCKER_CLIENT_TIMEOUT": "5"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
        return done.stdout

    return run


def nodes(client: docker.DockerClient) -> dict[str, Mapping[str, Any]]:
    return {x["Status"]["Addr"]: x for x in client.api.nodes()}


class TestTwoNodes:
    def test_are_audited_and_findings_of_a_service_counted_once(
        self, audit: Audit, pair: tuple[Machine, Machine]
    ) -> None:
        printed = audit("--docker-host", f"swarm://{pair[0].tcp_url}")
        assert "exposed: 2 containers on 2 hosts, 0 match, 2 do not (published-silent 1)" in printed
        for machine in pair:
            assert f"({machine.tcp_url}), 1 running container" in printed
            assert f"@{machine.address}]::wrong." in printed

    def test_by_workers_of_pytest_xdist(self, audit: Audit, pair: tuple[Machine, Machine]) -> None:
        printed = audit("--docker-host", f"swarm://{pair[0].tcp_url}", "-n", "2")
        assert "exposed: 2 containers on 2 hosts, 0 match, 2 do not (published-silent 1)" in printed

    def test_a_suite_skips_nodes_without_a_task(
        self,
        pair: tuple[Machine, Machine],
        clients: tuple[docker.DockerClient, docker.DockerClient],
        tmp_path: Path,
    ) -> None:
        (tmp_path / "test_web.py").write_text(
            "import pytest\n"
            "def test_web(exposed, container_publishes, container_listens_on):\n"
            "    if not exposed.containers(label='com.docker.swarm.service.name=single'):\n"
            "        pytest.skip('no task of it on this node')\n"
            "    assert container_listens_on('single', 80)\n"
            "    assert container_publishes('single', '18081:80')\n"
        )
        both = [Images(x, "pair") for x in clients]
        (tag,) = {x.build(exposes=("80",)) for x in both}
        with Services(both[0], clients[1]) as services:
            services.run("single", "tcp:0.0.0.0:80", "ready", image=tag, publishes={18081: 80})
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs"]
            done = subprocess.run(
                pair[0].enter(*command, f"--docker-host=swarm://{pair[0].tcp_url}"),
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        assert "1 passed, 1 skipped" in done.stdout, done.stdout + done.stderr

    def test_a_worker_alone_does_not_know(
        self, pair: tuple[Machine, Machine], across: Services
    ) -> None:
        assert across
        with Engine(pair[1].url) as engine:
            (task,) = engine.containers()
            assert task.published == ()
            with pytest.raises(ObservationError, match="only a manager of the swarm knows it"):
                _ = task.findings
            with pytest.raises(ObservationError, match="only a manager of the swarm knows it"):
                container_publishes(engine, "wrong", 81)

    def test_a_worker_alone_does_not_pass(
        self, audit: Audit, pair: tuple[Machine, Machine]
    ) -> None:
        printed = audit("--docker-host", pair[1].tcp_url)
        assert "GET /services failed: This node is not a swarm manager." in printed
        assert "with --docker-host swarm://MANAGER" in printed
        assert "exposed: 1 container on 1 host, 0 match, 1 could not be judged" in printed

    def test_other_nodes_are_out_of_a_socket_s_reach(
        self, audit: Audit, pair: tuple[Machine, Machine]
    ) -> None:
        printed = audit("--docker-host", f"swarm://{pair[0].url}")
        assert (
            "1 container on 2 hosts, 0 match, 1 do not (published-silent 1), 1 host not" in printed
        )
        assert (
            f"@{pair[1].address}, a node at {pair[1].address}, can't be reached through "
            f"{pair[0].url}: give its manager's address as ssh:// or tcp://"
        ) in printed

    def test_a_drained_one_is_a_line(
        self,
        audit: Audit,
        pair: tuple[Machine, Machine],
        clients: tuple[docker.DockerClient, docker.DockerClient],
    ) -> None:
        api = clients[0].api
        node = nodes(clients[0])[pair[1].address]

        def set_availability(word: str) -> None:
            now = api.inspect_node(node["ID"])
            spec = {**now["Spec"], "Availability": word}
            api.update_node(node["ID"], now["Version"]["Index"], spec)

        set_availability("drain")
        try:
            printed = audit("--docker-host", f"swarm://{pair[0].tcp_url}")
        finally:
            set_availability("active")
        line = f"@{pair[1].address}, a node that is drained: not audited"
        assert [x for x in printed.splitlines() if x.startswith("exposed: ") and line in x]
        assert "exposed: 1 container on 1 host, 0 match" in printed

    def test_one_that_goes_is_a_failing_item_and_then_a_line(
        self,
        audit: Audit,
        pair: tuple[Machine, Machine],
        clients: tuple[docker.DockerClient, docker.DockerClient],
    ) -> None:
        cable = pair[1].enter("ip", "link", "set", CABLE)
        host = f"swarm://{pair[0].tcp_url}"
        assert self.state(pair, clients) == "ready"
        subprocess.run([*cable, "down"], check=True)
        try:
            printed = audit("--docker-host", host)
            assert "exposed: 1 container on 2 hosts, 0 match, 1 do not (published" in printed
            assert f"@{pair[1].address}] - " in printed
            down = lambda: self.state(pair, clients) == "down"  # noqa: E731
            wait_until(down, "the manager misses its worker", ANYWHERE)
            printed = audit("--docker-host", host)
        finally:
            subprocess.run([*cable, "up"], check=True)
        assert f"@{pair[1].address}, a node that is down: not audited" in printed
        assert "exposed: 1 container on 1 host" in printed

    def state(
        self,
        pair: tuple[Machine, Machine],
        clients: tuple[docker.DockerClient, docker.DockerClient],
    ) -> str:
        return str(nodes(clients[0])[pair[1].address]["Status"]["State"])
