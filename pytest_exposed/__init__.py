"""pytest-exposed tells the truth about container ports.

The names below are the public Python API; it works without pytest running.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_exposed.assertions.checks import container_listens_on, image_exposes
    from pytest_exposed.assertions.matching import container_matches_image
    from pytest_exposed.assertions.publishing import container_publishes
    from pytest_exposed.assertions.result import Check
    from pytest_exposed.errors import (
        ConfigurationError,
        EngineError,
        ExposedError,
        GoneError,
        HelperLeftWarning,
        NotFoundError,
        NotRunningError,
        ObservationError,
        PortError,
        UnassertedWarning,
    )
    from pytest_exposed.model import Container, Finding, Image, Listener, Publication
    from pytest_exposed.model.ports import Port, Ports
    from pytest_exposed.observation import Engine
    from pytest_exposed.plugin.fixtures import (
        ContainerListensOn,
        ContainerMatchesImage,
        ContainerPublishes,
        ImageExposes,
    )

__version__ = "0.1.0"

_HOMES = {
    "assertions.result": ("Check",),
    "assertions.checks": ("container_listens_on", "image_exposes"),
    "assertions.matching": ("container_matches_image",),
    "assertions.publishing": ("container_publishes",),
    "observation": ("Engine",),
    "errors": (
        "ConfigurationError",
        "EngineError",
        "ExposedError",
        "GoneError",
        "HelperLeftWarning",
        "NotFoundError",
        "NotRunningError",
        "ObservationError",
        "PortError",
        "UnassertedWarning",
    ),
    "plugin.fixtures": (
        "ContainerListensOn",
        "ContainerMatchesImage",
        "ContainerPublishes",
        "ImageExposes",
    ),
    "model": ("Container", "Finding", "Image", "Listener", "Publication"),
    "model.ports": ("Port", "Ports"),
}

__all__ = [
    "Check",
    "ConfigurationError",
    "Container",
    "ContainerListensOn",
    "ContainerMatchesImage",
    "ContainerPublishes",
    "Engine",
    "EngineError",
    "ExposedError",
    "Finding",
    "GoneError",
    "HelperLeftWarning",
    "Image",
    "ImageExposes",
    "Listener",
    "NotFoundError",
    "NotRunningError",
    "ObservationError",
    "Port",
    "PortError",
    "Ports",
    "Publication",
    "UnassertedWarning",
    "container_listens_on",
    "container_matches_image",
    "container_publishes",
    "image_exposes",
]


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: every run of pytest imports this package."""
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
