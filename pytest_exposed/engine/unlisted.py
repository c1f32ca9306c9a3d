"""What the engine's list leaves out of some containers, and an inspection tells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_exposed.engine.records import Inspected, Listed

if TYPE_CHECKING:
    from pytest_exposed.engine.observer import Observer


class Unlisted:
    """Completes what an engine listed: containers are inspected only where something is missing."""

    def __init__(self, observer: Observer, inspect: Callable[[Listed], Inspected]) -> None:
        """Take what asks the engine."""
        self._observer = observer
        self._inspect = inspect

    def complete(self, listed: Listed) -> Listed:
        """Return a container with what its list entry lacks; raises as inspect does."""
        if not self.may_lack_ports_of(listed):
            return listed
        inspected = self._inspect(listed)
        joined = inspected.network_mode.startswith("container:")
        in_pod = replace(listed, network_mode=inspected.network_mode).pod_network is not None
        return replace(
            listed,
            network_mode=inspected.network_mode,
            # Podman lists the other container's publications for it; -p is refused for such ones.
            published=listed.published if in_pod or not joined else (),
            declared=listed.declared | inspected.declared,
        )

    def may_lack_ports_of(self, listed: Listed) -> bool:
        """Return whether the list may lack ports of a container."""
        mode = listed.network_mode
        apart = mode in (None, "host", "none") or mode.startswith("container:")
        return apart or not self._has_its_ports(listed)

    def _has_its_ports(self, listed: Listed) -> bool:
        """Return whether the list entry has the container's ports, and all that -p asked for."""
        if listed.endpoints and not any(x.ipv4 for x in listed.endpoints):
            return False  # -p of an IPv4 address has no effect there
        # The default network, which most are in, needs no asking.
        if listed.published or listed.networks == {"bridge"}:
            return True
        if not self._publishing:  # a proxy refuses to tell
            return bool(listed.declared) or "bridge" in listed.networks
        # Where one of several is no bridge and has the default route, -p has no effect.
        return listed.networks <= self._publishing

    @cached_property
    def _publishing(self) -> frozenset[str]:
        return self._observer.publishing_networks()
