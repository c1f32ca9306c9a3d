"""Small builders of values: each fills in what a test does not speak of."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pytest_exposed.model import (
    Container,
    Forwarding,
    Image,
    Kind,
    Listener,
    Process,
    Publication,
)
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.sockets.reading import SocketSnapshot, Target
from pytest_exposed.sockets.table import Socket

DATA = Path(__file__).with_name("data")
"""Real output of a Linux kernel (6.18): data/README.md tells what was bound there."""

ANY = "0.0.0.0"  # noqa: S104  # it is what containers bind, not these tests
ID = "3f" * 32
OTHER_ID = "a0" * 32


# Any address: those of Hypothesis, which prefers special ones, take many times longer to draw.
IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IPV6 = st.integers(0, 2**128 - 1).map(IPv6Address)


def same_address(one: str, other: str) -> bool:
    """Return whether two texts are one address: ::ffff:0:0 and ::ffff:0.0.0.0 are."""
    return ip_address(one) == ip_address(other)


def socket(port: int = 80, address: str = ANY, *, inode: int = 1, **rest: Any) -> Socket:
    values: dict[str, Any] = {"protocol": "tcp", "uid": 0, **rest}
    return Socket(address=address, port=port, inode=inode, **values)


def reading(*sockets: Socket, **rest: Any) -> SocketSnapshot:
    values: dict[str, Any] = {
        "source": "netlink",
        "namespace": 1,
        "ipv6": False,
        "addresses": None,
        "local_ports": None,
        "cgroups": None,
        "held": None,
        "shared": False,
    }
    return SocketSnapshot(sockets=sockets, **(values | rest))


def target(container: str = ID, *addresses: str, main_pid: int = 0, **rest: Any) -> Target:
    values: dict[str, Any] = {"place": container, "shares": False, **rest}
    return Target(container, frozenset(addresses), main_pid=lambda: main_pid, **values)


def listener(
    port: int | str, address: str = ANY, kind: Kind = "reachable", *owners: Process, **rest: Any
) -> Listener:
    return Listener(Port.parse(port), address, kind, owners=owners, **rest)


def publication(port: int | str, host_port: int | None = None, host_ip: str = ANY) -> Publication:
    parsed = Port.parse(port)
    return Publication(parsed, host_ip, host_port or parsed.number)


ENDS = Forwarding(("10.0.0.2",), ("10.0.0.2",), ("10.0.0.2",))
"""Where docker leads to in a container of one network that has no IPv6."""


def image(*documented: int | str, name: str = "webapp:1", **rest: Any) -> Image:
    return Image("sha256:" + "1" * 64, name, Ports.parse(*documented), **rest)


def container(
    *listeners: Listener,
    documented: Iterable[int | str] = (),
    declared: Iterable[int | str] = (),
    published: Iterable[Publication] = (),
    name: str = "web",
    image_name: str = "webapp:1",
    **rest: Any,
) -> Container:
    documents = Ports.parse(documented)
    published = tuple(published)
    values: dict[str, Any] = {
        "id": ID,
        "network_mode": "bridge",
        "state": "running",
        "source": "netlink",
        "forwarding": ENDS,
        "image": image(*documents, name=image_name),
        "declared": documents | Ports.parse(declared) | {x.port for x in published},
    }
    return Container(name=name, published=published, listeners=listeners, **(values | rest))
