"""The HTML report: one file that loads nothing, says everything, and runs no stranger's text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report.document import Element, Record, read
from report.fleet import fleet

from pytest_exposed import report
from pytest_exposed.report.html import _MARKS
from pytest_exposed.report.portmap import _DOCUMENTED, _LISTENING
from pytest_exposed.report.record import NOT_RUN
from pytest_exposed.report.summary import summary
from pytest_exposed.text import printable
from pytest_exposed.unpatched import now

Render = Callable[..., Element]
MEGABYTE = 1_000_000
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title></textarea><svg/onload=alert(1)>",
    "<!--",
    "-->",
    "<![CDATA[",
    "&lt;script&gt;&quot;&#x27;&amp;amp;",
    "javascript:alert(1)",
    "$summary ${script} $$",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "\u202eexe.cod\u202c\u2066\u2069\u200f\u061c",
    "\r\n\t\0\x7f\x85\u2028\u2029\ufeff",
    "\ud800\udfff",
    "{{7*7}} `${1}`",
    "x" * 5000,
    "\u05d0\u05d1\u05d2 1 \u0627\u0644",
    "",
]


def finding(rule: str = "undocumented", **rest: Any) -> Record:
    values = {"rule": rule, "port": "80/tcp", "message": "m", "fix": "f", "waived": None}
    return values | rest


def record(name: str = "web", *findings: Record, **rest: Any) -> Record:
    values: Record = {
        "id": "3f" * 32,
        "name": name,
        "service": None,
        "service_id": None,
        "image": "webapp:1",
        "image_id": "sha256:" + "1a" * 32,
        "network_mode": "bridge",
        "source": "netlink",
        "documented": ["443/tcp"],
        "declared": ["443/tcp"],
        "listening": ["80/tcp"],
        "published": [{"port": "80/tcp", "host_ip": "10.0.0.5", "host_port": 8080}],
        "listeners": [
            {"port": "80/tcp", "address": "::", "kind": "reachable", "process": "web", "pid": 1}
        ],
        "findings": list(findings),
        "error": None,
    }
    return values | rest


def unseen(name: str = "blind", error: str = "no source can see its sockets") -> Record:
    nothing = dict.fromkeys(("source", "documented", "listening", "listeners", "findings"))
    return record(name, error=error, declared=[], published=[]) | nothing


def host(*containers: Record, name: str = "prod-1", error: str | None = None) -> Record:
    return {"host": name, "error": error, "containers": list(containers)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("html")


@pytest.fixture(scope="module")
def render(folder: Path) -> Render:
    def render(*hosts: Record) -> Element:
        path = folder / "report.html"
        report.write(path, hosts)
        return read(path.read_text(encoding="utf-8"))

    return render


def containers(page: Element) -> list[Element]:
    return page.all("details", "container")


def names(page: Element) -> list[str]:
    return [x.one("h3").one("bdi").text for x in containers(page)]


def tiles(container: Element) -> list[tuple[str, str]]:
    """Return what each tile is, and what it says."""
    return [(x.classes[0], x.text) for x in container.one("span", "tiles").all("span")[1:]]


def lines(container: Element) -> list[list[str]]:
    """Return the lines of a container's table of ports."""
    return [[y.text for y in x.children] for x in container.one("table", "ports").all("tr")]


# What the file is


def test_it_is_chosen_by_its_ending(folder: Path) -> None:
    path = report.check(str(folder / "ports.html"))
    report.write(path, [host(record())])
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>\n")


