"""The options of the command line and the settings of ini files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

if TYPE_CHECKING:
    from pytest_exposed.audit.settings import Settings


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
        """What pytest keeps the option's value under."""
        return self.name if self.name == "docker_host" else f"exposed_{self.name}"

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
        "repeatable. With --exposed, the running containers are audited too",
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
        "repeatable",
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
        "waiver, CONTAINER-GLOB: RULE-OR-PORT, … [until YYYY-MM-DD]  # reason; repeatable. It is "
        "added to those of exposed_allow",
        metavar="LINE",
        repeatable=True,
        setting="waivers, one per line: GLOB: RULE-OR-PORT, … [until YYYY-MM-DD]  # reason",
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
    try:
        add_option(row.flag, action=action, metavar=row.metavar, help=row.help)
    except ValueError as error:
        raise pytest.UsageError(
            f"pytest-exposed can't add its option {row.flag}: {error}; another plugin or a "
            "conftest.py has one of that name: rename it, or turn this plugin off by "
            "-p no:exposed"
        ) from None


def runs_no_tests(config: pytest.Config) -> bool:
    """Return whether pytest only shows something, such as its help or the fixtures there are."""
    shows = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
    return any(config.getoption(x, False) for x in shows)


def audits(config: pytest.Config) -> bool:
    """Return whether the run has an audit; raises ConfigurationError for a wrong setting."""
    return audits_running(config) or runs_images(config)


def audits_running(config: pytest.Config) -> bool:
    """Return whether running containers are audited; raises ConfigurationError."""
    return bool(config.getoption("exposed", False)) or bool(_setting(config, "exposed"))


def runs_images(config: pytest.Config) -> bool:
    """Return whether the run starts containers itself; raises ConfigurationError."""
    return bool(config.getoption("exposed_run", None) or _setting(config, "exposed_run"))


def typed(config: pytest.Config) -> dict[str, Any]:
    """Return the options that were given, on the command line or in addopts, by their rows."""
    values = {x.name: config.getoption(x.dest, None) for x in OPTIONS if x.help}
    return {x: value for x, value in values.items() if value is not None}


def of_an_audit(names: Collection[str]) -> list[str]:
    """Return which of the options, as they are typed, mean something to an audit alone."""
    return [x.flag for x in OPTIONS if x.of_audit and x.name in names]


def unused(config: pytest.Config, items: Collection[pytest.Item]) -> list[str]:
    """Return which options were typed on the command line and have no use in a run without audit.

    One in addopts is there for the runs that use it, and an engine may be named for any run.
    """
    words = {str(x).partition("=")[0] for x in config.invocation_params.args}
    rows = [x for x in OPTIONS if x.flag in words and x.name != "docker_host"]
    if not rows:
        return []
    fixtures = {y for x in items for y in getattr(x, "fixturenames", ())}
    return [x.flag for x in rows if x.fixture not in fixtures]


def parsed(config: pytest.Config, values: Mapping[str, Any]) -> Settings:
    """Return the settings of these values, of any number; raises ConfigurationError."""
    # Imported when used, like everything else here: a plugin is loaded in runs that don't use it.
    from pytest_exposed.audit.settings import Settings  # noqa: PLC0415

    inventory = config.getoption("ansible_inventory", None)  # testinfra's, or pytest-ansible's
    return Settings.parse(
        ansible_inventory=inventory if isinstance(inventory, str) else "",
        tables=config.getoption("verbose", 0) > 0,
        audits_running=audits_running(config) or not runs_images(config),
        **{x.argument: values[x.name] for x in OPTIONS if x.name in values},
    )


def names_hosts(config: pytest.Config) -> bool:
    """Return whether engines are named; raises ConfigurationError for a wrong setting."""
    return bool(config.getoption("docker_host", None) or _setting(config, "exposed_docker_host"))


def given(config: pytest.Config) -> dict[str, Any]:
    """Return the options as given, else the settings; raises ConfigurationError for a wrong one."""
    options = typed(config)
    settings = {
        x.name: _setting(config, f"exposed_{x.name}")
        for x in OPTIONS
        if x.setting and (x.adds or x.name not in options)
    }
    if "baseline" in settings:
        settings["baseline"] = _beside_ini(config, settings["baseline"])
    both = {
        x.name: [*settings[x.name], *options[x.name]]
        for x in OPTIONS
        if x.adds and x.name in options
    }
    return settings | options | both


def _setting(config: pytest.Config, name: str) -> Any:
    try:
        return config.getini(name)
    except (TypeError, ValueError, pytest.UsageError) as error:
        from pytest_exposed.errors import ConfigurationError  # noqa: PLC0415  # for such runs alone

        form = next((x.toml for x in OPTIONS if f"exposed_{x.name}" == name), "true")
        hint = f"; in TOML write {name} = {form}" if form else ""
        raise ConfigurationError(f"the setting {name} is wrong: {error}{hint}") from None


def _beside_ini(config: pytest.Config, name: str) -> str:
    """Return the path of a file that an ini file names, as pytest's own: beside the ini file."""
    if not name or config.inipath is None or config.inipath.parent == Path.cwd():
        return name
    return str(config.inipath.parent / name)
