"""The documentation is whole: what can be typed has its place in it, and links lead somewhere."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import textwrap
from importlib.metadata import metadata
from itertools import pairwise
from pathlib import Path

import pytest
from docs.page import FOLDER, PAGES

import pytest_exposed
from pytest_exposed.rules import RULES

CLONE = FOLDER.parent
OPTIONS = FOLDER / "reference" / "options.md"
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def read(path: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCED.sub("", path.read_text(encoding="utf-8"))


@pytest.fixture
def shown_help(pytester: pytest.Pytester) -> str:
    return pytester.runpytest("--help").stdout.str()


def test_every_option_has_its_place_in_the_table(shown_help: str) -> None:
    group = shown_help.partition("container ports (pytest-exposed):")[2].partition("\n\n")[0]
    options = re.findall(r"^  (--[a-z-]+)", group, re.MULTILINE)
    table = OPTIONS.read_text(encoding="utf-8")
    assert "--exposed-report" in options
    assert [x for x in options if not re.search(rf"\| `{x}[` =]", table)] == []


def test_every_setting_has_its_place_in_the_table(shown_help: str) -> None:
    settings = set(re.findall(r"^  (exposed(?:_[a-z_]+)?) \(", shown_help, re.MULTILINE))
    table = OPTIONS.read_text(encoding="utf-8")
    assert {"exposed", "exposed_grace"} <= settings
    assert [x for x in settings if f"| `{x}` |" not in table] == []


def test_the_table_of_options_is_as_generated() -> None:
    spec = importlib.util.spec_from_file_location("options_table", FOLDER / "options_table.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    text = OPTIONS.read_text(encoding="utf-8")
    assert text == generator.page(text), "run: python docs/options_table.py"


def test_every_rule_has_a_chapter() -> None:
    chapters = re.findall(
        r"^## (.*)$", (FOLDER / "reference" / "rules.md").read_text(), re.MULTILINE
    )
    assert [x for x in chapters if x in RULES] == list(RULES)


def documented_of(found: type) -> set[str]:
    """Return the attributes of a class that have a docstring, which autodoc leaves out if not."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(found))).body[0]
    assert isinstance(tree, ast.ClassDef)
    fields = {
        x.target.id
        for x, y in pairwise(tree.body)
        if isinstance(x, ast.AnnAssign) and isinstance(x.target, ast.Name)
        if isinstance(y, ast.Expr) and isinstance(y.value, ast.Constant)
    }
    slots = found.__dict__.get("__slots__", ())
    described = {x for x, text in slots.items() if text} if isinstance(slots, dict) else set()
    others = {x for x in dir(found) if getattr(getattr(found, x), "__doc__", None)}
    return fields | described | (others - {*slots})


def test_every_attribute_of_the_reference_is_documented() -> None:
    text = (FOLDER / "reference" / "python-api.md").read_text(encoding="utf-8")
    form = r"^\.\. autoclass:: pytest_exposed\.(\w+)\n   :members: ((?:[\w, ]|\n      )+)"
    classes = {x: y.replace(",", " ").split() for x, y in re.findall(form, text, re.MULTILINE)}
    assert {"Container", "Finding", "Listener", "Publication", "Check"} <= classes.keys()
    missing = {
        f"{name}.{x}"
        for name, names in classes.items()
        for x in {*names} - documented_of(getattr(pytest_exposed, name))
    }
    assert missing == set()


def test_every_page_is_in_the_contents() -> None:
    contents = (FOLDER / "index.md").read_text(encoding="utf-8").splitlines()
    assert {x.removesuffix(".md") for x in PAGES} - {"index"} <= set(contents)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and myst make them."""
    words = (re.sub(r"[^\w\- ]", "", x.lower()) for x in HEADING.findall(read(path)))
    return {x.replace(" ", "-") for x in words}


@pytest.mark.parametrize(
    "page",
    [*(FOLDER / x for x in PAGES), *CLONE.glob("*.md"), CLONE / "examples" / "README.md"],
    ids=lambda x: str(x.relative_to(CLONE)),
)
def test_what_a_page_refers_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", read(page)):
        if re.match("[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_long_description_has_no_relative_link() -> None:
    text = metadata("pytest-exposed").get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]+)\)", FENCED.sub("", text))
    assert len(links) > 20
    assert [x for x in links if not x.startswith("https://")] == []


def test_the_readme_is_short() -> None:
    text = read(CLONE / "README.md")
    assert len(re.sub(r"^    .*$", "", text, flags=re.MULTILINE).split()) <= 600
