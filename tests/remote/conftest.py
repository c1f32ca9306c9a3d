"""What the tests of remote engines share: relays, a second engine, runs of pytest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from remote.relay import Relay


@pytest.fixture(autouse=True)
def _no_engine_but_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's docker configuration out of the tests."""
    for name in [x for x in os.environ if x.startswith("DOCKER_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def socket_url(engine_url: str) -> str:
    """The engine's address, which must be a socket of this machine."""
    if not engine_url.startswith("unix://"):
        pytest.fail(
            f"these tests need the socket of an engine on this machine, and not {engine_url}: "
            "set DOCKER_HOST to unix://…, or unset it",
            pytrace=False,
        )
    return engine_url


@pytest.fixture
def relay(socket_url: str) -> Iterator[Relay]:
    """A relay to the engine."""
    with Relay(socket_url) as relay:
        yield relay


@pytest.fixture
def run_pytest(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run an audit; a warning, such as of a socket left open, is an error."""

    def run(*arguments: str) -> pytest.RunResult:
        given = ["-W", "error", "--exposed", "--exposed-grace=0"]
        result = pytester.runpytest(*given, *arguments)
        for sign in ("Traceback", "INTERNALERROR", "pytest_exposed/"):
            result.stdout.no_fnmatch_line(f"*{sign}*")
            result.stderr.no_fnmatch_line(f"*{sign}*")
        return result

    return run


@pytest.fixture
def refusal(run_pytest: Callable[..., pytest.RunResult]) -> Callable[..., str]:
    """Return the one line with which an audit says why there is no engine to look at."""

    def run(*arguments: str) -> str:
        result = run_pytest(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "PRIVATE KEY" not in result.stdout.str() + result.stderr.str()
        (line,) = [x for x in result.errlines if x]
        assert line.startswith("ERROR: pytest-exposed: ")
        return line.removeprefix("ERROR: pytest-exposed: ")

    return run
