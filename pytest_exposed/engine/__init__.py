"""One docker engine, read-only: the only place that knows its HTTP API."""

from pytest_exposed.engine.engine import Engine

__all__ = ["Engine"]
