"""The HTML report in a browser: opened, filtered, used by keyboard, in both themes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from demo.packages import NotInstalled
from report.browser import Browser, Page, program, running
from report.fleet import fleet

from pytest_exposed.report import html
from pytest_exposed.report.portmap import HEADINGS
from pytest_exposed.report.record import fails
from pytest_exposed.report.summary import summary

if TYPE_CHECKING:
    from report.document import Record

SHOWN = ".container"
HOSTILE = "\"><img src=x onerror=alert(1)><script>alert(2)</script>'\u202e\x1b[31m"


@dataclass(frozen=True)
class Report:
    """A report that is open in a page."""

    page: Page
    hosts: list[Record]
    path: Path
    seconds: float = 0
    containers: list[Record] = field(default_factory=list)

    def names(self) -> list[str]:
        """Return the containers that are shown."""
        return self.page.texts(f"{SHOWN} h3 bdi")

    def expected(self, *verdicts: str) -> list[str]:
        shown = sorted(self.containers, key=place)
        return [x["name"] for x in shown if not verdicts or verdict(x) in verdicts]

    def write(self, text: str) -> None:
        """Type into the filter, in place of what stands there."""
        self.page.js("document.getElementById('text').select()")
        self.page.js("document.getElementById('text').focus()")
        self.page.press(*(text or ["Escape"]))

    def counts(self) -> list[int]:
        """Return what stands beside the verdicts."""
        return [int(x) for x in self.page.texts("#filters label b")]

    def focused(self) -> str:
        found: str = self.page.js("document.activeElement.innerText || document.activeElement.id")
        return found


def verdict(container: Record) -> str:
    if container["error"] is not None:
        return "unseen"
    found = container["findings"]
    if any(map(fails, found)):
        return "differs"
    return "accepted" if any(x["waived"] is not None for x in found) else "matches"


PLACES = ("differs", "unseen", "warning", "accepted", "matches")


def place(container: Record) -> int:
    """Return where the page has a container: what is wrong first."""
    warns = verdict(container) == "matches" and any(
        x.get("warning") and x["waived"] is None for x in container["findings"]
    )
    return PLACES.index("warning" if warns else verdict(container))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        program()
    except NotInstalled as error:
        pytest.fail(f"these tests need Chromium. {error}", pytrace=False)
    with running() as browser:
        yield browser


@contextmanager
def opened(browser: Browser, path: Path, *hosts: Record, **size: int) -> Iterator[Report]:
    """Open a report; at the end nothing may be in its console, and nothing been asked for."""
    html.write(path, hosts)
    page = Page(browser, **size)
    seconds = page.open(path)
    containers = [y for x in hosts for y in x["containers"]]
    yield Report(page, list(hosts), path, seconds, containers)
    assert page.complaints() == []
    assert page.requests() == [path.as_uri()]
    page.close()


def host(name: str, *containers: Record, error: str | None = None) -> Record:
    return {"host": name, "error": error, "containers": list(containers)}


@pytest.fixture
def sixty(browser: Browser, tmp_path: Path) -> Iterator[Report]:
    with opened(browser, tmp_path / "60.html", host("prod-1", *fleet(60))) as report:
        yield report


@pytest.fixture
def several(browser: Browser, tmp_path: Path) -> Iterator[Report]:
    good = [x for x in fleet(60, seed=3) if x["findings"] == []][:5]
    with opened(
        browser,
        tmp_path / "hosts.html",
        host("prod-1", *fleet(20, seed=2)),
        host("staging", *good),
        host("prod-2", error="ssh://prod-2: no route to host"),
    ) as report:
        yield report


# Opened


@pytest.mark.parametrize("count", [60, 1000])
def test_it_opens_without_complaints_or_requests(
    browser: Browser, tmp_path: Path, count: int
) -> None:
    with opened(browser, tmp_path / "ports.html", host("prod-1", *fleet(count))) as one:
        assert len(one.names()) == count
        assert one.page.texts("#summary") == [summary(one.hosts)]
        assert one.names() == one.expected()
        one.write("postgres")
        assert set(one.page.texts(f"{SHOWN} small")) == {"postgres:16"}
        one.write("")
        assert len(one.names()) == count


def test_a_server_is_asked_for_the_page_alone(browser: Browser, tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    html.write(tmp_path / "ports.html", [host("prod-1", *fleet(5))])
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        page = Page(browser)
        page.visit(f"http://127.0.0.1:{server.server_port}/ports.html")
        assert len(page.texts(SHOWN)) == 5
        page.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == ["/ports.html"]
    assert page.complaints() == []


def test_strangers_texts_are_shown_and_never_run(browser: Browser, tmp_path: Path) -> None:
    (one,) = fleet(1)
    one |= {"name": HOSTILE, "image": HOSTILE, "network_mode": HOSTILE}
    one["listeners"][0]["process"] = HOSTILE
    one["findings"] = [
        {"rule": "ssh", "port": "80/tcp", "message": HOSTILE, "fix": HOSTILE, "waived": HOSTILE}
    ]
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    hosts = host(HOSTILE, one), host("b", error=HOSTILE)
    with opened(browser, tmp_path / "hostile.html", *hosts) as report:
        report.page.click(".host > summary h2")
        report.page.click(f"{SHOWN} summary")
        assert report.names() == [shown]
        assert report.page.texts(".findings p bdi") == [shown] * 3
        assert report.page.texts("h2 bdi") == [shown, "b"]
        assert report.page.js("document.images.length + document.scripts.length") == 1
        report.write("onerror")
        assert report.names() == [shown]
        assert report.page.events("Page.javascriptDialogOpening") == []


# Filtered


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("db-2", ["db-2"]),
        ("DB-2", ["db-2"]),
        ("postgres", ["db-1", "db-2", "db-3"]),  # by image
        ("redis-server", ["cache-1", "cache-2", "cache-3"]),  # by process
        ("5432", ["db-1", "db-2", "db-3"]),  # by port
        ("53/udp", ["dns-1", "dns-2", "dns-3"]),
        ("50077/udp", ["voice-1", "voice-2", "voice-3"]),  # in a range
        ("5000-5500/tcp", ["db-1", "db-2", "db-3"]),  # a range
        ("java 9200", ["search-1", "search-2", "search-3"]),  # all of several words
        ("silent udp", []),
        ("no such thing", []),
    ],
)
def test_filter_by_text(sixty: Report, text: str, names: list[str]) -> None:
    sixty.write(text)
    assert sorted(sixty.names()) == names
    assert sixty.counts()[0] == len(names)
    assert sixty.page.texts("#status") == [f"{len(names)} of 60 containers shown"]
    assert sixty.page.texts("#nothing") == ([] if names else ["No container is like that."])
    sixty.page.press("Escape")
    assert len(sixty.names()) == 60
    assert sixty.page.texts("#status") == []


def test_filter_by_rule(sixty: Report) -> None:
    sixty.write("undocumented")
    assert sorted(sixty.names()) == [
        x["name"]
        for x in sixty.containers
        if any("undocumented" in y["rule"] for y in x["findings"] or ())
    ]


def test_filter_by_host(several: Report) -> None:
    several.write("staging")
    assert several.names() == [x["name"] for x in several.hosts[1]["containers"]]
    assert [x.split("\n")[0] for x in several.page.texts(".host > summary")] == ["staging"]
    several.write("prod-2")
    assert several.page.texts(".host > summary") == ["prod-2"]
    assert several.page.texts(".host > .error") == ["? not reached ssh://prod-2: no route to host"]


def test_filter_by_verdict(sixty: Report) -> None:
    everything = sixty.counts()
    assert everything[0] == 60
    for number, name in enumerate(PLACES, 1):
        sixty.page.click(f"label:has([value={name}])")
        shown = sixty.names()
        assert len(shown) == everything[number] > 0
        if name != "warning":
            assert shown == sixty.expected(name)
        assert sixty.counts() == everything
    sixty.page.click("label:has([value=all])")
    assert len(sixty.names()) == 60


def test_filters_add_up(sixty: Report) -> None:
    sixty.page.click("label:has([value=differs])")
    sixty.write("/")
    sixty.write("java")
    java = [
        x for x in sixty.containers if any(y["process"] == "java" for y in x["listeners"] or ())
    ]
    assert sixty.names() == [x["name"] for x in java if verdict(x) == "differs"]
    assert sixty.counts()[0] == len(java)


def test_details_that_are_open_go_with_their_container(sixty: Report) -> None:
    opened = len(sixty.page.texts(".panel"))
    fine = sixty.expected("matches")
    sixty.write(fine[0])
    assert sixty.page.texts(".panel") == []
    sixty.page.click(f"{SHOWN}:not(.out) > summary")
    assert len(sixty.page.texts(".panel")) == 1
    sixty.write(fine[1])
    assert sixty.page.texts(".panel") == []
    sixty.write("")
    assert len(sixty.page.texts(".panel")) == opened + 1


def test_a_folded_host_opens_for_what_is_sought(several: Report) -> None:
    staging = [x["name"] for x in several.hosts[1]["containers"]]
    assert len(several.names()) == 20
    several.page.click("label:has([value=matches])")
    assert set(staging) <= set(several.names())


def test_hosts_fold(several: Report) -> None:
    several.page.click(".host:nth-of-type(2) > summary h2")
    assert len(several.names()) == 25
    several.page.click(".host:nth-of-type(1) > summary h2")
    assert len(several.names()) == 5


# By keyboard


def test_the_page_is_used_by_keyboard_alone(sixty: Report) -> None:
    page = sixty.page
    page.press("Tab")
    assert sixty.focused() == "theme: system"
    page.press("Tab", "ArrowRight")
    assert sixty.names() == sixty.expected("differs")
    page.press("Tab")
    assert sixty.focused() == "text"
    page.press("Tab")
    assert sixty.focused() == "prod-1"
    page.press("Tab")
    assert sixty.focused().startswith(f"✗\n{sixty.names()[0]}\n")
    opened = len(page.texts(".panel"))
    page.press("Enter")
    assert len(page.texts(".panel")) == opened - 1
    page.press(" ")
    assert len(page.texts(".panel")) == opened
    page.press("/")
    assert sixty.focused() == "text"
    page.press(*"db")
    assert page.js("document.getElementById('text').value") == "db"


def test_a_rule_leads_to_what_it_means(sixty: Report) -> None:
    sixty.page.click(".findings a")
    rule = sixty.page.js("document.querySelector(':target').innerText")
    assert rule == sixty.page.js("document.querySelector('.findings a').innerText")


def test_the_focus_is_seen(sixty: Report) -> None:
    page = sixty.page
    for _ in range(40):
        page.press("Tab")
        seen = page.js(
            "(() => { const x = document.activeElement;"
            "const s = getComputedStyle(x.matches('[type=radio]') ? x.parentElement : x);"
            "const r = x.getBoundingClientRect();"
            "return [r.bottom >= 20 && r.top <= innerHeight - 20,"
            "s.outlineStyle, parseFloat(s.outlineWidth) >= 2] })()"
        )
        assert seen == [True, "solid", True], sixty.focused()


# By mouse, narrow, printed


def test_a_click_on_a_container_opens_its_details(sixty: Report) -> None:
    fine = sixty.expected("matches")[0]
    sixty.write(fine)
    sixty.page.click(f"{SHOWN}:not(.out) .tiles")
    (panel,) = sixty.page.texts(".panel")
    assert "sockets seen by" in panel
    assert sixty.page.texts(f"{SHOWN}:not(.out) .tiles") == []
    sixty.page.click(f"{SHOWN}:not(.out) h3")
    assert sixty.page.texts(".panel") == []


LONG = "x" * 250


def overflowing(page: Page) -> list[str]:
    """Return the elements that reach beyond the window's width, and those that hide a part."""
    found: list[str] = page.js(
        "[...document.querySelectorAll('body *')].filter(x => x.checkVisibility()"
        " && x.tagName !== 'LEGEND' && x.type !== 'radio' && !x.closest('thead')"
        " && (x.getBoundingClientRect().right > document.documentElement.clientWidth"
        " || x.getBoundingClientRect().left < 0 || x.scrollWidth > x.clientWidth + 1"
        " && getComputedStyle(x).display !== 'inline' && x.tagName !== 'INPUT'))"
        ".map(x => `${x.tagName} ${x.className} ${x.innerText.slice(0, 40)}`)"
    )
    return found


