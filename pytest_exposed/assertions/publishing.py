"""What a suite asserts of publications: that a container's ports are published on its host."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_exposed.assertions.checks import expect_engine, listing, no_ports, of_all_tasks
from pytest_exposed.assertions.result import Check
from pytest_exposed.engine.records import Listed
from pytest_exposed.engine.swarm import REMEDY
from pytest_exposed.errors import ExposedError, ObservationError
from pytest_exposed.model.endpoints import PublishedPort
from pytest_exposed.model.ports import Ports, PortsLike
from pytest_exposed.observation import Engine
from pytest_exposed.observation.attribute import UNJOINED
from pytest_exposed.observation.diagnosis import RUNNING_STATES, not_running
from pytest_exposed.observation.judge import JOINED
from pytest_exposed.text import printable


def container_publishes(engine: Engine, container: object, *ports: PortsLike) -> Check:
    """Return whether every port is published.

    "80" is published on any port of the host, "8080:80" on that one at any of its addresses,
    127.0.0.1 too, "0.0.0.0:8080:80" and "127.0.0.1:8080:80/tcp" at that address. What a Swarm
    service publishes by ingress, each of its tasks does. Raises as container_listens_on does;
    sockets need not be seen.
    """
    expect_engine(engine)
    wanted = [x for form in ports for x in PublishedPort.parse(form)]
    if not wanted:
        raise no_ports()
    found = engine.observer.find_tasks(container)[0]
    return of_all_tasks([_publishes(engine, x, wanted) for x in found], found)


def _publishes(engine: Engine, listed: Listed, wanted: Sequence[PublishedPort]) -> Check:
    name = printable(listed.name)
    if listed.state not in RUNNING_STATES:
        raise not_running(engine.observer, listed, engine.observer.inspect(listed))
    listed = engine.observer.completed(listed)
    missing = [x for x in wanted if not any(x.is_met_by(y) for y in listed.published)]
    if missing and listed.publications_unknown:
        raise ObservationError(
            f"whether {name} publishes {listing(missing)}: {listed.publications_unknown}\n{REMEDY}"
        )
    if missing:
        found = listing(listed.published) or "nothing"
        plain = Ports(x.port for x in missing if x.is_plain)
        shown = listing([*plain.ranges(), *(x for x in missing if not x.is_plain)])
        why = f"{name} does not publish {shown} (it publishes {found}{_meant(missing, listed)}"
        try:
            snapshot = engine.container(listed.id)
        except ExposedError:  # only its table is missing from the report then
            return Check(False, f"{why})")
        joined = [f"; {x}" for x in snapshot.notes if x.startswith((JOINED, UNJOINED))]
        return Check(False, f"{why}{''.join(joined)})", snapshot)
    met = [x for x in listed.published if any(y.is_met_by(x) for y in wanted)]
    return Check(True, f"{name} publishes {listing(met)}")


def _meant(missing: Iterable[PublishedPort], listed: Listed) -> str:
    """Return how to ask for a port of the host that was asked for as one of the container's."""
    for wanted in (x.port for x in missing if x.is_plain):
        for one in listed.published:
            if (one.host_port, one.port.protocol) == (wanted.number, wanted.protocol):
                form = f"{one.host_port}:{one.port}"
                return f"; a number alone is the container's port: \"{form}\" has the host's"
    return ""
