"""Images of several platforms in containerd's image store: each container has that of its own."""

from __future__ import annotations

import io
import json
import tarfile
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from remote.relay import Relay
from stage import RUN
from workload import listener

from pytest_exposed import Engine, ObservationError, image_exposes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage import Stage

EXPOSES = {"amd64": 80, "386": 81}
"""What the image of each platform documents; a 64-bit kernel runs a program of amd64 in both."""


def oci_archive(tag: str, exposes: dict[str, int], labels: dict[str, str]) -> bytes:
    """Return an image with a manifest for each architecture, as `docker load` reads it.

    Format: the OCI image layout.
    """
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, kind: str) -> dict[str, Any]:
        digest = sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(content)}

    def tree(**content: Any) -> bytes:
        return json.dumps({"schemaVersion": 2, **content}).encode()

    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode="w") as tar:
        tar.add(listener(), "bin/listener")
    layer = blob(files.getvalue(), "layer.v1.tar")
    manifests = []
    for architecture, port in exposes.items():
        settings = {
            "Entrypoint": ["/bin/listener"],
            "ExposedPorts": {f"{port}/tcp": {}},
            "Labels": labels,
        }
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
            "history": [{"created_by": f"EXPOSE {port}"}],
        }
        described = blob(json.dumps(config).encode(), "config.v1+json")
        manifest = blob(tree(config=described, layers=[layer]), "manifest.v1+json")
        manifests.append({**manifest, "platform": {"architecture": architecture, "os": "linux"}})
    index = blob(tree(manifests=manifests), "index.v1+json")
    index["annotations"] = {"io.containerd.image.name": f"docker.io/{tag}"}
    blobs |= {
        "index.json": tree(manifests=[index]),
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
    }
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in blobs.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


@pytest.fixture
def tag(docker_containerd: Any) -> str:
    """The tag of an image of two platforms."""
    images = docker_containerd.images
    tag: str = images.new_tag()
    docker_containerd.client.images.load(oci_archive(tag, EXPOSES, {RUN: images.run}))
    return tag


@pytest.fixture
def names(tag: str, stage_containerd: Stage) -> dict[str, str]:
    """A container of each platform, by its architecture; all listen on the port of 386."""
    return {
        x: stage_containerd.run(
            "tcp:0.0.0.0:81", name=f"of-{x}", image=tag, platform=f"linux/{x}"
        ).name
        for x in EXPOSES
    }


@pytest.fixture
def engine(docker_containerd: Any) -> Iterator[Engine]:
    with Engine(docker_containerd.url) as engine:
        yield engine


def found(engine: Engine, name: str) -> list[str]:
    return [str(x) for x in engine.container(name).findings]


def test_a_container_documents_what_its_platform_does(
    engine: Engine, names: dict[str, str]
) -> None:
    together = {x.name: x for x in engine.containers()}
    for architecture, port in EXPOSES.items():
        seen = engine.container(names[architecture])
        assert seen.documented == together[seen.name].documented == {port}
        assert image_exposes(engine, seen.image, port, only=True)
    assert found(engine, names["386"]) == []
    assert found(engine, names["amd64"]) == ["silent 80/tcp", "undocumented 81/tcp"]
    (layer, *_) = engine.container(names["amd64"]).image.history or ("",)
    assert layer == "EXPOSE 80"


@pytest.mark.parametrize("change", ["a new image has its name", "its name is gone"])
def test_an_image_whose_name_is_another_s(
    change: str, engine: Engine, names: dict[str, str], tag: str, stage_containerd: Stage
) -> None:
    client = stage_containerd.client
    other = client.images.get(stage_containerd.images.build(exposes=("99",)))
    other.tag(*tag.split(":"))
    if change == "its name is gone":
        client.images.remove(tag)
    assert engine.container(names["386"]).documented == {81}
    assert engine.container(names["amd64"]).documented == {80}


def test_an_engine_that_shows_one_platform_only_is_no_wrong_answer(
    names: dict[str, str], docker_containerd: Any
) -> None:
    """Docker 28.0 tells a container's manifest, and knows no parameter platform of images."""
    pong = b"HTTP/1.1 200 OK\r\nApi-Version: 1.48\r\nContent-Length: 2\r\n\r\nOK"
    with Relay(docker_containerd.url) as relay:
        relay.meddle = lambda line: relay.answer(pong) if line.endswith("/_ping") else None
        with Engine(relay.url) as engine:
            assert engine.container(names["amd64"]).documented == {80}  # it is the engine's own
            with pytest.raises(
                ObservationError, match=r"doesn't show that of linux/386: docker 28"
            ):
                engine.container(names["386"])
