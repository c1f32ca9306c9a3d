"""Settings: the same strictness for options, ini lines and the API."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed.audit.settings import GRACE, Settings
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.rules import RULES
from pytest_exposed.sockets.chain import SOURCES


def test_without_options_the_default_engine_is_judged_by_the_default_rules() -> None:
    settings = Settings.parse()
    assert settings.hosts == (None,)
    assert settings.filters == {}
    assert settings.select == settings.ignore == ()
    assert settings.grace == GRACE == 10
    assert settings.source == "auto"
    assert settings.reports == ()
    assert settings.acceptance.waivers == ()
    assert not settings.tables


def test_each_host_is_looked_at_once_in_the_order_given() -> None:
    hosts = ["ssh://b", "tcp://a:1", " ssh://b ", "prod", "ssh://b"]
    assert Settings.parse(hosts=hosts).hosts == ("ssh://b", "tcp://a:1", "prod")


@pytest.mark.parametrize(
    ("lines", "filters"),
    [
        ([], {}),
        (["name=web"], {"name": ("web",)}),
        (["label=tier=front"], {"label": ("tier=front",)}),
        (["name=web", "name=db", "network=a"], {"name": ("web", "db"), "network": ("a",)}),
        ([" name=web "], {"name": ("web",)}),
        (["name==a"], {"name": ("=a",)}),
        (["label=tier=a, b"], {"label": ("tier=a, b",)}),
    ],
)
def test_filters_are_docker_s(lines: list[str], filters: dict[str, tuple[str, ...]]) -> None:
    assert Settings.parse(filters=lines).filters == filters


@pytest.mark.parametrize("line", ["", " ", "name", "=", "=web", "name=", "name= ", " =web", "web:"])
def test_what_is_no_filter_is_refused_and_named(line: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(line))):
        Settings.parse(filters=["name=web", line])


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("silent", ("silent",)),
        ("silent,ssh", ("silent", "ssh")),
        (" silent , cis ,", ("silent", "cis")),
        ("", ()),
        (",", ()),
        (["silent", "cis,ssh"], ("silent", "cis", "ssh")),
        ([], ()),
        ("all", ("all",)),
    ],
)
def test_rules_are_separated_by_commas(given: Any, names: tuple[str, ...]) -> None:
    assert Settings.parse(select=given).select == names


@pytest.mark.parametrize("given", ["silent, ssh", ["silent", "ssh"]])
def test_rules_are_ignored_by_the_same_forms(given: Any) -> None:
    settings = Settings.parse(select="all", ignore=given)
    assert (settings.select, settings.ignore) == (("all",), ("silent", "ssh"))


@pytest.mark.parametrize("option", ["select", "ignore"])
@pytest.mark.parametrize("name", ["nosuch", "Silent", "80/tcp", "silent;ssh"])
def test_an_unknown_rule_is_refused_with_those_there_are(option: str, name: str) -> None:
    options: dict[str, Any] = {option: f"silent,{name}"}
    with pytest.raises(ConfigurationError, match=re.escape(repr(name))) as caught:
        Settings.parse(**options)
    assert all(x in str(caught.value) for x in [*RULES, "default", "cis", "all"])


@pytest.mark.parametrize(
    ("select", "ignore"),
    [("", "default"), ("", "all"), ("silent", "silent"), ("silent,ssh", "cis,silent")],
)
def test_a_run_that_judges_by_no_rule_is_refused(select: str, ignore: str) -> None:
    with pytest.raises(ConfigurationError, match="no rule is left") as caught:
        Settings.parse(select=select, ignore=ignore)
    assert all(x in str(caught.value) for x in f"{select},{ignore}".split(","))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", GRACE), ("0", 0), ("5", 5), ("2.5", 2.5), (" 3 ", 3), ("1e3", 1000), ("86400", 86400)],
)
def test_a_grace_is_a_number_of_seconds(text: str, seconds: float) -> None:
    assert Settings.parse(grace=text).grace == seconds


@pytest.mark.parametrize(
    "text",
    ["-1", "-0.1", "86401", "nan", "inf", "-inf", "1e400", "5s", "abc", " ", "1,5", "0x10", "None"],
)
def test_what_is_no_grace_is_refused_and_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(text))):
        Settings.parse(grace=text)


@given(st.text(max_size=8) | st.floats().map(str))
def test_any_grace_is_a_bounded_number_or_refused(text: str) -> None:
    try:
        grace = Settings.parse(grace=text).grace
    except ConfigurationError:
        return
    assert 0 <= grace <= 86400


def test_the_sources_are_those_of_the_contract() -> None:
    assert SOURCES == ("auto", "netlink", "procfs", "helper", "exec")
    for source in SOURCES:
        assert Settings.parse(source=source).source == source


@pytest.mark.parametrize("source", ["proc", "Netlink", "netlink,procfs", " netlink", "auto "])
def test_an_unknown_source_is_refused_with_those_there_are(source: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(source))) as caught:
        Settings.parse(source=source)
    assert all(x in str(caught.value) for x in SOURCES)


def test_a_report_s_form_is_chosen_by_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "ports.v1.json"
    assert Settings.parse(reports=[str(path)]).reports == (path,)
    assert not path.exists()


@pytest.mark.parametrize("name", ["ports", "ports.txt", "ports.JSON.bak", "", ".json"])
def test_a_report_of_another_ending_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=re.escape(repr(name))):
        Settings.parse(reports=[name])


def test_a_baseline_into_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        Settings.parse(new_baseline=str(tmp_path / "nowhere" / "ports.txt"))


def test_waivers_are_read_and_a_wrong_one_is_named() -> None:
    (waiver,) = Settings.parse(
        allow=["web*: silent, 80 until 2030-01-31  # why"]
    ).acceptance.waivers
    assert waiver.rules == frozenset({"silent"})
    assert waiver.ports == {80}
    assert waiver.reason == "why"
    with pytest.raises(ConfigurationError, match="'web 80'"):
        Settings.parse(allow=["web 80"])


def test_errors_are_value_errors() -> None:
    with pytest.raises(ValueError, match="is not a source"):
        Settings.parse(source="x")


def test_the_ending_of_a_report_is_read_in_any_case() -> None:
    assert [x.name for x in Settings.parse(reports=["PORTS.HTML", "a.Md"]).reports] == [
        "PORTS.HTML",
        "a.Md",
    ]