def test_only_its_own_style_and_script_may_run(render: Render) -> None:
    page = render(host(record()))
    head = page.all("head")[0]
    policy = next(x.attributes["content"] for x in head.all("meta") if "http-equiv" in x.attributes)
    allowed = dict(x.strip().split(" ", 1) for x in policy.split(";"))
    assert allowed == {
        "default-src": "'none'",
        "style-src": f"'{digest(page.one('style').text)}'",
        "script-src": f"'{digest(page.one('script').text)}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    # It holds for what follows it.
    tags = [x.tag for x in head.children]
    assert tags.index("meta") < tags.index("style") < tags.index("script")


def digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def test_style_and_script_can_stand_in_a_page() -> None:
    for name in ("portmap.css", "portmap.js"):
        text = files("pytest_exposed.report").joinpath(name).read_text(encoding="utf-8")
        assert "</" not in text
        without_comments = re.sub("^ *// .*$", "", text, flags=re.MULTILINE)
        for loads in ("@import", "url(", "fetch", "XMLHttpRequest", "http:", "https:", "//"):
            assert loads not in without_comments
        for executes in ("innerHTML", "outerHTML", "insertAdjacent", "eval", "Function("):
            assert executes not in text


def test_it_refers_to_nothing_outside(render: Render) -> None:
    page = render(host(*fleet(40)), host(name="prod-2", error="no route to https://prod-2/"))
    refers = ("src", "href", "action", "data", "poster", "srcset", "background", "ping", "style")
    found = {(x.tag, x.attributes[y]) for x in page.walk() for y in refers if y in x.attributes}
    assert {x for x in found if not x[1].startswith("#")} == {("link", "data:,")}


def test_what_it_refers_to_is_in_it(render: Render) -> None:
    page = render(host(*fleet(40), record("web", finding("unheard-of"))))
    links = {x.attributes["href"] for x in page.all("a")}
    ids = [x.attributes["id"] for x in page.walk() if "id" in x.attributes]
    assert "#rule-undocumented" in links
    assert links <= {f"#{x}" for x in ids}
    assert len(set(ids)) == len(ids)


# What it says


def test_its_first_line_is_the_audit_s(render: Render) -> None:
    hosts = [host(record(), record("db", finding()), unseen()), host(name="b", error="gone")]
    page = render(*hosts)
    assert page.by_id("summary").text == summary(hosts)
    said = ", ".join(summary(hosts).split(", ")[:2])
    assert page.one("title").text == f"Container ports: {said}"


def test_it_says_which_host_and_when(render: Render) -> None:
    before = now()
    page = render(host(record(), name="ssh://prod-1"))
    when = page.one("time")
    assert before <= when.attributes["datetime"] <= now()
    shown = when.attributes["datetime"][:16].replace("T", " ")
    assert page.by_id("about").text == f"ssh://prod-1, {shown} UTC"
    several = render(host(record()), host(record(), name="prod-2"))
    assert several.by_id("about").text == f"{several.one('time').text}"


@pytest.mark.parametrize(
    ("one", "verdicts", "mark"),
    [
        (record(), ["matches"], "✓"),
        (record("web", finding()), ["differs"], "✗"),
        (record("web", finding(port=None)), ["differs"], "✗"),
        (record("web", finding(waived="soon")), ["accepted"], "~"),
        (record("web", finding(waived="")), ["accepted"], "~"),
        (record("web", finding(waived="soon"), finding("silent")), ["differs"], "✗"),
        (record("web", finding(warning=True)), ["matches", "warning"], "✓"),
        (record("web", finding(warning=True), finding("ssh")), ["differs", "warning"], "✗"),
        (record("web", finding(warning=True), finding(waived="")), ["accepted", "warning"], "~"),
        (unseen(), ["unseen"], "?"),
        # Seen, and yet not judged: whose a socket is could not be told.
        (record(findings=None, error="whose :::80 is is unknown"), ["unseen"], "?"),
    ],
)
def test_a_container_is_found_by_its_verdict(
    render: Render, one: Record, verdicts: list[str], mark: str
) -> None:
    page = render(host(one))
    (shown,) = containers(page)
    assert shown.classes == ["container", *verdicts]
    assert shown.one("h3").one("i").text == mark
    counts = {
        x.children[0].attributes["value"]: x.one("b").text
        for x in page.by_id("filters").all("label")
    }
    kinds = ("differs", "unseen", "warning", "accepted", "matches")
    assert counts == {"all": "1"} | {x: str(int(x in verdicts)) for x in kinds}


def test_a_mark_is_read_as_words(render: Render) -> None:
    page = render(
        host(record("web", finding()), unseen(), record(), record("a", finding(waived="")))
    )
    marks = [x.one("h3").one("i").attributes for x in containers(page)]
    assert {x["role"] for x in marks} == {"img"}
    assert [x["aria-label"] for x in marks] == [
        "does not match",
        "not judged",
        "accepted",
        "matches",
    ]


def test_a_host_that_was_not_reached_is_counted(render: Render) -> None:
    page = render(host(record()), host(name="b", error="gone"))
    counts = [x.one("b").text for x in page.by_id("filters").all("label")]
    assert counts == ["2", "0", "1", "0", "0", "1"]


def test_verdicts_are_counted_as_the_summary_does(render: Render) -> None:
    hosts = [host(*fleet(100)), host(*fleet(50, seed=2), name="prod-2")]
    page = render(*hosts)
    classes = [y for x in containers(page) for y in x.classes]
    line = summary(hosts)
    assert f", {classes.count('matches')} match, " in line
    assert f", {classes.count('differs')} do not (" in line
    assert f", {classes.count('accepted')} accepted, " in line
    assert f", {classes.count('unseen')} could not be judged, " in line


def test_what_is_wrong_comes_first_and_is_open(render: Render) -> None:
    page = render(
        host(
            record("a"),
            record("b", finding(waived="")),
            record("c", finding(warning=True)),
            unseen("d"),
            record("e", finding()),
            record("f", finding(), finding("ssh", warning=True)),
        )
    )
    assert names(page) == ["e", "f", "d", "c", "b", "a"]
    opened = [x for x in containers(page) if "open" in x.attributes]
    assert [x.one("h3").one("bdi").text for x in opened] == ["e", "f", "d"]


def test_tiles_say_in_words_what_ports_are(render: Render) -> None:
    one = record("web", finding(), documented=["53/udp", "443/tcp"], declared=["53/udp", "22/tcp"])
    assert tiles(containers(render(host(one)))[0]) == [
        ("differs", "80/tcp not documented, listening, published ✗ undocumented"),
        ("some", "22/tcp declared, not listening"),
        ("some", "53/udp documented, not listening"),
        ("some", "443/tcp documented, not listening"),
    ]


def test_a_finding_of_the_container_has_a_tile(render: Render) -> None:
    one = record("web", finding("host-network", port=None, waived=""))
    assert tiles(containers(render(host(one)))[0])[0] == ("accepted", "container  ~ host-network")


def test_marks_need_no_colour(render: Render) -> None:
    page = render(
        host(
            record("web", finding()),
            unseen(),
            record("app", finding(warning=True)),
            record("db", finding(waived="soon")),
        )
    )
    web, blind, app, db = (tiles(x)[0][1] for x in containers(page))
    assert web.endswith("✗ undocumented")
    assert app.endswith("! undocumented")
    assert db.endswith("~ undocumented")
    assert blind == "ports unknown"


def test_every_word_of_a_tile_is_in_the_legend(render: Render) -> None:
    """So is every mark: nothing explains itself to nobody."""
    page = render(host(record()))
    legend = " ".join(x.text for x in page.by_id("legend").all("dt"))
    said = {*_DOCUMENTED.values(), *_LISTENING.values(), "on demand", "published", "unknown"}
    for words in said:
        assert words.removeprefix("not ").removeprefix("listener ") in legend, words
    assert all(x in legend for x in _MARKS.values())


def test_what_is_accepted_is_told_last(render: Render) -> None:
    accepted = [finding("silent", port=f"{x}/tcp", waived="", message=f"{x}!") for x in "1234"]
    page = render(host(record("web", *accepted, finding(port="9/tcp"))))
    found = page.one("ul", "findings").all("li")
    assert [x.text.partition("/tcp")[0] for x in found] == ["✗ undocumented 9", "~ silent 1-4"]


def test_details_have_every_part_of_a_finding(render: Render) -> None:
    one = record(
        "web",
        finding(message="python3 listens", fix="EXPOSE 80"),
        finding(
            "silent", port="443/tcp", message="nothing listens", fix="start", waived="in March"
        ),
        finding("host-network", port=None, message="shares", fix="don't", waived=""),
    )
    (details,) = containers(render(host(one)))
    first, second, third = details.one("ul", "findings").all("li")
    assert first.classes == ["differs"]
    assert [x.text for x in first.all("p")] == ["python3 listens", "Fix: EXPOSE 80"]
    assert first.text.startswith("✗ undocumented 80/tcp")
    assert second.text.startswith("~ silent 443/tcp")
    assert second.all("p")[-1].text == "Accepted: in March"
    assert third.text.startswith("~ host-network ")
    assert third.all("p")[-1].text == "Accepted: no reason is given"
    assert lines(details) == [
        ["port", "documented", "listening", "process", "published"],
        ["✗ 80/tcp", "no", "[::]:80", "web (pid 1)", "10.0.0.5:8080"],
        ["~ 443/tcp", "yes", "no", "none", "no"],
    ]
    assert "sockets seen by netlink" in details.text


def test_notes_of_a_container_are_in_its_details(render: Render) -> None:
    page = render(host(record(notes=["it is paused", "app listens on 80/tcp"])))
    details = page.one("div", "panel").text
    assert "Note: it is paused" in details
    assert "Note: app listens on 80/tcp" in details


def test_a_container_without_ports_says_so(render: Render) -> None:
    one = record(documented=[], declared=[], published=[], listeners=[])
    assert "No port is documented, published or listening." in render(host(one)).text


def test_what_could_not_be_observed_is_unknown_not_empty(render: Render) -> None:
    blind = unseen(error="exec: no cat in the image") | {"declared": ["80/tcp"]}
    (shown,) = containers(render(host(blind)))
    assert tiles(shown) == [("unseen", "80/tcp unknown")]
    assert lines(shown)[1] == ["80/tcp", "unknown", "unknown", "unknown", "no"]
    assert "? could not be judged exec: no cat in the image" in shown.text
    assert "No port" not in shown.text
    assert "sockets not seen" in shown.text


def test_what_did_not_come_to_its_turn_is_not_judged(render: Render) -> None:
    assert f"? not judged {NOT_RUN}" in render(host(unseen(error=NOT_RUN))).text


def test_a_host_that_was_not_reached_says_why(render: Render) -> None:
    page = render(host(name="prod-2", error="ssh://prod-2: no route to host"))
    section = page.one("details", "host")
    assert section.one("p", "error").text == "? not reached ssh://prod-2: no route to host"
    assert "open" in section.attributes
    assert not section.all("table")


def test_a_host_without_containers_says_so(render: Render) -> None:
    page = render(host(record()), host(name="idle"))
    assert page.all("details", "host")[1].one("summary").text == "idle\nno container\n"


def test_what_does_not_run_is_named(render: Render) -> None:
    stopped = [
        {"id": "1", "name": "web", "image": "a", "state": "exited", "exit_code": 137},
        {"id": "2", "name": "<b>", "image": "a", "state": "created", "exit_code": None},
    ]
    page = render(host(record()) | {"not_running": stopped})
    said = page.one("p", "idle").text
    assert said == "2 containers not running, and not audited: web (exited 137), <b> (created)"
    many = render(host(record()) | {"not_running": stopped[:1] * 53})
    assert many.one("p", "idle").text.endswith(", web (exited 137), 3 more")
    assert not render(host(record()) | {"not_running": []}).all("p", "idle")


def test_of_several_hosts_those_that_match_are_folded(render: Render) -> None:
    hosts = [
        host(record(), name="good"),
        host(record("web", finding()), name="drift"),
        host(unseen(), name="blind"),
        host(record("web", finding(waived="soon")), name="accepted"),
        host(name="dead", error="gone"),
    ]
    sections = render(*hosts).all("details", "host")
    assert [x.one("h2").text for x in sections if "open" in x.attributes] == [
        "drift",
        "blind",
        "dead",
    ]
    assert "open" in render(hosts[0]).one("details", "host").attributes


def test_rules_that_were_broken_are_explained_once(render: Render) -> None:
    silent = finding("silent", port="443/tcp", waived="")
    page = render(host(record("a", finding(), silent)), host(record("b", finding()), name="2"))
    rules = page.by_id("rules")
    assert [x.text for x in rules.all("dt")] == ["silent", "undocumented"]
    assert rules.all("dd")[0].text.startswith("A port is documented, and nothing listens on it. ")
    assert "docker run -P" in [x.text for x in rules.all("code")]
    assert "`" not in rules.text


def test_where_no_rule_was_broken_none_is_explained(render: Render) -> None:
    assert "rules" not in [x.attributes.get("id") for x in render(host(record())).all("section")]


def test_the_filter_has_what_it_seeks(render: Render) -> None:
    ports = [f"{x}/tcp" for x in range(9000, 9100)]
    one = record("web", finding(), finding("ssh", port="22/tcp"), documented=ports)
    (shown,) = containers(render(host(one)))
    assert shown.attributes["data-find"] == "web webapp:1 undocumented ssh"
    assert shown.attributes["data-ports"] == "22/tcp 80/tcp 443/tcp 9000-9099/tcp"


def test_the_service_is_sought_and_told(render: Render) -> None:
    page = render(host(record("web.1.x", service="front", service_id="id-1"), record("db")))
    task, alone = containers(page)
    assert task.attributes["data-find"] == "web.1.x webapp:1 front web"
    assert alone.attributes["data-find"] == "db webapp:1 web"
    assert "service front" in task.text
    assert "service" not in alone.text


def test_all_ports_exposed_are_one_tile_and_one_finding(render: Render, folder: Path) -> None:
    ports = [f"{x}/tcp" for x in range(1, 65536)]
    found = [
        finding("silent", port=x, message=f"nothing listens on {x}", fix=f"remove EXPOSE {x}")
        for x in ports
    ]
    page = render(host(record("wide", *found, documented=ports, listeners=[], published=[])))
    (wide,) = containers(page)
    assert [x[1] for x in tiles(wide)] == ["1-65535/tcp documented, not listening ✗ silent"]
    assert len(lines(wide)) == 2
    assert len(wide.one("ul", "findings").all("li")) == 1
    assert "nothing listens on 1-65535" in page.text
    assert "remove EXPOSE 1-65535" in page.text
    assert (folder / "report.html").stat().st_size < MEGABYTE / 10


def test_long_lists_are_cut_and_say_so(render: Render) -> None:
    ports = [f"{x}/tcp" for x in range(1, 2001, 2)]
    found = [finding(port=x, message=f"process {n}") for n, x in enumerate(ports)]
    page = render(
        host(record("web", *found, documented=ports, declared=[], listeners=[], published=[]))
    )
    assert len(page.one("ul", "findings").all("li")) == 300
    assert page.text.count("… and 700 more.") == 2
    shown = tiles(containers(page)[0])
    assert len(shown) == 25
    assert shown[-1] == ("more", "and 976 more")


def test_a_cut_list_of_tiles_has_what_is_wrong(render: Render) -> None:
    fine = [f"{x}/tcp" for x in range(1, 201, 2)]
    page = render(host(record("web", finding(port="9000/tcp"), documented=fine, listeners=[])))
    assert tiles(containers(page)[0])[0][0] == "differs"


def test_a_thousand_containers_fit_in_a_small_file(render: Render, folder: Path) -> None:
    page = render(host(*fleet(1000)))
    assert len(containers(page)) == 1000
    assert (folder / "report.html").stat().st_size < 3 * MEGABYTE


# Strangers' texts

FIELDS = (
    "host",
    "id",
    "name",
    "image",
    "image_id",
    "network_mode",
    "source",
    "address",
    "process",
    "host_ip",
    "rule",
    "message",
    "fix",
    "waived",
    "note",
    "error",
    "gone",
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(), max_size=40),
    st.lists(st.sampled_from([*HOSTILE, *"<>&'\"/=`$ab "]), max_size=4).map("".join),
)


