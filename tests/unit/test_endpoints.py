"""Ports with addresses: where a listener is bound, and what -p publishes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ANY, listener, publication

from pytest_exposed.errors import PortError
from pytest_exposed.model.endpoints import BoundPort, PublishedPort
from pytest_exposed.model.ports import Port, Ports

# Where a listener is bound


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ("80:tcp", "'80:tcp' is not a port: write '80/tcp'"),
        ("80:udp", "'80:udp' is not a port: write '80/udp'"),
        ("8080:80", "'8080:80' is not a port: for the host's ports, use container_publishes"),
    ],
)
def test_a_colon_in_a_bound_port(form: str, why: str) -> None:
    with pytest.raises(PortError) as caught:
        BoundPort.parse(form)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        (80, ["80/tcp"]),
        ("80", ["80/tcp"]),
        ("53/udp", ["53/udp"]),
        ("80-81", ["80/tcp", "81/tcp"]),
        (Port(9, "sctp"), ["9/sctp"]),
        (Ports.parse("80", "53/udp"), ["53/udp", "80/tcp"]),
        ("127.0.0.1:9000", ["127.0.0.1:9000/tcp"]),
        ("127.0.0.1:9000/UDP", ["127.0.0.1:9000/udp"]),
        ("0.0.0.0:80-81", ["0.0.0.0:80/tcp", "0.0.0.0:81/tcp"]),
        ("[::]:80", ["[::]:80/tcp"]),
        ("[0:0::1]:80/sctp", ["[::1]:80/sctp"]),
    ],
)
def test_a_bound_port_is_read(form: Any, texts: list[str]) -> None:
    assert [str(x) for x in BoundPort.parse(form)] == texts


@pytest.mark.parametrize(
    "form",
    [
        *("", "http", "80/icmp", "0", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000"),
        *("127.0.0.1:http", "127.0.0.1:80:80", "127.0.0:80", "999.0.0.1:80", "localhost:80"),
        *("::1:80", "[::1]", "[::1]80", "[::1:80", "::1]:80", "[127.0.0.1]:80", "[]:80", ":80"),
        *("[::g]:80", "127.0.0.1 :80", " 127.0.0.1:80", "8080:80", None, True, 70000),
    ],
)
def test_what_is_no_bound_port_is_refused_and_named(form: Any) -> None:
    with pytest.raises(PortError, match=re.escape(repr(form))):
        BoundPort.parse(form)


@pytest.mark.parametrize(
    ("form", "address", "kind", "met"),
    [
        ("80", ANY, "reachable", True),
        ("80", "10.0.0.1", "reachable", True),
        ("80", "127.0.0.1", "loopback", False),
        ("80", "::", "unreachable", False),
        ("80", ANY, "unattributed", False),
        ("81", ANY, "reachable", False),
        ("80/udp", ANY, "reachable", False),
        # With an address it is a listener bound exactly there, whoever can reach it.
        ("127.0.0.1:80", "127.0.0.1", "loopback", True),
        ("127.0.0.1:80", ANY, "reachable", False),
        ("0.0.0.0:80", ANY, "reachable", True),
        ("0.0.0.0:80", "::", "reachable", False),
        ("[::]:80", "::", "unreachable", True),
        ("[::]:80", ANY, "reachable", False),
        ("127.0.0.1:80", "127.0.0.1", "unattributed", False),
        ("127.0.0.1:81", "127.0.0.1", "loopback", False),
    ],
)
def test_which_listener_a_bound_port_means(form: str, address: str, kind: Any, met: bool) -> None:
    (port,) = BoundPort.parse(form)
    assert port.is_met_by(listener(80, address, kind)) is met


@pytest.mark.parametrize(
    ("form", "address", "presumed", "may"),
    [
        ("80", ANY, "reachable", True),
        ("80", "127.0.0.1", "loopback", False),
        ("127.0.0.1:80", "127.0.0.1", "loopback", True),
        ("127.0.0.1:80", ANY, "reachable", False),
        ("81", ANY, "reachable", False),
    ],
)
def test_which_unattributed_listener_may_be_a_bound_port(
    form: str, address: str, presumed: Any, may: bool
) -> None:
    (port,) = BoundPort.parse(form)
    assert port.may_be_met_by(listener(80, address, "unattributed", presumed=presumed)) is may
    assert not port.may_be_met_by(listener(80, address, presumed))


# What -p publishes


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        (80, ["80/tcp"]),
        ("80/udp", ["80/udp"]),
        ("80-81", ["80/tcp", "81/tcp"]),
        ("8080:80", ["8080->80/tcp"]),
        ("8080:80/udp", ["8080->80/udp"]),
        ("8000-8001:80-81/udp", ["8000->80/udp", "8001->81/udp"]),
        ("8000-8010:80", ["8000-8010->80/tcp"]),
        ("127.0.0.1:8000-8001:80", ["127.0.0.1:8000-8001->80/tcp"]),
        ("127.0.0.1:8080:80", ["127.0.0.1:8080->80/tcp"]),
        ("127.0.0.1::80", ["127.0.0.1:*->80/tcp"]),
        ("127.0.0.1:8080:80/tcp", ["127.0.0.1:8080->80/tcp"]),
        ("[::1]:8080:80", ["[::1]:8080->80/tcp"]),
        ("0.0.0.0:8000-8001:80-81", ["0.0.0.0:8000->80/tcp", "0.0.0.0:8001->81/tcp"]),
    ],
)
def test_a_publication_is_read_as_docker_does(form: Any, texts: list[str]) -> None:
    assert [str(x) for x in PublishedPort.parse(form)] == texts


@pytest.mark.parametrize(
    "form",
    [
        *("", ":", "::", ":80", "80:", "8080:", "8080:http", "http:80", "8080:80/icmp", "0:80"),
        *("8080:0", "70000:80", "8080:70000", "8080/udp:80", "8000:80-81"),
        *("1:2:3:4", "127.0.0.1:8080", "localhost:8080:80", "::1:8080:80", "[::1]:8080"),
        *("[127.0.0.1]:8080:80", "[::1]8080:80", "127.0.0.1:8080:80 ", "8001-8000:81-80"),
        *(None, True, 0, "80.5"),
    ],
)
def test_what_is_no_publication_is_refused_and_named(form: Any) -> None:
    with pytest.raises(PortError, match=re.escape(repr(form))):
        PublishedPort.parse(form)


def test_a_publication_in_the_place_of_a_listener_is_told_whom_to_ask() -> None:
    with pytest.raises(PortError, match="for the host's ports, use container_publishes"):
        BoundPort.parse("18080:80")


def test_an_address_with_the_one_colon_of_a_listener_is_told_the_form_of_a_publication() -> None:
    with pytest.raises(PortError, match="IP:8080:80, or IP::80"):
        PublishedPort.parse("127.0.0.1:80")
    with pytest.raises(PortError, match="write '8080:80'"):
        PublishedPort.parse("8080/80")


@pytest.mark.parametrize(
    ("form", "met"),
    [
        ("80", True),
        ("80/udp", False),
        ("81", False),
        ("8080:80", True),
        ("8081:80", False),
        ("8080:80/udp", False),
        ("127.0.0.1:8080:80", True),
        ("127.0.0.1::80", True),
        ("0.0.0.0:8080:80", False),
        ("0.0.0.0::80", False),
        ("[::1]:8080:80", False),
    ],
)
def test_which_publication_is_meant(form: str, met: bool) -> None:
    (port,) = PublishedPort.parse(form)
    assert port.is_met_by(publication(80, 8080, "127.0.0.1")) is met


@given(st.text(max_size=12) | st.text("0123456789.:[]-/tcpudp", max_size=25))
def test_any_text_is_ports_or_refused(text: str) -> None:
    for form in (BoundPort, PublishedPort):
        try:
            found = form.parse(text)
        except PortError:
            continue
        assert found
        assert all(1 <= x.port.number <= 65535 for x in found)
