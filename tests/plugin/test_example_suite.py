"""The suite in examples, on the demo's containers: one half passes, the other fails and teaches."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.story import LABEL, story

if TYPE_CHECKING:
    import docker

SUITE = Path(__file__).parents[2] / "examples" / "suite"


@pytest.fixture(scope="module")
def label(client: docker.DockerClient, demo_alone: None) -> Iterator[str]:  # noqa: ARG001  # it waits
    with story(client) as run_id:
        yield f"label={LABEL}={run_id}"


def test_both_halves(
    run_on_engine: Callable[..., pytest.RunResult], pytester: pytest.Pytester, label: str
) -> None:
    shutil.copytree(SUITE, pytester.path / "suite")
    pytester.makeini(f"[pytest]\nexposed_filter = {label}\nexposed_grace = 1\n")
    run_on_engine("suite/test_services.py").assert_outcomes(passed=9)
    result = run_on_engine("suite/test_drift.py")
    result.assert_outcomes(failed=6)
    result.stdout.fnmatch_lines(
        [
            "*demo-expose: nothing listens on 8080/tcp (it listens on 80/tcp)*",
            "*Ports of demo-expose*",
            "*webapp:noexpose does not EXPOSE 80/tcp*",
            "*demo-misrouted does not publish 81/tcp (it publishes 127.0.0.1:*->80/tcp)*",
            "*demo-loopback does not match webapp:loopback: unreachable 8000/tcp*",
            "*assert Ports('80/tcp') == Ports()*",
            "*only left: *80/tcp*",
            "*no container 'demo-expoes': did you mean demo-expose*",
        ]
    )
