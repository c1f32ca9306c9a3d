"""The services of an engine's swarm, told by itself or by the manager that it was named by."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from pytest_exposed.engine.api import Api, LostError
from pytest_exposed.engine.untyped import JsonObject
from pytest_exposed.errors import EngineError


def services_of(api: Api, timeout: float) -> Sequence[JsonObject] | str:
    """Return the services of an engine's swarm, or why nobody tells them.

    timeout is a manager's, in seconds an answer. On an engine that is in no swarm there are none,
    whatever the labels of its containers say.
    """
    manager = api.host.manager
    try:
        if manager is None:
            return api.services()
        with closing(Api(manager, timeout)) as other:
            return other.services()
    except EngineError as error:
        if manager is None and isinstance(error, LostError):
            raise
        return [] if manager is None and _is_in_no_swarm(api) else str(error)


def _is_in_no_swarm(api: Api) -> bool:
    try:
        swarm = api.info().get("Swarm")
    except LostError:
        raise
    except EngineError:  # a proxy that refuses to tell
        return False
    return isinstance(swarm, dict) and swarm.get("LocalNodeState") == "inactive"
