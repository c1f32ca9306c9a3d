"""Podman 5 as its users run it: pods, containers without an image, paused ones, health checks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from remote.common import listener_with_cat
from remote.relay import Relay
from stage import wait_until
from workload import listener

from pytest_exposed import Engine, container_publishes

if TYPE_CHECKING:
    from pytest_exposed import Container

LIMITS = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
"""Limits above the caller's are refused to containers where a machine lacks CAP_SYS_RESOURCE."""


class Podman:
    """Pods and containers of the tests, by the podman command; all are removed at the end."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.url: str = engine.url
        self.web: str = engine.images.build(exposes=("80",))
        self.plain: str = engine.images.build()
        self.with_cat = listener_with_cat(engine.images, exposes=("80",))

    def __call__(self, *words: str) -> str:
        return str(self._engine.command("podman", "--url", self.url, *words))

    def run(self, name: str, *words: str, wait: bool = True) -> str:
        """Run a container of options, image and the listener's words; return when it is ready."""
        self("run", "-d", *LIMITS, "--name", name, *words, "ready")
        if wait:
            wait_until(lambda: "ready" in self("logs", name).splitlines(), f"{name} is ready")
        return name

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Remove all pods and containers at the end."""
        try:
            yield
        finally:
            self("pod", "rm", "--all", "--force", "--time=0")
            self("rm", "--all", "--force", "--time=0")


@pytest.fixture
def podman(podman_5: Any) -> Iterator[Podman]:
    podman = Podman(podman_5)
    with podman.cleared():
        yield podman


@pytest.fixture
def audit(pytester: pytest.Pytester, podman: Podman) -> Callable[..., pytest.RunResult]:
    """Audit the engine."""

    def audit(*arguments: str) -> pytest.RunResult:
        given = ["--exposed", "--docker-host", podman.url, "-v", *arguments]
        return pytester.runpytest("--exposed-grace=0", *given)

    return audit


def found(container: Container) -> list[str]:
    return [str(x) for x in container.findings]


@pytest.fixture(scope="module")
def rootfs(podman_5: Any) -> Iterator[Path]:
    """A folder that a container can be made of, where the engine sees it."""
    folder = Path(podman_5.url.removeprefix("unix://")).parent / "rootfs"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(listener(), folder / "bin/listener")
    yield folder
    shutil.rmtree(folder)


class TestWithoutImage:
    def test_one_ends_nothing_for_others(
        self, podman: Podman, rootfs: Path, audit: Callable[..., pytest.RunResult]
    ) -> None:
        podman.run("web", podman.web, "tcp:0.0.0.0:80")
        podman.run("folder", "--rootfs", str(rootfs), "/bin/listener", "tcp:0.0.0.0:90")
        podman.run("idle", "--rootfs", str(rootfs), "/bin/listener")
        with Engine(podman.url) as engine:
            seen = {x.name: x for x in engine.containers()}
        assert {x: found(y) for x, y in seen.items()} == {
            "web": [],
            "idle": [],
            "folder": ["undocumented 90/tcp"],
        }
        (finding,) = seen["folder"].findings
        assert finding.message.endswith("and it has no image that could EXPOSE it")
        assert "Dockerfile" not in finding.fix
        assert finding.fix.endswith("exposed_allow: folder: 90/tcp  # reason")
        result = audit()
        result.assert_outcomes(passed=2, failed=1)
        waiver = finding.fix.partition("exposed_allow: ")[2]
        audit("-o", f"exposed_allow={waiver}").assert_outcomes(passed=3)


class TestPods:
    @pytest.fixture
    def pod(self, podman: Podman) -> str:
        """A pod with two publications; nothing listens on 81."""
        podman("pod", "create", "--name=shop", "-p=127.0.0.1::80", "-p=127.0.0.1::81")
        podman.run("web", "--pod=shop", podman.web, "tcp:0.0.0.0:80")
        return "shop"

    def test_what_it_publishes_has_one_place(self, podman: Podman, pod: str) -> None:
        host_port = podman("port", "web", "80/tcp").strip().rpartition(":")[2]
        with Engine(podman.url) as engine:
            for name in ("web", pod):
                assert container_publishes(engine, name, f"127.0.0.1:{host_port}:80", 81)
                published = {str(x.port) for x in engine.container(name).published}
                assert published == {"80/tcp", "81/tcp"}
            assert engine.container("web").pod == pod
            assert found(engine.container("web")) == []
            assert found(engine.container(pod)) == ["published-silent 81/tcp"]
            (finding,) = engine.container(pod).findings
            assert "nothing in pod shop listens on 81/tcp" in finding.message

    def test_ports_that_follow_each_other_are_all_published(self, podman: Podman) -> None:
        """Podman's list that is docker's has the first one."""
        podman("pod", "create", "--name=shop", "-p=127.0.0.1::80-82")
        podman.run("web", "--pod=shop", podman.web, "tcp:0.0.0.0:80")
        podman.run("alone", "-p=127.0.0.1::80-81", podman.web, "tcp:0.0.0.0:80")
        with Engine(podman.url) as engine:
            seen = {x.name: x for x in engine.containers()}
        listed = json.loads(podman("ps", "--format=json", "--filter=name=alone"))[0]["Ports"]
        assert [x["range"] for x in listed] == [2]  # or this proves nothing
        assert {x: found(y) for x, y in seen.items()} == {
            "shop": ["published-silent 81/tcp", "published-silent 82/tcp"],
            "web": [],
            "alone": ["published-silent 81/tcp"],
        }

    @pytest.mark.usefixtures("pod")
    def test_a_written_suite_passes(
        self,
        audit: Callable[..., pytest.RunResult],
        podman: Podman,
        pytester: pytest.Pytester,
    ) -> None:
        audit("--exposed-write-tests=test_ports.py")
        result = pytester.runpytest("--docker-host", podman.url, "test_ports.py")
        result.assert_outcomes(passed=2)

    @pytest.mark.usefixtures("pod")
    def test_the_audit_names_the_pod(self, audit: Callable[..., pytest.RunResult]) -> None:
        result = audit()
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines_random(["exposed::shop FAILED *", "exposed::web PASSED *"])
        result.stdout.no_fnmatch_line("*-infra*")

    @pytest.mark.parametrize("waiver", ["shop: published-silent", "shop: 81", "sh*: 81"])
    def test_waivers_name_the_pod(
        self, podman: Podman, pod: str, waiver: str, audit: Callable[..., pytest.RunResult]
    ) -> None:
        audit("-o", f"exposed_allow={waiver}").assert_outcomes(passed=2)
        with Engine(podman.url, allow=waiver) as engine:
            assert all(x.waived is not None for x in engine.container(pod).findings)

    def test_a_baseline_holds_for_a_new_pod_of_the_name(
        self,
        podman: Podman,
        pod: str,
        tmp_path: Path,
        audit: Callable[..., pytest.RunResult],
    ) -> None:
        path = tmp_path / "baseline"
        audit(f"--exposed-write-baseline={path}")
        assert path.read_text().splitlines()[1:] == ["shop: published-silent 81/tcp"]
        podman("pod", "rm", "--force", "--time=0", pod)
        podman("pod", "create", f"--name={pod}", "-p=127.0.0.1::80", "-p=127.0.0.1::81")
        podman.run("web", f"--pod={pod}", podman.web, "tcp:0.0.0.0:80")
        audit(f"--exposed-baseline={path}").assert_outcomes(passed=2)

    def test_a_container_of_it_is_judged_for_what_it_answers(self, podman: Podman) -> None:
        podman("pod", "create", "--name=shop", "-p=127.0.0.1::80", "-p=127.0.0.1::8080")
        podman.run("local", "--pod=shop", podman.web, "tcp:127.0.0.1:80")
        podman.run("wild", "--pod=shop", podman.plain, "tcp:0.0.0.0:8080")
        with Engine(podman.url, allow="shop/wild: 8080") as engine:
            seen = {x.name: x for x in engine.containers()}
        assert {x: found(y) for x, y in seen.items()} == {
            "shop": [],
            "local": ["unreachable 80/tcp"],
            "wild": ["published-undocumented 8080/tcp"],
        }
        assert "published by pod shop as 127.0.0.1:" in seen["local"].findings[0].message
        assert seen["wild"].findings[0].waived is not None  # POD/NAME names it, too

    @pytest.mark.parametrize("source", ["netlink", "procfs", "exec"])
    def test_by_each_source(self, source: str, podman: Podman) -> None:
        """An infra container has no cat: its pod's containers show the network."""
        podman("pod", "create", "--name=shop", "-p=127.0.0.1::80", "-p=127.0.0.1::81")
        podman.run("web", "--pod=shop", podman.with_cat, "tcp:0.0.0.0:80")
        with Engine(podman.url, source=source) as engine:
            seen = {x.name: found(x) for x in engine.containers()}
        assert seen == {"shop": ["published-silent 81/tcp"], "web": []}

    def test_one_that_publishes_nothing_is_no_test(
        self, podman: Podman, audit: Callable[..., pytest.RunResult]
    ) -> None:
        podman("pod", "create", "--name=quiet")
        podman.run("web", "--pod=quiet", podman.web, "tcp:0.0.0.0:80")
        result = audit()
        result.assert_outcomes(passed=1)
        with Engine(podman.url) as engine:
            assert [x.name for x in engine.containers()] == ["web"]

    def test_containers_that_keep_their_own_network(self, podman: Podman) -> None:
        podman("pod", "create", "--name=apart", "--share=ipc", "-p=127.0.0.1::80")
        podman.run("own", "--pod=apart", "-p=127.0.0.1::80", podman.web, "tcp:0.0.0.0:80")
        with Engine(podman.url) as engine:
            own, pod = engine.container("own"), engine.container("apart")
            assert (own.pod, len(own.published), found(own)) == (None, 1, [])
            assert found(pod) == ["published-silent 80/tcp"]

    def test_what_another_container_publishes_is_not_a_joiners(self, podman: Podman) -> None:
        podman.run("owner", "-p=127.0.0.1::80", podman.web, "tcp:0.0.0.0:80")
        podman.run("joiner", "--network=container:owner", podman.plain, "tcp:127.0.0.1:81")
        with Engine(podman.url) as engine:
            assert engine.container("joiner").published == ()
            assert not container_publishes(engine, "joiner", 80)

    def test_of_kube_play(self, podman: Podman, audit: Callable[..., pytest.RunResult]) -> None:
        limits = {"io.podman.annotations.ulimit": "nofile=1024:1024,nproc=1024:1024"}
        web = {
            "name": "web",
            "image": podman("inspect", "--format={{index .RepoTags 0}}", podman.web).strip(),
            "args": ["tcp:0.0.0.0:80", "ready"],
            "ports": [{"containerPort": 80, "hostPort": 18080, "hostIP": "127.0.0.1"}],
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "kubed", "annotations": limits},
            "spec": {"containers": [web]},
        }
        folder = Path(podman.url.removeprefix("unix://")).parent
        (folder / "kube.yaml").write_text(json.dumps(pod))
        podman("kube", "play", str(folder / "kube.yaml"))
        wait_until(lambda: "ready" in podman("logs", "kubed-web"), "kubed-web is ready")
        result = audit()
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines_random(["exposed::kubed PASSED*", "exposed::kubed-web PASSED*"])