def of_strangers(text: dict[str, str]) -> Sequence[Record]:
    listener = {"address": text["address"], "process": text["process"]}
    published = {"port": "80/tcp", "host_ip": text["host_ip"], "host_port": 8080}
    container = record(
        text["name"],
        finding(text["rule"], message=text["message"], fix=text["fix"]),
        finding("ssh", port="443/tcp", message="m", fix="f", waived=text["waived"]),
        **{x: text[x] for x in ("id", "image", "image_id", "network_mode", "source")},
        listeners=[{"port": "80/tcp", "kind": "reachable", "pid": 1} | listener],
        published=[published],
        notes=[text["note"]],
    )
    return (
        host(container, unseen(error=text["error"]), name=text["host"]),
        host(name="b", error=text["gone"]),
    )


PLAIN = dict.fromkeys(FIELDS, "plain")


@settings(max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, TEXTS)))
def test_hostile_texts_are_texts(folder: Path, text: dict[str, str]) -> None:
    # A page without a fact has no words for it.
    facts = ("source", "process", "network_mode", "id", "image_id")
    text |= {x: text[x] or "plain" for x in facts}
    path = folder / "hostile.html"
    report.write(path, of_strangers(PLAIN))
    plain = read(path.read_text(encoding="utf-8"))
    report.write(path, of_strangers(text))
    written = path.read_bytes().decode()
    page = read(written)
    # Nothing in it is an element, an attribute or a character that acts.
    assert page.shape() == plain.shape()
    assert all(x.isprintable() or x == "\n" for x in written)
    assert page.one("script").text == plain.one("script").text
    assert page.one("style").text == plain.one("style").text
    # And all of it can be read.
    said = {x: printable(text[x]) for x in FIELDS}
    long = {x: printable(text[x], 2000) for x in FIELDS}
    names = [x.text for x in page.all("bdi")]
    for name in ("host", "name", "image", "network_mode"):
        assert said[name] in names
    for name in ("message", "fix", "note", "error", "gone"):
        assert long[name] in names
    assert (long["waived"] or "no reason is given") in names
    details = next(x for x in containers(page) if "differs" in x.classes)
    assert details.one("h3").one("bdi").text == said["name"]
    assert details.all("em")[0].text == f"✗ {said['rule']}"
    assert f"sockets seen by {said['source']}" in details.text
    assert printable(text["id"][:12]) in details.text
    words = details.one("table", "ports").all("tr")[1].text
    for name in ("process", "address", "host_ip"):
        assert long[name][:1000] in words
    find = details.attributes["data-find"]
    assert all(said[x] in find for x in ("name", "image", "rule", "process"))


