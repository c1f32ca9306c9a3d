"""Advice: a fix that its reader can carry out, and that opens nothing which was closed."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from make import ID, OTHER_ID, container, image, listener, publication

from pytest_exposed.model import Container, Finding, Listener, Publication
from pytest_exposed.model.containers import CommandOverride, StoppedJoiner
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.finding_groups import neighbours
from pytest_exposed.rules.judge import findings, quick_verdict
from pytest_exposed.rules.layers import origin_of
from pytest_exposed.rules.selection import select
from pytest_exposed.rules.waivers import Waiver

DIGEST = "docker.io/library/webapp@sha256:" + "1" * 64
TODAY = date(2026, 1, 1)
COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.service": "web"}
START, COPY = '/bin/sh -c #(nop)  CMD ["httpd"]', "COPY . /srv # buildkit"


def of(*documented: int | str, listening: Any = (), **rest: Any) -> Container:
    """Return a container of an image with a digest, a history or neither."""
    known = {x: rest.pop(x) for x in ("digests", "history", "parents") if x in rest}
    named = {"image": image(*documented, **known)}
    return container(*listening, documented=documented, **(named | rest))


def only(one: Container) -> Finding:
    (finding,) = findings(one, select())
    return finding


def loopback(*ports: int) -> list[Listener]:
    return [listener(x, "127.0.0.1", "loopback") for x in ports]


# A port on loopback

OR = "or, if others are to reach it,"


@pytest.mark.parametrize(
    ("one", "fix"),
    [
        # What serves nobody was meant to.
        (of(8000, listening=loopback(8000)),
         "bind 0.0.0.0:8000 in web, or remove EXPOSE 8000/tcp"),
        (of(8000, listening=loopback(8000), published=[publication(8000)]),
         "bind 0.0.0.0:8000 in web"),
        (of(8000, 9000, listening=loopback(8000, 9000)), None),
        # Others are served: this one is closed on purpose.
        (of(80, 2018, listening=[listener(80), *loopback(2018)]),
         "remove EXPOSE 2018/tcp; or, if others are to reach it, bind 0.0.0.0:2018 in web"),
        (of(80, 2018, listening=[listener(80), *loopback(2018)], published=[publication(2018)]),
         f"remove EXPOSE 2018/tcp, don't publish it; {OR} bind 0.0.0.0:2018 in web"),
        # Known for control, alone too.
        (of(9222, listening=loopback(9222)),
         "remove EXPOSE 9222/tcp; or, if others are to reach it, bind 0.0.0.0:9222 in web"),
        (of(9222, listening=loopback(9222), published=[publication(9222)]),
         f"remove EXPOSE 9222/tcp, don't publish it; {OR} bind 0.0.0.0:9222 in web"),
        (of(listening=loopback(9222), published=[publication(9222)]),
         "don't publish it; or, if others are to reach it, bind 0.0.0.0:9222 in web"),
        # What can't be removed is waived.
        (of(9222, listening=loopback(9222), digests=(DIGEST,)),
         f"waive it (`web: unreachable 9222/tcp  # reason`); {OR} bind 0.0.0.0:9222 in web"),
        (of(8000, listening=loopback(8000), history=(COPY, START, "EXPOSE [8000/tcp]")),
         "bind 0.0.0.0:8000 in web, or waive it (`web: unreachable 8000/tcp  # reason`)"),
    ],
)  # fmt: skip
def test_what_to_do_about_a_port_on_loopback(one: Container, fix: str | None) -> None:
    if fix is None:
        assert all(x.fix.startswith("bind") for x in findings(one, select()))
    else:
        assert only(one).fix == fix


@pytest.mark.parametrize("port", [953, 2019, 2375, 2380, 5005, 8005, 9222, 9229, 9901])
@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("documented", [True, False])
@pytest.mark.parametrize("digests", [(), (DIGEST,)])
def test_a_control_port_is_closed_before_it_is_opened(
    port: int, published: bool, documented: bool, digests: tuple[str, ...]
) -> None:
    publications = [publication(port)] * published
    one = of(
        *[port] * documented, listening=loopback(port), published=publications, digests=digests
    )
    for finding in findings(one, select()):
        closes = [finding.fix.find(x) for x in ("remove EXPOSE", "don't publish", "waive it")]
        assert 0 == min(x for x in closes if x >= 0) < finding.fix.index("bind 0.0.0.0")


# An image of a registry


@pytest.mark.parametrize(
    ("one", "waiver", "after"),
    [
        (of(80, digests=(DIGEST,)), "web: silent 80/tcp  # reason",
         ", or start its service; if the image is yours, remove EXPOSE 80/tcp from its Dockerfile"),
        (of(digests=(DIGEST,), listening=[listener(80)]), "web: undocumented 80/tcp  # reason",
         ", or build an image on it and add to its Dockerfile: EXPOSE 80/tcp"),
        (of(digests=(DIGEST,), listening=[listener(80)], published=[publication(80)]),
         "web: published-undocumented 80/tcp  # reason",
         ", or build an image on it and add to its Dockerfile: EXPOSE 80/tcp"),
        (of(80, digests=(DIGEST,), labels=COMPOSE), "shop/web: silent 80/tcp  # reason", None),
        (of(80, digests=(DIGEST,), name="r.io/team/app:1f2e3d"),
         "r.io/team/app:*: silent 80/tcp  # reason", None),
        (of(80, digests=(DIGEST,), name="localhost:5000/app"),
         "localhost:5000/app: silent 80/tcp  # reason", None),
        (of(80, digests=(DIGEST,), labels={**COMPOSE, "com.docker.compose.service": "a b:*"}),
         "shop/a?b:?: silent 80/tcp  # reason", None),
    ],
)  # fmt: skip
def test_a_waiver_to_paste_comes_first(one: Container, waiver: str, after: str | None) -> None:
    finding = only(one)
    assert finding.fix.startswith(f"waive it (`{waiver}`)")
    assert after is None or finding.fix == f"waive it (`{waiver}`){after}"
    pasted = Waiver.parse(waiver)
    names = [one.name, *([one.service.name] if one.service else [])]
    assert pasted.accepts(names, finding.rule, finding.port, TODAY)
    assert not pasted.accepts(names, finding.rule, Port(81), TODAY)
    assert not pasted.accepts(names, "unreachable", finding.port, TODAY)
    assert not pasted.accepts(["db"], finding.rule, finding.port, TODAY)


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        ((), False),
        ((DIGEST,), True),
        (("registry:5000/web@sha256:1",), True),
        # What podman and old engines say of an image that was built here.
        (("localhost/web@sha256:1",), False),
        (("<none>@<none>",), False),
        (("localhost/web@sha256:1", DIGEST), True),
    ],
)
def test_which_images_are_from_a_registry(digests: tuple[str, ...], expected: bool) -> None:
    assert image(80, digests=digests).is_from_registry is expected


def test_a_waiver_for_a_range_of_ports_is_one_line() -> None:
    one = of("80-83", digests=(DIGEST,), name="web-80", listening=[])
    (cause,) = neighbours(findings(one, select()))
    line = re.search("`(.*?)`", cause.fix)
    assert line is not None
    assert line[1] == "web-80: silent 80-83/tcp  # reason"
    assert all(
        Waiver.parse(line[1]).accepts(["web-80"], "silent", Port(x), TODAY) for x in (80, 83)
    )


# An inherited EXPOSE


EXPOSE = "EXPOSE map[80/tcp:{}]"
CLASSIC = "/bin/sh -c #(nop)  EXPOSE 80"
ENTRY = 'ENTRYPOINT ["/entry"]'
LABEL = "LABEL a=b"


@pytest.mark.parametrize(
    ("history", "inherited"),  # newest first
    [
        ([START, EXPOSE], False),
        ([EXPOSE, START], False),
        ([START, ENTRY, EXPOSE], False),
        ([ENTRY, START, EXPOSE], False),
        ([LABEL, "HEALTHCHECK &{}", "STOPSIGNAL SIGQUIT", "ARG V", START, EXPOSE], False),
        ([EXPOSE, COPY, START, ENTRY], False),
        ([START, COPY, "RUN /bin/sh -c make", EXPOSE], False),
        # Built on an image that ends with its command.
        ([COPY, START, EXPOSE], True),
        ([START, COPY, START, EXPOSE], True),
        ([START, START, EXPOSE], True),
        ([ENTRY, START, ENTRY, EXPOSE], True),
        (["EXPOSE [81/tcp]", START, EXPOSE], True),
        (["/bin/sh -c apt-get install curl", START, CLASSIC], True),
        (["ENV A=b", ENTRY, CLASSIC], True),
        (["bash", START, CLASSIC], True),  # docker commit of a container
        ([LABEL, COPY, START, EXPOSE], True),
    ],
)
def test_the_history_alone_tells_an_inherited_port(history: list[str], inherited: bool) -> None:
    documents = image(80, history=tuple(history))
    assert origin_of(documents, Port(80)).inherited is inherited
    for digests in ((), (DIGEST,)):
        finding = only(of(80, history=tuple(history), digests=digests)) if len(history) else None
        assert finding is not None
        assert ("remove EXPOSE" in finding.fix) is not inherited
        if inherited:
            assert "inherited from an image below (layer: EXPOSE " in finding.message
            assert "`web: silent 80/tcp  # reason`" in finding.fix


def test_nothing_is_known_without_a_history() -> None:
    assert not origin_of(image(80), Port(80)).inherited
    assert not origin_of(image(80, history=()), Port(80)).inherited
    assert origin_of(image(80, history=(START,)), Port(80)).command is None


# What to publish instead


def test_a_service_that_listens_on_loopback_alone_is_not_to_be_started() -> None:
    loopback = listener(9000, "127.0.0.1", "loopback")
    (silent,) = [x for x in findings(of(80, listening=[loopback]), select()) if x.rule == "silent"]
    serve = "have its service listen on 0.0.0.0:80"
    assert silent.fix == f"{serve}, or remove EXPOSE 80/tcp from its Dockerfile"
    one = of(80, listening=[loopback], published=[publication(80)])
    fix = next(x.fix for x in findings(one, select()) if x.rule == "published-silent")
    assert fix == f"{serve}, or don't publish it"


def test_what_is_published_is_not_suggested() -> None:
    one = of(80, "443/udp", listening=[listener(80)],
             published=[publication(80), publication("443/udp")])  # fmt: skip
    assert only(one).fix == "start its service, or don't publish it"
    one = of(
        80, listening=[listener(81), listener(40000, dynamic=True)], published=[publication(80)]
    )
    fix = next(x.fix for x in findings(one, select()) if x.rule == "published-silent")
    answering = "start its service, or publish a port that answers, such as 81/tcp"
    assert fix == f"{answering}, and EXPOSE it instead of 80/tcp"
    one = of(listening=[listener(81)], published=[publication(80)])
    fix = next(x.fix for x in findings(one, select()) if x.rule == "published-silent")
    assert fix == answering


# A cause beside another


LISTENERS = {
    "nothing": [],
    "another port": [listener(9090)],
    "another on loopback": [listener(9090, "127.0.0.1", "loopback")],
    "ssh": [listener(22)],
    "a dynamic port": [listener(40000, dynamic=True)],
}
LOOP = CommandOverride("Molecule's sleep loop instead of its image's web", "start web")
SHELL = CommandOverride("sh instead of its image's web", None)
LEFT = container(listener(80), id=OTHER_ID, name="app", network_mode=f"container:{ID}")


@pytest.mark.parametrize("heard", LISTENERS)
@pytest.mark.parametrize("command", [LOOP, SHELL])
@pytest.mark.parametrize("left", [(), (LEFT,)])
@pytest.mark.parametrize("published", [(), (publication(80),)])
def test_nobody_edits_an_image_for_a_command_that_it_does_not_run(
    heard: str, command: CommandOverride, left: tuple[Container], published: tuple[Publication]
) -> None:
    one = of(
        80,
        listening=LISTENERS[heard],
        published=published,
        substitute=command,
        left_behind=left,
    )
    (found,) = [x for x in findings(one, select()) if x.port == Port(80)]
    assert found.rule == ("published-silent" if published else "silent")
    assert "EXPOSE" not in found.fix
    assert "such as 22" not in found.fix
    moved = bool(left and published)  # which explains it, whatever runs
    assert ("app does" in found.message) is moved
    if moved:
        assert "instead of" not in found.message
    elif command is SHELL:
        assert "it runs sh instead of its image's web" in found.message
        assert ", or run the image's own command" in found.fix


def test_another_port_that_is_documented_needs_no_expose() -> None:
    published = {"published": [publication(80)]}
    answering = "start its service, or publish a port that answers, such as"
    one = of(80, 8081, listening=[listener(8081)], **published)
    assert quick_verdict(one, select())[1] >= {"history"}  # whose EXPOSE it is
    removed = "8081/tcp, and remove EXPOSE 80/tcp from its Dockerfile"
    assert only(one).fix == f"{answering} {removed}"
    two = of(80, 8081, listening=[listener(8081), listener(9000)], **published)
    fixes = {x.rule: x.fix for x in findings(two, select())}
    assert fixes["published-silent"] == f"{answering} 8081/tcp, 9000/tcp"


def test_a_stopped_container_displaces_nothing_that_is_known() -> None:
    lost = StoppedJoiner("old", Ports.parse(80), is_lost=True)
    one = of(listening=[listener(8081)], published=[publication(80)], stopped_joiners=(lost,))
    silent = next(x for x in findings(one, select()) if x.rule == "published-silent")
    assert silent.message.endswith(
        "old, which joined the network of a container that was removed, doesn't run"
    )
    assert silent.fix == (
        "start its service, or publish a port that answers, such as 8081/tcp; or, if old is to "
        "answer there, create it anew in the network of web"
    )
    own = StoppedJoiner("app", Ports.parse(80), is_lost=False)
    two = of(published=[publication(80)], stopped_joiners=(own, lost))
    assert only(two).fix == "start app, or don't publish it"
    idle = StoppedJoiner("curl", Ports(), is_lost=False)
    assert "curl" not in only(of(published=[publication(80)], stopped_joiners=(idle,))).message
