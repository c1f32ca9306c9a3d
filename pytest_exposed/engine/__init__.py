"""One docker engine, read-only: the only place that knows the docker SDK."""

from pytest_exposed.engine.engine import Engine

__all__ = ["Engine"]
