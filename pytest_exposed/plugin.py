"""Options, hooks and fixtures of pytest: each a few lines that call into the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_exposed.audit import Audit
    from pytest_exposed.settings import Settings

_SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
_AUDIT: pytest.StashKey[Audit] = pytest.StashKey()
_CHOSEN: pytest.StashKey[Sequence[str]] = pytest.StashKey()

_WORKER_INPUT = "exposed"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of group "exposed", and the settings of the same meaning."""
    group = parser.getgroup("exposed", "container ports (pytest-exposed)")
    add = group.addoption
    try:
        add(
            "--docker-host",
            action="append",
            metavar="HOST",
            help="docker engine to look at: unix://, tcp://, ssh://, npipe://, http(s)://, or the "
            "name of a docker context; repeat it for several (default: as the docker CLI chooses)",
        )
    except ValueError as error:
        raise pytest.UsageError(
            f"pytest-exposed can't add its option --docker-host: {error}; another plugin or a "
            "conftest.py has one of that name: rename it, or turn this plugin off by "
            "-p no:exposed"
        ) from None
    add(
        "--exposed",
        action="store_true",
        help="audit: one test per running container, which fails where the ports it listens on, "
        "its image documents and -p publishes differ; without paths only the audit runs",
    )
    add(
        "--exposed-filter",
        action="append",
        metavar="KEY=VALUE",
        help="audit only containers of this docker filter, such as label=tier=front or name=web; "
        "repeatable",
    )
    add(
        "--exposed-select",
        metavar="RULES",
        help="comma-separated rules or groups to judge by (default: the group default)",
    )
    add(
        "--exposed-ignore",
        metavar="RULES",
        help="comma-separated rules or groups not to judge by",
    )
    add(
        "--exposed-grace",
        metavar="SECONDS",
        help="how long after its start a container may take to match (default: 10)",
    )
    add(
        "--exposed-source",
        metavar="NAME",
        help="how to see sockets: auto (default), netlink or procfs",
    )
    add(
        "--exposed-report",
        action="append",
        metavar="FILE",
        help="write what the audit found to FILE.json; repeatable",
    )
    parser.addini("exposed_docker_host", "engines to look at, a line each", "linelist", [])
    parser.addini("exposed_filter", "docker filters, KEY=VALUE a line", "linelist", [])
    parser.addini("exposed_select", "rules or groups to judge by", "linelist", [])
    parser.addini("exposed_ignore", "rules or groups not to judge by", "linelist", [])
    parser.addini("exposed_grace", "seconds that a container may take to match", "string", "")
    parser.addini("exposed_source", "how to see sockets: auto, netlink, procfs", "string", "")


def pytest_configure(config: pytest.Config) -> None:
    """Check every setting that is given, used or not, so that a wrong one is told at once."""
    try:
        if any(_given(config).values()):
            config.stash[_SETTINGS] = _settings(config)
    except (TypeError, ValueError) as error:  # a native TOML value of another type, or ours
        raise pytest.UsageError(f"pytest-exposed: {error}") from None
    if config.option.exposed:
        config.stash[_CHOSEN] = _take_own_ids(config)
    elif config.option.exposed_report:
        raise pytest.UsageError(
            "pytest-exposed: --exposed-report writes what an audit found: add --exposed"
        )


def _given(config: pytest.Config) -> dict[str, Any]:
    """Return the options as given, else the settings of the ini file."""
    names = ("docker_host", "filter", "select", "ignore", "grace", "source")
    given = {x: config.getini(f"exposed_{x}") for x in names}
    options = {x: config.getoption(x if x == "docker_host" else f"exposed_{x}") for x in names}
    given |= {key: value for key, value in options.items() if value is not None}
    return {**given, "report": config.option.exposed_report}


def _settings(config: pytest.Config) -> Settings:
    """Return the checked settings; raises ConfigurationError (a ValueError)."""
    # Imported when used, like everything else here: a plugin is loaded in runs that don't use it.
    from pytest_exposed.settings import Settings  # noqa: PLC0415

    given = _given(config)
    return Settings.parse(
        hosts=given["docker_host"],
        filters=given["filter"],
        select=given["select"],
        ignore=given["ignore"],
        grace=given["grace"],
        source=given["source"],
        reports=given["report"] or (),
        tables=config.get_verbosity() > 0,
    )


def _take_own_ids(config: pytest.Config) -> list[str]:
    """Return the arguments that are ids of the audit's tests, and leave pytest the others.

    Where no other is given, pytest is left nothing to collect: only the audit runs.
    """
    given = config.args_source is pytest.Config.ArgsSource.ARGS
    own = [x for x in config.args if x.startswith(("exposed::", "exposed["))] if given else []
    config.args[:] = [x for x in config.args if x not in own] if given else []
    return own


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin the audit: list the containers, once, in the process that hands the tests out."""
    config = session.config
    if not config.option.exposed:
        return
    from pytest_exposed.audit import Audit  # noqa: PLC0415
    from pytest_exposed.errors import ExposedError  # noqa: PLC0415
    from pytest_exposed.hooks import AuditHooks  # noqa: PLC0415

    settings = config.stash.get(_SETTINGS, None) or _settings(config)
    told = getattr(config, "workerinput", {}).get(_WORKER_INPUT)
    try:
        audit = Audit.load(told, settings) if told is not None else Audit.begin(settings)
    except ExposedError as error:
        raise pytest.UsageError(f"pytest-exposed: {error}") from None
    config.add_cleanup(audit.close)
    config.stash[_AUDIT] = audit
    config.pluginmanager.register(AuditHooks(audit, config.stash[_CHOSEN]), "exposed-audit")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the list to each worker process of pytest-xdist, so that all collect the same tests."""
    audit = node.config.stash.get(_AUDIT, None)
    if audit is not None:
        node.workerinput[_WORKER_INPUT] = audit.dump()
