"""An engine that lies: at each call, whatever it answers, one clear error in bounded time."""

from __future__ import annotations

import re
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from abuse import lies
from remote.common import helper_of, listener_with_cat
from stage import wait_until

from pytest_exposed import (
    Engine,
    EngineError,
    ExposedError,
    HelperLeftWarning,
    NotRunningError,
    ObservationError,
)
from pytest_exposed.engine import helper, pull
from pytest_exposed.engine.transport.wire import LIMIT
from pytest_exposed.model import Container

if TYPE_CHECKING:
    import docker
    from remote.relay import Meddle, Relay
    from stage import Images, Stage

TIMEOUT = 1.0
"""Seconds that an answer may take in these tests."""

BOUND = 15.0
"""Seconds in which anything must be over: a machine that is busy with other tests included."""


@contextmanager
def bounded() -> Iterator[None]:
    """Fail where the block does not come to its end in time."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < BOUND


def message(caught: pytest.ExceptionInfo[ExposedError]) -> str:
    """Return an error's text; AssertionError where that can't be shown."""
    text = str(caught.value)
    assert all(x.isprintable() for x in text.split("\n"))
    assert len(text) < 2000
    return text


@pytest.fixture(params=[*lies.TRANSPORT, *lies.SHAPES])
def lie(request: pytest.FixtureRequest) -> Meddle:
    return lies.TRANSPORT.get(request.param) or lies.SHAPES[request.param]


def test_whatever_the_first_answer_is(lie: Meddle, relay: Relay) -> None:
    relay.meddle = lambda _: lie
    with bounded(), pytest.raises(EngineError) as caught:
        Engine(relay.url, timeout=TIMEOUT)
    text = message(caught)
    # It is asked for its version where the answer to a ping is one, and has none.
    asked = ["GET /_ping", "GET /version"] if ": GET /version: " in text else ["GET /_ping"]
    assert text.startswith(f"{relay.url}: {'GET /version: ' if asked[1:] else ''}")
    assert relay.requests == asked


def test_whatever_the_list_is(lie: Meddle, relay: Relay) -> None:
    with Engine(relay.url, timeout=TIMEOUT) as engine:
        relay.meddle = lambda _: lie
        with bounded(), pytest.raises(EngineError) as caught:
            engine.containers()
        assert message(caught).startswith(f"{relay.url}: GET /containers/json")
        # Where there is none at all, on a connection that was at rest, it is asked once more, if
        # there is time left.
        assert 2 <= len(relay.requests) <= (3 if lie is lies.TRANSPORT["closes"] else 2)
        relay.meddle = lambda _: None
        engine.observer.running()  # it was the answer, and not the connection


def test_what_is_endless_at_full_speed(relay: Relay) -> None:
    relay.meddle = lambda _: lies.endless(b"", lies.INTERIM)
    with bounded(), pytest.raises(EngineError) as caught:
        Engine(relay.url, timeout=TIMEOUT)
    assert message(caught).startswith(f"{relay.url}: ")


@pytest.mark.parametrize(
    "lie", ["endless-body", "negative-chunk", "gigantic-length", "gzip-bomb", "error-without-end"]
)
def test_no_answer_eats_the_memory(lie: str, relay: Relay) -> None:
    with Engine(relay.url, timeout=30) as engine:
        relay.meddle = lambda _: lies.TRANSPORT[lie]
        tracemalloc.start()
        try:
            with pytest.raises(EngineError):
                engine.observer.running()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    # Its pieces and the whole; and what the relay itself holds of it.
    assert most < 3 * LIMIT


@dataclass(frozen=True)
class Place:
    """What the calls are made for."""

    web: str
    stopped: str
    on_the_host: str
    helper_image: str
    ending_image: str
    """Of a helper that ends before it has looked."""


@pytest.fixture(scope="module")
def place(shared_stage: Stage, images: Images, helper_image: str) -> Place:
    image = listener_with_cat(images, exposes=("80", "81"))
    web = shared_stage.run("tcp:0.0.0.0:80", name="web", image=image)
    stopped = shared_stage.run("tcp:0.0.0.0:80", name="stopped")
    stopped.sdk.kill()
    stopped.sdk.wait()
    host = shared_stage.run(name="host", network_mode="host")
    return Place(web.name, stopped.name, host.name, helper_image, helper_of(images, "exit 3"))


Act = Callable[[Engine, Place], object]

LOOK: Act = lambda engine, place: engine.container(place.web)  # noqa: E731

MISSING = "127.0.0.1:1/nosuch:1"

CALLS: dict[str, tuple[str, Act, str]] = {
    "list": (r"GET \S+/containers/json\S*all=0", LOOK, "auto"),
    "list-all": (r"GET \S+/containers/json\S*all=1", lambda e, _: e.container("nosuch"), "auto"),
    "inspect": (r"GET \S+/containers/\w{64}/json", lambda e, p: e.container(p.on_the_host), "auto"),
    "image": (r"GET \S+/images/sha256\S+/json", LOOK, "auto"),
    "image-by-name": (r"GET \S+/images/nosuch/json", lambda e, _: e.image("nosuch"), "auto"),
    "images": (r"GET \S+/images/json", lambda e, _: e.image("nosuch"), "auto"),
    "helper-image": (r"GET \S+/images/[^/]*/app:[0-9]+/json", LOOK, "helper"),
    "create": (r"POST \S+/containers/create", LOOK, "helper"),
    "attach": (r"POST \S+/containers/\S+/attach", LOOK, "helper"),
    "start": (r"POST \S+/containers/\S+/start", LOOK, "helper"),
    "wait": (r"POST \S+/containers/\S+/wait", LOOK, "helper"),
    "exec": (r"POST \S+/containers/\S+/exec", LOOK, "exec"),
    "exec-start": (r"POST \S+/exec/\S+/start", LOOK, "exec"),
    "exec-inspect": (r"GET \S+/exec/\S+/json", LOOK, "exec"),
    "pull": (r"POST \S+/images/create", LOOK, "helper"),
}
"""Each call: the request's line, what makes it, and by which source."""

