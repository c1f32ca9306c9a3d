"""The images of an engine: found by name, and inspected once per id."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_exposed.engine.api import Api
from pytest_exposed.engine.calls import LostError, RefusedError
from pytest_exposed.engine.image_records import (
    image_from_record,
    layers,
    platform_of,
    tags,
    trouble,
)
from pytest_exposed.engine.json_fields import JsonObject, as_text, as_texts
from pytest_exposed.engine.names import unknown
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    NotFoundError,
    ObservationError,
)
from pytest_exposed.model import NO_IMAGE, Image
from pytest_exposed.text import printable


class Images:
    """The images of an engine. Those of its containers are cached, because an id never changes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[tuple[str, str], Image] = {}

    def find(self, image: object) -> Image:
        """Return an image by name or id, or of an object: the docker SDK's or ours.

        Raises NotFoundError if the engine has none of that name.
        """
        if isinstance(image, Image) and image in self._known.values():
            return image  # its id can be an index, which names several images
        name = getattr(image, "id", image)
        if not isinstance(name, str) or not name:
            raise ConfigurationError(
                f"{printable(repr(image))} is not an image: give its name, its id, an image of the "
                "docker SDK, or the .image of a snapshot"
            )
        if hasattr(image, "image"):
            raise ConfigurationError(
                f"{printable(repr(image))} is a container, not an image: give its .image"
            )
        # Engines would answer with a redirect, and no request has half a character.
        if not {".", ".."}.isdisjoint(name.split("/")) or not name.isprintable():
            raise ConfigurationError(f"{printable(name)!r} is not an image: no name has such parts")
        try:
            found = self._api.image(name)
        except RefusedError as error:
            raise ConfigurationError(
                f"{printable(name)!r} is not an image: {error.reason}"
            ) from None
        except NotFoundError:
            # A name without a tag is near to another one without its.
            known = [x.removesuffix(":latest") for y in self._api.images() for x in tags(y)]
            hint = self._is_container(name)
            raise unknown(name, "image", known, self._api.host.shown, hint) from None
        shown = name if isinstance(image, str) else (tags(found) or [name])[0]
        return image_from_record(found, shown)

    def _is_container(self, name: str) -> str:
        """Return that a name is a container's, and of which image; empty where it is none's."""
        try:
            every = self._api.containers(every=True)
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            return ""
        found = [x for x in every if f"/{name}" in as_texts(x.get("Names"))]
        image = printable(as_text(found[0].get("Image"))) if found else ""
        return f"; a container has that name, of the image {image}" if image else ""

    def learn(self, containers: Iterable[Listed]) -> None:
        """Inspect the images of containers together, which is faster than one by one."""
        wanted: dict[str, dict[str, Listed]] = {}
        for x in containers:
            if x.has_image and x.image_id and _key(x) not in self._known:
                wanted.setdefault(platform_of(x), {})[x.image_id] = x
        for platform, names in wanted.items():
            for identity, record in self._api.inspections("images", names, platform=platform):
                listed = names[identity]
                if trouble(record, listed) is None:
                    self._known[_key(listed)] = _image(record, listed)

    def of(self, listed: Listed) -> Image:
        """Return the image of a container, inspected once; NO_IMAGE if it has none.

        Raises ObservationError if the engine doesn't have it any more, or doesn't say what it
        documents. This is an error of the container, not of the engine.
        """
        if not listed.has_image:
            return NO_IMAGE
        key = _key(listed)
        if key not in self._known:
            name = printable(listed.image)
            try:
                if not listed.image_id:
                    raise ObservationError(f"the engine doesn't say which image {name} is")
                record = self._api.image(listed.image_id, platform=platform_of(listed))
            except NotFoundError:
                raise ObservationError(
                    f"the engine has no image {printable(listed.image_id)} any more, so that what "
                    f"{name} documents is unknown: start the container from an image that is there"
                ) from None
            except LostError:
                raise
            except EngineError as error:
                raise ObservationError(f"what {name} documents is unknown: {error}") from None
            if (why := trouble(record, listed)) is not None:
                raise ObservationError(f"what {name} documents is unknown: {why}")
            self._known[key] = _image(record, listed)
        known = self._known[key]
        return known if known.name == listed.image else replace(known, name=listed.image)

    def with_history(self, image: Image, listed: Listed) -> Image:
        """Return the image with the commands of its layers, or without if they are unavailable."""
        if not listed.has_image:
            return image
        key = _key(listed)
        known = self._known.get(key, image)
        if known.history is None:
            try:
                history = self._api.history(listed.image_id, platform=platform_of(listed))
                known = layers(known, history)
            except (EngineError, NotFoundError):
                return image
            self._known[key] = known
        return replace(known, name=image.name)


def _image(record: JsonObject, listed: Listed) -> Image:
    """Return a container's image; one of several platforms has the id of its index, as in lists."""
    image = image_from_record(record, listed.image)
    return replace(image, id=listed.image_id) if platform_of(listed) else image


def _key(listed: Listed) -> tuple[str, str]:
    """Return an image's key in the cache: an index has one image per platform."""
    return listed.image_id, platform_of(listed)
