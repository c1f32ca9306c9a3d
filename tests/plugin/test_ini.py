"""Settings: each in every file that pytest reads, and what is said of wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from refusal import refusal

from pytest_exposed.plugin import arguments, options

if TYPE_CHECKING:
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


ALL = {
    "exposed": True,
    "exposed_docker_host": ["unix:///one.sock", "ssh://two"],
    "exposed_run": ["-e A=b postgres:16"],
    "exposed_watch": 5,
    "exposed_filter": ["name=web"],
    "exposed_select": ["default", "cis"],
    "exposed_ignore": ["silent"],
    "exposed_warn": ["ssh"],
    "exposed_documented": "run",
    "exposed_grace": 1.5,
    "exposed_source": "procfs",
    "exposed_helper_image": "busybox",
    "exposed_allow": ["web: 80  # why"],
    "exposed_allow_labels": True,
    "exposed_baseline": "ports.txt",
}


def ini(value: Any) -> str:
    return "".join(f"\n    {x}" for x in value) if isinstance(value, list) else str(value)


def as_text(value: Any) -> str:
    """Return a value for [tool.pytest.ini_options], which knows texts and lists of them."""
    return json.dumps(value if isinstance(value, list) else str(value))


FORMS: dict[str, tuple[str, str, Callable[[Any], str]]] = {
    "pytest.ini": ("pytest.ini", "[pytest]", ini),
    "tox.ini": ("tox.ini", "[pytest]", ini),
    "ini_options": ("pyproject.toml", "[tool.pytest.ini_options]", as_text),
    "ini_options with types": ("pyproject.toml", "[tool.pytest.ini_options]", json.dumps),
}
if IS_9:
    FORMS["native"] = ("pyproject.toml", "[tool.pytest]", json.dumps)
    FORMS["pytest.toml"] = ("pytest.toml", "[pytest]", json.dumps)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_means_the_same(form: str, pytester: pytest.Pytester) -> None:
    assert set(ALL) == {"exposed", *(f"exposed_{x.name}" for x in options.OPTIONS if x.setting)}
    name, heading, write = FORMS[form]
    lines = [f"{x} = {write(value)}" for x, value in ALL.items()]
    (pytester.path / name).write_text("\n".join([heading, *lines]), encoding="utf-8")
    config = pytester.parseconfig()
    assert arguments.audits_running(config)
    given = arguments.given(config)
    assert {f"exposed_{x}": value for x, value in given.items()} == {
        x: value for x, value in ALL.items() if x != "exposed"
    }
    # The help of each says the form of TOML where it is no text.
    for row in options.OPTIONS:
        assert not row.setting or bool(row.toml) == (row.type != "string")


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
    ("exposed_warn", '"ssh"'),
    ("exposed_watch", '"1"'),
    ("exposed_documented", '["run"]'),
    ("exposed_allow_labels", '"true"'),
    ("exposed_baseline", "true"),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exposed_allow", "[9100]"),
        ("exposed_allow", '[["web: 9100"]]'),
        ("exposed_docker_host", "[1]"),
        ("exposed_filter", "[1]"),
        ("exposed_run", "[1]"),
        ("exposed_ignore", "[1]"),
        ("exposed_warn", "[true]"),
        ("exposed_grace", '["1"]'),
        ("exposed_helper_image", '["busybox"]'),
        ("exposed_baseline", '["ports.txt"]'),
    ],
)
def test_what_ini_options_takes_as_it_is(
    name: str, value: str, run_pytest: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_x(container_listens_on): pass")
    pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{name} = {value}\n")
    said = f"the setting {name} is wrong: "
    assert refusal(run_pytest("--exposed")).startswith(said)
    if name != "exposed_run":
        result = run_pytest()
        result.assert_outcomes(errors=1)
        assert any(x.startswith(f"pytest-exposed: {said}") for x in result.outlines)


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

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [
            ('exposed_filter = "name=web"', 'exposed_filter = ["name=web"]'),
            ('exposed_grace = "10"', "exposed_grace = 10.0"),
            ('exposed = "true"', "exposed = true"),
            ("exposed_allow_labels = 1", "exposed_allow_labels = true"),
        ],
    )
    def test_the_right_form_is_told(
        wrong: str, right: str, run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyprojecttoml(f"[tool.pytest]\n{wrong}\n")
        typed = () if wrong.startswith("exposed =") else ("--exposed",)
        assert refusal(run_pytest(*typed)).endswith(f"; an example is {right}")

    def test_an_option_of_the_same_name_in_another_plugin(
        run_pytest: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(other="def pytest_addoption(parser): parser.addoption('--docker-host')")
        pytester.syspathinsert()
        result = run_pytest("-p", "other")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: pytest-exposed can't add its option --docker-host: *"])