def test_a_paused_one_is_looked_at(podman: Podman, audit: Callable[..., pytest.RunResult]) -> None:
    podman.run("still", podman.plain, "tcp:0.0.0.0:90")
    podman("pause", "still")
    try:
        audit().assert_outcomes(failed=1)
        audit("--exposed-filter=name=still").assert_outcomes(failed=1)
        with Engine(podman.url) as engine:
            (container,) = engine.containers()
            assert (container.state, found(container)) == ("paused", ["undocumented 90/tcp"])
    finally:
        podman("unpause", "still")


FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.mark.parametrize("libpod", [True, False], ids=["by libpod", "without libpod"])
def test_one_whose_health_check_is_starting_is_waited_for(
    podman: Podman, pytester: pytest.Pytester, libpod: bool
) -> None:
    """It is older than the grace, and its listener opens before the grace is over once more."""
    health = ("--health-cmd=exit 1", "--health-start-period=600s", "--health-interval=disable")
    podman.run("slow", *health, podman.web, "delay:7", "tcp:0.0.0.0:80", wait=False)
    with Engine(podman.url) as engine:
        wait_until(lambda: engine.observer.running()[0].up_for >= 4, "it is older than the grace")
        assert engine.observer.running()[0].starting
    with Relay(podman.url) as relay:
        if not libpod:  # a proxy that knows docker's API only
            refused = relay.answer(FORBIDDEN)
            relay.meddle = lambda line: refused if "/libpod/" in line else None
        result = pytester.runpytest("--exposed", "--exposed-grace=4", "--docker-host", relay.url)
    result.assert_outcomes(passed=1)
