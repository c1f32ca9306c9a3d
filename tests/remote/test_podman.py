"""Podman's docker-compatible socket: the same answers, from a real podman."""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo.packages import NotInstalled, install, which
from demo.throwaway import connect
from docker.errors import DockerException
from docker.types import Ulimit
from stage import wait_until
from workload import listener

from pytest_exposed import Container, Engine, NotRunningError, Port, container_publishes

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container as SdkContainer

# Limits above the caller's are refused to containers where a machine lacks CAP_SYS_RESOURCE.
LIMITS = [Ulimit(name=x, soft=1024, hard=1024) for x in ("nofile", "nproc")]


NEEDS = {
    "podman": "podman",
    "netavark": "netavark",
    "aardvark-dns": "aardvark-dns",
    "nft": "nftables",  # newer ones of netavark, instead of iptables
}
"""Programs, and the packages that they are in."""


class Podman:
    """A podman service of its own, and what the tests run on it."""

    def __init__(self, folder: Path, client: docker.DockerClient) -> None:
        self.url = f"unix://{folder}/podman.sock"
        self.client = client
        self._containers: list[SdkContainer] = []

    def image(self, tag: str, *instructions: str) -> str:
        """Import an image of the listener."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as tar:
            tar.add(listener(), "bin/listener")
        changes = [*instructions, 'ENTRYPOINT ["/bin/listener"]']
        self.client.api.import_image_from_data(
            layer.getvalue(), repository=f"{tag}:1", changes=changes
        )
        return f"{tag}:1"

    def run(self, image: str, *words: str, name: str, **options: Any) -> SdkContainer:
        """Run a container, and return it when it has done what the words say."""
        container = self.client.containers.create(
            image, [*words, "ready"], name=name, ulimits=LIMITS, **options
        )
        self._containers.append(container)
        container.start()
        wait_until(lambda: b"ready" in container.logs(), f"{name} is ready")
        return container

    def close(self) -> None:
        """Remove all containers."""
        for container in reversed(self._containers):
            container.remove(force=True)


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    try:
        missing = [package for program, package in NEEDS.items() if not _installed(program)]
        if missing:
            install(*missing)
    except NotInstalled as error:
        pytest.fail(f"these tests need podman. {error}", pytrace=False)
    folder = Path(tempfile.mkdtemp(prefix="pod-"))
    places = {"--root": "root", "--runroot": "run", "--network-config-dir": "net", "--tmpdir": "t"}
    own = [word for option, place in places.items() for word in (option, f"{folder}/{place}")]
    command = ["podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", *own]
    service = subprocess.Popen(
        [*command, "system", "service", "-t", "0", f"unix://{folder}/podman.sock"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until((folder / "podman.sock").exists, "podman has a socket")
        client = wait_until(partial(_client, f"unix://{folder}/podman.sock"), "podman answers")
        podman = Podman(folder, client)
        try:
            yield podman
        finally:
            podman.close()
            client.close()
    finally:
        subprocess.run([*command, "system", "reset", "--force"], check=False, capture_output=True)
        service.terminate()
        service.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _installed(program: str) -> bool:
    return which(program) is not None or Path("/usr/lib/podman", program).exists()


def _client(url: str) -> docker.DockerClient | None:
    try:
        return connect(url)
    except (DockerException, OSError):
        return None


@pytest.fixture(scope="module")
def scene(podman: Podman) -> Mapping[str, SdkContainer]:
    """Containers of every kind in which podman's list differs from docker's."""
    web = podman.image("podweb", "EXPOSE 80")
    plain = podman.image("podplain")
    wild = "tcp:0.0.0.0"
    owner = podman.run(web, f"{wild}:8080", name="owner", ports={"80/tcp": ("127.0.0.1",)})
    first = _two_free_ports()
    adjoining = {f"{80 + x}/tcp": ("127.0.0.1", first + x) for x in range(2)}
    return {
        "good": podman.run(web, f"{wild}:80", name="good"),
        "drift": podman.run(plain, f"{wild}:80", name="drift"),
        "published": podman.run(
            web, f"{wild}:80", name="published", ports={"80/tcp": ("127.0.0.1",)}
        ),
        "everywhere": podman.run(web, f"{wild}:80", name="everywhere", ports={"80/tcp": None}),
        "adjoining": podman.run(web, f"{wild}:80", name="adjoining", ports=adjoining),
        "idle": podman.run(web, name="idle"),
        "host": podman.run(plain, f"{wild}:18091", name="host", network_mode="host"),
        "owner": owner,
        "joiner": podman.run(
            web, f"{wild}:80", name="joiner", network_mode=f"container:{owner.id}"
        ),
    }


def _two_free_ports() -> int:
    """Return the first of two ports of loopback that follow each other, and are free."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as one, suppress(OSError, OverflowError):
            number: int = one.getsockname()[1]
            socket.create_server(("127.0.0.1", number + 1)).close()
            return number


