"""Who imports whom: plugin -> audit -> report, assertions -> observation -> engine, sockets, …"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pytest_exposed

PACKAGE = Path(pytest_exposed.__file__).parent

LAYERS = {
    "base": "errors text unpatched values",
    "model": "model",
    "rules": "rules",
    "sockets": "sockets",
    "engine": "engine",
    "observation": "observation",
    "assertions": "assertions",
    "report": "report",
    "audit": "audit",
    "plugin": "plugin",
}
"""The modules and packages of each layer: it may import those before it, and its own."""

STRANGERS = ({"rules", "sockets", "engine"}, {"assertions", "report"}, {"assertions", "audit"})
"""Layers that know nothing of one another."""

RANKS = {name: rank for rank, x in enumerate(LAYERS.values()) for name in x.split()}
ORDER = list(LAYERS)

MODULES = {
    ".".join(x.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): x
    for x in PACKAGE.rglob("*.py")
    if x != PACKAGE / "__init__.py"
}


def imported(node: ast.AST, *, types: bool = True) -> Iterator[str]:
    """Yield what a module imports; without types, what it imports when it is used."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING" and not types:
            continue
        if isinstance(child, ast.Import):
            yield from (x.name for x in child.names)
        if isinstance(child, ast.ImportFrom):
            assert child.module is not None
            yield from (f"{child.module}.{x.name}" for x in child.names)
        if not isinstance(child, ast.expr):  # which has none
            yield from imported(child, types=types)


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text())


def layer(module: str) -> str:
    return ORDER[RANKS[module.split(".", maxsplit=1)[0]]]


@cache
def own(module: str) -> set[str]:
    """Return the modules of the package that a module imports, for its types alone included."""
    found = set()
    for name in imported(parsed(module)):
        package, _, mine = name.partition(".")
        if package == PACKAGE.name and mine in MODULES:
            found.add(mine)
        elif package == PACKAGE.name:  # a name of a module
            found.add(mine.rpartition(".")[0])
    return found & set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_is_below_it(module: str) -> None:
    mine = layer(module)
    for other in own(module):
        theirs = layer(other)
        assert ORDER.index(theirs) <= ORDER.index(mine), f"{module} ({mine}) imports {other}"
        strange = theirs != mine and any({mine, theirs} <= x for x in STRANGERS)
        assert not strange, f"{module} ({mine}) imports {other} ({theirs})"


@pytest.mark.parametrize("module", MODULES)
def test_the_world_is_at_the_edges(module: str) -> None:
    for name in imported(parsed(module), types=False):
        package = name.split(".")[0]
        if package == "pytest":
            assert layer(module) == "plugin", module
        if package in ("docker", "requests", "urllib3", "paramiko"):
            assert layer(module) == "engine", module
        assert package not in ("testinfra", "_pytest"), module


def test_no_imports_go_in_a_circle() -> None:
    """Those for types alone, and those inside of functions, are imports like any other."""
    TopologicalSorter({x: own(x) for x in MODULES}).prepare()


@pytest.mark.parametrize("module", [x for x in MODULES if layer(x) in ("model", "rules")])
def test_what_is_pure_reads_and_waits_for_nothing(module: str) -> None:
    found = set(imported(parsed(module), types=False))
    packages = {x.partition(".")[0] for x in found}
    assert not packages & {"os", "socket", "subprocess", "threading", "time", "urllib", "tempfile"}
    assert "pathlib" not in packages or module == "rules.baseline"  # which is a file


@pytest.mark.parametrize("module", [x for x in MODULES if x != "unpatched"])
def test_no_other_module_asks_a_clock_that_a_test_can_freeze(module: str) -> None:
    tree = parsed(module)
    assert "time" not in {x.partition(".")[0] for x in imported(tree)}, (
        "unpatched has a clock and a pause"
    )
    days = {ast.unparse(x) for x in ast.walk(tree) if isinstance(x, ast.Attribute)}
    assert not days & {"date.today", "datetime.today"}, "unpatched has today()"


def test_the_files_of_a_newcomers_tasks_are_where_the_documentation_says() -> None:
    root = Path(__file__).parents[2]
    text = (root / "docs" / "development.md").read_text("utf-8")
    tasks = text.partition("## What a change touches")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (an? .*?) \| (.*) \|$", tasks, re.MULTILINE)
    assert len(rows) == 5
    for task, cell in rows:
        named = re.findall(r"`([\w./]+)`", cell)
        files = [x if x.startswith("docs/") else f"{PACKAGE.name}/{x}" for x in named if "/" in x]
        assert files, task
        missing = [x for x in files if not (root / x).exists()]
        assert not missing, task
        code = "".join((root / x).read_text("utf-8") for x in files if (root / x).is_file())
        assert not [x for x in named if "/" not in x and x.rpartition(".")[2] not in code], task