@pytest.mark.parametrize("width", [320, 400, 800, 1400])
def test_nothing_is_cut_off_at_any_width(browser: Browser, tmp_path: Path, width: int) -> None:
    long = fleet(1)[0] | {"name": LONG, "image": LONG, "network_mode": LONG, "service": LONG}
    long["findings"] = [
        {"rule": "silent", "port": "80/tcp", "message": LONG, "fix": LONG, "waived": None}
    ]
    hosts = host("p" * 250, *fleet(60), long), host("q", error=LONG)
    size = {"width": width, "height": 800}
    with opened(browser, tmp_path / "narrow.html", *hosts, **size) as report:
        report.page.js("for (const x of document.querySelectorAll('details')) x.open = true")
        assert overflowing(report.page) == []
        report.page.js("for (const x of document.querySelectorAll('.container')) x.open = false")
        assert overflowing(report.page) == []


def test_a_line_of_a_narrow_table_names_its_columns(browser: Browser, tmp_path: Path) -> None:
    size = {"width": 400, "height": 800}
    with opened(browser, tmp_path / "narrow.html", host("p", *fleet(60)), **size) as report:
        said = report.page.js(
            "[...document.querySelector('.ports tbody tr').querySelectorAll('td')]"
            ".map(x => getComputedStyle(x, '::before').content)"
        )
        assert said == [f'"{x}"' for x in HEADINGS]