LIES = {
    **{
        x: lies.TRANSPORT[x]
        for x in ("closes-in-the-body", "html", "redirect", "endless-chunks", "error-with-codes")
    },
    "drips-its-head": lies.TRANSPORT["drips-its-head"],
    "error-without-end": lies.TRANSPORT["error-without-end"],
    "too-deep": lies.SHAPES["too-deep"],
    "null": lies.SHAPES["null"],
}


class TestEachCall:
    @pytest.fixture(autouse=True)
    def _impatience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Shorten what is waited for where an engine says it did what it didn't."""
        monkeypatch.setattr(helper, "SECONDS", 3.0)
        monkeypatch.setattr(pull, "PULL_SECONDS", 2.0)

    @pytest.fixture(params=CALLS)
    def call(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.mark.parametrize("lie", LIES)
    def test_is_bounded_and_named(self, call: str, lie: str, relay: Relay, place: Place) -> None:
        line, act, source = CALLS[call]
        image = {"pull": MISSING, "wait": place.ending_image}.get(call, place.helper_image)
        lying = LIES[lie]
        with Engine(relay.url, source=source, helper_image=image, timeout=TIMEOUT) as engine:
            relay.meddle = lambda x: lying if re.match(line, x) else None
            with bounded(), pytest.raises(ExposedError) as caught:
                act(engine, place)
        assert any(re.match(line, x) for x in relay.requests)
        text = message(caught)
        assert relay.url in text or isinstance(caught.value, ObservationError)
        assert not any("elsewhere" in x for x in relay.requests)


TOO_SLOW = [
    lies.TRANSPORT[x] for x in lies.TRANSPORT if x.startswith(("drips-", "never-", "endless-trail"))
]


@pytest.fixture(scope="module")
def idle(shared_stage: Stage) -> list[str]:
    """The ids of containers without a network."""
    return [shared_stage.run(name=f"idle{x}", network_mode="none").id for x in range(6)]


class TestManyInspections:
    """What is wrong with one answer is not with the others."""

    def test_each_gets_its_own(self, lie: Meddle, relay: Relay, idle: list[str]) -> None:
        with Engine(relay.url, timeout=TIMEOUT) as engine:
            listed = [x for x in engine.observer.running() if x.id in idle]
            truth = {x.id: engine.observer.inspect(x) for x in listed}
            assert len({x.pid for x in truth.values()}) == len(idle)
            assert engine.observer.inspections(listed) == truth

            relay.meddle = lambda x: lie if idle[2] in x else None
            with bounded():
                found = engine.observer.inspections(listed)
            # Where one takes too long the rest is left, to be asked for one by one.
            wanted = idle[:2] if lie in TOO_SLOW else [x for x in idle if x != idle[2]]
            assert found == {x: truth[x] for x in wanted}
            relay.meddle = lambda _: None
            assert engine.observer.inspections(listed) == truth
            assert {x.id: engine.observer.inspect(x) for x in listed} == truth

    def test_that_of_another_is_not_taken(self, relay: Relay, idle: list[str]) -> None:
        another = lies.says(lies.whole(b'{"Id": "%s"}' % idle[0].encode()))
        with Engine(relay.url, timeout=TIMEOUT) as engine:
            listed = [x for x in engine.observer.running() if x.id in idle]
            relay.meddle = lambda x: another if idle[2] in x else None
            assert set(engine.observer.inspections(listed)) == {x for x in idle if x != idle[2]}

    def test_connections_that_ended_are_made_anew(self, relay: Relay, idle: list[str]) -> None:
        with Engine(relay.url, timeout=TIMEOUT) as engine:
            listed = [x for x in engine.observer.running() if x.id in idle]
            truth = engine.observer.inspections(listed)
            relay.end_connections()
            assert engine.observer.inspections(listed) == truth

    def test_a_proxy_that_serves_one_connection_at_a_time(
        self, relay: Relay, idle: list[str]
    ) -> None:
        relay.serial = True
        with bounded(), Engine(relay.url, timeout=TIMEOUT) as engine:
            for _ in range(2):
                everyone = engine.observer.running()
                listed = [x for x in everyone if x.id in idle]
                answers = engine.observer.observe(listed, everyone)
                assert answers.keys() == set(idle)
                assert all(isinstance(x, Container) for x in answers.values()), answers
        assert len([x for x in relay.requests if re.search(r"/containers/\w{64}/json", x)]) >= 12

    def test_a_proxy_that_takes_no_more_connections(self, relay: Relay, idle: list[str]) -> None:
        relay.serial = True
        with bounded(), Engine(relay.url, timeout=TIMEOUT) as engine, ExitStack() as stack:
            everyone = engine.observer.running()
            fill_up(relay, stack)
            answers = engine.observer.observe([x for x in everyone if x.id in idle], everyone)
            assert answers.keys() == set(idle)
            assert all(isinstance(x, Container) for x in answers.values()), answers


def fill_up(relay: Relay, stack: ExitStack) -> None:
    """Make connections until the relay's socket takes no more (unix(7): EAGAIN)."""
    while True:
        connection = stack.enter_context(socket.socket(socket.AF_UNIX))
        connection.setblocking(False)
        try:
            connection.connect(relay.path)
        except BlockingIOError:
            return


class TestWhatIsOnlyAskedToSayMore:
    """Where the clock, the log or the history can't be had, the answer is the same."""

    @pytest.fixture(params=LIES)
    def lie(self, request: pytest.FixtureRequest) -> Meddle:
        return LIES[request.param]

    def test_the_history(self, lie: Meddle, relay: Relay, place: Place) -> None:
        with bounded(), Engine(relay.url, timeout=TIMEOUT) as engine:
            relay.meddle = lambda x: lie if x.endswith("/history") else None
            findings = engine.container(place.web).findings
        assert [str(x) for x in findings] == ["silent 81/tcp"]
        assert any(x.endswith("/history") for x in relay.requests)

    def test_the_log(self, lie: Meddle, relay: Relay, place: Place) -> None:
        with bounded(), Engine(relay.url, timeout=TIMEOUT) as engine:
            relay.meddle = lambda x: lie if "/logs?" in x else None
            with pytest.raises(NotRunningError, match="has exited with code 137") as caught:
                engine.container(place.stopped)
        message(caught)
        assert any("/logs?" in x for x in relay.requests)

    def test_the_machine(self, lie: Meddle, relay: Relay, place: Place) -> None:
        image = place.helper_image
        with (
            bounded(),
            Engine(relay.url, source="helper", helper_image=image, timeout=TIMEOUT) as engine,
        ):
            relay.meddle = lambda x: lie if x.endswith("/info") else None
            assert {str(x) for x in engine.container(place.web).listening} == {"80/tcp"}
        assert any(x.endswith("/info") for x in relay.requests)


def test_the_removal_of_the_helper(relay: Relay, place: Place, client: docker.DockerClient) -> None:
    engine = Engine(relay.url, source="helper", helper_image=place.helper_image, timeout=TIMEOUT)
    engine.container(place.web)
    relay.meddle = lambda x: LIES["drips-its-head"] if x.startswith("DELETE") else None
    with bounded(), pytest.warns(HelperLeftWarning, match="the helper may be left") as caught:
        engine.close()
    (warning,) = caught
    assert warning.filename == __file__
    left = str(warning.message).rpartition("docker rm -f ")[2]
    wait_until(  # its input has ended, and so has it
        lambda: not client.api.containers(all=True, filters={"name": left}), f"{left} is removed"
    )


class TestALongList:
    def test_of_ten_thousand_containers_is_taken(self, relay: Relay) -> None:
        labels = {f"com.example.label-{x}": "y" * 100 for x in range(30)}
        with Engine(relay.url) as engine:
            relay.meddle = lambda _: lies.says(lies.containers(10_000, Labels=labels))
            assert len(engine.observer.running()) == 10_000

    def test_of_a_million_is_not(self, relay: Relay) -> None:
        text = lies.containers(1_000_000)
        with Engine(relay.url) as engine:
            relay.meddle = lambda _: lies.says(text)
            with pytest.raises(EngineError, match="over 67108864 bytes, which no engine does"):
                engine.observer.running()


class TestAnAudit:
    @pytest.mark.parametrize("lie", LIES)
    def test_of_a_liar_is_refused_in_one_line(
        self, lie: str, relay: Relay, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", str(TIMEOUT))
        relay.meddle = lambda _: LIES[lie]
        text = refusal("--docker-host", relay.url)
        assert text.startswith(f"{relay.url}: ")
        assert "GET /_ping: " not in text

    @pytest.mark.parametrize("lie", LIES)
    def test_of_one_who_lies_later_fails(
        self,
        lie: str,
        relay: Relay,
        place: Place,
        run_pytest: Callable[..., pytest.RunResult],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", str(TIMEOUT))
        relay.meddle = lambda x: LIES[lie] if "/images/" in x else None
        result = run_pytest("--docker-host", relay.url, f"--exposed-filter=name={place.web}")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"*{relay.url}: GET /images/sha256:*"])
