"""The options of the command line and the settings of ini files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_exposed.audit.settings import Settings

# How TOML writes settings of several lines ([tool.pytest], since pytest 9).
_FORMS = {
    "exposed_docker_host": '["unix:///var/run/docker.sock"]',
    "exposed_filter": '["name=web"]',
    "exposed_select": '["default"]',
    "exposed_ignore": '["silent"]',
    "exposed_warn": '["silent"]',
    "exposed_allow": '["web: 8080  # why"]',
    "exposed_grace": "10.0",
}


def add(parser: pytest.Parser) -> None:
    """Add the options of group "exposed", and the settings of the same meaning."""
    group = parser.getgroup("exposed", "container ports (pytest-exposed)")
    option = group.addoption
    try:
        option(
            "--docker-host",
            action="append",
            metavar="HOST",
            help="docker engine to look at: unix://, tcp://, ssh://, npipe://, http(s)://, or the "
            "name of a docker context; ansible://GROUP is each host of an inventory's group, "
            "swarm://MANAGER each node of a swarm; repeat it for several (default: as the docker "
            "CLI chooses)",
        )
    except ValueError as error:
        raise pytest.UsageError(
            f"pytest-exposed can't add its option --docker-host: {error}; another plugin or a "
            "conftest.py has one of that name: rename it, or turn this plugin off by "
            "-p no:exposed"
        ) from None
    option(
        "--exposed",
        action="store_true",
        help="audit: one test per running container, which fails where the ports it listens on, "
        "its image documents and -p publishes differ; without paths only the audit runs; in "
        "addopts it joins the tests of the suite",
    )
    option(
        "--exposed-filter",
        action="append",
        metavar="KEY=VALUE",
        help="audit only containers of this docker filter, such as label=tier=front or name=web; "
        "repeatable",
    )
    option(
        "--exposed-select",
        metavar="RULES",
        help="comma-separated rules or groups to judge by (default: the group default)",
    )
    option(
        "--exposed-ignore",
        metavar="RULES",
        help="comma-separated rules or groups not to judge by",
    )
    option(
        "--exposed-warn",
        metavar="RULES",
        help="comma-separated rules or groups whose findings are warnings: shown, counted and "
        "reported, and no failure; none makes failures of what is a warning by itself",
    )
    option(
        "--exposed-grace",
        metavar="SECONDS",
        help="how long after its start a container may take to match (default: 10)",
    )
    option(
        "--exposed-source",
        metavar="NAME",
        help="how to see sockets: auto (default), netlink, procfs, helper or exec",
    )
    option(
        "--exposed-helper-image",
        metavar="IMAGE",
        help="image with sh and cat for the helper container, which looks where netlink and procfs "
        "can't; pulled if missing (default: a busybox or alpine that the engine has)",
    )
    option(
        "--exposed-report",
        action="append",
        metavar="FILE",
        help="write what the audit found to FILE, as its ending says: .json, .html, .md or .sarif; "
        "repeatable",
    )
    option(
        "--exposed-baseline",
        metavar="FILE",
        help="accept the findings in FILE, written by --exposed-write-baseline: fail on new ones",
    )
    option(
        "--exposed-write-baseline",
        metavar="FILE",
        help="write what the audit finds to FILE, to begin with; what is waived stays out of it",
    )
    option(
        "--exposed-write-tests",
        metavar="FILE.py",
        help="write assertions of what the audit sees now to a new FILE.py, to keep and edit",
    )
    option(
        "--exposed-rules",
        action="store_true",
        help="print the rules, their groups, why they matter and what to do, and end",
    )
    parser.addini(
        "exposed", "run the audit beside the tests of the suite", "bool", False
    )  # the default
    parser.addini(
        "exposed_baseline", "file of accepted findings, from the ini file's folder", "string", ""
    )
    parser.addini(
        "exposed_allow_labels",
        "let images and containers waive findings by their label pytest-exposed.allow",
        "bool",
        False,  # the default
    )
    parser.addini("exposed_docker_host", "engines to look at, a line each", "linelist", [])
    parser.addini("exposed_filter", "docker filters, KEY=VALUE a line", "linelist", [])
    parser.addini("exposed_select", "rules or groups to judge by", "linelist", [])
    parser.addini("exposed_ignore", "rules or groups not to judge by", "linelist", [])
    parser.addini(
        "exposed_warn", "rules or groups whose findings are warnings, or none", "linelist", []
    )
    parser.addini("exposed_grace", "seconds that a container may take to match", "float", None)
    parser.addini("exposed_source", "how to see sockets: auto, netlink, …", "string", "")
    parser.addini(
        "exposed_allow",
        "waivers, CONTAINER-GLOB: RULE-OR-PORT, … [until YYYY-MM-DD]  # reason",
        "linelist",
        [],
    )
    parser.addini("exposed_helper_image", "image of the helper container", "string", "")


def runs_no_tests(config: pytest.Config) -> bool:
    """Return whether pytest only shows something, such as its help or the fixtures there are."""
    shows = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
    return any(config.getoption(x, False) for x in shows)


def audits(config: pytest.Config) -> bool:
    """Return whether the run has an audit; raises ConfigurationError for a wrong setting."""
    return bool(config.getoption("exposed", False)) or bool(_setting(config, "exposed"))


_WITH_SETTING = (
    "docker_host",
    "filter",
    "select",
    "ignore",
    "warn",
    "grace",
    "source",
    "helper_image",
    "baseline",
)
OF_AN_AUDIT = frozenset({"report", "write_baseline", "write_tests"})
"""Options that write what an audit found."""


def typed(config: pytest.Config) -> dict[str, Any]:
    """Return the options that were given, on the command line or in addopts."""
    names = {x: x if x == "docker_host" else f"exposed_{x}" for x in _WITH_SETTING}
    values = {x: config.getoption(option, None) for x, option in names.items()}
    values |= {x: config.getoption(f"exposed_{x}", None) for x in OF_AN_AUDIT}
    return {x: value for x, value in values.items() if value is not None}


def parsed(config: pytest.Config, given: Mapping[str, Any]) -> Settings:
    """Return the settings that were given, of any number; raises ConfigurationError."""
    # Imported when used, like everything else here: a plugin is loaded in runs that don't use it.
    from pytest_exposed.audit.settings import Settings  # noqa: PLC0415

    inventory = config.getoption("ansible_inventory", None)  # testinfra's, or pytest-ansible's
    names = {
        "docker_host": "hosts",
        "filter": "filters",
        "report": "reports",
        "write_baseline": "new_baseline",
        "write_tests": "new_tests",
    }
    return Settings.parse(
        ansible_inventory=inventory if isinstance(inventory, str) else "",
        tables=config.getoption("verbose", 0) > 0,
        **{names.get(key, key): value for key, value in given.items()},
    )


def names_hosts(config: pytest.Config) -> bool:
    """Return whether engines are named; raises ConfigurationError for a wrong setting."""
    return bool(config.getoption("docker_host", None) or _setting(config, "exposed_docker_host"))


def given(config: pytest.Config) -> dict[str, Any]:
    """Return the options as given, else the settings; raises ConfigurationError for a wrong one."""
    options = typed(config)
    settings = {x: _setting(config, f"exposed_{x}") for x in _WITH_SETTING if x not in options}
    if "baseline" in settings:
        settings["baseline"] = _beside_ini(config, settings["baseline"])
    settings |= {x: _setting(config, f"exposed_{x}") for x in ("allow", "allow_labels")}
    return settings | options


def _setting(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (TypeError, ValueError, pytest.UsageError) as error:
        from pytest_exposed.errors import ConfigurationError  # noqa: PLC0415  # for such runs alone

        form = _FORMS.get(name, "")
        hint = f"; in TOML write {name} = {form}" if form else ""
        raise ConfigurationError(f"the setting {name} is wrong: {error}{hint}") from None


def _beside_ini(config: pytest.Config, name: str) -> str:
    """Return the path of a file that an ini file names, as pytest's own: beside the ini file."""
    if not name or config.inipath is None or config.inipath.parent == Path.cwd():
        return name
    return str(config.inipath.parent / name)


def is_alone(config: pytest.Config) -> bool:
    """Return whether nothing but the audit is asked for: --exposed typed, and no path.

    In addopts, PYTEST_ADDOPTS or as the setting it joins the tests that pytest would run.
    """
    typed = "--exposed" in config.invocation_params.args
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


def haste(config: pytest.Config, chosen: Sequence[str]) -> dict[str, bool]:
    """Return whether tests may begin before all are known, and looks before tests are chosen.

    chosen are the ids of the audit's tests on the command line. pytest-xdist's workers look at
    containers themselves.
    """
    known_first = ("collectonly", "lf", "failedfirst", "stepwise")
    alone = not config.args and not chosen
    hurry = alone and not any(config.getoption(x, False) for x in known_first)
    return {"hurry": hurry, "ahead": hurry and not config.pluginmanager.hasplugin("dsession")}
