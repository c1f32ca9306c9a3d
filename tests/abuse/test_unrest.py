"""Engines that die and containers that come and go while they are looked at.

Whatever is said was true at a moment of the look, or is an error; and nothing is left behind. The
variable EXPOSED_UNREST is for how many seconds each test goes on: 2 unless it is set.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from abuse.mortal import MortalEngine, mortal_engine
from abuse.oracle import ENDING, GONE, STARTING, UP, History, Verdicts, engines
from demo.throwaway import connect
from engines import started
from remote.common import in_background, listener_with_cat
from stage import STAGE, Images, Stage, wait_until

from pytest_exposed import Engine, EngineError, HelperLeftWarning, Ports

if TYPE_CHECKING:
    from docker.models.containers import Container as SdkContainer

SECONDS = float(os.environ.get("EXPOSED_UNREST", "2"))
_LONGEST = 60.0
PORTS = ("80", "8000-8003")
WORDS = ("tcp:0.0.0.0:80", "tcp:0.0.0.0:8000-8003", "ready")


ALWAYS: Any = {"Name": "always"}


def rounds(
    seconds: float = SECONDS, *, enough: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Yield until seconds have passed, and on a busy machine until there is enough, or a minute."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds or (passed < _LONGEST and not enough()):
        yield


def held() -> list[str]:
    """Return what this process has open of processes and network namespaces."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [x for x in found if re.match(r"/proc/[0-9]|net:", x) and "/fd" not in x]


class Unrest:
    """Containers that are restarted, paused, removed and made again, each noted as it happens."""

    def __init__(
        self, stage: Stage, image: str, histories: dict[str, History], *, pauses: bool
    ) -> None:
        self._pauses = pauses
        self._stage = stage
        self._image = image
        self._histories = histories
        self._ports = Ports.parse(*PORTS)
        self._made = 0
        self._steady = [self._new() for _ in range(2)]
        loop = self._stage.create(
            *WORDS, "delay:0.1", "exit:1", name="loop", image=image, restart_policy=ALWAYS
        )
        self._note(loop.id, STARTING)  # for ever
        loop.sdk.start()

    def _note(self, identity: str | None, state: str) -> None:
        self._histories.setdefault(str(identity), History(self._ports)).becomes(state)

    def _new(self) -> SdkContainer:
        self._made += 1
        made = self._stage.create(*WORDS, name=f"c{self._made}", image=self._image).sdk
        self._start(made)
        return made

    def _start(self, container: SdkContainer) -> None:
        self._note(container.id, STARTING)
        before = container.logs().count(b"ready")
        container.start()
        wait_until(lambda: container.logs().count(b"ready") > before, "it is ready")
        self._note(container.id, UP)

    def _end(self, container: SdkContainer) -> None:
        self._note(container.id, ENDING)
        container.kill()
        container.wait()
        self._note(container.id, GONE)

    def go_on(self, ended: threading.Event) -> None:
        """Do one thing after the other until it is enough."""
        for container in cycle(self._steady):
            if ended.is_set():
                return
            if self._pauses:
                container.pause()
                container.unpause()
            self._end(container)
            self._start(container)
            other = self._new()
            self._end(other)
            other.remove()


# A pause that meets an exec can last for ever: runc waits for the one to end before the other.
@pytest.mark.parametrize("sources", [("netlink", "procfs"), ("exec",)])
def test_containers_that_come_and_go(
    sources: tuple[str, ...], engine_url: str, stage: Stage, images: Images
) -> None:
    verdicts = Verdicts()
    image = listener_with_cat(images)
    unrest = Unrest(stage, image, verdicts.histories, pauses="exec" not in sources)
    filters = {"label": [f"{STAGE}={stage.name}"]}
    ended = threading.Event()
    with engines(engine_url, *sources) as looks:
        with in_background(lambda: unrest.go_on(ended)) as came_to:
            enough = rounds(enough=lambda: verdicts.true > 10)
            for _, engine in zip(enough, cycle(looks), strict=False):
                verdicts.look(engine, filters)
            ended.set()
        assert came_to == [None]
    assert verdicts.wrong == []
    assert verdicts.true > 10
    for error in verdicts.errors:
        assert all(x.isprintable() for x in error.split("\n"))
    assert held() == []
    assert not [x for x in threading.enumerate() if x.name == "pytest-exposed-setns"]


@pytest.fixture(scope="module")
def mortal() -> Iterator[MortalEngine]:
    with started(mortal_engine()) as mortal:
        yield mortal


@pytest.mark.parametrize("source", ["netlink", "helper", "exec"])
def test_an_engine_that_dies_and_comes_back(source: str, mortal: MortalEngine) -> None:
    verdicts = Verdicts()
    images = Images(connect(mortal.url), "mortal")
    image = listener_with_cat(images)
    helper = images.with_shell()
    with Stage(images) as stage:
        for number in range(4):
            container = stage.run(*WORDS, name=f"c{number}", image=image)
            verdicts.histories[container.id] = History(Ports.parse(*PORTS))
            verdicts.histories[container.id].becomes(UP)
        filters = {"label": [f"{STAGE}={stage.name}"]}
        ended = threading.Event()

        def look() -> None:
            while not ended.is_set():
                try:
                    with Engine(
                        mortal.url, source=source, helper_image=helper, timeout=5
                    ) as engine:
                        verdicts.look(engine, filters)
                        verdicts.look(engine, filters)
                except (EngineError, HelperLeftWarning) as error:
                    verdicts.errors.append(str(error))

        with in_background(look) as came_to:
            for _ in rounds(SECONDS / 2):
                so_far = verdicts.true
                while verdicts.true < so_far + 8 and not came_to:
                    ended.wait(0.001)
                mortal.kill()
                mortal.start()
            ended.set()
        assert came_to == [None]
        left = images.client.api.containers(all=True, filters={"label": "pytest-exposed.helper"})
        for container in left:  # its removal was not answered, which is said
            name = container["Names"][0].removeprefix("/")
            assert any(f"docker rm -f {name}" in x for x in verdicts.errors)
            images.client.api.remove_container(container["Id"], force=True)
    images.remove()
    images.client.close()
    assert verdicts.wrong == []
    assert verdicts.errors
    for error in verdicts.errors:
        assert all(x.isprintable() for x in error.split("\n"))
