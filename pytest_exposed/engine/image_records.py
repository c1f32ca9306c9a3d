"""The engine's JSON of images, checked. Formats: the Engine API's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_exposed.engine.untyped import (
    JsonObject,
    as_dict,
    as_labels,
    as_text,
    as_texts,
    as_words,
)
from pytest_exposed.model import Image
from pytest_exposed.ports import Ports

_MOST_NAMES = 3
"""Names of an image that are told: it can have any number."""


def image_from_record(record: JsonObject, name: str) -> Image:
    """Return the image of an inspection, called name."""
    config = as_dict(record.get("Config"))
    documented, invalid = Ports.from_exposed(map(str, as_dict(config.get("ExposedPorts"))))
    return Image(
        id=as_text(record.get("Id")),
        name=name,
        documented=documented,
        invalid=invalid,
        labels=as_labels(config.get("Labels")),
        entrypoint=as_words(config.get("Entrypoint")),
        command=as_words(config.get("Cmd")),
    )


def tags(record: JsonObject) -> list[str]:
    """Return the names that an image has: "httpd:2.4"."""
    return sorted(as_texts(record.get("RepoTags")))


def layers(image: Image, history: Sequence[JsonObject]) -> Image:
    """Return the image with its layers' commands, and the images that these are the tops of."""
    parents = {}
    for place, layer in enumerate(history):
        tags = as_texts(layer.get("Tags"))
        if place and tags:
            # Nothing tells which of an image's names its Dockerfile had.
            parents[place] = " or ".join(sorted(tags)[:_MOST_NAMES])
    commands = tuple(as_text(x.get("CreatedBy")) for x in history)
    return replace(image, history=commands, parents=parents)
