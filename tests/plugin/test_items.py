"""What conftests and other plugins read of every test, they find at those of the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Audit = Callable[..., pytest.RunResult]

CONFTESTS = {
    "fixtures": """
        def pytest_collection_modifyitems(items):
            for item in items:
                assert "tmp_path" not in item.fixturenames
                assert item.funcargs == {}
    """,
    "function": """
        def pytest_itemcollected(item):
            item.function.__doc__.strip()
            item.user_properties.append(("doc", item.obj.__doc__))
            assert item.function.__name__ and item.originalname == item.name
    """,
    "place": """
        import sys
        def pytest_collection_modifyitems(items):
            items.sort(key=lambda x: (x.module.__name__, str(x.path), x.location))
            for item in items:
                path, line, name = item.location
                assert path == "exposed" and line + 1 == 1 and name == item.name
                assert item.cls is None and item.instance is None
    """,
    "ids of docstrings, as popular conftests make them": """
        def pytest_itemcollected(item):
            parent, node = item.parent.obj, item.obj
            assert parent.__doc__.strip() and item.name in node.__doc__
            item._nodeid = parent.__doc__.strip() + " " + node.__doc__.strip()
    """,
    "source": """
        import inspect
        def pytest_collection_modifyitems(items):
            for item in items:
                assert inspect.getsource(item.function).startswith("def ")
                assert not inspect.signature(item.obj).parameters
                assert item.function.__module__ == item.module.__name__
    """,
    "request": """
        import pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if report.when == "call":
                assert item._request.node is item
                assert not item._request.fixturenames
                assert item._request.getfixturevalue("tmp_path").is_dir()
                item._request.addfinalizer(lambda: None)
                assert not item._fixtureinfo.argnames
            return report
    """,
    "autouse": """
        import pytest
        @pytest.fixture(autouse=True)
        def no_requests(monkeypatch):
            monkeypatch.delattr("requests.sessions.Session.request")
            monkeypatch.delattr("http.client.HTTPConnection.request")
    """,
    "marks": """
        import pytest
        def pytest_runtest_setup(item):
            assert [x.name for x in item.iter_markers()] == ["exposed"]
            assert item.get_closest_marker("slow") is None
            item.add_marker(pytest.mark.exposed)
    """,
    "reports": """
        import pytest
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            setattr(item, "rep_" + report.when, report)
            if report.failed:
                crash = report.longrepr.reprcrash
                assert crash.path == report.nodeid and crash.lineno == 1
                assert crash.message in ("undocumented 80/tcp", call.excinfo.value.args[0]) or (
                    "cat" in crash.message)
                assert report.longrepr.reprtraceback.reprentries
                assert item.name in report.longreprtext
            return report
    """,
    "again": """
        import pytest
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_protocol(item, nextitem):
            from _pytest.runner import runtestprotocol
            for log in (False, True):
                item._initrequest()
                runtestprotocol(item, nextitem=nextitem, log=log)
            return True
    """,
}


@pytest.fixture(scope="module", autouse=True)
def containers(shared_stage: Stage) -> None:
    shared_stage.run("tcp:0.0.0.0:80", name="drift")
    shared_stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))


@pytest.mark.parametrize("name", CONFTESTS)
def test_beside_a_conftest(
    name: str, audit: Audit, shared_stage: Stage, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CONFTESTS[name])
    result = audit(shared_stage)
    result.assert_outcomes(passed=1, failed=1)
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


def test_of_containers_that_can_t_be_seen(
    audit: Audit, shared_stage: Stage, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CONFTESTS["reports"])
    audit(shared_stage, "--exposed-source=exec").assert_outcomes(failed=2)


def test_a_test_of_another_name_that_did_not_run(
    audit: Audit, shared_stage: Stage, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        def pytest_itemcollected(item):
            item._nodeid = "Container " + item.name
        """
    )
    result = audit(shared_stage, "-x")
    result.stdout.fnmatch_lines(
        ["exposed: 2 containers on 1 host, *, 1 not judged, as its test did not finish"]
    )


PLUGINS = [
    "terminal",
    "cacheprovider",
    "junitxml",
    "logging",
    "assertion",
    "doctest",
    "faulthandler",
]


@pytest.mark.parametrize("name", PLUGINS)
def test_without_a_plugin_of_pytest_s(name: str, audit: Audit, shared_stage: Stage) -> None:
    result = audit(shared_stage, "-p", f"no:{name}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize("style", ["auto", "long", "short", "native"])
def test_a_failure_is_text_in_every_style(style: str, audit: Audit, shared_stage: Stage) -> None:
    result = audit(shared_stage, f"--tb={style}")
    result.stdout.fnmatch_lines(
        [
            "*-drift (*) does not match its image",
            "*",
            "FAILED exposed::*-drift - undocumented 80/tcp",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "items.py" not in result.stdout.str()


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
def test_a_failure_has_a_line_of_its_own(
    workers: tuple[str, ...], audit: Audit, shared_stage: Stage
) -> None:
    result = audit(shared_stage, "--tb=line", *workers)
    result.stdout.fnmatch_lines(["exposed::*-drift:1: undocumented 80/tcp"])


def test_what_wraps_a_tests_function(
    audit: Audit, pytester: pytest.Pytester, shared_stage: Stage
) -> None:
    pytester.makeconftest(
        """
        import functools

        def pytest_collection_modifyitems(items):
            for item in items:
                item.obj = functools.wraps(item.obj)(lambda *a, **k: None)
                item.audit = item.audit
        """
    )
    result = audit(shared_stage)
    result.assert_outcomes(passed=1, failed=1)


def test_what_leaves_containers_out_in_silence_is_told_of(
    audit: Audit, pytester: pytest.Pytester, shared_stage: Stage
) -> None:
    pytester.makeconftest(
        """
        def pytest_collection_modifyitems(items):
            items[:] = [x for x in items if not x.get_closest_marker("exposed")]
        """
    )
    result = audit(shared_stage)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(
        ["exposed: a plugin or conftest left out 2 containers and reported none of it"]
    )
    pytester.makeconftest("")
    result = audit(shared_stage, "-k", "nothing-is-called-so")
    result.stdout.no_fnmatch_line("*a plugin or conftest left out*")
