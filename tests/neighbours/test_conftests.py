"""An audit beside conftests, as pytest's documentation and popular repositories write them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from neighbours.conftest import Namespaces, Trio

CONFTESTS = {
    # What a conftest reads of each test.
    "fixturenames": """
def pytest_collection_modifyitems(items):
    for item in items:
        if "db" in item.fixturenames:
            item.add_marker("slow")
""",
    "the function": """
def pytest_collection_modifyitems(items):
    for item in items:
        item.user_properties.append(("doc", item.function.__doc__.strip()))
        assert item.function.__name__ and item.function.__module__ and item.obj
        item.user_properties.append(("name", item.originalname))
""",
    "the module": """
import inspect

def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.module.__name__)
    for item in items:
        inspect.getsource(item.function)
        assert item.cls is None and item.instance is None
        assert item.module.__file__
""",
    "the file": """
import pathlib

def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: (str(item.path), item.location, str(item.fspath)))
    for item in items:
        pathlib.Path(item.fspath).relative_to(config.rootpath)
        if "integration" in item.path.parts:
            item.add_marker("integration")
""",
    "the parents": """
def pytest_collection_modifyitems(items):
    import pytest

    for item in items:
        assert item.getparent(pytest.Class) is None
        [x.name for x in item.listchain()]
        assert item.parent.name and item.parent.parent is item.session
        module = item.getparent(pytest.Module)
        assert module is None or module.name
        assert getattr(item, "callspec", None) is None
""",
    "markers": """
import pytest

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: slow")

def pytest_collection_modifyitems(config, items):
    for item in items:
        item.own_markers.append(pytest.mark.slow.mark)
        assert item.get_closest_marker("slow") and not item.get_closest_marker("other")
        assert "slow" in [x.name for x in item.iter_markers()]
        item.add_marker(pytest.mark.skipif(False, reason="no"))
        item.add_marker(pytest.mark.usefixtures())
        item.add_marker(pytest.mark.filterwarnings("default"))
        item.keywords["also"] = True
        assert "exposed" in item.keywords
""",
    "skip by option": """
import pytest

def pytest_addoption(parser):
    parser.addoption("--runslow", action="store_true", default=False, help="run slow tests")

def pytest_configure(config):
    config.addinivalue_line("markers", "slow: mark test as slow to run")

def pytest_collection_modifyitems(config, items):
    if config.getoption("--runslow"):
        return
    skip_slow = pytest.mark.skip(reason="need --runslow option to run")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip_slow)

def pytest_runtest_setup(item):
    names = [mark.args[0] for mark in item.iter_markers(name="env")]
    if names:
        pytest.skip("test requires env")
""",
    "ids made anew": """
def pytest_itemcollected(item):
    doc = item.obj.__doc__.strip() if item.obj.__doc__ else ""
    item.user_properties.append(("doc", doc))
    item._nodeid = item.nodeid.replace("exposed::", "containers::")
""",
    "an order": """
def pytest_collection_modifyitems(items):
    items.reverse()
""",
    # What a conftest keeps of each report.
    "reports on the test": """
import pytest

@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    rep = outcome.get_result()
    setattr(item, "rep_" + rep.when, rep)

@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    assert item.rep_setup.passed
    assert item.rep_call.failed or item.rep_call.passed
""",
    "reports in the stash": """
import pytest

KEY = pytest.StashKey()

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    rep = yield
    item.stash.setdefault(KEY, {})[rep.when] = rep
    return rep

@pytest.fixture(autouse=True)
def something(request):
    yield
    report = request.node.stash[KEY]
    if report["setup"].failed:
        print("setting up a test failed or skipped", request.node.nodeid)
""",
    "failures to a file": """
import os.path
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    rep = yield
    if rep.when == "call" and rep.failed:
        with open("failures", "a" if os.path.exists("failures") else "w") as f:
            if "tmp_path" in item.fixturenames:
                extra = " ({})".format(item.funcargs["tmp_path"])
            else:
                extra = ""
            f.write(rep.nodeid + extra + "\\n")
    return rep
