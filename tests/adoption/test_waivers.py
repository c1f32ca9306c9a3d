"""Waivers and baselines: their lines, what they accept, and the lines on stale ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed import Container, Finding, Image, Port, Ports
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.rules import RULES
from pytest_exposed.rules import baseline as baselines
from pytest_exposed.rules.acceptance import LABEL, Acceptance
from pytest_exposed.rules.baseline import Entry, key
from pytest_exposed.rules.waivers import Waiver, reason_for, stale

TODAY = date(2026, 11, 24)
WEB = Finding("silent", Port(80), "m", "f")


def container(name: str = "web", **labels: str) -> Container:
    image = Image("sha256:1", "app", Ports(), labels=labels.pop("of_image", {}))  # type: ignore[arg-type]
    return Container(
        id="1" * 64,
        name=name,
        image=image,
        network_mode="bridge",
        state="running",
        declared=Ports(),
        published=(),
        listeners=(),
        source="netlink",
        labels={k.replace("__", "."): v for k, v in labels.items()},
    )


@pytest.mark.parametrize(
    ("line", "accepts", "refuses"),
    [
        ("web: silent", ("web", "silent", 80), ("web", "undocumented", 80)),
        ("web: 80", ("web", "undocumented", 80), ("web", "undocumented", 81)),
        ("web-*: 9000-9002/tcp, silent", ("web-1", "unreachable", 9001), ("web", "silent", 80)),
        ("*:silent,80 # why", ("x", "silent", 1), ("x", "undocumented", 81)),
        ("web : silent", ("web", "silent", 80), ("web", "undocumented", 80)),
        ("shop/web:1 : silent", ("shop/web:1", "silent", 80), ("shop/web", "silent", 80)),
        ("web: silent until 2026-11-24  # last day", ("web", "silent", 80), ("Web", "silent", 80)),
    ],
)
def test_accepts(line: str, accepts: tuple[str, str, int], refuses: tuple[str, str, int]) -> None:
    waiver = Waiver.parse(line)
    assert waiver.accepts([accepts[0]], accepts[1], Port(accepts[2]), TODAY)
    assert not waiver.accepts([refuses[0]], refuses[1], Port(refuses[2]), TODAY)


def test_a_port_is_not_that_of_another_protocol() -> None:
    assert not Waiver.parse("web: 53/udp").accepts(["web"], "silent", Port(53), TODAY)


def test_a_finding_of_the_container_is_accepted_by_its_rule_alone() -> None:
    assert Waiver.parse("web: host-network").accepts(["web"], "host-network", None, TODAY)
    assert not Waiver.parse("web: 1-65535").accepts(["web"], "host-network", None, TODAY)


def test_an_expired_one_accepts_nothing() -> None:
    waiver = Waiver.parse("web: silent until 2026-11-23")
    assert waiver.expired(TODAY)
    assert not waiver.accepts(["web"], "silent", Port(80), TODAY)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "web",
        "web:",
        "web: # why",
        ": silent",
        "web: slient",
        "web: 0",
        "web: silent until",
        "web: silent until tomorrow",
        "web: silent until 2026-02-30",
        "web: silent  # until 2026-02-28",
        "web: silent  # the team's, until 2026-02-28.",
        "web: silent  # Until: 2026-02-28 (ask bob)",
        "web silent",
        "web: silent, , 80",
    ],
)
def test_malformed_lines_are_named(line: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Waiver.parse(line)
    assert repr(line) in str(raised.value)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("api: 9100 metrics", "; a comma separates them, and a reason begins with #"),
        ("api: silent 443 80", "; a comma separates them, and a reason begins with #"),
        ("api: silent: 443", "; write `silent 443`"),
        ("api: metrics", ")"),
        ("api: 9100 silent", "; write `silent 9100`"),
        ("api: 9100, db: unreachable", "; each waiver has a line of its own"),
        ("api: 9100; silent", "; a comma separates them"),
        ("api: silent;9100", "; a comma separates them"),
        ("api: 9\x00 silent", "; write `silent 9\\x00`"),
        (
            "api: 9100 untill 2027-02-03",
            ": write its last day behind all it accepts: until 2027-02-03",
        ),
        (
            "api: 9100 until 2027-02-03, 9200",
            ": write its last day behind all it accepts: until 2027-02-03",
        ),
        ("api: 9100, until 2027-02-03", ": there is a comma too many"),
    ],
)
def test_common_slips_have_a_hint(line: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Waiver.parse(line)
    assert str(raised.value).endswith(hint)


@pytest.mark.parametrize(
    "line",
    ["web: 80 until 2027-01-01  # until 2027-01-01", "web: 80  # until 2027-01-01 or so, ask"],
)
def test_a_reason_may_have_a_day(line: str) -> None:
    if "or so" in line:
        with pytest.raises(ConfigurationError, match="so write `until 2027-01-01` before the #"):
            Waiver.parse(line)
    else:
        assert Waiver.parse(line).reason == "until 2027-01-01"
    assert Waiver.parse("web: 80  # since 2027-01-01").until is None


@given(st.text(max_size=60))
def test_any_text_is_a_waiver_or_a_clear_error(text: str) -> None:
    try:
        waiver = Waiver.parse(text)
    except ConfigurationError:
        return
    assert waiver.rules or waiver.ports


def test_the_first_reason_counts_and_none_is_not_empty() -> None:
    waivers = [Waiver.parse("web: silent"), Waiver.parse("web: 80  # second")]
    assert reason_for(waivers, ["web"], "silent", Port(80), TODAY) == ""
    assert reason_for(waivers, ["web"], "undocumented", Port(80), TODAY) == "second"
    assert reason_for(waivers, ["db"], "silent", Port(80), TODAY) is None


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("api 9100", "it lacks a colon, as in `api: 9100`; write "),
        ("api silent 443 until 2030-01-01  # x", "as in `api: silent 443 until 2030-01-01`; "),
        ("a\x1b[2J 9100", "it lacks a colon, as in `a\\x1b[2J: 9100`; write "),
        ("api metrics", "is not a waiver: write "),
        ("9100", "is not a waiver: it names no container; write "),
        ("80/tcp 80", "is not a waiver: it names no container; write "),
        ("silent 80", "is not a waiver: it names no container; write "),
        ("silent, 80", "is not a waiver: it names no container; write "),
        ("published-undocumented 80  # x: y", "is not a waiver: it names no container; write "),
        ("web, 80", "is not a waiver: write "),
        ("", "is not a waiver: write "),
    ],
)
def test_a_line_without_a_colon_is_shown_with_one(line: str, hint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Waiver.parse(line)
    assert hint in str(caught.value)


def test_stale_ones_are_told() -> None:
    waivers = [
        Waiver.parse(x)
        for x in ("web: silent", "web: 99", "db: 5432", "web: silent until 2020-01-01")
    ]
    found = [(["web"], "silent", Port(80))]
    lines = stale(
        waivers, found, [["web"]], missed=[["api"]], all_asked=False, rules=RULES, today=TODAY
    )
    assert lines == [
        "waiver not used: web: 99",
        "waiver expired, its last day was 2020-01-01: web: silent until 2020-01-01",
    ]
    lines = stale(waivers, found, [["web"]], missed=[], all_asked=True, rules=RULES, today=TODAY)
    assert "waiver not used: db: 5432" in lines
    some = ["silent"]  # a rule that didn't judge may need what names none
    lines = stale(waivers, [], [["web"]], missed=[], all_asked=True, rules=some, today=TODAY)
    assert [x for x in lines if "not used" in x] == ["waiver not used: web: silent"]


@pytest.mark.parametrize(
    ("what", "port", "why"),
    [
        (
            "undocumented 5514",
            "5514/udp",
            ", as it is for 5514/tcp, and the finding is on 5514/udp",
        ),
        ("5514", "5514/udp", ", as it is for 5514/tcp, and the finding is on 5514/udp"),
        ("53/udp", "53/tcp", ", as it is for 53/udp, and the finding is on 53/tcp"),
        ("silent 5514", "5514/udp", ""),
        ("5515", "5514/udp", ""),
    ],
)
def test_a_port_of_another_protocol_is_told(what: str, port: str, why: str) -> None:
    others = [(["web"], "undocumented", Port.parse(port))]
    (line,) = stale(
        [Waiver.parse(f"web: {what}")],
        [],
        [["web"]],
        missed=[],
        others=others,
        all_asked=True,
        rules=RULES,
        today=TODAY,
    )
    assert line == f"waiver not used{why}: web: {what}"


@pytest.mark.parametrize(
    ("glob", "near"),
    [("api", "shop/api"), ("wbe", "web"), ("app", "app:*"), ("old-*", ""), ("we?", None)],
)
def test_a_name_that_no_container_has_is_told(glob: str, near: str | None) -> None:
    known = ("web", "shop/api", "shop-api-1", "app:1")
    given = [Waiver.parse(f"{glob}: 99")]
    (line,) = stale(
        given, [], [known], missed=[], known=known, all_asked=True, rules=RULES, today=TODAY
    )
    hint = f" (did you mean {near}?)" if near else ""
    why = "" if near is None else f", as no container is called that{hint}"
    assert line == f"waiver not used{why}: {glob}: 99"


def test_a_part_that_accepts_nothing_is_told() -> None:
    lines = ("web: silent, 81, 90-99", "web: ssh, silent 80, silent 81", "web: silent, 80")
    found = [(["web"], "silent", Port(80)), (["web"], "undocumented", Port(95))]
    given = [Waiver.parse(x) for x in lines]
    by = set(RULES) - {"ssh"}  # where it is not asked for, nothing is known of it
    told = stale(given, found, [["web"]], missed=[], all_asked=True, rules=by, today=TODAY)
    assert told == [
        f"waiver not used for 81: {lines[0]}",
        f"waiver not used for silent 81: {lines[1]}",
    ]


@pytest.mark.parametrize(
    ("line", "missed", "rules"),
    [
        ("*: silent", [["api"]], ["silent"]),  # it may be api's
        ("web: silent", None, ["silent"]),  # a host that was not reached may have another web
        ("web: silent", [], ["undocumented"]),
        ("web: silent, undocumented", [], ["undocumented"]),
    ],
)
def test_of_what_was_left_out_none_is_stale(
    line: str, missed: list[list[str]] | None, rules: list[str]
) -> None:
    waivers = [Waiver.parse(line)]
    for all_asked in (False, True):  # of those that run, --exposed-run alone asks for none
        lines = stale(
            waivers, [], [["web"]], missed=missed, all_asked=all_asked, rules=rules, today=TODAY
        )
        assert lines == []


def test_a_container_is_called_by_its_service_too() -> None:
    waiver = Waiver.parse("shop/web: 80")
    labels = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
    one = replace(container(), name="shop-web-1", labels=labels)
    (found,) = Acceptance((waiver,)).applied(one, (WEB,), TODAY)
    assert found.waived == ""
    another = ["shop-web-2", "shop/web"]
    lines = stale(
        [waiver], [], [["db"]], missed=[another], all_asked=False, rules=RULES, today=TODAY
    )
    assert lines == []


def test_labels_count_only_where_allowed_and_say_whose_they_are() -> None:
    labelled = container(
        **{LABEL.replace(".", "__"): "nonsense; silent  # nothing there; undocumented"}
    )
    assert Acceptance().applied(labelled, (WEB,), TODAY)[0].waived is None
    assert Acceptance().notes(labelled) == ()
    allowed = Acceptance(labels=True)
    (found,) = allowed.applied(labelled, (WEB,), TODAY)
    assert found.waived == "nothing there; undocumented, by the label of its container"
    (note,) = allowed.notes(labelled)
    assert ": nonsense: 'nonsense' is neither a port nor a rule" in note
    another = Finding("undocumented", Port(81), "", "")
    assert allowed.applied(labelled, (another,), TODAY)[0].waived is None


def test_a_label_waives_nothing_of_another_container() -> None:
    one = container(**{LABEL.replace(".", "__"): "silent"})
    other = container("db")
    allowed = Acceptance(labels=True)
    assert allowed.applied(one, (WEB,), TODAY)[0].waived is not None
    assert allowed.applied(other, (WEB,), TODAY)[0].waived is None


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({}, "web-1"),
        ({"com.docker.compose.service": "web"}, "web-1"),
        ({"com.docker.compose.service": "web", "com.docker.compose.project": "shop"}, "shop/web"),
        ({"com.docker.swarm.service.name": "stack_web"}, "stack_web"),
    ],
)
def test_a_baseline_names_services(labels: dict[str, str], name: str) -> None:
    assert key("web-1", labels) == name


COMPOSED = {"com.docker.compose.service": "web", "com.docker.compose.project": "shop"}
STARTED = {"com.docker.compose.image": "sha256:1", "com.docker.compose.container-number": "1"}
TASK = {
    "com.docker.swarm.service.name": "api",
    "com.docker.swarm.service.id": "s1",
    "com.docker.swarm.task.name": "api.1.xyz",
}
OF_PODMAN = COMPOSED | {"io.podman.compose.project": "shop"}


@pytest.mark.parametrize(
    ("name", "labels", "image", "called"),
    [
        # docker compose run; and podman-compose run, which has no label for it.
        ("shop-web-run-1f", COMPOSED | {"com.docker.compose.oneoff": "True"}, "sha256:1", None),
        ("shop-web-1", COMPOSED | {"com.docker.compose.oneoff": "False"}, "sha256:1", "shop/web"),
        ("shop_web_tmp4711", OF_PODMAN, "sha256:1", None),
        ("shop-web-tmp4711", OF_PODMAN, "sha256:1", None),
        ("shop_web_1", OF_PODMAN, "sha256:1", "shop/web"),
        # An image that was committed from a service's container hands its labels down.
        ("stray", COMPOSED | STARTED, "sha256:2", None),
        ("named", COMPOSED | STARTED, "sha256:1", "shop/web"),
        ("shop-web-1", COMPOSED | STARTED, "sha256:2", "shop/web"),
        ("api.1.xyz", TASK, "sha256:1", "api"),
        ("stray", TASK, "sha256:1", None),
        # Names that are new in each run.
        (
            "k8s_web_web-7c5ddbdf54-x2vq9_prod_2f0c_0",
            {
                "io.kubernetes.container.name": "web",
                "io.kubernetes.pod.name": "web-7c5ddbdf54-x2vq9",
                "io.kubernetes.pod.namespace": "prod",
            },
            "sha256:1",
            "prod/web/web",
        ),
        (
            "k8s_db_db-0_prod_2f0c_3",
            {
                "io.kubernetes.container.name": "db",
                "io.kubernetes.pod.name": "db-0",
                "io.kubernetes.pod.namespace": "prod",
            },
            "sha256:1",
            "prod/db-0/db",
        ),
        ("stray", {"io.kubernetes.pod.name": "db-0"}, "sha256:1", None),
        (
            "runner-zx-project-1-concurrent-0-f5ae-postgres-0",
            {
                "com.gitlab.gitlab-runner.type": "service",
                "com.gitlab.gitlab-runner.service": "postgres",
                "com.gitlab.gitlab-runner.service.version": "16",
            },
            "sha256:1",
            "gitlab/postgres:16",
        ),
        (f"{'0a' * 16}_postgres16_1b2c3d", {}, "sha256:1", "github/postgres16"),
    ],
)
def test_a_container_is_called_by_what_it_is(
    name: str, labels: dict[str, str], image: str, called: str | None
) -> None:
    assert key(name, labels, image) == (called or name)
    one = replace(container(), name=name, labels=labels, image=Image(image, "x", Ports()))
    if called is None:
        assert one.service is None


def test_a_one_off_is_not_accepted_as_its_service() -> None:
    line = Entry("shop/web", WEB.rule, WEB.port)
    accepted = Acceptance((Waiver.parse(f"shop/web: {WEB.rule}"),), baseline=frozenset([line]))
    one_off = COMPOSED | {"com.docker.compose.oneoff": "True"}
    for labels, reason in ((COMPOSED, ""), (one_off, None)):
        one = replace(container(), name="shop-web-run-1f", labels=labels)
        assert accepted.applied(one, (WEB,), TODAY)[0].waived == reason
    alone = Acceptance(baseline=accepted.baseline)
    one = replace(container(), name="shop-web-run-1f", labels=one_off)
    assert alone.applied(one, (WEB,), TODAY)[0].waived is None


ENTRIES = st.builds(
    Entry,
    st.from_regex(r"[a-z][a-z0-9_./-]{0,20}", fullmatch=True),
    st.sampled_from(sorted(RULES)),
    st.none() | st.builds(Port, st.integers(1, 65535), st.sampled_from(["tcp", "udp", "sctp"])),
)


@given(st.frozensets(ENTRIES))
def test_a_baseline_reads_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, entries: frozenset[Entry]
) -> None:
    path = tmp_path_factory.mktemp("baseline") / "baseline.txt"
    baselines.write(path, entries)
    assert baselines.read(path) == entries
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    assert lines == sorted(lines)


def test_words_behind_a_line_of_a_baseline_stay(tmp_path: Path) -> None:
    path = tmp_path / "baseline.txt"
    text = baselines.HEADING + "shop/web: silent 80/tcp  # until #12 is done\nweb: host-network\n"
    path.write_text(text, encoding="utf-8")
    entries = baselines.read(path)
    assert entries == {Entry("shop/web", "silent", Port(80)), Entry("web", "host-network", None)}
    baselines.write(path, entries)
    assert path.read_text(encoding="utf-8") == text


def test_no_label_makes_a_line_of_another_container(tmp_path: Path) -> None:
    service = "web: silent 80/tcp #"
    labels = {"com.docker.compose.project": "p", "com.docker.compose.service": service}
    entry = Entry(key("evil", labels), "undocumented", Port(22))
    path = tmp_path / "baseline.txt"
    baselines.write(path, [entry])
    assert baselines.read(path) == {entry}
    assert entry != Entry("p/web", "silent", Port(80))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("web silent", "write CONTAINER: RULE PORT"),
        ("web: undocumentd 80/tcp", "'undocumentd' is not a rule (unreachable, "),
        ("web: silent 80/icmp", "'80/icmp' is not a port: its protocol must be"),
    ],
)
def test_what_is_wrong_with_a_line_of_a_baseline_is_told(line: str, why: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Entry.parse(line)
    assert str(caught.value).startswith(f"{line!r} is not a line of a baseline: {why}")


@pytest.mark.parametrize(
    "text", ["", "web: silent 80/tcp\n", baselines.HEADING + "web silent", "\x00\xff"]
)
def test_another_file_is_no_baseline(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=r"baseline\.txt"):
        baselines.read(path)


def test_a_missing_baseline_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        baselines.read(tmp_path / "nowhere")
