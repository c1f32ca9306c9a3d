"""`--exposed-select` and `--exposed-ignore`: the rules that containers are judged by."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

DEFAULT = "unreachable", "silent", "published-silent", "published-undocumented", "undocumented"
CIS = "published-everywhere", "published-privileged", "ssh", "host-network", "undocumented"


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with one container that breaks all rules of the default group."""
    shared_stage.run(
        "tcp:127.0.0.1:80",
        "tcp:0.0.0.0:81",
        "tcp:0.0.0.0:82",
        exposes=("80", "83"),
        ports={f"{x}/tcp": ("127.0.0.1",) for x in (81, 84)},
    )
    return shared_stage


def broken(result: pytest.RunResult) -> set[str]:
    """Return the rules that the failure names."""
    rules = {x.split()[0] for x in result.outlines if x.startswith("  ") and x.split()}
    return rules & {*DEFAULT, *CIS}


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ((), set(DEFAULT)),
        (("--exposed-select=default",), set(DEFAULT)),
        (("--exposed-select=silent",), {"silent"}),
        (("--exposed-select=silent, undocumented",), {"silent", "undocumented"}),
        (("--exposed-ignore=silent",), set(DEFAULT) - {"silent"}),
        (("--exposed-ignore=silent,unreachable",), set(DEFAULT) - {"silent", "unreachable"}),
        (("--exposed-select=silent,unreachable", "--exposed-ignore=silent"), {"unreachable"}),
        (("--exposed-select=cis",), {"undocumented"}),
        (("--exposed-select=all", "--exposed-ignore=cis"), set(DEFAULT) - {"undocumented"}),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_options(options: tuple[str, ...], rules: set[str], audit: Run, place: Stage) -> None:
    result = audit(place, *options)
    result.assert_outcomes(failed=1)
    assert broken(result) == rules


def test_what_is_not_judged_passes(audit: Run, place: Stage) -> None:
    result = audit(place, "--exposed-select=ssh")
    result.assert_outcomes(passed=1)


def test_settings(audit: Run, place: Stage, pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nexposed_select = silent, unreachable\nexposed_ignore = unreachable\n"
    )
    assert broken(audit(place)) == {"silent"}
    assert broken(audit(place, "--exposed-ignore=silent")) == {"unreachable"}
    assert broken(audit(place, "--exposed-select=undocumented")) == {"undocumented"}


@pytest.mark.parametrize("option", ["--exposed-select", "--exposed-ignore"])
@pytest.mark.parametrize("text", ["nosuch", "silent,nosuch", "Silent"])
def test_an_unknown_rule(option: str, text: str, audit: Run, place: Stage) -> None:
    said = refusal(audit(place, f"{option}={text}"))
    place = f"{option}, {option.strip('-').replace('-', '_')}"
    assert said.startswith(
        f"{place}: {text.rpartition(',')[2]!r} is not a rule or a group of rules: "
    )
    for name in (*DEFAULT, "default", "all"):
        assert name in said


def test_no_rule_left(audit: Run, place: Stage) -> None:
    said = refusal(audit(place, "--exposed-select=silent", "--exposed-ignore=silent"))
    assert said.startswith("no rule is left to judge by")


class TestCis:
    """The rules of the group cis; they find what the default group doesn't."""

    def test_published_everywhere(self, audit: Run, stage: Stage) -> None:
        stage.run("tcp:0.0.0.0:80", name="all", exposes=("80",), ports={"80/tcp": 0})
        stage.run("tcp:0.0.0.0:80", name="one", exposes=("80",), ports={"80/tcp": ("127.0.0.1",)})
        result = audit(stage, "--exposed-select=cis")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["  published-everywhere  80/tcp  *1.6.0*5.14*"])
        audit(stage).assert_outcomes(passed=2)

    def test_ssh(self, audit: Run, stage: Stage) -> None:
        stage.run("tcp:0.0.0.0:22", exposes=("22",))
        result = audit(stage, "--exposed-select=cis")
        assert broken(result) == {"ssh"}
        audit(stage).assert_outcomes(passed=1)

    def test_host_network(self, audit: Run, stage: Stage) -> None:
        stage.run(network_mode="host")
        result = audit(stage, "--exposed-select=cis")
        result.assert_outcomes(failed=1)
        assert broken(result) == {"host-network"}
        result.stdout.fnmatch_lines(["exposed: *1 do not (host-network 1)"])
        audit(stage).assert_outcomes(passed=1)

    def test_a_privileged_port(self, audit: Run, stage: Stage) -> None:
        address = f"127.{secrets.randbelow(256)}.{secrets.randbelow(256)}.7"
        for name, port in (("low", 1023), ("not", 1024)):
            ports = {"80/tcp": (address, port)}
            stage.run("tcp:0.0.0.0:80", name=name, exposes=("80",), ports=ports)
        result = audit(stage, "--exposed-select=published-privileged")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["  published-privileged  80/tcp  *1023*"])
