"""The table of options of the command line and settings of ini files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import pytest


class Option(NamedTuple):  # a dataclass takes longer to make, in every run of pytest
    """A row of the table: an option of the command line, the setting that goes with it, or both.

    Its value is an argument of Settings.parse, which checks it.
    """

    name: str
    """--exposed-NAME and exposed_NAME, but for docker_host."""
    argument: str
    """The argument of Settings.parse that takes the value."""
    help: str = ""
    """Of the option; empty where there is only a setting."""
    metavar: str = ""
    repeatable: bool = False
    setting: str = ""
    """The help of the setting; empty where there is only an option."""
    type: Literal["string", "linelist", "float", "bool"] = "string"
    """Of the setting."""
    toml: str = ""
    """How TOML writes the setting, where that is easily done wrong ([tool.pytest], pytest 9)."""
    adds: bool = False
    """Whether the option is added to the setting, instead of taking its place."""
    fixture: str = "_exposed_checker"
    """The fixture that uses it, beside an audit."""
    of_audit: bool = False
    """Whether it means something to an audit alone."""

    @property
    def dest(self) -> str:
        """The name by which pytest keeps the option's value."""
        return self.name if self.name == "docker_host" else f"exposed_{self.name}"

    @property
    def is_path(self) -> bool:
        """Whether the option's value is the path of a file."""
        return self.metavar.startswith("FILE")

    @property
    def flag(self) -> str:
        """What is typed."""
        return f"--{self.dest.replace('_', '-')}"


OPTIONS = (
    Option(
        "docker_host",
        "hosts",
        "docker engine: unix://, tcp://, ssh://, npipe://, http(s)://, or the name of a docker "
        "context; repeatable (default: the engine that the docker command uses). ansible://GROUP "
        "is each host of an inventory's group, swarm://MANAGER each node of a swarm",
        metavar="HOST",
        repeatable=True,
        setting="docker engines, one per line",
        type="linelist",
        toml='["unix:///var/run/docker.sock"]',
    ),
    Option(
        "run",
        "runs",
        "start a container as `docker run` does, audit it when it has settled, and remove it; "
        "repeatable. Write = after the option: pytest takes words that begin with - for options of "
        "its own. With --exposed, the running containers are audited too",
        metavar='"[OPTIONS] IMAGE [COMMAND]"',
        repeatable=True,
        setting="arguments of `docker run`, one container per line",
        type="linelist",
        toml='["-e POSTGRES_PASSWORD=x postgres:16"]',
    ),
    Option(
        "watch",
        "watch",
        "watch the containers for SECONDS and judge by all that was seen: a listener that opens "
        "late or closes again is found too",
        metavar="SECONDS",
        setting="seconds to watch the containers",
        type="float",
        toml="30.0",
        of_audit=True,
    ),
    Option(
        "dockerfile",
        "dockerfile",
        "Dockerfile of the image of --exposed-run; findings point at its lines",
        metavar="FILE",
        of_audit=True,
    ),
    Option(
        "filter",
        "filters",
        "audit only the containers of this docker filter, such as label=tier=front or name=web; "
        "repeatable, combined as by `docker ps`: of several labels all must fit, of several names "
        "any",
        metavar="KEY=VALUE",
        repeatable=True,
        setting="docker filters, one KEY=VALUE per line",
        type="linelist",
        toml='["name=web"]',
        fixture="running_container",
    ),
    Option(
        "select",
        "select",
        "comma-separated rules or groups to judge by (default: the group default)",
        metavar="RULES",
        setting="rules or groups to judge by",
        type="linelist",
        toml='["default"]',
    ),
    Option(
        "ignore",
        "ignore",
        "comma-separated rules or groups to leave out",
        metavar="RULES",
        setting="rules or groups to leave out",
        type="linelist",
        toml='["silent"]',
    ),
    Option(
        "warn",
        "warn",
        "comma-separated rules or groups whose findings are warnings: they are shown and "
        "reported, and fail nothing. With `none`, no finding is a warning",
        metavar="RULES",
        setting="rules or groups whose findings are warnings, or none",
        type="linelist",
        toml='["silent"]',
    ),
    Option(
        "documented",
        "documented",
        "what counts as documentation: image (default) for EXPOSE, run for the ports that the "
        "container declares as well (--expose, -p, Compose's expose, Molecule's exposed_ports)",
        metavar="image|run",
        setting="what counts as documentation: image or run",
    ),
    Option(
        "grace",
        "grace",
        "seconds after its start that a container may take to match (default: 10; 60 for one of "
        "--exposed-run)",
        metavar="SECONDS",
        setting="seconds after its start that a container may take to match",
        type="float",
        toml="10.0",
    ),
    Option(
        "source",
        "source",
        "how to see sockets: auto (default), netlink, procfs, helper or exec",
        metavar="NAME",
        setting="how to see sockets: auto, netlink, …",
    ),
    Option(
        "helper_image",
        "helper_image",
        "image with sh and cat for the helper container, which reads sockets where netlink and "
        "procfs can't; pulled if missing (default: a busybox or alpine that the engine has)",
        metavar="IMAGE",
        setting="image of the helper container",
    ),
    Option(
        "allow",
        "allow",
        "waiver, CONTAINER-GLOB: RULE-OR-PORT, … [until YYYY-MM-DD] [# reason]; repeatable. It "
        "is added to those of exposed_allow",
        metavar="LINE",
        repeatable=True,
        setting="waivers, one per line: GLOB: RULE-OR-PORT, … [until YYYY-MM-DD] [# reason]",
        type="linelist",
        toml='["web: 8080  # why"]',
        adds=True,
    ),
    Option(
        "allow_labels",
        "allow_labels",
        setting="let images and containers waive findings by their label pytest-exposed.allow",
        type="bool",
        toml="true",
    ),
    Option(
        "report",
        "reports",
        "write a report to FILE; repeatable. Its ending is the format: .json, .html, .md, .sarif. "
        "json:- writes JSON to standard output, and pytest prints to standard error",
        metavar="FILE",
        repeatable=True,
        of_audit=True,
    ),
    Option(
        "baseline",
        "baseline",
        "accept the findings in FILE, which --exposed-write-baseline wrote, and fail on new ones",
        metavar="FILE",
        setting="file of accepted findings, relative to the ini file",
    ),
    Option(
        "write_baseline",
        "new_baseline",
        "write the findings to FILE as a baseline, without those that are waived",
        metavar="FILE",
        of_audit=True,
    ),
    Option(
        "write_tests",
        "new_tests",
        "write a first suite to a new FILE.py: assertions of what the audit sees now",
        metavar="FILE.py",
        of_audit=True,
    ),
)
"""Every option that has a value, and every setting but `exposed`."""

