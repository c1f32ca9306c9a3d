"""Several engines in one run, and what an engine can do in the middle of one."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from remote.common import helper_of, helpers, listener_with_cat, pytest_process, running_helper
from remote.relay import Relay, shown
from stage import STAGE, Stage

from pytest_exposed import Engine, EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from remote.private import PrivateEngine
    from remote.relay import Meddle
    from stage import Images

RunPytest = Callable[..., pytest.RunResult]
Refusal = Callable[..., str]

TIMEOUT = 2
"""How many seconds an engine has for an answer here."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", str(TIMEOUT))


def at(text: str, meddle: Meddle) -> Callable[[str], Meddle | None]:
    """Return what lets a relay meddle with the requests that hold a text."""
    return lambda line: meddle if text in line else None


def answer(status: str, body: bytes = b"") -> bytes:
    """Return an answer of an engine."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Both:
    """Two engines with a container each: the one of the tests, by a relay, and the second."""

    def __init__(self, relay: Relay, private: PrivateEngine, stages: tuple[Stage, Stage]) -> None:
        self.relay, self.private = relay, private
        self.near, self.far = stages
        self.options = ["--docker-host", relay.url, "--docker-host", private.url]
        # The same filter for both: of the label's value, each has a container.
        self.options += ["--exposed-filter", f"label={STAGE}.both={self.near.name}"]

    @property
    def ids(self) -> tuple[str, str]:
        """The ids of the two tests, as patterns."""
        return (
            f"exposed[[]{shown(self.relay.url)}]::{self.near.name}-web",
            f"exposed[[]{shown(self.private.url)}]::{self.far.name}-web",
        )


@pytest.fixture(scope="module")
def stages(shared_stage: Stage, private_images: Images) -> Iterator[tuple[Stage, Stage]]:
    with Stage(private_images) as far:
        for stage in (shared_stage, far):
            labels = {f"{STAGE}.both": shared_stage.name}
            stage.run("tcp:0.0.0.0:80", name="web", exposes=("80",), labels=labels)
        yield shared_stage, far


@pytest.fixture
def both(relay: Relay, private: PrivateEngine, stages: tuple[Stage, Stage]) -> Both:
    return Both(relay, private, stages)


class TestBothWork:
    def test_and_each_has_its_tests(
        self, both: Both, private_stage: Stage, run_pytest: RunPytest
    ) -> None:
        labels = {f"{STAGE}.both": both.near.name}
        silent = private_stage.run(name="d", exposes=("81",), labels=labels).name
        result = run_pytest(*both.options, "-v")
        result.assert_outcomes(passed=2, failed=1)
        near, far = both.ids
        result.stdout.fnmatch_lines_random(
            [
                f"exposed: {both.relay.url}, 1 running container that *",
                f"exposed: {both.private.url}, 2 running containers that *",
                "collecting ... collected 3 items",
                f"{near} PASSED *",
                f"{far} PASSED *",
                f"exposed[[]{shown(both.private.url)}]::{silent} FAILED *",
                f"_* exposed[[]{shown(both.private.url)}]::{silent} _*",
                f"*- ports on {both.relay.url} -*",
                f"*- ports on {both.private.url} -*",
                "exposed: 3 containers on 2 hosts, 2 match, 1 do not (silent 1)",
            ]
        )

    def test_and_one_can_be_chosen_by_its_id(self, both: Both, run_pytest: RunPytest) -> None:
        result = run_pytest(*both.options, both.ids[1].replace("[[]", "["))
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["exposed: 1 container on 2 hosts, 1 match"])

    def test_and_one_helper_is_created_on_each(
        self, both: Both, images: Images, run_pytest: RunPytest
    ) -> None:
        image = helper_of(images)
        helper_of(both.far.images)
        both.far.client.images.get(helper_of(both.far.images)).tag(image)
        given = ["--exposed-source=helper", "--exposed-helper-image", image]
        run_pytest(*both.options, *given).assert_outcomes(passed=2)
        created = [x for x in both.relay.requests if "/containers/create?" in x]
        assert len(created) == 1

    def test_and_workers_share_the_work(self, both: Both, run_pytest: RunPytest) -> None:
        run_pytest(*both.options, "-n2").assert_outcomes(passed=2)

    def test_and_the_report_has_both(
        self, both: Both, run_pytest: RunPytest, tmp_path: Path
    ) -> None:
        run_pytest(*both.options, f"--exposed-report={tmp_path}/r.json")
        hosts = json.loads((tmp_path / "r.json").read_text())["hosts"]
        assert [(x["host"], x["error"], len(x["containers"])) for x in hosts] == [
            (both.relay.url, None, 1),
            (both.private.url, None, 1),
        ]

    def test_a_suite_runs_once_for_each(self, both: Both, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(
            """
            def test_of_the_suite(exposed, image_exposes):
                assert exposed.containers(label=LABEL)[0].listening == {80}
            """.replace("LABEL", repr(f"{STAGE}.both={both.near.name}"))
        )
        result = pytester.runpytest("-W", "error", "-v", *both.options[:4])
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines_random(
            [
                f"*::test_of_the_suite[[]{shown(x)}] PASSED *"
                for x in (both.relay.url, both.private.url)
            ]
        )


class TestOneFails:
    def test_from_the_beginning(self, both: Both, run_pytest: RunPytest) -> None:
        both.relay.stop()
        result = run_pytest(*both.options, "-v")
        result.assert_outcomes(passed=1, failed=1)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines_random(
            [
                f"exposed: {both.relay.url}, not reached",
                f"exposed[[]{shown(both.relay.url)}] FAILED *",
                f"{both.ids[1]} PASSED *",
                f"{both.relay.url}: there is no such socket: is the engine *",
                "exposed: 1 container on 2 hosts, 1 match, 1 host not reached",
            ]
        )

    def test_in_the_middle(self, both: Both, run_pytest: RunPytest) -> None:
        both.relay.meddle = at("/images/", both.relay.end)
        result = run_pytest(*both.options, "-v")
        result.assert_outcomes(passed=1, failed=1)
        near, far = both.ids
        result.stdout.fnmatch_lines_random(
            [
                f"{near} FAILED *",
                f"{far} PASSED *",
                f"{both.relay.url}: GET /images/*/json: the engine has answered before, and does *",
                "exposed: 2 containers on 2 hosts, 1 match, 1 could not be judged",
            ]
        )

    @pytest.mark.parametrize("call", ["/containers/create", "/attach", "/start"])
    def test_while_the_helper_is_at_work(
        self, call: str, both: Both, images: Images, run_pytest: RunPytest
    ) -> None:
        image = helper_of(images)
        both.far.client.images.get(helper_of(both.far.images)).tag(image)
        both.relay.meddle = at(call, both.relay.end)
        given = ["--exposed-source=helper", "--exposed-helper-image", image]
        result = run_pytest(*both.options, *given, "-v")
        result.assert_outcomes(passed=1, failed=1)
        near, far = both.ids
        result.stdout.fnmatch_lines_random([f"{near} FAILED *", f"{far} PASSED *"])
        # The engine itself has not ended, and so the helper is still there: as the line says.
        (line,) = [x for x in result.outlines if x.startswith(f"{both.relay.url}: ")]
        said, _, name = line.rpartition(": docker rm -f ")
        assert said.endswith("remove it when the engine is back")
        left = [x["Names"] for x in helpers(both.near.client, image)]
        assert left == ([] if call == "/containers/create" else [[f"/{name}"]])
        if left:
            both.near.client.api.remove_container(name, force=True)

    @pytest.mark.parametrize(
        ("call", "when"),
        [("/_ping", "reached"), ("/containers/json", "reached"), ("/images/", "")],
    )
    def test_by_never_answering(
        self, call: str, when: str, both: Both, run_pytest: RunPytest
    ) -> None:
        both.relay.meddle = at(call, both.relay.hold)
        said = "" if call == "/_ping" else f"GET {call}*: "
        began = time.monotonic()
        result = run_pytest(*both.options, "-v")
        assert time.monotonic() - began < TIMEOUT * 2 + 20
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines_random(
            [
                f"exposed[[]{shown(both.relay.url)}]* FAILED *",
                f"{both.ids[1]} PASSED *",
                f"{both.relay.url}: {said}no answer in time: is the engine busy, *",
                f"exposed: * on 2 hosts, 1 match, 1 {'host not reached' if when else 'could not*'}",
            ]
        )

    def test_by_being_stopped(self, both: Both, run_pytest: RunPytest) -> None:
        # The kernel still takes connections for it.
        with both.private.frozen():
            result = run_pytest(*both.options, "-v")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines_random(
            [
                f"{both.ids[0]} PASSED *",
                f"exposed[[]{shown(both.private.url)}] FAILED *",
                f"{both.private.url}: no answer in time: *",
            ]
        )

    def test_both(self, both: Both, run_pytest: RunPytest) -> None:
        both.relay.meddle = at("/_ping", both.relay.hold)
        began = time.monotonic()
        with both.private.frozen():
            result = run_pytest(*both.options)
        assert time.monotonic() - began < TIMEOUT * 2 + 20  # side by side
        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(
            ["exposed: 0 containers on 2 hosts, 0 match, 2 hosts not reached"]
        )


def test_an_interrupt_leaves_no_helper_on_either(
    both: Both, images: Images, tmp_path: Path
) -> None:
    image = helper_of(images, "exec /bin/busybox sleep 1000")
    there = helper_of(both.far.images, "exec /bin/busybox sleep 1000")
    both.far.client.images.get(there).tag(image)
    given = ["--exposed-source=helper", "--exposed-helper-image", image]
    run = pytest_process(tmp_path, *both.options, *given)
    clients = (both.near.client, both.far.client)
    for client in clients:
        running_helper(client, image)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=20)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    assert not [x for client in clients for x in helpers(client, image)]


class TestOneAlone:
    """What an engine can answer, and how the run ends then: with one line."""

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (b"", "the connection was closed without an answer: is the engine still running?"),
            (
                b"220 smtp.example ESMTP\r\n",
                "no engine sends such an answer: is this its address? (",
            ),
            (answer("200 OK", b"[]"), "no engine sends such an answer: is this its address? ("),
            (answer("200 OK", b"{}"), "no engine sends such an answer: is this its address? ("),
            (answer("200 OK", b"<html>"), "no engine sends such an answer: is this its address? ("),
            (answer("200 OK", b"\xff\x00"), ""),
            (answer("200 OK", b'{"ApiVersion": 7}'), ""),
            (answer("200 OK", b'{"ApiVersion": "1.2"}'), ""),
            (
                answer("200 OK", b"{}")[:-1] + b"",
                "no engine sends such an answer: is this its address? (",
            ),
            (answer("500 No", b'{"message": "\\u001b[2J out of order"}'), r"\x1b[2J out of order"),
            (answer("502 Bad Gateway", b"<html>nginx</html>"), "<html>nginx</html>"),
        ],
    )
    def test_to_the_first_call(self, text: bytes, why: str, relay: Relay, refusal: Refusal) -> None:
        relay.meddle = lambda _: relay.answer(text)
        line = refusal("--docker-host", relay.url)
        # It is asked for its version where the answer to a ping is one, and has none.
        assert line.startswith(f"{relay.url}: ")
        assert why in line
        assert line.isprintable()

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (answer("200 OK", b"{}"), ": GET /containers/json answered what no engine does"),
            (answer("200 OK", b"[7]"), ": GET /containers/json answered what no engine does"),
            (
                answer("200 OK", b'[{"Id": "x"}]'),
                ": GET /containers/json answered what no engine does",
            ),
            (answer("200 OK", b"null"), ": GET /containers/json answered what no engine does"),
            (answer("200 OK", b"[" * 100_000), ": GET /containers/json"),
            (answer("500 No", b'{"message": "oh"}'), ": GET /containers/json failed: oh"),
        ],
    )
    def test_to_the_list(self, text: bytes, why: str, relay: Relay, refusal: Refusal) -> None:
        relay.meddle = at("/containers/json", relay.answer(text))
        line = refusal("--docker-host", relay.url)
        assert line.startswith(relay.url + why)

    def test_where_it_is_lost_nothing_more_is_asked(
        self, relay: Relay, images: Images, stage: Stage
    ) -> None:
        image = listener_with_cat(images)
        for number in range(4):
            stage.run(name=f"c{number}", image=image)
        with Engine(relay.url, source="exec") as engine:
            relay.meddle = lambda line: None if "/containers/json" in line else relay.hold
            began = time.monotonic()
            with pytest.raises(EngineError, match=r"GET /info: no answer in time"):
                engine.containers(label=stage.label)
            assert time.monotonic() - began < TIMEOUT * 2 + 20

    def test_where_it_does_not_answer_for_one_container_the_others_are_seen(
        self, relay: Relay, images: Images, stage: Stage
    ) -> None:
        image = listener_with_cat(images)
        stuck = stage.run(name="stuck", image=image)
        good = stage.run("tcp:0.0.0.0:80", name="good", image=image)
        with Engine(relay.url, source="exec") as engine:
            relay.meddle = at(f"{stuck.id}/exec", relay.hold)
            everyone = engine.observer.running()
            answers = engine.observer.observe(
                [x for x in everyone if x.id in (stuck.id, good.id)], everyone
            )
        assert "no answer in time" in str(answers[stuck.id])
        assert not isinstance(answers[good.id], Exception)


def test_helpers_are_removed_side_by_side(
    socket_url: str, helper_image: str, stage: Stage, run_pytest: RunPytest
) -> None:
    """At the end of the run, where each removal may take as long as an engine has to answer."""
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    together = threading.Barrier(3, timeout=20)

    def wait_for_the_others(line: str) -> None:
        if line.startswith("DELETE"):
            together.wait()

    with ExitStack() as stack:
        relays = [stack.enter_context(Relay(socket_url)) for _ in range(3)]
        for one in relays:
            one.meddle = wait_for_the_others
        hosts = [x for one in relays for x in ("--docker-host", one.url)]
        given = ["--exposed-source=helper", "--exposed-helper-image", helper_image]
        result = run_pytest(*hosts, *given, "--exposed-filter", stage.filter)
    result.assert_outcomes(passed=3)
    assert not together.broken
    assert not [x for x in result.errlines if x]
