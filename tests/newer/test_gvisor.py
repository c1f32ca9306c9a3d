"""gVisor, which keeps a container's sockets in a kernel of its own: only exec sees them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from demo.packages import install, which
from engines import started
from newer.daemons import NewerEngine, docker_engine
from remote.common import listener_with_cat
from stage import Stage

from pytest_exposed import Container, Engine
from pytest_exposed.errors import ObservationError
from pytest_exposed.observation.watch import Watch


def with_gvisor(folder: Path) -> Sequence[str]:
    """Put gVisor into an engine's folder; return the options of dockerd by which it is known.

    It makes its containers a network of loopback alone: it takes namespaces of newer kernels for
    the host's, and refuses to be in that.
    """
    if which("runsc") is None:
        install("runsc")
    found = which("runsc")
    assert found is not None
    shutil.copy(found, folder / "runsc")
    runtime = {"path": f"{folder}/runsc", "runtimeArgs": ["--network=none"]}
    (folder / "daemon.json").write_text(json.dumps({"runtimes": {"runsc": runtime}}))
    return [f"--config-file={folder}/daemon.json"]


@pytest.fixture(scope="module")
def docker_gvisor() -> Iterator[NewerEngine]:
    with started(docker_engine(prepare=with_gvisor)) as found:
        yield found


@pytest.fixture
def stage(docker_gvisor: NewerEngine) -> Iterator[Stage]:
    with Stage(docker_gvisor.images) as stage:
        yield stage


WORDS = (
    *("connections:86:2", "tcp:0.0.0.0:80", "tcp:[::]:81", "udp:0.0.0.0:83", "udp:[::]:82"),
    *("bound:tcp:0.0.0.0:95", "tcp:127.0.0.1:85"),
)


def look(url: str, name: str, source: str = "auto") -> Container:
    with closing(Engine(url, source=source)) as engine:
        return engine.container(name)


def test_its_listeners_are_seen_but_for_udp_over_ipv6(
    docker_gvisor: NewerEngine, stage: Stage
) -> None:
    image = listener_with_cat(stage.images, exposes=("80", "81", "83/udp"))
    web = stage.run(*WORDS, image=image, runtime="runsc")
    seen = look(docker_gvisor.url, web.name)
    assert seen.source == "exec"
    assert {str(x) for x in seen.listeners} == {
        *("0.0.0.0:80/tcp", "[::]:81/tcp", "0.0.0.0:83/udp"),
        *("127.0.0.1:85/tcp", "127.0.0.1:86/tcp"),
    }
    assert "its runtime doesn't show UDP over IPv6" in seen.notes
    assert not seen.findings


def test_whether_udp_is_served_over_ipv6_is_unknown(
    docker_gvisor: NewerEngine, stage: Stage
) -> None:
    image = listener_with_cat(stage.images, exposes=("80", "81", "83/udp", "82/udp"))
    web = stage.run(*WORDS, image=image, runtime="runsc")
    with pytest.raises(ObservationError, match=r"on 82/udp is unknown: .* UDP over IPv6"):
        _ = look(docker_gvisor.url, web.name).findings


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_the_hosts_kernel_is_not_believed(
    docker_gvisor: NewerEngine, stage: Stage, source: str
) -> None:
    web = stage.run(*WORDS, image=listener_with_cat(stage.images), runtime="runsc")
    with pytest.raises(ObservationError, match="a kernel of its own: only exec can see them"):
        look(docker_gvisor.url, web.name, source)


def test_it_is_watched_by_what_sees_it(
    docker_gvisor: NewerEngine, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Netlink's answer for its namespace is the same all the time, nothing: each look is whole."""
    image = listener_with_cat(stage.images, exposes=("80",))
    web = stage.run("tcp:0.0.0.0:80", image=image, runtime="runsc")
    with closing(Engine(docker_gvisor.url)) as engine:
        seen, asked, running = engine.container(web.name), [], engine.observer.running
        monkeypatch.setattr(engine.observer, "running", lambda: asked.append(1) or running())
        looks = [*Watch(engine.observer).looks([seen], 3)]
    assert len(looks) > 1
    assert len(asked) == len(looks)
