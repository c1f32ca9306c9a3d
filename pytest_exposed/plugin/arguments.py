"""The arguments of the command line: which tests they choose, and whether the audit is alone."""

from __future__ import annotations

import os
import re

import pytest


def is_alone(config: pytest.Config) -> bool:
    """Return whether nothing but the audit is asked for: --exposed or --exposed-run, no path.

    In addopts, PYTEST_ADDOPTS or as the setting it joins the tests that pytest would run.
    """
    words = [str(x).partition("=")[0] for x in config.invocation_params.args]
    typed = "--exposed" in words or "--exposed-run" in words
    return typed and config.args_source is not pytest.Config.ArgsSource.ARGS


def take_own_ids(config: pytest.Config, *, alone: bool) -> list[str]:
    """Return the arguments that are ids of the audit's tests, and leave pytest the others.

    Where only the audit is asked for, pytest is left nothing to collect.
    """
    own = own_ids(config)
    if own or alone:
        config.args[:] = [x for x in config.args if not alone and _own_id(config, x) is None]
    return own


def own_ids(config: pytest.Config) -> list[str]:
    """Return the ids of the audit's tests among the arguments."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return []
    return [own for x in config.args if (own := _own_id(config, x)) is not None]


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
