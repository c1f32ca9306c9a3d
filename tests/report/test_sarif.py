"""The SARIF report: valid by the published schema, whatever was found and whatever it is called."""

from __future__ import annotations

import json
from email.message import Message
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator, FormatChecker
from report.fleet import fleet
from report.test_html import HOSTILE, finding, record

from pytest_exposed import report
from pytest_exposed.report.links import RULES_PAGE
from pytest_exposed.rules import RULES

if TYPE_CHECKING:
    from report.document import Record

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(
    Path(__file__).with_name("data").joinpath("sarif-schema-2.1.0.json").read_bytes()
)
VALIDATOR = Draft4Validator(SCHEMA, format_checker=FormatChecker())


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Write the report of hosts, and return its run once the schema has accepted it."""

    def write(*hosts: Record) -> Any:
        path = tmp_path / "report.sarif"
        report.write(path, hosts)
        document = json.loads(path.read_text(encoding="utf-8"))
        problems = [f"{x.json_path}: {x.message}" for x in VALIDATOR.iter_errors(document)]
        assert not problems
        (run,) = document["runs"]
        return run

    return write


def host(
    *containers: Record, name: str = "unix:///var/run/docker.sock", error: str | None = None
) -> Record:
    return {"host": name, "error": error, "containers": list(containers)}


def test_the_schema_refuses_what_is_wrong() -> None:
    assert list(VALIDATOR.iter_errors({"version": "2.1.0", "runs": [{"results": 7}]}))
    location = {"physicalLocation": {"artifactLocation": {"uri": "a b"}}}
    result = {"message": {"text": "m"}, "locations": [location]}
    run = {"tool": {"driver": {"name": "x"}}, "results": [result]}
    (problem,) = VALIDATOR.iter_errors({"version": "2.1.0", "runs": [run]})
    assert problem.json_path.endswith("artifactLocation.uri")


@pytest.mark.parametrize("count", [0, 60, 1000])
def test_a_fleet_is_valid(count: int, written: Any) -> None:
    containers = fleet(count)
    run = written(host(*containers))
    found = {(x["name"], y["rule"]) for x in containers for y in x["findings"] or ()}
    names = [x["locations"][0]["logicalLocations"][0]["name"] for x in run["results"]]
    assert {(x, y["ruleId"]) for x, y in zip(names, run["results"], strict=True)} == found
    prints = [x["partialFingerprints"]["finding/v1"] for x in run["results"]]
    assert len(set(prints)) == len(prints)


def test_of_several_hosts_each_finding_names_its_own(written: Any) -> None:
    found = record("web", finding())
    (alone,) = written(host(found))["results"]
    assert alone["message"]["text"].startswith("web 80/tcp: ")
    both = written(host(found, name="n1"), host(found, name="n2"))["results"]
    texts = [x["message"]["text"].partition(":")[0] for x in both]
    assert texts == ["web on n1 80/tcp", "web on n2 80/tcp"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_valid(text: str, written: Any) -> None:
    wrong = finding(message=text, fix=text, waived=text)
    run = written(host(record(text, wrong, image=text)), host(error=text or "?"))
    (result,) = run["results"]
    assert result["message"]["text"].isprintable()
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 1


def test_what_fails_the_run_is_an_error_whatever_its_group(written: Any) -> None:
    found = (finding("published-everywhere"), finding("published-everywhere", warning=True))
    results = written(host(record("web", found[0]), record("api", found[1])))["results"]
    assert [x["level"] for x in results] == ["error", "warning"]


@pytest.mark.parametrize(
    ("place", "uri"),
    [
        ((".", "Dockerfile"), "app/Dockerfile"),
        ((".", "../Dockerfile"), "Dockerfile"),
        ((".", "{here}/a b/Dockerfile"), "app/a%20b/Dockerfile"),
        (("app", "./a/Dockerfile"), "a/Dockerfile"),
        ((None, "./a/Dockerfile"), "a/Dockerfile"),
        ((None, "../Dockerfile"), "../Dockerfile"),
    ],
)
def test_a_file_is_named_from_the_root_of_its_repository(
    place: tuple[str | None, str],
    uri: str,
    written: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (root, file), here = place, tmp_path / "app"
    here.mkdir()
    if root is not None:
        (tmp_path / root / ".git").mkdir()
    monkeypatch.chdir(here)
    wrong = finding(port="80/tcp") | {"file": file.format(here=here), "line": 3}
    (result,) = written(host(record("web", wrong)))["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_what_could_not_be_looked_at_is_no_success(written: Any) -> None:
    unseen = record("web", error="no source can see the sockets of web", findings=None)
    (invocation,) = written(host(unseen), host(error="nothing answers there"))["invocations"]
    assert invocation["executionSuccessful"] is False
    messages = [x["message"]["text"] for x in invocation["toolExecutionNotifications"]]
    assert [x.partition(": ")[2] for x in messages[:1]] == ["no source can see the sockets of web"]
    assert messages[1] == "nothing answers there"


def test_each_rule_has_a_title_with_a_subject(written: Any) -> None:
    rules = written(host())["tool"]["driver"]["rules"]
    assert [x["id"] for x in rules] == list(RULES)
    for rule in rules:
        title = rule["shortDescription"]["text"]
        assert title.startswith(("A port ", "A container ")), title
        assert title.endswith(".")
        assert rule["fullDescription"]["text"].startswith(title)


def test_each_rule_links_to_its_chapter(written: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Message()
    package["Project-URL"] = "Changelog, https://example.org/changes, all of them"
    package["Project-URL"] = "Documentation, https://docs.example.org/latest/"
    monkeypatch.setattr(metadata, "metadata", {"pytest-exposed": package}.get)
    for rule in written(host())["tool"]["driver"]["rules"]:
        assert rule["helpUri"] == f"https://docs.example.org/latest/{RULES_PAGE}#{rule['id']}"


def test_the_chapters_are_there() -> None:
    page = (ROOT / "docs" / RULES_PAGE).with_suffix(".md").read_text(encoding="utf-8")
    assert [x for x in RULES if f"\n## {x}\n" not in page] == []


def test_the_project_says_where_its_documentation_is() -> None:
    urls = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.urls]")[2]
    assert '\nDocumentation = "https://' in urls.partition("\n[")[0]


@pytest.mark.parametrize("urls", [[], ["Homepage, https://example.org"], ["Documentation"]])
def test_without_an_address_there_is_no_link(
    urls: list[str], written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Message()
    for url in urls:
        package["Project-URL"] = url
    monkeypatch.setattr(metadata, "metadata", {"pytest-exposed": package}.get)
    assert not any("helpUri" in x for x in written(host())["tool"]["driver"]["rules"])


def test_nor_where_the_package_is_not_installed(
    written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Message:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", missing)
    assert not any("helpUri" in x for x in written(host())["tool"]["driver"]["rules"])
