"""Several engines: a silent one is a failing test, and workers share them out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from remote.relay import Relay

from pytest_exposed.audit import audit

if TYPE_CHECKING:
    from stage import Stage

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def relays(socket_url: str) -> Iterator[list[Relay]]:
    """Four ways to the engine, which are engines to an audit."""
    with ExitStack() as stack:
        yield [stack.enter_context(Relay(socket_url)) for _ in range(4)]


@pytest.fixture
def run(run_pytest: Run, relays: list[Relay], stage: Stage) -> Run:
    """Audit one container, four times."""
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    hosts = [f"--docker-host={x.url}" for x in relays]
    filters = f"--exposed-filter={stage.filter}"
    return lambda *arguments: run_pytest(filters, *hosts, *arguments)


def test_a_silent_one_is_a_failing_item_and_the_others_are_audited(
    run: Run, relays: list[Relay], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", "1")
    relays[0].meddle = lambda _: relays[0].hold
    result = run()
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines([f"{relays[0].url}: no answer in time: *"])


@pytest.mark.parametrize("dist", ["loadscope", "loadfile"])
def test_workers_of_whole_hosts_look_at_their_own(run: Run, relays: list[Relay], dist: str) -> None:
    run("-n", "2", "--dist", dist).assert_outcomes(passed=4)
    for relay in relays:
        # The process that hands tests out, and one worker.
        assert len([x for x in relay.requests if "/_ping" in x]) == 2


def test_more_than_a_quarter_must_be_silent_before_others_wait() -> None:
    for hosts in (1, 10, 100, 1000):
        assert audit._at_once(hosts) - hosts // 4 >= 16
