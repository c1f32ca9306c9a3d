"""The suite in examples, on the demo's containers: one half passes, the other fails and teaches."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.story import LABEL, story
from docs.page import Command, steps

if TYPE_CHECKING:
    import docker

SUITE = Path(__file__).parents[2] / "examples" / "suite"
YOUNG = "; it has been up for less than a minute"
"""What the README leaves out: its reader's containers have been up for longer, or not."""

README = SUITE.parents[1] / "README.md"


@pytest.fixture(scope="module")
def label(client: docker.DockerClient) -> Iterator[str]:
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
    shown = re.findall(r"^    ([>E] .*)", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(shown) == 5
    assert set(shown) <= set(result.outlines)


def test_the_readme_s_first_screen(
    run_on_engine: Callable[..., pytest.RunResult], label: str
) -> None:
    readme = README.read_text(encoding="utf-8")
    (shown,) = (
        x
        for x in steps(readme)
        if isinstance(x, Command) and (x.line, x.output[:4]) == ("pytest --exposed", "...\n")
    )
    result = run_on_engine("--exposed", "--exposed-grace=1", "--exposed-filter", label)
    lines = "\n".join(result.outlines).replace(YOUNG, "")
    lines = re.sub(r"127\.0\.0\.1:[0-9]{5}(?!\d)", "127.0.0.1:18080", lines)
    assert shown.prints("".join(f"{x.rstrip()}\n" for x in lines.split("\n")))
