"""Who imports whom: values <- judging <- system <- sockets <- engine <- checks <- runs, pytest."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_exposed

PACKAGE = Path(pytest_exposed.__file__).parent

LAYERS = {
    "values": "errors text ports model endpoints",
    "judging": "rules",
    "system": "unpatched",
    "sockets": "sockets",
    "engine": "engine",
    "checks": "check checks grace",
    "runs": "settings audit report",
    "pytest": "progress imports options items hooks fixtures plugin",
}
"""The modules and packages of each layer: it may import those before it, and its own."""

RANKS = {name: rank for rank, x in enumerate(LAYERS.values()) for name in x.split()}
ORDER = list(LAYERS)

MODULES = {
    ".".join(x.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): x
    for x in PACKAGE.rglob("*.py")
    if x != PACKAGE / "__init__.py"
}


def imported(node: ast.AST) -> Iterator[str]:
    """Yield what is imported when a module is used, and not by those who check types alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            yield from (x.name for x in child.names)
        if isinstance(child, ast.ImportFrom):
            assert child.module is not None
            yield child.module
            if child.module == PACKAGE.name:
                yield from (f"{child.module}.{x.name}" for x in child.names)
        yield from imported(child)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_what_is_below_it(module: str) -> None:
    rank = RANKS[module.split(".", maxsplit=1)[0]]
    for name in imported(ast.parse(MODULES[module].read_text())):
        package, *rest = name.split(".")
        if package == PACKAGE.name and rest and rest[0] in RANKS:
            assert RANKS[rest[0]] <= rank, f"{module} ({ORDER[rank]}) imports {name}"
        if package == "pytest":
            assert ORDER[rank] == "pytest", module
        if package in ("docker", "requests", "urllib3", "paramiko"):
            assert ORDER[rank] == "engine", module
        assert package not in ("testinfra", "_pytest"), module


@pytest.mark.parametrize(
    "module", [x for x in MODULES if ORDER[RANKS[x.split(".")[0]]] in ("values", "judging")]
)
def test_what_is_pure_reads_and_waits_for_nothing(module: str) -> None:
    found = set(imported(ast.parse(MODULES[module].read_text())))
    assert not found & {"os", "socket", "subprocess", "threading", "time", "urllib", "tempfile"}
    assert "pathlib" not in found or module == "rules.baseline"  # which is a file


@pytest.mark.parametrize("module", [x for x in MODULES if x != "unpatched"])
def test_no_other_module_asks_a_clock_that_a_test_can_freeze(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    assert "time" not in set(imported(tree)), "unpatched has a clock and a pause"
    days = {ast.unparse(x) for x in ast.walk(tree) if isinstance(x, ast.Attribute)}
    assert not days & {"date.today", "datetime.today"}, "unpatched has today()"
