"""Runs of pytest on the engine of the tests."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from stage import Stage

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run_pytest(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest; a warning, such as of a socket left open, is an error, and so is a traceback."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    given = ("-W", "error")

    def run(*arguments: str) -> pytest.RunResult:
        gc.freeze()  # so that just what the run leaves is looked at
        try:
            result = pytester.runpytest(*given, *arguments)
            gc.collect()  # a socket that was left open is reported here
        finally:
            gc.unfreeze()
        for line in (*result.outlines, *result.errlines):
            assert "Traceback (most recent" not in line
            assert "INTERNALERROR" not in line
            assert "pytest_exposed/" not in line or line.startswith("SKIPPED")
        return result

    return run


@pytest.fixture
def run_on_engine(run_pytest: Run, engine_url: str) -> Run:
    """Run pytest on the engine of the tests."""
    return lambda *arguments: run_pytest("--docker-host", engine_url, *arguments)


@pytest.fixture
def audit(run_on_engine: Run) -> Run:
    """Audit the containers of a stage, which are young and not to be waited for."""

    def run(stage: Stage, *arguments: str) -> pytest.RunResult:
        given = ["--exposed", "--exposed-grace=0", "--exposed-filter", stage.filter]
        return run_on_engine(*given, *arguments)

    return run