def test_it_is_printed_light_and_whole(several: Report) -> None:
    page = several.page
    page.theme("dark")
    page.call("Emulation.setEmulatedMedia", media="print")
    page.settle()
    background, text = colours(page)
    assert background == 255 * 3
    assert text < 150
    assert page.texts("#text, #theme") == []
    assert "Fix:" in page.texts(".findings")[0]
    assert page.texts("#legend dt") != []


# Themes


def colours(page: Page) -> list[int]:
    """Return the brightness of the page's background and of its text."""
    found: list[int] = page.js(
        "['backgroundColor', 'color'].map(x => getComputedStyle(document.body)[x]"
        ".match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0))"
    )
    return found


def test_the_system_s_theme_is_followed_until_another_is_chosen(sixty: Report) -> None:
    page = sixty.page
    page.theme("light")
    light = colours(page)
    assert light[0] > 700
    assert light[1] < 150
    page.theme("dark")
    dark = colours(page)
    assert dark[0] < 150
    assert dark[1] > 600
    said = []
    for expected in (light, dark, dark):
        page.click("#theme")
        assert colours(page) == expected
        said += page.texts("#theme")
    assert said == ["theme: light", "theme: dark", "theme: system"]


# Without scripts


def test_without_scripts_it_is_a_page_to_read(browser: Browser, tmp_path: Path) -> None:
    hosts = [host("prod-1", *fleet(30)), host("prod-2", error="no route to host")]
    html.write(tmp_path / "ports.html", hosts)
    page = Page(browser)
    page.without_scripts()
    page.open(tmp_path / "ports.html")
    assert page.texts("#summary") == [summary(hosts)]
    assert len(page.texts(SHOWN)) == 30
    assert page.texts("#text, #theme") == []  # there is nothing that does not work
    wrong = [x for x in hosts[0]["containers"] if verdict(x) in ("differs", "unseen")]
    assert len(page.texts(".panel")) == len(wrong)
    assert "Fix:" in page.texts(".panel")[0]
    page.click(".container:not([open]) > summary")
    assert len(page.texts(".panel")) == len(wrong) + 1
    page.click("label:has([value=unseen])")
    assert len(page.texts(SHOWN)) == sum(verdict(x) == "unseen" for x in wrong)
    assert "prod-2" in page.texts(".host h2")
    assert page.complaints() == []
    page.close()


# The browser itself


def test_a_browser_leaves_nothing_behind() -> None:
    with running() as one:
        profile = one.profile
        Page(one).open(Path(__file__))
        assert len(processes(profile)) > 1
    assert processes(profile) == []
    assert not Path(profile).exists()


def processes(profile: str) -> list[str]:
    """Return the processes that were started with a profile, but for those that have ended."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path("/proc", pid, "cmdline").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if profile in command:
            found.append(command)
    return found
