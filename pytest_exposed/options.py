"""The options of the command line and the settings of ini files."""

from __future__ import annotations

from typing import Any

import pytest


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
            "name of a docker context; repeat it for several (default: as the docker CLI chooses)",
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
        "its image documents and -p publishes differ; without paths only the audit runs",
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
        help="image with sh and cat for the one helper container that an engine out of reach of "
        "netlink and procfs is looked at with; pulled if missing (default: a busybox it has)",
    )
    option(
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
    parser.addini("exposed_source", "how to see sockets: auto, netlink, …", "string", "")
    parser.addini(
        "exposed_allow",
        "waivers, CONTAINER-GLOB: RULE-OR-PORT, … [until YYYY-MM-DD]  # reason",
        "linelist",
        [],
    )
    parser.addini("exposed_helper_image", "image of the helper container", "string", "")


def given(config: pytest.Config) -> dict[str, Any]:
    """Return the options as given, else the settings of the ini file."""
    names = ("docker_host", "filter", "select", "ignore", "grace", "source", "helper_image")
    values = {x: config.getini(f"exposed_{x}") for x in names}
    options = {x: config.getoption(x if x == "docker_host" else f"exposed_{x}") for x in names}
    values |= {key: value for key, value in options.items() if value is not None}
    allow = config.getini("exposed_allow")
    return {**values, "allow": allow, "report": config.option.exposed_report}
