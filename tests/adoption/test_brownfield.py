"""The story of a team that begins with many findings, on a real engine; and what is written."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from refusal import refusal

from pytest_exposed.report import suite

if TYPE_CHECKING:
    from stage import Stage


def audit(
    pytester: pytest.Pytester, engine_url: str, stage: Stage, *options: str
) -> pytest.RunResult:
    given = ["--docker-host", engine_url, "--exposed", "--exposed-grace=0"]
    return pytester.runpytest(*given, "--exposed-filter", stage.filter, *options)


@pytest.fixture(scope="module")
def drift(shared_stage: Stage) -> Stage:
    """A container with a finding."""
    shared_stage.run("tcp:0.0.0.0:80", name="web")
    return shared_stage


def test_a_baseline_from_twelve_findings_to_none(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    def run(*options: str) -> pytest.RunResult:
        return audit(pytester, engine_url, stage, *options)

    stage.run("tcp:0.0.0.0:7001-7010", name="many")
    old = stage.run("tcp:0.0.0.0:80", name="old", exposes=["80", "81", "82"])
    first = run("--exposed-write-baseline=baseline.txt")
    first.assert_outcomes(failed=2)
    first.stdout.fnmatch_lines(
        ["exposed: 12 findings written to baseline.txt; --exposed-baseline=baseline.txt accepts *"]
    )

    run("--exposed-baseline=baseline.txt").assert_outcomes(passed=2)

    stage.run("tcp:0.0.0.0:9999", name="new")
    again = run("--exposed-baseline=baseline.txt")
    again.assert_outcomes(passed=2, failed=1)
    again.stdout.fnmatch_lines(["*undocumented*9999/tcp*", "exposed: *1 do not (*), 2 accepted"])

    old.sdk.remove(force=True)
    stage.run("tcp:0.0.0.0:80-82", name="old", exposes=["80", "81", "82"])
    fixed = run("--exposed-baseline=baseline.txt")
    fixed.assert_outcomes(passed=2, failed=1)
    fixed.stdout.fnmatch_lines(
        [f"exposed: not found any more, remove it from baseline.txt: {old.name}: silent 81/tcp"]
    )
    # What is not judged is not known to be gone.
    other = run("--exposed-baseline=baseline.txt", "--exposed-ignore=silent")
    assert "not found any more" not in other.stdout.str()
    shrunk = run("--exposed-baseline=baseline.txt", "--exposed-write-baseline=baseline.txt")
    gone = "2 of baseline.txt left out, as not found any more"
    which = f"{old.name}: silent 81/tcp"
    said = f"exposed: 11 findings written to baseline.txt; {gone}: *{which}*"
    shrunk.stdout.fnmatch_lines([said])
    assert "silent" not in Path(pytester.path, "baseline.txt").read_text(encoding="utf-8")


def test_what_is_in_no_network_any_more_stays_in_a_baseline(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    def run(*options: str) -> str:
        return audit(pytester, engine_url, stage, "--exposed-grace=0", *options).stdout.str()

    owner = stage.run("tcp:0.0.0.0:80", name="owner", exposes=["80"])
    mode = f"container:{owner.id}"
    joiner = stage.run("tcp:0.0.0.0:81-82", name="joiner", exposes=["81"], network_mode=mode)
    assert "1 finding written to b.txt" in run("--exposed-write-baseline=b.txt")
    assert "match, 1 accepted" in run("--exposed-baseline=b.txt")
    owner.sdk.restart(timeout=0)
    said = run("--exposed-baseline=b.txt", "-o", f"exposed_allow={joiner.name}: 82")
    assert "unreachable 81/tcp" in said
    assert "not found any more" not in said
    assert "waiver not used" not in said
    said = run("--exposed-baseline=b.txt", "--exposed-write-baseline=b.txt")
    assert "2 findings written to b.txt, 1 of them from b.txt, as not all was judged" in said


def test_what_is_not_judged_stays_in_a_new_baseline(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    def run(*options: str) -> str:
        return audit(pytester, engine_url, stage, *options).stdout.str()

    stage.run("tcp:0.0.0.0:80", name="one", exposes=["81"])
    two = stage.run("tcp:0.0.0.0:80", name="two")
    assert "3 findings written to old.txt" in run("--exposed-write-baseline=old.txt")
    old, new = Path(pytester.path, "old.txt"), Path(pytester.path, "new.txt")
    both = ("--exposed-baseline=old.txt", "--exposed-write-baseline=new.txt")
    for left_out in ("-k=one", "--exposed-ignore=silent"):
        said = run(*both, left_out)
        assert "3 findings written to new.txt, 1 of them from old.txt, as not all" in said
        assert new.read_text(encoding="utf-8") == old.read_text(encoding="utf-8")
    said = run("-k=one", "-o", "exposed_allow=nosuch: 9999")
    assert "waiver not used, as no container is called that: nosuch: 9999" in said
    two.sdk.stop(timeout=0)  # the next start brings its findings back
    for narrower in ((), ("--exposed-filter", f"name={stage.name}-one")):
        said = run(*both, *narrower, "-o", f"exposed_allow={two.name}: 9999")
        assert "3 findings written to new.txt, 1 of them from old.txt, as not all" in said
        assert new.read_text(encoding="utf-8") == old.read_text(encoding="utf-8")
        assert "remove it from" not in said
        assert "waiver not used" not in said
    two.sdk.remove(force=True)
    gone = "1 of old.txt left out, as not found any more"
    said = run(*both)
    line = f"{two.name}: undocumented 80/tcp"
    assert f"exposed: 2 findings written to new.txt; {gone}: {line}\n" in said
    assert f"exposed: there is no such container, remove it from old.txt: {line}\n" in said
    new.write_bytes(old.read_bytes())
    said = run("--exposed-baseline=new.txt", "--exposed-write-baseline=new.txt")
    assert "1 of new.txt left out, as not found any more" in said
    assert "remove it from" not in said  # it is

    # One that is waived, too, is still there; and what people wrote stays.
    words = "80/tcp  # until the proxy is there"
    old.write_text(old.read_text(encoding="utf-8").replace("80/tcp", words), encoding="utf-8")
    waived = run(*both, "-o", "exposed_allow=*: silent")
    assert "; 1 of old.txt left out, as waived elsewhere; 1 of old.txt left out, as not" in waived
    assert words in new.read_text(encoding="utf-8")


def test_no_other_file_is_lost(pytester: pytest.Pytester, engine_url: str, drift: Stage) -> None:
    mine = pytester.makepyfile(test_mine="def test_x(): pass")
    result = audit(pytester, engine_url, drift, f"--exposed-write-baseline={mine.name}")
    assert "'test_mine.py' can't be written: it exists and is no baseline" in refusal(result)
    assert mine.read_text(encoding="utf-8") == "def test_x(): pass"


def test_paths_are_of_where_pytest_was_started(
    pytester: pytest.Pytester, engine_url: str, drift: Stage
) -> None:
    pytester.mkdir("other")
    pytester.makeconftest("import os; os.chdir('other')")
    audit(pytester, engine_url, drift, "--exposed-write-baseline=b.txt").assert_outcomes(failed=1)
    audit(pytester, engine_url, drift, "--exposed-baseline=b.txt").assert_outcomes(passed=1)
    assert [x.name for x in Path(pytester.path).glob("**/b.txt")] == ["b.txt"]


def test_the_setting_may_be_there_before_the_file(
    pytester: pytest.Pytester, engine_url: str, drift: Stage
) -> None:
    given = ("-o", "exposed_baseline=ports.txt")
    first = audit(pytester, engine_url, drift, *given, "--exposed-write-baseline=ports.txt")
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines(["exposed: 1 finding written to ports.txt"])
    audit(pytester, engine_url, drift, *given).assert_outcomes(passed=1)


def test_a_run_says_how_long_it_waited(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=["81"])
    result = audit(pytester, engine_url, stage, "--exposed-grace=3")
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines([r"exposed: waited \d s for \S+ to settle \(--exposed-grace\)$"])


def test_a_baseline_of_the_ini_file_lies_beside_it(
    pytester: pytest.Pytester,
    engine_url: str,
    drift: Stage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audit(pytester, engine_url, drift, "--exposed-write-baseline=baseline.txt")
    pytester.makeini("[pytest]\nexposed_baseline = baseline.txt")
    audit(pytester, engine_url, drift).assert_outcomes(passed=1)
    monkeypatch.chdir(pytester.mkdir("folder"))
    audit(pytester, engine_url, drift).assert_outcomes(passed=1)


@pytest.mark.parametrize("only", ["--collect-only", "--setup-plan", "--setup-only"])
def test_where_tests_are_only_listed_nothing_is_written(
    only: str, pytester: pytest.Pytester, engine_url: str, drift: Stage
) -> None:
    audit(pytester, engine_url, drift, "--exposed-write-baseline=baseline.txt")
    before = Path(pytester.path, "baseline.txt").read_bytes()
    others = ("--exposed-report=report.json", "--exposed-write-tests=test_written.py")
    options = (only, "--exposed-write-baseline=baseline.txt", *others)
    assert audit(pytester, engine_url, drift, *options).ret == pytest.ExitCode.OK
    assert Path(pytester.path, "baseline.txt").read_bytes() == before
    assert not [x for x in pytester.path.iterdir() if x.name in {"report.json", "test_written.py"}]


def test_where_nothing_was_looked_at_a_baseline_stays(
    pytester: pytest.Pytester, engine_url: str, drift: Stage
) -> None:
    audit(pytester, engine_url, drift, "--exposed-write-baseline=baseline.txt")
    before = Path(pytester.path, "baseline.txt").read_bytes()
    pytester.makepyfile(test_broken="def test_x(: pass")
    for option in ("--exposed-filter=name=nosuch", "test_broken.py"):
        result = audit(pytester, engine_url, drift, option, "--exposed-write-baseline=baseline.txt")
        assert result.ret != pytest.ExitCode.OK
        result.stdout.fnmatch_lines(
            ["exposed: no container was judged, and baseline.txt is not written"]
        )
        assert Path(pytester.path, "baseline.txt").read_bytes() == before


def test_a_baseline_says_what_it_could_not_know(
    pytester: pytest.Pytester, engine_url: str, drift: Stage
) -> None:
    away = ("--docker-host", "unix:///nonexistent/docker.sock")
    result = audit(pytester, engine_url, drift, "--exposed-write-baseline=baseline.txt", *away)
    result.stdout.fnmatch_lines(
        ["exposed: 1 finding written to baseline.txt; 1 host not reached; *"]
    )


def test_a_written_suite_passes_and_is_never_overwritten(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    web = stage.run(
        *("tcp:0.0.0.0:80", "udp:0.0.0.0:53", "tcp:0.0.0.0:7000-7009"),
        name="web",
        exposes=["80"],
        ports={"80/tcp": None},
    )
    db = stage.run("tcp:127.0.0.1:5432", "tcp:127.0.0.2:5432", name="db", exposes=["5432"])
    idle = stage.run(name="idle")
    audit(pytester, engine_url, stage, "--exposed-write-tests=test_written.py")
    text = Path(pytester.path, "test_written.py").read_text()
    assert '"7000-7009/tcp", only=True' in text
    assert f'container_publishes("{web.name}", "80/tcp")' in text  # its port changes at a restart
    written = pytester.runpytest("--docker-host", engine_url, "test_written.py")
    written.assert_outcomes(passed=3)
    # What is on loopback is said, and not that nothing is.
    addresses = '"127.0.0.1:5432/tcp", "127.0.0.2:5432/tcp"'
    assert f'container_listens_on("{db.name}", {addresses}, only=True)\n' in text
    assert f'    assert not exposed.container("{idle.name}").listening\n' in text
    again = audit(pytester, engine_url, stage, "--exposed-write-tests=test_written.py")
    assert again.ret == pytest.ExitCode.USAGE_ERROR
    again.stderr.fnmatch_lines(["*'test_written.py' can't be written: it exists already: *"])


def test_a_suite_is_written_of_one_engine(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    another = ("--docker-host", "unix:///nonexistent/docker.sock")
    result = audit(pytester, engine_url, stage, "--exposed-write-tests=test_written.py", *another)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*: name one of the 2 with --docker-host"])


def test_tasks_of_a_service_have_one_test_by_its_name(tmp_path: Path) -> None:
    task = {"image": "web:1", "error": None, "documented": [], "listening": ["80/tcp"]}
    task |= {"published": [], "service": "web", "service_id": "abc", "listeners": []}
    tasks = [{**task, "name": f"web.{x}.x1y2"} for x in (1, 2)]
    alone = {**task, "name": "web", "service": "shop/web", "service_id": None}
    suite.write(tmp_path / "test_written.py", [{"containers": [*tasks, alone]}], date(2026, 1, 2))
    lines = (tmp_path / "test_written.py").read_text().splitlines()
    assert [x for x in lines if x.startswith("def ")] == [
        "def test_web(container_listens_on, image_exposes):",
        "def test_web_2(container_listens_on, image_exposes):",
    ]
    assert lines.count('    assert container_listens_on("web", "80/tcp", only=True)') == 2


def test_waivers_of_the_ini_file(pytester: pytest.Pytester, engine_url: str, drift: Stage) -> None:
    name = f"{drift.name}-web"
    pytester.makeini(
        f"""
        [pytest]
        exposed_allow =
            {name}: undocumented  # it moves
            {name}: 9999
            {name}: silent until 2020-01-01
        """
    )
    result = audit(pytester, engine_url, drift, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "accepted: undocumented 80/tcp (it moves)",
            "exposed: 1 container on 1 host, 0 match, 1 accepted",
            f"exposed: waiver not used: {name}: 9999",
            f"exposed: waiver expired, its last day was 2020-01-01: {name}: silent until *",
        ]
    )


def test_a_label_of_the_image_waives_only_where_allowed(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    image = stage.images.build(instructions=['LABEL pytest-exposed.allow="80  # of the image"'])
    stage.run("tcp:0.0.0.0:80", name="web", image=image)
    audit(pytester, engine_url, stage).assert_outcomes(failed=1)
    result = audit(pytester, engine_url, stage, "-v", "-o", "exposed_allow_labels=true")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["accepted: *80/tcp (of the image, by the label of its image)"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "--exposed-baseline=nowhere.txt",
            "*there is no baseline nowhere.txt: --exposed-write-baseline writes one",
        ),
        ("--exposed-write-baseline=no/folder.txt", "*there is no folder no*"),
        ("--exposed-report=report.pdf", "*'report.pdf' is not a report*"),
    ],
)
def test_files_that_cannot_be(
    pytester: pytest.Pytester, engine_url: str, option: str, message: str
) -> None:
    result = pytester.runpytest("--docker-host", engine_url, "--exposed", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_what_only_an_audit_writes_asks_for_one(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--exposed-report=report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *add --exposed, or --exposed-run"])


def test_the_rules_are_printed(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--exposed-rules")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["unreachable  (default)", "undocumented  (default, cis)", "ssh  (cis)"]
    )


def test_reports_in_every_form(pytester: pytest.Pytester, engine_url: str, stage: Stage) -> None:
    stage.run("tcp:0.0.0.0:80", name="drift")
    pytester.makeini("[pytest]\nexposed_allow = *: 81 # later\n")
    stage.run("tcp:0.0.0.0:81", name="waived")
    reports = [f"--exposed-report=report.{x}" for x in ("json", "md", "sarif")]
    audit(pytester, engine_url, stage, *reports, "--junitxml=junit.xml")

    sarif = json.loads(Path(pytester.path, "report.sarif").read_text(encoding="utf-8"))
    assert sarif["version"] == "2.1.0"
    (run,) = sarif["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["invocations"][0]["executionSuccessful"] is True
    by_port = {x["message"]["text"].split(":")[0].split()[1]: x for x in run["results"]}
    assert set(by_port) == {"80/tcp", "81/tcp"}
    for result in by_port.values():
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "undocumented"
        (location,) = result["locations"]
        assert location["physicalLocation"]["region"]["startLine"] == 1
        assert ":" not in location["physicalLocation"]["artifactLocation"]["uri"]
    assert by_port["81/tcp"]["suppressions"] == [{"kind": "external", "justification": "later"}]
    assert "suppressions" not in by_port["80/tcp"]

    markdown = Path(pytester.path, "report.md").read_text(encoding="utf-8")
    assert "1 do not" in markdown
    assert "| undocumented | 80/tcp |" in markdown
    assert "| undocumented (accepted) | 81/tcp |" in markdown
    assert "| later |" in markdown

    properties = {
        x.get("name"): x.get("value")
        for x in ET.parse(Path(pytester.path, "junit.xml")).iter("property")
    }
    assert properties["exposed_host"] == engine_url
    assert properties["exposed_source"] in ("netlink", "procfs", "helper", "exec")
    assert properties["exposed_image"]


def test_waivers_of_the_command_line_are_added_to_those_of_the_ini_file(
    pytester: pytest.Pytester, engine_url: str, stage: Stage
) -> None:
    web = stage.run("tcp:0.0.0.0:80-82", name="web")
    pytester.makeini(f"[pytest]\nexposed_allow = {web.name}: 80  # known\n")
    typed = ("--exposed-allow", f"{web.name}: 81  # new", "--exposed-allow", "*: 82")
    result = audit(pytester, engine_url, stage, "-v", *typed)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "accepted: undocumented 80/tcp (known)",
            "accepted: undocumented 81/tcp (new)",
            "accepted: undocumented 82/tcp",
            "exposed: 1 container on 1 host, 0 match, 1 accepted",
        ]
    )
    audit(pytester, engine_url, stage, *typed[:2]).assert_outcomes(failed=1)
    wrong = audit(pytester, engine_url, stage, "--exposed-allow=web")
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["*--exposed-allow, exposed_allow: 'web' is not a waiver: *"])
