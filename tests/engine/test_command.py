"""Containers that don't run their image's command: what is said of them, and what it costs."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from demo.images import busybox

from pytest_exposed import Container, Engine, container_listens_on
from pytest_exposed.report.text import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Images, Stage

SERVICE = 'CMD ["httpd", "-f", "-p", "80"]'
LOOP = ("bash", "-c", "while true; do sleep 10000; done")
MOLECULE = {"owner": "molecule"}
LOOPS = "it runs Molecule's sleep loop instead of its image's httpd (override_command)"


@pytest.fixture(scope="module")
def service(images: Images) -> str:
    """An image that runs a server on 80/tcp, and in which Molecule can work."""
    return images.build(
        exposes=["80"],
        files={"/bin/busybox": busybox(), "/bin/bash": b'#!/bin/sh\nexec /bin/sh "$@"\n'},
        links={f"/bin/{x}": "busybox" for x in ("sh", "sleep", "httpd")},
        instructions=[SERVICE],
    )


@pytest.fixture
def begin(stage: Stage, service: str) -> Callable[..., str]:
    """Start a container of the service's image with a command of its own, and return its name."""

    def begin(*command: str, **options: object) -> str:
        given = {"image": service, **options}
        container = stage.create(*command, **given)  # type: ignore[arg-type]
        container.sdk.start()
        return container.name

    return begin


def test_molecules_loop(looks: list[Engine], begin: Callable[..., str]) -> None:
    name = begin(*LOOP, labels=MOLECULE)
    for look in looks:
        seen = look.container(name)
        (finding,) = seen.findings
        assert str(finding) == "silent 80/tcp"
        assert finding.message.endswith(f"listens on it: {LOOPS}")
        assert "override_command: false in molecule.yml" in finding.fix
        assert f"note: {LOOPS}" in table(seen)


def test_molecules_instance_whose_service_was_started(
    engine: Engine, begin: Callable[..., str]
) -> None:
    name = begin("sh", "-c", "httpd -p 80 && exec bash -c 'sleep 1000'", labels=MOLECULE)
    assert container_listens_on(engine, name, 80, within=20)
    seen = engine.container(name)
    assert seen.findings == ()
    assert seen.notes == ("it runs sh instead of its image's httpd",)


def test_molecules_instance_that_runs_its_image(engine: Engine, begin: Callable[..., str]) -> None:
    name = begin(labels=MOLECULE)
    assert container_listens_on(engine, name, 80, within=20)
    assert engine.container(name).notes == ()


def test_another_command(looks: list[Engine], begin: Callable[..., str]) -> None:
    published = begin("sleep", "1000", name="published", ports={"80/tcp": ("127.0.0.1", 0)})
    rules = {begin("sleep", "1000"): "silent", published: "published-silent"}
    for look, (name, rule) in product(looks, rules.items()):
        seen = look.container(name)
        (finding,) = seen.findings
        assert finding.rule == rule
        assert ": it runs sleep instead of its image's httpd" in finding.message
        assert finding.fix.startswith("start its service")
        assert seen.notes == ()


def test_only_a_silent_one_with_another_command_is_asked_for_its_words(
    engine_url: str, images: Images, begin: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = 'CMD ["sh", "-c", "httpd -p 80 && exec sleep 1000"]'
    quoted = images.build(
        exposes=["80", "81"],
        files={"/bin/busybox": busybox()},
        links={f"/bin/{x}": "busybox" for x in ("sh", "sleep", "httpd")},
        instructions=[shell],
    )
    healthy = begin(name="healthy")
    own = [begin(name="own", image=quoted), begin(name="init", image=quoted, init=True)]
    other = begin("sh", "-c", "httpd -p 82 && exec sleep 1000", name="other")
    with Engine(engine_url, source="netlink") as engine:
        for name in (healthy, *own, other):
            assert container_listens_on(engine, name, 82 if name == other else 80, within=20)
        asked: list[str] = []
        inspect = engine.observer.inspect
        monkeypatch.setattr(
            engine.observer, "inspect", lambda x: asked.append(x.name) or inspect(x)
        )
        seen: list[Container] = [engine.container(x) for x in (healthy, *own, other)]
    assert [[str(y) for y in x.findings] for x in seen] == [
        *([], ["silent 81/tcp"], ["silent 81/tcp"]),
        ["silent 80/tcp", "undocumented 82/tcp"],
    ]
    assert [x.substitute is None for x in seen] == [True, True, True, False]
    assert asked == [other]
