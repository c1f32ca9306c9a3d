"""The README is true: its report is one that is written, its code and its settings do what it says.

Its first screen and what failing checks print: plugin/test_example_suite.py. Its files of Molecule,
and what is found there: examples/test_molecule.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from docs.page import FOLDER
from docs.scene import Scene, Service, scene

if TYPE_CHECKING:
    import docker
    from remote.private import PrivateEngine

README = (FOLDER.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(kind: str, word: str) -> str:
    """Return the one block of a kind that has a word."""
    (found,) = (text for of, text in BLOCKS if of == kind and word in text)
    return str(found)


@pytest.fixture
def drifted(private_client: docker.DockerClient) -> Iterator[Scene]:
    """The container of the README's report."""
    web = Service(
        "web",
        "webapp:noexpose",
        ("tcp:0.0.0.0:80",),
        publishes={"80/tcp": 8080},
        process="python3",
        address="0.0.0.0",  # noqa: S104  # as -p 8080:80
    )
    with scene(private_client, [web]) as found:
        yield found


@pytest.fixture
def matching(private_client: docker.DockerClient) -> Iterator[Scene]:
    """The container of the README's code, which matches its image."""
    with scene(private_client, [Service("web", "webapp", ("tcp:0.0.0.0:80",), ("80",))]) as found:
        yield found


def agrees(shown: Any, real: Any) -> bool:
    """Return whether a value is the one that is shown: "…" stands for any text in it."""
    if type(shown) is not type(real):
        return False
    if isinstance(shown, dict):
        return list(shown) == list(real) and all(agrees(shown[x], real[x]) for x in shown)
    if isinstance(shown, list):
        return len(shown) == len(real) and all(map(agrees, shown, real))
    if isinstance(shown, str) and "…" in shown:
        begin, _, end = shown.partition("…")
        return real.startswith(begin) and real.endswith(end.rpartition("…")[2])
    return bool(shown == real)


def test_the_report(
    private: PrivateEngine, drifted: Scene, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    given = ["--exposed", "--exposed-grace=0", "--docker-host", private.url]
    result = pytester.runpytest(*given, "--exposed-report", str(report))
    result.assert_outcomes(failed=1)
    chapter = README.partition("\n## The JSON report\n")[2].partition("\n## ")[0]
    (text,) = re.findall(r"^    \{.*?\n\n", chapter, re.MULTILINE | re.DOTALL)
    shown, real = json.loads(dedent(text)), json.loads(report.read_text(encoding="utf-8"))
    real["hosts"][0]["host"] = shown["hosts"][0]["host"]
    for published in real["hosts"][0]["containers"][0]["published"]:
        published["host_port"] = int(drifted.ports[str(published["host_port"])])
    assert agrees(shown, real), json.dumps(real, indent=1)


def test_the_suite_in_a_word(
    private: PrivateEngine, matching: Scene, pytester: pytest.Pytester
) -> None:
    assert matching
    pytester.makepyfile(block("python", "def test_web("))
    pytester.runpytest("--docker-host", private.url).assert_outcomes(passed=1)


def test_without_pytest(private: PrivateEngine, matching: Scene, pytester: pytest.Pytester) -> None:
    assert matching
    code = block("python", 'Engine("ssh://prod-1")').replace("ssh://prod-1", private.url)
    result = pytester.runpython(pytester.makepyfile(code))
    assert result.ret == 0
    assert result.outlines == ["80/tcp 80/tcp ()"]
    assert result.errlines == []


def test_the_waivers(private: PrivateEngine, matching: Scene, pytester: pytest.Pytester) -> None:
    assert matching
    pytester.makeini(block("ini", "exposed_allow"))
    pytester.runpytest("--exposed", "--docker-host", private.url).assert_outcomes(passed=1)


def test_no_block_is_of_a_kind_that_nobody_tries() -> None:
    assert [kind for kind, _ in BLOCKS] == ["console", "python", "ini", "python", "python", "yaml"]


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": None}, {"a": []}, False),
        ([], [1], False),
        ([{"a": "…"}], [{"a": "x"}], True),
        ([{"a": "…"}], [{"a": None}], False),
        ("sha256:…", "sha256:1", True),
        ("sha256:…", "md5:1", False),
        (1, True, False),
    ],
)
def test_reports_are_compared_to_the_letter(shown: Any, real: Any, same: bool) -> None:
    assert agrees(shown, real) is same
