"""Advice on a real engine: whose an image is, as the engine and the image's history tell it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from remote.registry import registry
from stage import wait_until

from pytest_exposed import Engine, container_listens_on
from pytest_exposed.rules.acceptance import Acceptance
from pytest_exposed.rules.waivers import Waiver

if TYPE_CHECKING:
    from stage import Images, Stage

    from pytest_exposed.model import Finding

# What makes an image another one, so that no test sees the names that others gave it.
OWN = "LABEL of=test_advice"


def only(look: Engine, name: str) -> Finding:
    (finding,) = look.container(name).findings
    return finding


def test_a_registrys_image_gets_a_waiver_to_paste(engine_url: str, stage: Stage) -> None:
    with registry() as found:
        image = f"{found.address}/shop/web:1"
        stage.client.images.pull(image)
    container = stage.create("/bin/busybox", "nc", "-l", "-p", "80", image=image)
    try:
        container.sdk.start()
        with Engine(engine_url) as look:
            wait_until(lambda: look.container(container.name).findings, "it listens")
            finding = only(look, container.name)
            line = f"{container.name}: undocumented 80/tcp  # reason"
            assert finding.fix.startswith(f"waive it (`{line}`), or build an image on it and add ")
            look.observer.acceptance = Acceptance((Waiver.parse(line),))
            assert only(look, container.name).waived == "reason"
    finally:
        container.sdk.remove(force=True)
        stage.client.images.remove(image)


def test_advice_on_a_registrys_image_is_a_warning(
    engine_url: str, images: Images, stage: Stage
) -> None:
    """One that is built on it is one's own, and can be mended."""
    with registry(exposes=("80/tcp", "81/tcp")) as found:
        image = f"{found.address}/shop/silent:1"
        stage.client.images.pull(image)
    own = images.build(parent=image, instructions=(OWN,))
    made = []
    try:
        with Engine(engine_url) as look:
            for name, what, fails in (("pulled", image, False), ("own", own, True)):
                words = ("/bin/busybox", "nc", "-l", "-p", "80")
                container = stage.create(*words, image=what, name=name)
                made.append(container)
                container.sdk.start()
                listens = partial(container_listens_on, look, container.name, 80)
                wait_until(listens, "it listens")
                finding = only(look, container.name)
                assert (str(finding), finding.fails) == ("silent 81/tcp", fails)
    finally:
        for container in made:
            container.sdk.remove(force=True)
        stage.client.images.remove(image)


def test_what_was_built_here_gets_a_line_for_its_dockerfile(look: Engine, stage: Stage) -> None:
    assert (
        only(look, stage.run("tcp:0.0.0.0:80").name).fix == "add to its Dockerfile: EXPOSE 80/tcp"
    )


def test_an_inherited_port_is_recognised_where_nothing_names_the_image_below(
    images: Images, stage: Stage, engine_url: str
) -> None:
    """As in an image that was pulled: its history has all layers, and no other image's name."""
    ends = 'ENTRYPOINT ["/bin/listener"]'
    below = images.build(instructions=(OWN, "EXPOSE 80", "EXPOSE 81", ends))
    image = images.build(parent=below, instructions=("ENV OF=test_advice",))
    container = stage.run("tcp:0.0.0.0:81", image=image)
    with Engine(engine_url) as look:
        # Of one repository it may be an earlier build as well.
        message = f"; inherited from {below}, unless that is an earlier build"
        assert only(look, container.name).message.endswith(message)
    stage.client.images.remove(below)
    with Engine(engine_url) as look:
        finding = only(look, container.name)
    assert finding.message.endswith("; inherited from an image below (layer: EXPOSE 80)")
    assert "remove EXPOSE" not in finding.fix
    assert f"waive it (`{container.name}: silent 80/tcp  # reason`)" in finding.fix
