"""Writes a first suite: assertions of what containers listen on, publish and document now."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from pytest_exposed.model import endpoint
from pytest_exposed.model.ports import Ports
from pytest_exposed.report.record import ContainerRecord, HostRecord, PublicationRecord
from pytest_exposed.text import printable

_FIRST_OF_ITS_CHOICE = 32768
"""The first host port that an engine chooses itself at each start: ip_local_port_range, ip(7)."""


def write(path: Path, hosts: Sequence[HostRecord], today: date) -> None:
    """Write a test for each container, to keep and edit; raises FileExistsError."""
    tests = list(_tests(hosts))
    heading = f'"""What containers listened on, published and documented on {today}."""\n'
    with path.open("x", encoding="utf-8") as file:
        file.write("\n\n".join([heading, *tests]))


def _tests(hosts: Sequence[HostRecord]) -> Iterator[str]:
    names: set[str] = set()
    services: set[str] = set()
    for host in hosts:
        for container in sorted(host["containers"], key=lambda x: str(x["name"])):
            called = container["name"]
            if container["service_id"] is not None and container["service"] is not None:
                # A task's name changes with each deployment, so the test asks for its service.
                if container["service_id"] in services:
                    continue
                services.add(container["service_id"])
                called = container["service"]
            name = re.sub(r"\W+", "_", called, flags=re.ASCII).strip("_") or "container"
            while name in names:
                name += "_2"
            names.add(name)
            yield _test(name, called, container)


def _test(name: str, called: str, container: ContainerRecord) -> str:
    who, image = _quoted(called), _quoted(container["image"])
    if container["error"] is not None:
        reason = printable(container["error"].splitlines()[0])
        return f"# {printable(called)} could not be observed: {reason}\n"
    listening = _listening(who, container)
    fixtures = [
        x
        for x in ("container_listens_on", "exposed")
        if f"{x}(" in listening[0] or f"{x}." in listening[0]
    ]
    published = sorted({_publication(x) for x in container["published"]})
    if published:
        fixtures.append("container_publishes")
        listening.append(f"    assert container_publishes({_arguments(who, published)[:-2]})")
    if container.get("image_id") != "":  # some containers have no image
        fixtures.append("image_exposes")
        documented = container.get("documented_by_image", container["documented"] or [])
        documents = _arguments(image, _ranges(documented))
        listening.append(f"    assert image_exposes({documents}only=True)")
    return "\n".join([f"def test_{name}({', '.join(fixtures)}):", *listening]) + "\n"


def _listening(who: str, container: ContainerRecord) -> list[str]:
    """Return the lines about a container's listeners, with dynamic ports only as a comment.

    Beside dynamic ports an assertion with only=True would fail.
    """
    listeners = container["listeners"] or ()
    dynamic = {x["port"] for x in listeners if x.get("dynamic")}
    listening = container["listening"] or []
    ports = _ranges([x for x in listening if x not in dynamic])
    if not dynamic.isdisjoint(listening):
        call = f"    assert container_listens_on({_arguments(who, ports)[:-2]})"
        comment = (
            "    # It also listens on ports that are chosen at each start: only=True would fail."
        )
        return [call, comment] if ports else [comment]
    if not ports:
        # `container_listens_on("db", only=True)` would read as its opposite.
        closed = [x for x in listeners if x["kind"] in ("loopback", "unreachable")]
        lasting = [x for x in closed if x["port"] not in dynamic]
        ports = sorted({endpoint(x["address"], x["port"]) for x in lasting})
    if not ports:
        if container["service_id"] is not None:
            return [f"    assert not any(x.listening for x in exposed.tasks({who}))"]
        return [f"    assert not exposed.container({who}).listening"]
    return [f"    assert container_listens_on({_arguments(who, ports)}only=True)"]


def _arguments(first: str, ports: Sequence[str]) -> str:
    return "".join(f"{x}, " for x in (first, *map(_quoted, ports)))


def _ranges(ports: Sequence[str]) -> list[str]:
    return Ports.parse(ports).ranges()


def _quoted(text: str) -> str:
    """Return a text as a Python literal in the formatters' quotes."""
    literal = repr(text)
    if literal.startswith('"'):
        return literal
    return '"' + literal[1:-1].replace('"', '\\"') + '"'


def _publication(published: PublicationRecord) -> str:
    address = published["host_ip"]
    everywhere = address in ("", "0.0.0.0", "::")  # noqa: S104
    prefix = "" if everywhere else endpoint(address, "")
    if published["host_port"] is None:  # open to routed traffic
        return str(published["port"])
    if published["host_port"] >= _FIRST_OF_ITS_CHOICE:
        return f"{prefix}:{published['port']}" if prefix else str(published["port"])
    return f"{prefix}{published['host_port']}:{published['port']}"
