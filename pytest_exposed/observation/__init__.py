"""One observation of containers: list, complete, locate, read, attribute, judge."""

from pytest_exposed.observation.engine import Engine

__all__ = ["Engine"]
