"""Findings that differ only by port: grouped, and each of them in a group."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ANY, container, image, listener

from pytest_exposed.model import Container, Finding, Process
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.report.finding_groups import (
    FindingGroup,
    finding_groups,
    findings_of,
    neighbours,
)
from pytest_exposed.report.record import of_container
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

RULES = select(["all"])


def found_in(one: Container) -> list[Finding]:
    """Return the findings of a container, by way of its record."""
    return findings_of(of_container(replace(one, verdict=findings(one, RULES))))


def spans(found: list[FindingGroup]) -> list[list[str]]:
    return [Ports(x.ports).ranges() for x in found]


def test_a_record_holds_all_of_a_finding() -> None:
    one = container(documented=[80, "53/udp"], network_mode="host")
    waived = tuple(replace(x, waived="why") for x in findings(one, RULES))
    assert findings_of(of_container(replace(one, verdict=waived))) == list(waived)


def test_findings_alike_but_for_the_port_are_one_cause() -> None:
    (cause,) = finding_groups(found_in(container(documented=["1-2000", 8080], image_name="app")))
    assert str(cause.first) == "silent 1/tcp"
    assert spans([cause]) == [["1-2000/tcp", "8080/tcp"]]


@pytest.mark.parametrize("history", [("EXPOSE 81 82 83",), ("EXPOSE 83", "EXPOSE 82", "EXPOSE 81")])
def test_ports_are_one_cause_whether_one_layer_exposed_them_or_each_its_own(
    history: tuple[str, ...],
) -> None:
    documents = image(81, 82, 83, history=history)
    (cause,) = neighbours(found_in(container(image=documents, documented=())))
    assert cause.span == "81-83/tcp"
    written = history[0] if len(history) == 1 else "EXPOSE 81-83"
    assert cause.message.endswith(f"(layer: {written})")


def test_findings_of_other_rules_protocols_processes_and_waivers_are_others() -> None:
    worker, server = Process(1, "worker"), Process(2, "server")
    one = container(
        listener(7000, ANY, "reachable", server),
        listener(7001, ANY, "reachable", worker),
        documented=[80, 81, "82/udp"],
        image_name="app",
    )
    found = found_in(one)
    found[0] = replace(found[0], waived="soon")
    each = [["80/tcp"], ["81/tcp"], ["82/udp"], ["7000/tcp"], ["7001/tcp"]]
    assert spans(finding_groups(found)) == each
    assert spans(neighbours(found)) == each


def test_neighbours_are_told_as_a_range() -> None:
    server = Process(1, "ftpd")
    one = container(
        *(listener(x, ANY, "reachable", server) for x in (21, *range(7000, 7004))),
        image_name="app:1",
    )
    first, second = neighbours(found_in(one))
    assert (first.span, first.fix) == ("21/tcp", "add to its Dockerfile: EXPOSE 21/tcp")
    assert second.span == "7000-7003/tcp"
    assert second.message == (
        "ftpd (pid 1) listens on 0.0.0.0:7000-7003, and app:1 does not EXPOSE it"
    )
    assert second.fix == "add to its Dockerfile: EXPOSE 7000-7003/tcp"


def test_a_number_that_is_no_port_stays() -> None:
    one = container(*(listener(x, ANY, "reachable", Process(80, "x")) for x in (79, 80, 81)))
    # The text of 80 has its number in another place too: it is not taken for the others'.
    assert [x.span for x in neighbours(found_in(one))] == ["79/tcp", "80/tcp", "81/tcp"]


def test_protocols_that_take_turns_are_ranges_each() -> None:
    one = container(documented=["5000-5003", "5000-5003/udp"])
    assert [x.span for x in neighbours(found_in(one))] == ["5000-5003/tcp", "5000-5003/udp"]


def test_a_finding_of_the_container_has_no_port() -> None:
    (cause,) = neighbours(found_in(container(network_mode="host")))
    assert (cause.first.rule, cause.ports, cause.span) == ("host-network", (), "-")
    assert cause.message == cause.first.message


@given(
    st.lists(
        st.builds(
            Finding,
            st.sampled_from(["silent", "undocumented"]),
            st.builds(Port, st.integers(1, 12), st.sampled_from(["tcp", "udp"])),
            st.just(""),
            st.just(""),
            st.sampled_from([None, "why"]),
        ),
        unique_by=lambda x: (x.rule, x.port),
    )
)
def test_each_is_told_once_and_neighbours_together(bare: list[Finding]) -> None:
    found = [replace(x, message=f"on {x.port}", fix=f"stop {x.port}") for x in bare]
    for grouped in (finding_groups(found), neighbours(found)):
        rows = [(x.first.rule, x.first.waived, port) for x in grouped for port in x.ports]
        assert sorted(rows, key=str) == sorted(((x.rule, x.waived, x.port) for x in found), key=str)
    for cause in neighbours(sorted(found, key=lambda x: str(x.port))):
        assert cause.first.port == cause.ports[0]
        assert cause.message == f"on {cause.span}"