@pytest.mark.parametrize("text", HOSTILE)
def test_every_field_is_escaped_for_every_known_trick(folder: Path, text: str) -> None:
    path = folder / "hostile.html"
    report.write(path, of_strangers(PLAIN))
    plain = read(path.read_text(encoding="utf-8")).shape()
    report.write(path, of_strangers(dict.fromkeys(FIELDS, text or "-")))
    assert read(path.read_text(encoding="utf-8")).shape() == plain


# How it looks: what can be told without eyes; the rest is tested in a browser


def test_colours_can_be_told_from_their_backgrounds_in_both_themes() -> None:
    style = files("pytest_exposed.report").joinpath("portmap.css").read_text(encoding="utf-8")
    colours = {
        name: (light, dark)
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", style)
    }
    assert len(colours) == 12
    for theme in (0, 1):
        for front, back in [
            *(
                (x, y)
                for x in ("text", "quiet", "wrong", "warn", "good")
                for y in ("page", "raised")
            ),
            *((x, "tile") for x in ("text", "quiet")),
            *((x, "wrong-back") for x in ("text", "quiet", "wrong")),
            *((x, "warn-back") for x in ("text", "quiet", "warn")),
        ]:
            assert contrast(colours[front][theme], colours[back][theme]) >= 4.5, (front, back)
        for back in ("page", "raised"):
            assert contrast(colours["accent"][theme], colours[back][theme]) >= 3


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, as WCAG 2 defines it."""
    light, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[x : x + 2], 16) / 255 for x in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
