"""The documentation is whole: what can be typed has its place in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.page import FOLDER

from pytest_exposed.rules import RULES

README = Path(FOLDER.parent, "README.md").read_text(encoding="utf-8")


@pytest.fixture
def shown_help(pytester: pytest.Pytester) -> str:
    return pytester.runpytest("--help").stdout.str()


def test_every_option_has_its_place_in_the_readme(shown_help: str) -> None:
    group = shown_help.partition("container ports (pytest-exposed):")[2].partition("\n\n")[0]
    options = re.findall(r"^  (--[a-z-]+)", group, re.MULTILINE)
    assert "--exposed-report" in options
    assert [x for x in options if f"`{x}`" not in README and f"`{x} " not in README] == []


def test_every_setting_has_its_place_in_the_readme(shown_help: str) -> None:
    settings = set(re.findall(r"^  (exposed_[a-z_]+)", shown_help, re.MULTILINE))
    assert "exposed_grace" in settings
    assert [x for x in settings if f"`{x}`" not in README] == []


def test_every_rule_has_a_chapter_and_a_line_in_the_readme() -> None:
    chapters = re.findall(r"^## (.*)$", (FOLDER / "rules.md").read_text(), re.MULTILINE)
    assert chapters == list(RULES)
    assert [x for x in RULES if f"| `{x}` |" not in README] == []


def test_every_page_is_in_the_contents() -> None:
    contents = (FOLDER / "index.md").read_text(encoding="utf-8").splitlines()
    pages = {x.stem for x in FOLDER.glob("*.md")} - {"index"}
    assert pages <= set(contents)


def test_what_pages_and_readme_refer_to_is_there() -> None:
    for page in (*FOLDER.glob("*.md"), FOLDER.parent / "README.md"):
        links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        local = [x for x in links if "://" not in x]
        assert [x for x in local if not (page.parent / x).exists()] == [], page.name