_DEFAULTS: dict[str, object] = {"string": "", "linelist": [], "float": None, "bool": False}
"""What a setting of a type is where nothing sets it."""


def add(parser: pytest.Parser) -> None:
    """Add the options of group "exposed", and the settings of the same meaning."""
    group = parser.getgroup("exposed", "container ports (pytest-exposed)")
    group.addoption(
        "--exposed",
        action="store_true",
        help="audit: one test per running container, which fails where the ports that it listens "
        "on, its image documents and -p publishes differ. Without paths, only the audit runs; with "
        "paths or in addopts it joins the suite",
    )
    parser.addini("exposed", "run the audit beside the suite", "bool", default=False)
    for row in OPTIONS:
        if row.help:
            _add_option(group.addoption, row)
        if row.setting:
            parser.addini(f"exposed_{row.name}", row.setting, row.type, _DEFAULTS[row.type])
    group.addoption(
        "--exposed-rules",
        action="store_true",
        help="print the rules with their groups, why they matter and what to do, and exit",
    )


def _add_option(add_option: Callable[..., None], row: Option) -> None:
    action = "append" if row.repeatable else "store"
    # argparse would say no more than "expected one argument" of --exposed-run -e A=1 nginx.
    bare = {"nargs": "?"} if row.name == "run" else {}
    try:
        add_option(row.flag, action=action, metavar=row.metavar, help=row.help, **bare)
    except ValueError as error:
        raise pytest.UsageError(
            f"pytest-exposed can't add its option {row.flag}: {error}; another plugin or a "
            "conftest.py has one of that name: rename it, or turn this plugin off by "
            "-p no:exposed"
        ) from None
