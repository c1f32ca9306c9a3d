"""Whether the docker SDK is what is imported as such: suites have folders of that name."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from pytest_exposed.errors import EngineError, ends_run
from pytest_exposed.text import printable

# The SDK, and what it stands on: each is a module of its distribution's name.
_NAMES = ("docker", "requests", "urllib3")


def expect_sdk() -> None:
    """Raise EngineError where the docker SDK can't be imported; names the module that hides it."""
    if "pytest_exposed.engine.transport.client" in sys.modules:
        return
    try:
        import_module("pytest_exposed.engine.transport.client")
    except Exception as error:  # what another's module raises
        if ends_run(error):
            raise
        hidden = next((x for x in _NAMES if _is_hidden(x)), None)
        if hidden is None:
            raise EngineError(
                f"the docker SDK can't be imported: {type(error).__name__}: "
                f"{printable(str(error))}; pip install --force-reinstall docker"
            ) from None
        raise EngineError(
            f"the docker SDK can't be imported: {printable(_place(hidden))} is imported as "
            f"{hidden!r} in its stead; rename it, or keep its folder out of Python's path (run "
            "`pytest` and not `python -m pytest`, with --import-mode=importlib)"
        ) from None


def _is_hidden(name: str) -> bool:
    """Return whether a module that was imported is another than its distribution's."""
    try:
        own = Path(str(distribution(name).locate_file(name))).resolve()
    except PackageNotFoundError:
        return False
    place = _place(name)
    return bool(place) and own != Path(place).resolve() and own not in Path(place).resolve().parents


def _place(name: str) -> str:
    """Return the file or folder that a module was imported from; empty where it was not."""
    module = sys.modules.get(name)
    if module is None:
        return ""
    return getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
