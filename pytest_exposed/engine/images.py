"""The images of an engine: found by what people call them, and asked for once by their ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_exposed.engine.api import Api, RefusedError
from pytest_exposed.engine.image_records import image_from_record, layers, tags
from pytest_exposed.engine.names import unknown
from pytest_exposed.engine.records import Listed
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    NotFoundError,
    ObservationError,
)
from pytest_exposed.model import Image
from pytest_exposed.text import printable


class Images:
    """The images of an engine; those of its containers are kept, as what an id means is fixed."""

    def __init__(self, api: Api) -> None:
        """Take the engine's calls."""
        self._api = api
        self._known: dict[str, Image] = {}

    def find(self, image: object) -> Image:
        """Return an image: by name, by id, or by an object of the docker SDK or of ours.

        Raises NotFoundError where the engine has none of that name.
        """
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
        if not {".", ".."}.isdisjoint(name.split("/")):  # engines answer with a redirect
            raise ConfigurationError(f"{printable(name)!r} is not an image: no name has such parts")
        try:
            found = self._api.image(name)
        except RefusedError as error:
            raise ConfigurationError(
                f"{printable(name)!r} is not an image: {error.reason}"
            ) from None
        except NotFoundError:
            known = [x for record in self._api.images() for x in tags(record)]
            raise unknown(name, "image", known, self._api.host.shown) from None
        shown = name if isinstance(image, str) else (tags(found) or [name])[0]
        return image_from_record(found, shown)

    def learn(self, containers: Iterable[Listed]) -> None:
        """Ask for the images of containers together, which takes less time than for each."""
        names = {x.image_id: x.image for x in containers if x.image_id not in self._known}
        for identity, record in self._api.inspections("images", names):
            self._known[identity] = image_from_record(record, names[identity])

    def documented(self, image_id: str, name: str) -> Image:
        """Return an image by its id, asking once for each; ObservationError where it is gone."""
        if image_id not in self._known:
            try:
                record = self._api.image(image_id)
            except NotFoundError:
                raise ObservationError(
                    f"the engine has no image {printable(image_id)} any more, so that what "
                    f"{printable(name)} documents is unknown: start the container from an image "
                    "that is there"
                ) from None
            self._known[image_id] = image_from_record(record, name)
        known = self._known[image_id]
        return known if known.name == name else replace(known, name=name)

    def with_history(self, image: Image) -> Image:
        """Return the image with the commands of its layers; without, where they can't be had."""
        known = self._known.get(image.id, image)
        if known.history is None:
            try:
                known = layers(known, self._api.history(image.id))
            except (EngineError, NotFoundError):
                return image
            self._known[image.id] = known
        return replace(known, name=image.name)