def found(container: Container) -> list[str]:
    return [str(x) for x in container.findings]


@pytest.mark.usefixtures("scene")
@pytest.mark.parametrize("source", ["auto", "netlink", "procfs"])
def test_the_same_answers(podman: Podman, source: str) -> None:
    with Engine(podman.url, source=source) as engine:
        seen = {x.name: x for x in engine.containers()}
    assert seen["good"].listening == seen["good"].documented == {"80/tcp"}
    assert found(seen["good"]) == []
    assert found(seen["drift"]) == ["undocumented 80/tcp"]
    assert found(seen["published"]) == []
    assert [(x.host_ip, x.port) for x in seen["published"].published] == [("127.0.0.1", Port(80))]
    (everywhere,) = seen["everywhere"].published
    assert everywhere.port == Port(80)
    assert everywhere.host_ip in ("", "0.0.0.0")  # noqa: S104  # podman 4, and 5
    # Podman's list has the first of ports that follow each other, here and on the host.
    assert [str(x.port) for x in seen["adjoining"].published] == ["80/tcp", "81/tcp"]
    assert found(seen["adjoining"]) == ["published-silent 81/tcp"]
    assert seen["adjoining"].notes == ()
    assert found(seen["idle"]) == ["silent 80/tcp"]
    assert seen["host"].listening == {"18091/tcp"}
    assert found(seen["host"]) == ["undocumented 18091/tcp"]
    assert seen["joiner"].listening == {"80/tcp"}
    assert seen["joiner"].published == ()
    assert found(seen["joiner"]) == []
    # Its publication is answered by the joiner, whose image documents it; what it documents isn't.
    assert found(seen["owner"]) == ["silent 80/tcp", "undocumented 8080/tcp"]
    assert {x.image.name for x in (seen["good"], seen["idle"])} == {"docker.io/library/podweb:1"}


def test_a_stopped_one_is_a_state(podman: Podman, scene: Mapping[str, SdkContainer]) -> None:
    image = scene["drift"].image
    ended = podman.client.containers.create(image, ["exit:3"], name="ended", ulimits=LIMITS)
    try:
        ended.start()
        ended.wait()
        with Engine(podman.url) as engine, pytest.raises(NotRunningError, match="code 3"):
            engine.container("ended")
    finally:
        ended.remove(force=True)


def test_a_paused_one_is_looked_at(podman: Podman, scene: Mapping[str, SdkContainer]) -> None:
    """Podman leaves it out of the list that it gives by default."""
    drift = scene["drift"]
    drift.pause()
    try:
        with Engine(podman.url) as engine:
            seen = {x.name: x for x in engine.containers()}
            assert len(seen) == len(scene)
            assert seen["drift"].state == "paused"
            assert [str(x) for x in seen["drift"].findings] == ["undocumented 80/tcp"]
            assert [x.name for x in engine.containers(name="drift")] == ["drift"]
    finally:
        drift.unpause()


def test_what_a_joiner_publishes_is_nothing(
    podman: Podman, scene: Mapping[str, SdkContainer]
) -> None:
    """Podman lists for it what the container publishes that it joined."""
    with Engine(podman.url) as engine:
        assert not container_publishes(engine, str(scene["joiner"].name), 80)
        assert container_publishes(engine, str(scene["owner"].name), 80)
        assert container_publishes(engine, str(scene["adjoining"].name), "80-81")


@pytest.mark.usefixtures("scene")
def test_the_audit_of_podman(podman: Podman, pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--exposed", "--exposed-grace=0", "--docker-host", podman.url)
    result.assert_outcomes(passed=4, failed=5)
    result.stdout.fnmatch_lines(["exposed: 9 containers on 1 host, 4 match, 5 do not*"])


def test_its_own_command_removes_what_a_run_starts(
    podman: Podman, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where podman has no name of docker's; what a killed run left is removed by the next."""
    program = which("podman")
    assert program is not None
    (tmp_path / "podman").symlink_to(program)
    image = podman.image("podrun", "EXPOSE 80")
    monkeypatch.setenv("PATH", str(tmp_path))
    limits = " ".join(f"--ulimit {x['Name']}={x['Soft']}:{x['Hard']}" for x in LIMITS)
    before = {x.id for x in podman.client.containers.list(all=True)}

    def left() -> list[str]:
        return [x.id for x in podman.client.containers.list(all=True) if x.id not in before]

    given = ("--docker-host", podman.url)
    line = f"--exposed-run={limits} {image}"
    killed = subprocess.Popen(
        [sys.executable, "-m", "pytest", *given, line],
        cwd=pytester.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(left, "a container is started", 60)
    finally:
        killed.kill()
        killed.wait()
    result = pytester.runpytest(*given, f"{line} tcp:0.0.0.0:80", f"{line} exit:3")
    result.assert_outcomes(passed=1, failed=1)
    assert not left()
    assert "may be left" not in result.stdout.str() + result.stderr.str()
