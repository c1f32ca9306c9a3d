"""Installed but unused, the plugin costs a run of pytest next to nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

LOADED = ("plugin", "plugin.arguments", "plugin.ids", "plugin.imports", "plugin.options")
"""Modules of ours that every run of pytest loads."""

SLOW = {"docker", "requests", "urllib3", "testinfra", "paramiko"}

CONFTEST = """
    import json, pytest, sys

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure():
        with open("modules.json", "w") as file:
            json.dump(sorted(sys.modules), file)
"""


def imported(pytester: pytest.Pytester) -> set[str]:
    """Return the modules that a run of pytest imports which has no other plugin than ours."""
    pytester.makeconftest(CONFTEST)
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pytest", "-p", "exposed"],
        cwd=pytester.path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert "1 passed" in done.stdout
    # What importlib.import_module imports is not timed: both together tell it all.
    timed = re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE)
    return {*timed, *json.loads((pytester.path / "modules.json").read_bytes())}


@pytest.mark.parametrize("settings", ["", "exposed_docker_host = nosuch\nexposed_grace = 5\n"])
def test_no_slow_import_in_an_unrelated_suite(settings: str, pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(): assert {1} == {1}")
    pytester.makeini(f"[pytest]\n{settings}")
    modules = imported(pytester)
    assert "pytest_exposed.plugin" in modules
    assert not {x for x in modules if x.partition(".")[0] in SLOW}
    if not settings:
        ours = {x for x in modules if x.startswith("pytest_exposed")}
        assert ours == {"pytest_exposed", *(f"pytest_exposed.{x}" for x in LOADED)}


def test_what_would_be_seen(pytester: pytest.Pytester) -> None:
    """The names above are those that a run would be seen to import."""
    pytester.makepyfile("def test_x(): from pytest_exposed import Engine; import docker")
    assert {"docker", "requests", "urllib3"} <= imported(pytester)


def test_to_use_it_imports_none_of_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_x(): from pytest_exposed import Engine")
    assert not {x for x in imported(pytester) if x.partition(".")[0] in SLOW}


def test_no_module_of_ours_has_its_asserts_rewritten(pytester: pytest.Pytester) -> None:
    """Which pytest does for each module of a plugin's distribution where nothing is cached."""
    pytester.makepyfile(
        """
        import sys

        def test_x():
            from pytest_exposed import Engine

            ours = [x for x in sys.modules.values() if x.__name__.startswith("pytest_exposed.")]
            rewritten = {x.__name__ for x in ours if "Rewriting" in type(x.__loader__).__name__}
            loaded = ("", ".arguments", ".ids", ".imports", ".options")
            assert rewritten <= {"pytest_exposed.plugin" + x for x in loaded}
            assert len(ours) > 20
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("list_", ["[Refuse(), *sys.meta_path]", "[]"])
def test_a_test_that_keeps_modules_from_being_found_fails_alone(
    list_: str, pytester: pytest.Pytester
) -> None:
    """Nothing of ours is imported while pytest shows why it failed."""
    pytester.makepyfile(
        """
        import sys
        from pytest_exposed import Engine

        class Refuse:
            def find_spec(self, name, path=None, target=None):
                raise ImportError(name)

        def test_x(monkeypatch):
            monkeypatch.setattr(sys, "meta_path", LIST)
            assert 0

        def test_y():
            sys.meta_path = LIST  # to the end of the run
            assert 0
        """.replace("LIST", list_)
    )
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest")
    result.assert_outcomes(failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_what_finds_modules_is_as_before_when_the_run_is_over(pytester: pytest.Pytester) -> None:
    before = list(sys.meta_path)
    pytester.makepyfile("def test_x(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
    assert sys.meta_path == before
