"""Images from the engine's JSON, with checks. Formats: the Engine API's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from pytest_exposed.engine.json_fields import (
    JsonObject,
    as_dict,
    as_labels,
    as_text,
    as_texts,
    as_words,
)
from pytest_exposed.engine.records import Listed
from pytest_exposed.model import Image
from pytest_exposed.model.ports import Ports

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""Media types of an index, which names an image for each of several platforms."""

_BUILT_BY_PODMAN = "io.buildah.version"
"""The label of images that podman or buildah built, here or elsewhere."""


def image_from_record(record: JsonObject, name: str) -> Image:
    """Return the image of an inspection, with the given name."""
    config = as_dict(record.get("Config"))
    documented, invalid = Ports.from_exposed(map(str, as_dict(config.get("ExposedPorts"))))
    return Image(
        id=as_text(record.get("Id")),
        name=name,
        documented=documented,
        invalid=invalid,
        labels=as_labels(config.get("Labels")),
        digests=_digests(record),
        entrypoint=as_words(config.get("Entrypoint")),
        command=as_words(config.get("Cmd")),
    )


def _digests(record: JsonObject) -> tuple[str, ...]:
    """Return an image's digests in registries; none if it may have been built here.

    Digests alone prove no registry: in containerd's image store each image has its own id as the
    digest of all its names, and in podman's each has a digest since its build. Podman labels its
    builds. containerd's store has the origin in Identity, since API 1.53: Pull lists the
    repositories that the image was pulled from or pushed to, Build says that it was built here.
    """
    digests = tuple(as_texts(record.get("RepoDigests")))
    own = as_text(record.get("Id"))
    if _BUILT_BY_PODMAN in as_labels(as_dict(record.get("Config")).get("Labels")):
        return ()
    if "Descriptor" not in record and not any(x.partition("@")[2] == own for x in digests):
        return digests
    identity = as_dict(record.get("Identity"))
    return digests if identity.get("Pull") and not identity.get("Build") else ()


def tags(record: JsonObject) -> list[str]:
    """Return an image's names, such as "httpd:2.4"."""
    return sorted(as_texts(record.get("RepoTags")))


def layers(image: Image, history: Sequence[JsonObject]) -> Image:
    """Return the image with its layers' commands, its names, and those of the images in it."""
    parents = {}
    # Podman's history has the image's names at all its layers.
    own = {tag for layer in history[:1] for tag in as_texts(layer.get("Tags"))}
    for place, layer in enumerate(history):
        tags = [x for x in as_texts(layer.get("Tags")) if x not in own]
        if tags:
            parents[place] = tuple(sorted(tags))
    commands = tuple(as_text(x.get("CreatedBy")) for x in history)
    return replace(image, names=tuple(sorted(own)), history=commands, parents=parents)


def platform_of(listed: Listed) -> str:
    """Return the platform to ask for an image by; empty if the image has only one."""
    return listed.platform if listed.manifest != listed.image_id else ""


def trouble(record: JsonObject, listed: Listed) -> str | None:
    """Return why an inspection doesn't say what a container's image documents, or None if it does.

    Engines with containerd's image store answer for the platform that suits their host best if
    they don't know the parameter platform (before API 1.49), and without Config if they have none
    of the image's platforms (daemon/containerd/image_inspect.go).
    """
    config = record.get("Config")
    if not isinstance(config, dict) or not isinstance(config.get("ExposedPorts") or {}, dict):
        return "the engine's record of it has no configuration that can be read"
    platform = platform_of(listed)
    descriptor = as_dict(record.get("Descriptor"))
    if not platform:
        unknown = as_text(descriptor.get("mediaType")) in _INDEXES and not listed.manifest
        # A container's ports include all that its image documents.
        if unknown and not image_from_record(record, "").documented <= listed.declared:
            return "it is an image of several platforms, and the engine doesn't say which one it is"
        return None
    if descriptor.get("digest") == listed.manifest:
        return None
    wanted = json.loads(platform)
    names = {"os": "Os", "architecture": "Architecture", "variant": "Variant"}
    is_it = all((record.get(y) or "") == wanted.get(x, "") for x, y in names.items())
    if is_it and descriptor.get("digest") in (None, listed.image_id):
        return None
    shown = "/".join(wanted[x] for x in names if x in wanted)
    return (
        f"it is an image of several platforms, and the engine doesn't show that of {shown}: docker "
        "28.1 (version 1.49 of its API) does"
    )