""",
    "what a failure has": """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.excinfo is not None:
        assert str(call.excinfo.value) and call.excinfo.typename and call.excinfo.tb
        assert call.excinfo.exconly() and call.excinfo.traceback is not None
        crash = report.longrepr.reprcrash
        assert crash.message and crash.path and isinstance(crash.lineno, int)
        assert item.name in str(report.longrepr)
        assert report.longreprtext == str(report.longrepr)
        path, line, name = report.location
        assert path and name and (line is None or isinstance(line, int))
        assert item.function.__code__.co_firstlineno and item.listnames()
        report.sections.append(("extra", "of a conftest"))
        report.extras = []
    assert report.head_line and report.fspath and report.caplog == "" and report.duration >= 0
    report.description = str(item.function.__doc__)
    return report
""",
    "an old wrapper that screenshots": """
import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    extra = getattr(report, "extra", [])
    if report.when in ("call", "setup"):
        xfail = hasattr(report, "wasxfail")
        if (report.skipped and xfail) or (report.failed and not xfail):
            driver = item.funcargs.get("driver") or getattr(item.instance, "driver", None)
            page = item.funcargs["page"] if "page" in item.funcargs else None
            assert driver is page is None
            report.nodeid.replace("::", "_") + ".png"
        report.extra = extra
""",
    "interaction": """
def pytest_exception_interact(node, call, report):
    assert node.name in report.longreprtext
    call.excinfo.traceback[-1].path
    call.excinfo.getrepr()
    print(call.excinfo.value, report.longrepr.reprcrash.message, node.nodeid)
""",
    "the log of reports": """
def pytest_runtest_logreport(report):
    file, *names = report.nodeid.split("::")
    assert file and len(names) == 1
    assert report.keywords and dict(report.keywords) and report.location[2]
    path, line, domain = report.location
    assert f"{path}:{(line or 0) + 1}"
    if report.failed:
        assert report.longrepr.reprtraceback.reprentries[-1].lines
        report.longrepr.toterminal
        assert report.longreprtext.splitlines()[0]
""",
    "incremental": """
import pytest

_failed = {}

def pytest_runtest_makereport(item, call):
    if "incremental" in item.keywords:
        if call.excinfo is not None:
            _failed.setdefault(str(item.cls), {}).setdefault((), item.originalname or item.name)

def pytest_runtest_setup(item):
    if "incremental" in item.keywords:
        pytest.xfail(str(item.cls))
""",
    # What a conftest puts around each test.
    "protocol": """
import pytest

@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    item.config.last = (item.nodeid, nextitem and nextitem.nodeid)
    yield

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except Exception as error:
        error.args
        raise

