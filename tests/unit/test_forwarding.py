"""Which listeners take what a publication leads to."""

from __future__ import annotations

import pytest
from make import ANY, container, listener, publication

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Endpoint, Publication
from pytest_exposed.ports import Port
from pytest_exposed.rules.forwarding import destinations, takes
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

BOTH, OTHER = Endpoint("10.0.0.2", "fd00::2"), Endpoint("10.1.0.2", "")
ONLY_6 = Endpoint("", "fd00::2")


@pytest.mark.parametrize(
    ("host_ip", "endpoints", "expected"),
    [
        (ANY, [BOTH], ["10.0.0.2"]),
        ("", [BOTH], ["10.0.0.2"]),
        ("127.0.0.1", [BOTH], ["10.0.0.2"]),
        ("::", [BOTH], ["fd00::2"]),
        ("::1", [OTHER], ["10.1.0.2"]),
        (ANY, [ONLY_6], ["fd00::2"]),
        (ANY, [BOTH, OTHER], ["10.0.0.2", "10.1.0.2"]),
        ("::", [BOTH, OTHER], ["fd00::2", "10.1.0.2"]),
        (ANY, [], []),
    ],
)
def test_where_a_publication_leads(
    host_ip: str, endpoints: list[Endpoint], expected: list[str]
) -> None:
    assert destinations(publication(80, host_ip=host_ip), endpoints) == expected


def test_where_the_mesh_of_a_swarm_leads_is_not_known() -> None:
    mesh = Publication(Port(80), ANY, 80, ingress=True)
    assert destinations(mesh, [BOTH]) == []
    assert takes(listener(80, "10.9.9.9"), mesh, [BOTH]) is True


@pytest.mark.parametrize(
    ("address", "v6only", "host_ip", "endpoints", "expected"),
    [
        (ANY, False, ANY, [BOTH], True),
        (ANY, False, "::", [BOTH], False),
        (ANY, False, "::", [OTHER], True),
        ("::", False, ANY, [BOTH], True),
        ("::", False, "::", [BOTH], True),
        ("::", True, ANY, [BOTH], False),
        ("::", True, "::", [BOTH], True),
        ("::ffff:0.0.0.0", False, ANY, [BOTH], True),
        ("::ffff:10.0.0.2", False, ANY, [BOTH], True),
        ("10.0.0.2", False, ANY, [BOTH], True),
        ("10.0.0.2", False, ANY, [BOTH, OTHER], None),
        (ANY, False, ANY, [BOTH, OTHER], True),
        ("10.0.0.3", False, ANY, [BOTH, OTHER], False),
        ("fd00::2", False, "::", [BOTH], True),
        ("fd00::2", False, ANY, [BOTH], False),
        ("10.0.0.3", False, ANY, [], True),
        ("239.1.1.1", False, ANY, [BOTH], True),
    ],
)
def test_who_takes_it(
    address: str, v6only: bool, host_ip: str, endpoints: list[Endpoint], expected: bool | None
) -> None:
    bound = listener(80, address, v6only=v6only)
    assert takes(bound, publication(80, host_ip=host_ip), endpoints) is expected


def test_a_port_is_reached_where_one_of_its_publications_is() -> None:
    both = (publication(80, 8080), publication(80, 8080, "::"))
    one = container(listener(80), documented=[80], published=both, endpoints=(BOTH,))
    assert findings(one, select()) == ()


def test_a_neighbour_takes_it_too() -> None:
    neighbour = container(listener(80, "10.0.0.2"), name="other")
    one = container(
        listener(80, "10.0.0.3"),
        documented=[80],
        published=[publication(80)],
        endpoints=(BOTH,),
        neighbours=(neighbour,),
    )
    assert findings(one, select()) == ()


def test_one_that_leads_elsewhere_is_unreachable() -> None:
    one = container(
        listener(80, "10.1.0.2"), documented=[80], published=[publication(80)], endpoints=(BOTH,)
    )
    (finding,) = findings(one, select())
    assert (finding.rule, finding.fix) == ("unreachable", "bind 0.0.0.0:80 in web, or that address")
    assert finding.message == (
        "published as 0.0.0.0:80, which leads to 10.0.0.2, and its only listener is bound "
        "elsewhere: 10.1.0.2:80"
    )


def test_one_that_may_lead_elsewhere_is_no_answer() -> None:
    one = container(
        listener(80, "10.1.0.2"),
        documented=[80],
        published=[publication(80)],
        endpoints=(BOTH, OTHER),
    )
    with pytest.raises(ObservationError, match=r"10\.0\.0\.2 or 10\.1\.0\.2 of web, and which"):
        findings(one, select())
    assert findings(one, select(["silent", "undocumented"])) == ()
