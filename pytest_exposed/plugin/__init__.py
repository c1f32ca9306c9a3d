"""The plugin's hooks and fixtures: a few lines each that call into the rest."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, TextIO
from uuid import uuid4

import pytest

from pytest_exposed.plugin import arguments, ids, imports, options

if TYPE_CHECKING:
    from pytest_exposed.audit import Audit
    from pytest_exposed.model import Container
    from pytest_exposed.observation import Engine
    from pytest_exposed.plugin.fixtures import (
        Checker,
        ContainerListensOn,
        ContainerMatchesImage,
        ContainerPublishes,
        ImageExposes,
    )

_AUDIT: pytest.StashKey[Audit] = pytest.StashKey()
_RUNNING: pytest.StashKey[Audit] = pytest.StashKey()
"""What lists the running containers, for the fixture of that name."""
_CHECKERS: pytest.StashKey[dict[int, Checker]] = pytest.StashKey()
_FILE: pytest.StashKey[Path] = pytest.StashKey()
_CHOSEN: pytest.StashKey[Sequence[str]] = pytest.StashKey()
_ALONE: pytest.StashKey[bool] = pytest.StashKey()
_REFUSED: pytest.StashKey[str] = pytest.StashKey()
_STDOUT: pytest.StashKey[TextIO] = pytest.StashKey()

# What pytest-xdist's controller gives to its workers: the audit's list, whether only the audit
# runs, and the file in which they share the list of running containers when a test asks for it.
_LIST, _IS_ALONE, _LIST_FILE = "exposed_list", "exposed_is_alone", "exposed_list_file"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of group "exposed", and the settings of the same meaning."""
    options.add(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Keep standard output for the JSON report, before pytest begins to capture output."""
    arguments.refuse_bare_run(early_config.known_args_namespace)
    if "json:-" in (getattr(early_config.known_args_namespace, "exposed_report", None) or ()):
        from pytest_exposed.plugin import stdout  # noqa: PLC0415

        if stdout.is_of_a_worker():
            return (yield)
        reserved = stdout.reserve()
        early_config.stash[_STDOUT] = reserved.stream
        early_config.add_cleanup(reserved.restore)
    return (yield)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Print the rules instead of running tests, where that is asked for."""
    if not config.getoption("exposed_rules", False):
        return None
    from pytest_exposed.report.text import reference  # noqa: PLC0415

    print(reference())  # noqa: T201  # as --version does
    return 0


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and choose the tests to run; settings are checked where they are used.

    So a wrong setting ends no run that doesn't use the plugin, and no --help or --fixtures.
    """
    imports.find_plainly(config)
    config.addinivalue_line("markers", "exposed: the audit's tests, one for each container")
    if arguments.runs_no_tests(config):
        return
    try:
        audits, typed = arguments.audits(config), arguments.typed(config)
        if typed and not audits:
            arguments.parsed(config, typed)
    except ValueError as error:
        raise pytest.UsageError(f"pytest-exposed: {error}") from None
    if audits:
        given = getattr(config, "workerinput", {})
        alone = given.get(_IS_ALONE, arguments.is_alone(config))
        # A worker of pytest-xdist has an audit where its controller has.
        left_out = _IS_ALONE not in given if given else arguments.leaves_out(config)
        if left_out and not alone:
            return
        config.stash[_ALONE] = alone
        config.stash[_CHOSEN] = ids.take(config, alone=alone)
        if alone:
            arguments.refuse_unused(config, [], audit=True)
    else:
        arguments.refuse_without_audit(config, typed)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin the audit: list the containers, once, in pytest-xdist's controller if there is one."""
    config = session.config
    if _CHOSEN not in config.stash:
        return
    if config.stash[_ALONE]:
        # What is there now stays: pytest's collections of garbage, which take longer than all looks
        # at containers, pass it over.
        gc.freeze()
    from pytest_exposed.plugin.hooks import begin  # noqa: PLC0415

    listed = getattr(config, "workerinput", {}).get(_LIST)
    stdout = config.stash.get(_STDOUT, sys.stdout)
    chosen, joins = config.stash[_CHOSEN], not config.stash[_ALONE]
    config.stash[_AUDIT] = begin(config, listed, chosen, stdout, joins=joins)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse options that no test uses: their user expects an audit.

    A worker of pytest-xdist then has no tests, and says why at its end.
    """
    config = session.config
    if config.pluginmanager.hasplugin("dsession") or session.testsfailed:
        return
    arguments.refuse_unused(config, session.items, audit=_CHOSEN in config.stash)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Note what a worker of pytest-xdist refused: an error here would leave the others running."""
    if refusal := getattr(node, "workeroutput", {}).get(arguments.REFUSAL):
        node.config.stash[_REFUSED] = refusal


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End as a run without pytest-xdist does if its workers refused something."""
    if refusal := session.config.stash.get(_REFUSED, ""):
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        sys.stderr.write(f"ERROR: {refusal}\n")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give pytest-xdist's workers one list, so that they collect the same tests."""
    config = node.config
    with suppress(ValueError):  # the tests that need them say so
        if arguments.names_hosts(config):
            from pytest_exposed.engine.hosts import plain  # noqa: PLC0415

            node.workerinput[arguments.HOSTS] = [plain(x) for x in arguments.expanded(config).hosts]
        node.workerinput[arguments.AUDITS_RUNNING] = arguments.audits_running(config)
    if _AUDIT in config.stash:
        node.workerinput[_IS_ALONE] = config.stash[_ALONE]
        # So all tests of a host go to one worker: none looks at all hosts.
        config.stash[_AUDIT].by_host = config.getoption("dist") in ("loadscope", "loadfile")
        node.workerinput[_LIST] = config.stash[_AUDIT].dump()
        if config.stash[_AUDIT].settings.audits_running:
            return
    if _FILE not in config.stash:
        config.stash[_FILE] = file = Path(gettempdir(), f"pytest-exposed-{uuid4().hex}.json")
        config.add_cleanup(lambda: file.unlink(missing_ok=True))
    node.workerinput[_LIST_FILE] = str(config.stash[_FILE])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Forget what the previous test looked at."""
    for checker in item.config.stash.get(_CHECKERS, {}).values():
        checker.forget()
    imports.of_failures(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show only the test's own frames of our errors, and the tables of what the test looked at."""
    full = item.config.getoption("fulltrace", False)  # the terminal's, which may be turned off
    failures = sys.modules.get("pytest_exposed.plugin.failures")
    if failures is not None and call.excinfo and not full:
        failures.shorten(call.excinfo)
    report = yield
    if report.failed:
        for checker in item.config.stash.get(_CHECKERS, {}).values():
            report.sections += checker.sections()
        report.sections += failures.of_snapshots(call.excinfo, report.sections) if failures else []
    return report


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """Explain a comparison of Ports line by line."""
    ports = sys.modules.get("pytest_exposed.model.ports")
    # Where it isn't loaded, nothing is a Ports.
    if ports is None or not any(issubclass(type(x), ports.Ports) for x in (left, right)):
        return None
    from pytest_exposed.report.text import explain_difference  # noqa: PLC0415

    return explain_difference(op, left, right)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each engine where there are several, or for each running container."""
    if "_exposed_checker" not in metafunc.fixturenames:
        return
    from pytest_exposed.plugin import fixtures  # noqa: PLC0415

    config = metafunc.config
    by_container = "running_container" in metafunc.fixturenames
    try:
        settings = arguments.expanded(config)
        if by_container and _RUNNING not in config.stash:
            file = getattr(config, "workerinput", {}).get(_LIST_FILE)
            begun = config.stash.get(_AUDIT, None)
            config.stash[_RUNNING] = fixtures.running(settings, file, begun)
    except ValueError as error:  # the engine's fixture will say it, in a test that fails
        config.stash[arguments.EXPANDED] = error
        runs = [pytest.param(0, None, id="unreachable")]
    else:
        if by_container:
            runs = fixtures.runs_of_containers(config.stash[_RUNNING])
        elif len(settings.hosts) > 1:
            runs = fixtures.runs_of_engines(settings)
            metafunc.parametrize("_exposed_checker", runs, indirect=True, scope="session")
    if by_container:
        metafunc.parametrize("_exposed_checker,running_container", runs, indirect=True)


@pytest.fixture(scope="session")
def _exposed_checker(request: pytest.FixtureRequest) -> Checker:
    from pytest_exposed.errors import ConfigurationError, ExposedError  # noqa: PLC0415
    from pytest_exposed.plugin.fixtures import Checker  # noqa: PLC0415

    # pytest makes a fixture again for each parameter, and each running container is one.
    checkers = request.config.stash.setdefault(_CHECKERS, {})
    place = getattr(request, "param", 0)
    if place in checkers:
        return checkers[place]
    try:
        settings = arguments.expanded(request.config)
        if len(settings.hosts) > 1 and not hasattr(request, "param"):
            raise ConfigurationError(
                "several docker hosts are given, and getfixturevalue can't run a test once for "
                "each: make the fixture an argument of the test"
            )
        checkers[place] = Checker(settings.connect(settings.hosts[place]), settings.grace)
    except ExposedError as error:
        raise pytest.fail.Exception(f"pytest-exposed: {error}", pytrace=False) from None
    request.config.add_cleanup(checkers[place].close)
    return checkers[place]


@pytest.fixture(scope="session")
def exposed(_exposed_checker: Checker) -> Engine:
    """Look at the docker engine: `.container(name)`, `.containers(**filters)`, `.image(name)`."""
    return _exposed_checker.engine


@pytest.fixture(scope="session")
def container_listens_on(_exposed_checker: Checker) -> ContainerListensOn:
    """`container_listens_on("web", 80, "53/udp", within=5)`: each has a reachable listener."""
    from pytest_exposed.plugin.fixtures import ContainerListensOn  # noqa: PLC0415

    return ContainerListensOn(_exposed_checker)


@pytest.fixture(scope="session")
def container_publishes(_exposed_checker: Checker) -> ContainerPublishes:
    """`container_publishes("web", "8080:80")`: every port is published."""
    from pytest_exposed.plugin.fixtures import ContainerPublishes  # noqa: PLC0415

    return ContainerPublishes(_exposed_checker)


@pytest.fixture(scope="session")
def container_matches_image(_exposed_checker: Checker) -> ContainerMatchesImage:
    """`container_matches_image("web")`: what it listens on and what its image says agree."""
    from pytest_exposed.plugin.fixtures import ContainerMatchesImage  # noqa: PLC0415

    return ContainerMatchesImage(_exposed_checker)


@pytest.fixture(scope="session")
def image_exposes(_exposed_checker: Checker) -> ImageExposes:
    """`image_exposes("webapp", 80, only=True)`: the image documents each, and no other."""
    from pytest_exposed.plugin.fixtures import ImageExposes  # noqa: PLC0415

    return ImageExposes(_exposed_checker)


@pytest.fixture
def running_container(request: pytest.FixtureRequest, _exposed_checker: Checker) -> Container:
    """One test for each running container: a snapshot of it."""
    listed, together = request.param
    return _exposed_checker.look(listed, together)