@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    return (yield)
""",
    "own protocol": """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(2):
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if all(x.passed for x in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
""",
    "fixtures of all tests": """
import socket
import pytest

@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", None)

@pytest.fixture(autouse=True, scope="session")
def chdir(tmp_path_factory, request):
    assert request.session.items
    yield

@pytest.fixture(autouse=True, scope="module")
def module(request):
    request.module.__name__
    yield
""",
    "setup that reads": """
def pytest_runtest_setup(item):
    for name, value in getattr(item, "funcargs", {}).items():
        raise AssertionError(name)
    item.config.cache.set("last/test", item.nodeid)
    request = getattr(item, "_request", None)
    assert request is None or request.node is item
    assert all(item._fixtureinfo.name2fixturedefs.values())

def pytest_runtest_teardown(item, nextitem):
    if nextitem is None or nextitem.module is not item.module:
        pass
""",
    "the summary": """
def pytest_terminal_summary(terminalreporter, exitstatus, config):
    for report in terminalreporter.stats.get("failed", []):
        terminalreporter.write_line(f"{report.nodeid} {report.longrepr.reprcrash.message}")
    for report in terminalreporter.getreports(""):
        report.duration

def pytest_report_teststatus(report, config):
    if report.when == "call" and report.failed:
        return report.outcome, "X", "BAD"

def pytest_sessionfinish(session, exitstatus):
    assert session.testsfailed == 2 and session.testscollected == 3
    session.config.pluginmanager.get_plugin("terminalreporter").stats
""",
    "the log of starts": """
import logging

def pytest_runtest_logstart(nodeid, location):
    logging.getLogger(__name__).info("%s %s:%s %s", nodeid, *location)

def pytest_runtest_logfinish(nodeid, location):
    print(nodeid.split("::")[-1])
""",
}


@pytest.fixture(autouse=True)
def _plugins_of_pytest_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_exposed.plugin")


@pytest.mark.parametrize("conftest", CONFTESTS.values(), ids=CONFTESTS)
def test_beside(
    conftest: str, trio: Trio, pytester: pytest.Pytester, namespaces: Namespaces
) -> None:
    pytester.makeconftest(namespaces.conftest(conftest))
    result = pytester.runpytest_inprocess(*trio.options, "--junitxml=junit.xml")
    check(result, trio)
    namespaces.check()


def test_beside_all_of_them(trio: Trio, pytester: pytest.Pytester, namespaces: Namespaces) -> None:
    given = []
    for number, conftest in enumerate(CONFTESTS.values()):
        pytester.makepyfile(**{f"plugin_{number}": conftest})
        given += ["-p", f"plugin_{number}"]
    pytester.syspathinsert()
    pytester.makeconftest(namespaces.conftest(""))
    check(pytester.runpytest_inprocess(*given, *trio.options), trio)
    namespaces.check()


@pytest.mark.parametrize(
    "name", ["cacheprovider", "junitxml", "logging", "assertion", "unraisableexception"]
)
def test_without_a_plugin_of_pytest(name: str, trio: Trio, pytester: pytest.Pytester) -> None:
    check(pytester.runpytest_subprocess("-p", f"no:{name}", *trio.options), trio)


@pytest.mark.parametrize("wanted", [(), ("-n2",)], ids=["alone", "workers"])
def test_without_a_terminal(wanted: tuple[str, ...], trio: Trio, pytester: pytest.Pytester) -> None:
    given = ("-p", "xdist", "-p", "no:terminal", "--junitxml=junit.xml", *wanted)
    result = pytester.runpytest_subprocess(*given, *trio.options)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    check_output(result)
    cases = ET.parse(pytester.path / "junit.xml").iter("testcase")
    failures = {x.get("name"): x.find("failure") for x in cases}
    assert failures[trio.passing] is None
    found = failures[trio.failing]
    assert found is not None
    assert found.get("message") == "undocumented 9100/tcp"
    assert failures[trio.unseen] is not None


TWICE = """
import os, sys
import pytest

place = os.readlink("/proc/thread-self/ns/net")
print([int(pytest.main(sys.argv[1:])) for _ in range(2)])
assert os.readlink("/proc/thread-self/ns/net") == place
"""


def test_twice_in_a_process(trio: Trio, pytester: pytest.Pytester) -> None:
    given = [x.replace("=exec", "=auto") for x in trio.options]
    command = [sys.executable, "-c", TWICE, *given]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=pytester.path, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[1, 1]"
    assert done.stdout.count("exposed: 3 containers on 1 host, 2 match, 1 do not") == 2


def check(result: pytest.RunResult, trio: Trio) -> None:
    """Check that a run found what there is, whatever a conftest did to its tests."""
    check_output(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "exposed: 3 containers on 1 host, 1 match, 1 do not (undocumented 1), 1 could not be *",
            f"* *::{trio.failing} - undocumented 9100/tcp",
        ]
    )


def check_output(result: pytest.RunResult) -> None:
    shown = result.stdout.str() + result.stderr.str()
    assert "INTERNALERROR" not in shown
    assert "Traceback (most recent call last)" not in shown
