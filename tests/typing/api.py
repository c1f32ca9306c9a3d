"""The public API as users type it: checked by mypy, never run."""

from __future__ import annotations

from typing_extensions import assert_type

from pytest_exposed import (
    Check,
    Container,
    ContainerListensOn,
    ContainerMatchesImage,
    ContainerPublishes,
    Engine,
    ExposedError,
    Finding,
    Image,
    ImageExposes,
    Listener,
    Port,
    Ports,
    Publication,
    container_listens_on,
    container_matches_image,
    container_publishes,
    image_exposes,
)


def test_fixtures(  # noqa: PLR0917  # all there are
    container_listens_on: ContainerListensOn,
    container_publishes: ContainerPublishes,
    container_matches_image: ContainerMatchesImage,
    image_exposes: ImageExposes,
    exposed: Engine,
    running_container: Container,
) -> None:
    assert_type(container_listens_on("web", 80, "53/udp", within=2.5, only=True), Check)
    assert container_listens_on(running_container, Port(80), Ports.parse("8000-8003/udp"))
    assert container_listens_on("web", {80, "53/udp"}, [Port(81)])
    assert not container_publishes("web", "127.0.0.1:8080:80/tcp")
    assert not container_publishes("web", {8080, 8081})
    assert container_matches_image("web", ignore=["silent"], allow=[9000, "53/udp"])
    assert container_matches_image("web", ignore="silent", allow=9000)
    assert image_exposes("webapp", 80, only=True)
    assert image_exposes("webapp", {"80/tcp"})
    web = exposed.container("web")
    assert web.listening == exposed.image("httpd").documented
    assert web.listening == {"80/tcp", 443}
    assert 80 in web.listening
    assert_type(web.listening - {"80"}, Ports)
    for port in web.listening:
        assert_type(port, Port)
    for each in exposed.containers(label="tier=front", name=["web", "db"]):
        assert_type(each, Container)


def without_pytest() -> None:
    try:
        with Engine("ssh://prod-1", source="auto", select=["default"], timeout=5) as engine:
            web = engine.container("web")
            assert_type(web.image, Image)
            assert_type(web.documented, Ports)
            assert_type(web.published, tuple[Publication, ...])
            assert_type(web.listeners, tuple[Listener, ...])
            assert_type(web.findings, tuple[Finding, ...])
            assert_type(web.listeners[0].port, Port)
            assert_type(container_listens_on(engine, "web", 80), Check)
            assert container_publishes(engine, web, 80)
            assert container_matches_image(engine, web)
            assert image_exposes(engine, web.image, 80)
    except ExposedError as error:
        print(error)  # noqa: T201  # as users would


# What must not pass: a port is never a number with a fraction, nor nothing.
Port.parse(80.5)  # type: ignore[arg-type]
Ports.parse(None)  # type: ignore[arg-type]
