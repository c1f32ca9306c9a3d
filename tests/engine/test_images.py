"""What images document, what containers declare, and what is published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from demo.images import build_image
from stage import RUN
from workload import listener

from pytest_exposed import (
    ConfigurationError,
    Engine,
    NotFoundError,
    container_publishes,
    image_exposes,
)

if TYPE_CHECKING:
    import docker
    from docker.models.images import Image
    from stage import Images, Stage

    from pytest_exposed import Container


def found(container: Container) -> dict[str, str]:
    """Return the message of each finding by its rule and port."""
    return {str(x): x.message for x in container.findings}


@pytest.mark.parametrize(
    ("written", "documented"),
    [
        ("80", {"80/tcp"}),
        ("80/TCP", {"80/tcp"}),
        ("53/udp", {"53/udp"}),
        ("9/sctp", {"9/sctp"}),
        ("80 443/tcp 53/udp", {"80/tcp", "443/tcp", "53/udp"}),
        ("7000-7003", {"7000/tcp", "7001/tcp", "7002/tcp", "7003/tcp"}),
        ("$UNSET", set()),
        ("8080:80", {"80/tcp"}),
    ],
)
def test_forms_of_expose(
    written: str, documented: set[str], engine: Engine, images: Images
) -> None:
    image = engine.image(images.build(instructions=[f"EXPOSE {written}"]))
    assert image.documented == documented
    assert image.invalid == ()


def test_images_of_the_tests_are_as_the_builder_makes_them(
    client: docker.DockerClient, images: Images
) -> None:
    loaded, built = images.build(exposes=("80", "53/udp", "90-99/udp")), images.new_tag()
    lines = [f"LABEL {RUN}={images.run}", 'ENTRYPOINT ["/bin/listener"]']
    lines += ["EXPOSE 80", "EXPOSE 53/udp", "EXPOSE 90-99/udp"]
    build_image(client, built, files={"/bin/listener": listener()}, instructions=lines)

    def told(tag: str) -> tuple[dict[str, Any], list[str]]:
        config = client.api.inspect_image(tag)["Config"]
        commands = [x["CreatedBy"] for x in client.api.history(tag)]
        return config | {"Image": ""}, [re.sub(r"dir:\w+ ", "dir:root ", x) for x in commands]

    assert told(loaded) == told(built)


def test_an_image_without_expose(engine: Engine, images: Images) -> None:
    assert not engine.image(images.build()).documented


@pytest.mark.parametrize(
    ("key", "documented"),
    [
        ("80", {"80/tcp"}),
        ("8080/TCP", {"8080/tcp"}),
        ("5000-5002/tcp", {"5000-5002/tcp"}),
        ("", None),
        ("0/tcp", None),
        ("70000/tcp", None),
        ("abc/tcp", None),
        ("80/icmp", None),
    ],
)
def test_keys_of_images_made_by_hand(
    key: str, documented: set[str] | None, engine: Engine, images: Images
) -> None:
    image = engine.image(images.load({key: {}, "81/tcp": {}}))
    assert image.documented == {"81/tcp"} | (documented or set())
    assert image.invalid == (() if documented else (key,))


@pytest.mark.parametrize("exposed_ports", [None, {}], ids=["null", "empty"])
def test_nothing_documented_by_hand(exposed_ports: object, engine: Engine, images: Images) -> None:
    image = engine.image(images.load(exposed_ports))
    assert not image.documented
    assert image.invalid == ()


def test_what_is_no_port_is_noted_and_breaks_nothing(
    engine: Engine, images: Images, stage: Stage
) -> None:
    image = images.load({"80/tcp": {}, "70000/tcp": {}, "": {}})
    container = engine.container(stage.run("tcp:0.0.0.0:80", image=image).name)
    assert found(container) == {}
    assert container.documented == {"80/tcp"}
    assert set(container.notes) == {
        "its image documents '', which is not a port",
        "its image documents '70000/tcp', which is not a port",
    }


class TestImageThatIsNotWhatItsNameSays:
    def test_a_tag_that_moved(self, looks: list[Engine], images: Images, stage: Stage) -> None:
        old, new, tag = images.build(exposes=("80",)), images.build(), images.new_tag()
        self.get(stage, old).tag(*tag.split(":"))
        container = stage.run("tcp:0.0.0.0:80", image=tag)
        self.get(stage, new).tag(*tag.split(":"))
        for look in looks:
            assert not look.image(tag).documented
            seen = look.container(container.name)
            assert seen.documented == {"80/tcp"}
            assert found(seen) == {}

    def test_a_tag_that_moved_the_other_way(
        self, looks: list[Engine], images: Images, stage: Stage
    ) -> None:
        old, new, tag = images.build(), images.build(exposes=("80",)), images.new_tag()
        self.get(stage, old).tag(*tag.split(":"))
        container = stage.run("tcp:0.0.0.0:80", image=tag)
        self.get(stage, new).tag(*tag.split(":"))
        for look in looks:
            seen = look.container(container.name)
            assert set(found(seen)) == {"undocumented 80/tcp"}
            assert str(seen.image) == seen.image.id[: len("sha256:") + 12]
            (note,) = seen.notes
            assert "recreate the container" in note

    def test_an_image_removed_by_force(
        self, looks: list[Engine], images: Images, stage: Stage
    ) -> None:
        tag = images.load({"80/tcp": {}})
        container = stage.run("tcp:0.0.0.0:80", image=tag)
        stage.client.images.remove(tag, force=True)
        for look in looks:
            with pytest.raises(NotFoundError):
                look.image(tag)
            seen = look.container(container.name)
            assert seen.documented == {"80/tcp"}
            assert found(seen) == {}

    def get(self, stage: Stage, tag: str) -> Image:
        return stage.client.images.get(tag)


class TestInheritedExpose:
    # An image of its own, so that it has one name: no other has these lines in this order.
    OWN = ("LABEL of=TestInheritedExpose", "EXPOSE 80")

    def test_names_the_parent(self, look: Engine, images: Images, stage: Stage) -> None:
        parent = images.build(instructions=self.OWN)
        child = images.build(parent=parent, exposes=("81",))
        seen = look.container(stage.run("tcp:0.0.0.0:81", image=child).name)
        assert seen.documented == {"80/tcp", "81/tcp"}
        (finding,) = seen.findings
        assert str(finding) == "silent 80/tcp"
        assert f"; inherited from {parent}" in finding.message
        assert "; if it is inherited, waive it " in finding.fix

    def test_names_the_layer_where_it_is_the_images_own(
        self, look: Engine, images: Images, stage: Stage
    ) -> None:
        parent = images.build(instructions=self.OWN)
        child = images.build(parent=parent, exposes=("82",))
        seen = look.container(stage.run("tcp:0.0.0.0:80", image=child).name)
        (finding,) = seen.findings
        assert str(finding) == "silent 82/tcp"
        assert finding.message.endswith("(layer: EXPOSE 82)")
        assert finding.fix == "start its service, or remove EXPOSE 82/tcp from its Dockerfile"


class TestExposeAtRunTime:
    def test_it_documents_nothing_for_the_image(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:90", declares=("90/tcp", "91/tcp"), exposes=("89",))
        for look in looks:
            seen = look.container(container.name)
            assert seen.declared == {"89/tcp", "90/tcp", "91/tcp"}
            assert seen.documented == {"89/tcp"}
            messages = found(seen)
            assert set(messages) == {"silent 89/tcp", "undocumented 90/tcp"}
            assert messages["undocumented 90/tcp"].endswith(
                "; --expose or -p documents it for this container only"
            )

    def test_its_protocol_in_capitals(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", declares=("80/TCP",), exposes=("80",))
        for look in looks:
            seen = look.container(container.name)
            assert seen.declared == {"80/tcp"}
            assert found(seen) == {}


class TestPublishing:
    def test_all_exposed_ports(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80", "81"), publish_all_ports=True)
        for look in looks:
            seen = look.container(container.name)
            assert {str(x.port) for x in seen.published} == {"80/tcp", "81/tcp"}
            assert set(found(seen)) == {"published-silent 81/tcp"}
            assert container_publishes(look, container.name, 80, 81)
            assert container_publishes(look, container.name, f"{container.host_port('80/tcp')}:80")

    def test_one_port_twice(self, looks: list[Engine], stage: Stage) -> None:
        ports = {"80/tcp": [("127.0.0.1", None), ("127.0.0.2", None)]}
        container = stage.run(ports=ports)
        for look in looks:
            seen = look.container(container.name)
            assert sorted(x.host_ip for x in seen.published) == ["127.0.0.1", "127.0.0.2"]
            (finding,) = seen.findings
            assert finding.rule == "published-silent"
            assert "127.0.0.1:" in finding.message
            assert "127.0.0.2:" in finding.message

    def test_udp_is_not_tcp(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:53", exposes=("53",), ports={"53/udp": ("127.0.0.1",)})
        for look in looks:
            assert set(found(look.container(container.name))) == {"published-silent 53/udp"}
            assert not container_publishes(look, container.name, 53)
            assert container_publishes(look, container.name, "53/udp")

    @pytest.mark.parametrize("network", ["host", "none"])
    def test_without_effect(self, network: str, looks: list[Engine], stage: Stage) -> None:
        container = stage.run(binds=("80/tcp",), network_mode=network)
        for look in looks:
            seen = look.container(container.name)
            assert seen.published == ()
            assert f"-p 80/tcp has no effect with --network {network}" in seen.notes
            assert found(seen) == {}

    def test_of_one_that_was_disconnected(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",), ports={"80/tcp": ("127.0.0.1",)})
        stage.client.networks.get("bridge").disconnect(container.name)
        note = "-p 80/tcp has no effect as it is connected to no network"
        assert [note in x.container(container.name).notes for x in looks] == [True] * len(looks)

    def test_in_an_internal_network(self, looks: list[Engine], stage: Stage) -> None:
        network = stage.network(internal=True)
        container = stage.run(
            "tcp:0.0.0.0:80", exposes=("80",), ports={"80/tcp": 0}, network=network.name
        )
        for look in looks:
            seen = look.container(container.name)
            assert seen.published == ()
            assert f"-p 80/tcp has no effect with --network {network.name}" in seen.notes
            assert found(seen) == {}

    def test_declared_in_an_internal_network(self, looks: list[Engine], stage: Stage) -> None:
        # The engine's list has no ports of it; on such a port an undeclared one is a client's.
        container = stage.run(
            "udp:0.0.0.0:40000",
            declares=("40000/udp",),
            network_mode=stage.network(internal=True).name,
        )
        for look in looks:
            seen = look.container(container.name)
            assert seen.declared == {"40000/udp"}
            assert set(found(seen)) == {"undocumented 40000/udp"}


class TestNames:
    def test_of_an_image(self, engine: Engine, images: Images, stage: Stage) -> None:
        tag = images.build(exposes=("80",))
        of_the_sdk = stage.client.images.get(tag)
        for name in (tag, of_the_sdk, of_the_sdk.id, of_the_sdk.short_id):
            assert engine.image(name).documented == {"80/tcp"}
            assert image_exposes(engine, name, 80, only=True)

    def test_of_none(self, engine: Engine, images: Images) -> None:
        tag = images.build(exposes=("80",))
        with pytest.raises(NotFoundError) as caught:
            engine.image(f"{tag}-x")
        assert f"no image '{tag}-x'" in str(caught.value)
        assert f"did you mean {tag}" in str(caught.value)
        name = tag.partition("/")[0] + "/latest"
        engine_has = images.client.images.get(tag)
        assert engine_has.tag(name, "latest")
        try:
            with pytest.raises(NotFoundError, match=f"did you mean {name}[,? ]"):
                engine.image(f"{name}s")
        finally:
            images.client.images.remove(f"{name}:latest")

    @pytest.mark.parametrize("name", [None, 80, ""])
    def test_that_are_none(self, name: object, engine: Engine) -> None:
        with pytest.raises(ConfigurationError, match="is not an image"):
            engine.image(name)

    @pytest.mark.parametrize("name", ["UPPER", "../webapp", "shop/./web", "\ud800", "a\x00b"])
    def test_of_a_name_that_no_image_can_have(self, name: str, engine: Engine) -> None:
        with pytest.raises(ConfigurationError, match="' is not an image: "):
            engine.image(name)

    def test_containers_and_images_are_told_apart(self, engine: Engine, stage: Stage) -> None:
        web = stage.run("tcp:0.0.0.0:80", name="web")
        for container in (web.sdk, engine.container(web.name)):
            with pytest.raises(ConfigurationError, match="is a container, not an image"):
                engine.image(container)
        with pytest.raises(ConfigurationError, match="is not a container"):
            engine.container(web.sdk.image)
