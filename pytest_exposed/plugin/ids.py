"""The ids of the audit's tests among the arguments of a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_exposed.audit import Audit


def is_of(nodeid: str, chosen: str) -> bool:
    """Return whether an id from the command line means a test, or what is above it."""
    return nodeid == chosen or nodeid.startswith(f"{chosen}::")


def refuse_unknown(config: pytest.Config, chosen: Iterable[str], audit: Audit) -> None:
    """Raise UsageError for a chosen id that no test has, and for a container given as a path."""
    known = audit.ids()
    for one in chosen:
        if not any(is_of(x, one) for x in known):
            why = audit.why_not(one)
            raise pytest.UsageError(f"not found: {one} (the audit has no such test){why}")
    for one in config.args:
        own = next((x for x in known if x.endswith(f"::{one.removeprefix('exposed:')}")), None)
        if own is not None and not os.path.lexists(one):
            why = f"the audit's test of that container is {own}"
            raise pytest.UsageError(f"file or directory not found: {one} ({why})")


def take(config: pytest.Config, *, alone: bool) -> list[str]:
    """Return the arguments that are ids of the audit's tests, and leave pytest the others.

    Where only the audit is asked for, pytest is left nothing to collect.
    """
    taken = named(config)
    if taken or alone:
        config.args[:] = [x for x in config.args if not alone and _own_id(config, x) is None]
    return taken


def named(config: pytest.Config) -> list[str]:
    """Return the ids of the audit's tests among the arguments."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return []
    return [y for x in config.args if (y := _own_id(config, x)) is not None]


def _own_id(config: pytest.Config, argument: str) -> str | None:
    """Return an argument that is the id of a test of the audit; None for one that is not.

    Below the rootdir, pytest shows ids as those of a file there: "../exposed::web".
    """
    path = os.path.normpath(os.path.join(config.invocation_params.dir, argument))
    below = path.removeprefix(f"{config.rootpath}{os.sep}")
    own = below if below.startswith("exposed::") else argument
    # A socket, written as its address is.
    own = re.sub(r"^exposed\[([a-z+]+)://(?=/)", r"exposed[\1:", own)
    is_own = own.startswith(("exposed::", "exposed["))
    # A folder has no tests of its own, whatever it is called.
    return own if is_own and not os.path.isfile(argument.partition("::")[0]) else None
