"""Settings: each in every file that pytest reads, and what is said of wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

PYTEST_INI = """
[pytest]
exposed_docker_host =
    {host}
exposed_filter =
    {filter}
    name=wanted
exposed_select = silent, undocumented
exposed_ignore = silent
exposed_grace = 0
exposed_source = procfs
exposed_allow =
    *: 81  # known
"""

INI_OPTIONS = """
[tool.pytest.ini_options]
exposed_docker_host = ["{host}"]
exposed_filter = ["{filter}", "name=wanted"]
exposed_select = ["silent", "undocumented"]
exposed_ignore = "silent"
exposed_grace = "0"
exposed_source = "procfs"
exposed_allow = ["*: 81  # known"]
"""

NATIVE = """
[tool.pytest]
exposed_docker_host = ["{host}"]
exposed_filter = ["{filter}", "name=wanted"]
exposed_select = ["silent", "undocumented"]
exposed_ignore = ["silent"]
exposed_grace = 0.0
exposed_source = "procfs"
exposed_allow = ["*: 81  # known"]
"""

# Settings with types came with pytest 9, and so did a check of options at their definition.
IS_9 = pytest.version_tuple >= (9,)
NATIVE_FORMS = [("pyproject.toml", NATIVE)] if IS_9 else []


@pytest.mark.parametrize(
    "file",
    [("pytest.ini", PYTEST_INI), ("pyproject.toml", INI_OPTIONS), *NATIVE_FORMS],
    ids=["pytest.ini", "ini_options", "native"][: 2 + len(NATIVE_FORMS)],
)
def test_every_setting(
    file: tuple[str, str],
    run_pytest: Run,
    stage: Stage,
    engine_url: str,
    pytester: pytest.Pytester,
) -> None:
    name, text = file
    stage.run("tcp:0.0.0.0:80-81", name="wanted", exposes=("82",))
    stage.run("tcp:0.0.0.0:80", name="other")
    written = text.replace("{host}", engine_url).replace("{filter}", stage.filter)
    (pytester.path / name).write_text(written)
    result = run_pytest("--exposed", "-v")
    result.assert_outcomes(failed=1)
    assert result.duration < 5
    result.stdout.fnmatch_lines(
        [
            "*, seen by procfs, does not match its image",
            "exposed: 1 container on 1 host, 0 match, 1 do not (undocumented 1)",
            f"FAILED exposed::{stage.name}-wanted - undocumented 80/tcp",
        ]
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("exposed_grace = soon", "the setting exposed_grace is wrong: "),
        ("exposed_grace = -1", "-1"),
        ("exposed_source = ebpf", "'ebpf' is not a source"),
        ("exposed_select = nosuch", "'nosuch' is not a rule"),
        ("exposed_ignore = nosuch", "'nosuch' is not a rule"),
        ("exposed_filter = web", "'web' is not a filter"),
        ("exposed_allow = web", "'web'"),
        ("exposed_allow = web: nosuch", "nosuch"),
    ],
)
def test_a_wrong_value_is_told_where_it_is_used(
    line: str, said: str, run_pytest: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        test_plain="def test_x(): pass", test_ours="def test_y(container_listens_on): pass"
    )
    pytester.makeini(f"[pytest]\n{line}\n")
    assert said in refusal(run_pytest("--exposed"))
    run_pytest("test_plain.py").assert_outcomes(passed=1)
    assert run_pytest("--help").ret == pytest.ExitCode.OK
    result = run_pytest("test_ours.py")
    result.assert_outcomes(errors=1)
    assert any(x.startswith("pytest-exposed: ") and said in x for x in result.outlines)


WRONG_TYPES = [
    ("exposed_docker_host", '"unix:///x"'),
    ("exposed_filter", "[1]"),
    ("exposed_select", "true"),
    ("exposed_ignore", "{ silent = true }"),
    ("exposed_grace", '"0"'),
    ("exposed_source", '["procfs"]'),
    ("exposed_helper_image", "1"),
    ("exposed_allow", '"web: 80"'),
]


if IS_9:

    @pytest.mark.parametrize(("name", "value"), WRONG_TYPES)
    def test_a_wrong_type(
        name: str, value: str, run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile("def test_x(): pass")
        pytester.makepyprojecttoml(f"[tool.pytest]\n{name} = {value}\n")
        run_pytest().assert_outcomes(passed=1)
        said = refusal(run_pytest("--exposed"))
        assert said.startswith(f"the setting {name} is wrong: ")

    def test_the_right_form_is_told(run_pytest: Run, pytester: pytest.Pytester) -> None:
        pytester.makepyprojecttoml('[tool.pytest]\nexposed_filter = "name=web"\n')
        assert 'in TOML write exposed_filter = ["name=web"]' in refusal(run_pytest("--exposed"))

    def test_an_option_of_the_same_name_in_another_plugin(
        run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(other="def pytest_addoption(parser): parser.addoption('--docker-host')")
        pytester.syspathinsert()
        result = run_pytest("-p", "other")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: pytest-exposed can't add its option --docker-host: *"])
