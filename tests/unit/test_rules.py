"""The rules: what each finds, which of them comes first, what they say, and when none can tell."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import ANY, OTHER_ID, container, image, listener, publication

from pytest_exposed.errors import ConfigurationError, ObservationError
from pytest_exposed.model import Container, Finding, Kind, Listener, Process, Publication
from pytest_exposed.model.containers import CommandOverride
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.rules import RULES, judge
from pytest_exposed.rules.judge import findings, hanging_on_publications
from pytest_exposed.rules.layers import exposed_by
from pytest_exposed.rules.selection import expand, select

PRECEDENCE = [
    "unreachable",
    "published-silent",
    "silent",
    "published-undocumented",
    "undocumented",
    "dynamic",
]
DEFAULT = select()


def found(one: Container, *names: str) -> list[str]:
    return [str(x) for x in findings(one, select(names))]


def only(one: Container, *names: str) -> Finding:
    (finding,) = findings(one, select(names))
    return finding


def reaching(*ports: int | str, kind: Kind = "reachable", **rest: Any) -> list[Listener]:
    addresses = {"loopback": "127.0.0.1", "unreachable": "::"}
    return [listener(x, addresses.get(kind, ANY), kind, **rest) for x in ports]


# What each rule of the default group finds


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (container(), []),
        (container(*reaching(80), documented=[80]), []),
        (container(*reaching(80), documented=[80], published=[publication(80)]), []),
        (container(*reaching(80)), ["undocumented 80/tcp"]),
        (container(*reaching("53/udp"), documented=[53], declared=[53]),
         ["silent 53/tcp", "undocumented 53/udp"]),
        (container(documented=["80/tcp", "53/udp"]), ["silent 53/udp", "silent 80/tcp"]),
        (container(*reaching(80, kind="loopback"), documented=[80]), ["unreachable 80/tcp"]),
        (container(*reaching(80, kind="unreachable"), documented=[80]), ["unreachable 80/tcp"]),
        (container(*reaching(80, kind="loopback"), published=[publication(80)]),
         ["unreachable 80/tcp"]),
        (container(*reaching(80, kind="loopback"), documented=[80], published=[publication(80)]),
         ["unreachable 80/tcp"]),
        (container(published=[publication(80)]), ["published-silent 80/tcp"]),
        (container(documented=[80], published=[publication(80)]), ["published-silent 80/tcp"]),
        (container(*reaching(80), published=[publication(80)]), ["published-undocumented 80/tcp"]),
        # One reachable listener is enough.
        (container(*reaching(80, kind="loopback"), *reaching(80), documented=[80]), []),
        (container(*reaching(80, kind="loopback"), *reaching(80)), ["undocumented 80/tcp"]),
        # What nothing documents and nothing outside can reach is the container's own affair.
        (container(*reaching(80, kind="loopback")), []),
        (container(*reaching(80, kind="unreachable")), []),
        (container(*reaching("40000/udp", kind="ephemeral")), []),
        (container(declared=[80]), []),
        (container(*reaching(80), declared=[80]), ["undocumented 80/tcp"]),
        (container(*reaching("9/sctp"), documented=["9/sctp"]), []),
        (container(*reaching(9, "9/sctp"), documented=["9/udp"]),
         ["undocumented 9/sctp", "undocumented 9/tcp", "silent 9/udp"]),
    ],
)  # fmt: skip
def test_what_the_default_rules_find(one: Container, expected: list[str]) -> None:
    assert found(one) == expected


def test_findings_are_sorted_by_number_then_protocol() -> None:
    one = container(*reaching(443, "53/udp"), documented=[80, 8, "53/tcp"])
    assert found(one) == [
        "silent 8/tcp",
        "silent 53/tcp",
        "undocumented 53/udp",
        "silent 80/tcp",
        "undocumented 443/tcp",
    ]


def test_the_first_rule_of_the_default_group_is_the_one_broken() -> None:
    assert [x.name for x in DEFAULT] == PRECEDENCE


KINDS: list[Kind] = ["reachable", "loopback", "unreachable", "ephemeral"]
PORT = Port(4000, "udp")
LISTENERS = st.lists(
    st.sampled_from(KINDS).map(lambda x: reaching(str(PORT), kind=x)[0]), max_size=3
)


@given(LISTENERS, st.booleans(), st.booleans(), st.booleans())
def test_a_port_breaks_one_default_rule_at_most_the_first(
    listeners: list[Listener], documented: bool, published: bool, answered: bool
) -> None:
    neighbour = container(*reaching(str(PORT)), id=OTHER_ID) if answered else container(id=OTHER_ID)
    one = container(
        *listeners,
        documented=[str(PORT)] * documented,
        published=[publication(str(PORT))] * published,
        neighbours=(neighbour,),
    )
    together = found(one)
    alone = [x for name in PRECEDENCE for x in found(one, name)]
    assert together == alone[:1]
    # The words of the contract, each in a line of its own.
    kinds = {x.kind for x in listeners}
    answering = kinds | ({"reachable"} if answered and published else set())
    closed = bool(answering) and answering <= {"loopback", "unreachable"}
    broken = {
        "unreachable": (documented or published) and closed,
        "published-silent": published and not answering,
        "silent": documented and not kinds,
        "published-undocumented": published and not documented,
        "undocumented": "reachable" in kinds and not documented,
        "dynamic": False,  # which is TCP's: see test_dynamic.py
    }
    assert alone == [f"{name} {PORT}" for name in PRECEDENCE if broken[name]]


# What the rules of the benchmark find


@pytest.mark.parametrize("host_ip", [ANY, "::", ""])
def test_a_port_on_every_interface_of_the_host(host_ip: str) -> None:
    one = container(published=[publication(80, 8080, host_ip), publication(80, 8081, "10.0.0.1")])
    finding = only(one, "published-everywhere")
    assert str(finding) == "published-everywhere 80/tcp"
    assert f"as {publication(80, 8080, host_ip).endpoint} (" in finding.message
    assert "10.0.0.1" not in finding.message
    assert finding.fix == "publish it on one: -p ADDRESS:8080:80/tcp"


@pytest.mark.parametrize("host_ip", ["127.0.0.1", "10.0.0.1", "::1", "2001:db8::1"])
def test_a_port_on_one_interface_of_the_host(host_ip: str) -> None:
    assert found(container(published=[publication(80, 80, host_ip)]), "published-everywhere") == []


@pytest.mark.parametrize(
    ("host_port", "privileged"), [(1, True), (80, True), (1023, True), (1024, False), (8080, False)]
)
def test_a_privileged_port_of_the_host_is_one_below_1024(host_port: int, privileged: bool) -> None:
    one = container(published=[publication(8080, host_port), publication(8080, 30000)])
    expected = ["published-privileged 8080/tcp"] if privileged else []
    assert found(one, "published-privileged") == expected
    if privileged:
        assert f"as 0.0.0.0:{host_port} (" in only(one, "published-privileged").message


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (container(*reaching(22)), ["ssh 22/tcp"]),
        (container(*reaching(22), documented=[22]), ["ssh 22/tcp"]),
        (container(listener(2222, ANY, "reachable", Process(9, "sshd"))), ["ssh 2222/tcp"]),
        (
            container(listener(80, ANY, "reachable", Process(1, "x"), Process(9, "sshd"))),
            ["ssh 80/tcp"],
        ),
        (container(*reaching("22/udp", "22/sctp", 222, 2222)), []),
        (container(*reaching(22, kind="loopback")), []),
        (container(listener(2222, "127.0.0.1", "loopback", Process(9, "sshd"))), ["ssh 2222/tcp"]),
        (container(listener(2222, ANY, "reachable", Process(9, "sshd-keygen"))), []),
        (container(documented=[22], published=[publication(22)]), []),
    ],
)
def test_an_ssh_server(one: Container, expected: list[str]) -> None:
    assert found(one, "ssh") == expected


@pytest.mark.parametrize(
    ("owners", "begin", "end"),
    [
        ((), "an SSH server listens on ", "instead of SSH"),
        ((Process(9, "dropbear"),), "an SSH server listens on ", "instead of SSH"),
        ((Process(9, "gitea"),), "the port of SSH has a listener: ", "on another port"),
    ],
)
def test_what_listens_on_the_port_of_ssh(owners: tuple[Process, ...], begin: str, end: str) -> None:
    one = only(container(listener(22, ANY, "reachable", *owners)), "ssh")
    assert one.message.startswith(begin)
    assert one.fix.endswith(end)


def test_the_host_s_network_is_a_finding_of_the_container() -> None:
    one = container(network_mode="host")
    assert found(one, "host-network") == ["host-network"]
    assert only(one, "host-network").port is None
    joined = container(network_mode=f"container:{OTHER_ID}", neighbours=(replace(one, name="b"),))
    assert found(joined, "host-network") == ["host-network"]
    for mode in ("bridge", "none", "", "hostile", f"container:{OTHER_ID}"):
        assert found(container(network_mode=mode), "host-network") == []
        assert found(container(network_mode=mode, at_host=True), "host-network") == ["host-network"]


def test_the_benchmark_s_findings_cite_its_edition() -> None:
    one = container(*reaching(22), published=[publication(22)], network_mode="host")
    cited = {x.rule: x.message for x in findings(one, select(["cis"]))}
    controls = {
        "published-everywhere": "5.14",
        "published-privileged": "5.8",
        "ssh": "5.7",
        "host-network": "5.10",
    }
    for rule, control in controls.items():
        assert f"(CIS Docker Benchmark 1.6.0, {control})" in cited[rule]


def test_rules_of_the_benchmark_don_t_silence_one_another() -> None:
    one = container(*reaching(22), published=[publication(22)])
    assert found(one, "all") == [
        "published-undocumented 22/tcp",
        "published-everywhere 22/tcp",
        "published-privileged 22/tcp",
        "ssh 22/tcp",
    ]
    assert found(one, "cis") == [
        "undocumented 22/tcp",
        "published-everywhere 22/tcp",
        "published-privileged 22/tcp",
        "ssh 22/tcp",
    ]
    assert names("cis") == [
        "undocumented",
        "dynamic",
        "published-everywhere",
        "published-privileged",
        "ssh",
        "host-network",
    ]


# What they say


def test_an_undocumented_listener_is_told_with_its_process_and_the_line_to_add() -> None:
    one = container(listener(80, ANY, "reachable", Process(1, "python3")), image_name="webapp:no")
    finding = only(one)
    assert finding.message == (
        "python3 (pid 1) listens on 0.0.0.0:80, and webapp:no does not EXPOSE it"
    )
    assert finding.fix == "add to its Dockerfile: EXPOSE 80/tcp"
    assert (finding.rule, finding.port, finding.waived) == ("undocumented", Port(80), None)


def test_an_unseen_process_is_something() -> None:
    assert only(container(*reaching(80))).message.startswith("something listens on 0.0.0.0:80")


def test_all_addresses_and_few_of_many_processes_are_told() -> None:
    owners = [Process(x, "worker") for x in (5, 1, 4, 2, 3)]
    one = container(listener(80, ANY, "reachable", *owners), listener(80, "::", "reachable"))
    assert only(one).message.startswith(
        "worker (pid 1), worker (pid 2), worker (pid 3) and 2 more listen"
    )
    assert " on 0.0.0.0:80, [::]:80, and webapp:1 " in only(one).message


def test_a_port_exposed_at_run_time_is_told() -> None:
    hint = "documents it for this container only"
    assert hint in only(container(*reaching(80), declared=[80])).message
    assert hint not in only(container(*reaching(80), declared=["80/udp"])).message


@pytest.mark.parametrize(
    ("documented", "port", "hint"),
    [
        ("53/tcp", "53/udp", "EXPOSE 53/udp (EXPOSE 53 there means 53/tcp)"),
        ("53/udp", "53/tcp", "EXPOSE 53/tcp (EXPOSE 53/udp there is another port)"),
        ("53/sctp", "53/udp", "EXPOSE 53/udp (EXPOSE 53/sctp there is another port)"),
        ("54/tcp", "53/udp", "EXPOSE 53/udp"),
    ],
)
def test_a_documented_port_of_another_protocol_is_told(
    documented: str, port: str, hint: str
) -> None:
    one = container(*reaching(port, documented), documented=[documented])
    assert only(one).fix == f"add to its Dockerfile: {hint}"
    published = replace(one, published=(publication(port),))
    assert only(published).rule == "published-undocumented"
    assert only(published).fix == f"add to its Dockerfile: {hint}"


@pytest.mark.parametrize(
    ("port", "listens", "message", "fix"),
    [
        ("53/tcp", "53/udp", ", but on 53/udp: EXPOSE 53 means 53/tcp", "write EXPOSE 53/udp"),
        ("53/tcp", "53/sctp", ", but on 53/sctp: EXPOSE 53 means 53/tcp", "write EXPOSE 53/sctp"),
        ("53/udp", "53/tcp", ", but on 53/tcp", "write EXPOSE 53/tcp"),
    ],
)
def test_a_silent_port_that_listens_by_another_protocol_is_told(
    port: str, listens: str, message: str, fix: str
) -> None:
    one = container(*reaching(listens), documented=[port])
    silent = next(x for x in findings(one, DEFAULT) if x.rule == "silent")
    assert silent.message == f"webapp:1 documents it, and nothing in web listens on it{message}"
    assert silent.fix == f"{fix} in its Dockerfile instead"


def test_a_listener_by_another_protocol_may_be_on_a_port_of_clients() -> None:
    one = container(listener("51820/udp", kind="ephemeral"), documented=[51820])
    assert only(one).message.endswith(", but on 51820/udp: EXPOSE 51820 means 51820/tcp")
    assert only(one).fix == "write EXPOSE 51820/udp in its Dockerfile instead"


def test_one_that_is_bound_to_the_device_lo_is_not_told_to_bind_every_address() -> None:
    one = container(listener(80, "0.0.0.0", kind="loopback"), documented=[80])  # noqa: S104
    assert only(one).fix.startswith("don't bind it to the device lo in web, or remove EXPOSE")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
def test_one_on_a_loopback_address_is_told_to_bind_every_address(address: str) -> None:
    one = container(listener(80, address, kind="loopback"), documented=[80])
    assert only(one).fix.startswith("bind 0.0.0.0:80 in web, or remove EXPOSE")


def test_of_a_port_documented_by_both_protocols_the_silent_one_is_no_slip() -> None:
    one = container(*reaching("443/tcp", "443/tcp"), documented=["443/tcp", "443/udp"])
    assert only(one).message == "webapp:1 documents it, and nothing in web listens on it"
    assert only(one).fix == "start its service, or remove EXPOSE 443/udp from its Dockerfile"


def test_a_silent_port_says_what_to_do() -> None:
    finding = only(container(documented=[80]))
    assert finding.message == "webapp:1 documents it, and nothing in web listens on it"
    assert finding.fix == "start its service, or remove EXPOSE 80/tcp from its Dockerfile"


def test_what_runs_instead_is_not_blamed_for_what_the_image_does_not_document() -> None:
    instead = CommandOverride("a loop", "start its service in converge.yml")
    one = container(declared=[81], documented_at_run=Ports.parse(81), substitute=instead)
    assert only(one).fix == "start its service, or don't declare it"
    assert only(replace(one, image=image(81))).fix == instead.fix


def test_a_silent_port_says_where_a_container_listens_on_loopback_alone() -> None:
    bound = [listener(x, "127.0.0.1", kind="loopback") for x in (8080, 8081, 8082, 8083)]
    one = found_at(80, container(bound[0], documented=[80]))
    assert one.endswith("listens on it; its only listener is on loopback: 127.0.0.1:8080")
    four = found_at(80, container(*bound, documented=[80]))
    assert "; its only listeners are on loopback: 127.0.0.1:8080, " in four
    assert four.endswith("127.0.0.1:8082, …")
    assert "loopback" not in found_at(80, container(*bound, *reaching(9000), documented=[80]))
    # What is documented or published has a finding of its own.
    assert "loopback" not in found_at(80, container(bound[0], documented=[80, 8080]))
    asked = container(bound[0], documented=[80], published=[publication(8080)])
    assert "loopback" not in found_at(80, asked)
    assert "its only listener is" in found_at(8080, asked)


def found_at(port: int, one: Container) -> str:
    """Return the message of a port's finding."""
    (message,) = (x.message for x in findings(one, DEFAULT) if x.port == Port(port))
    return message


def test_a_container_that_is_called_by_its_image_is_the_container() -> None:
    """As that of --exposed-run is: a message names the image, and not the same word twice."""
    names = {"name": "shop/web:1", "image_name": "shop/web:1"}
    silent = only(container(documented=[80], **names))
    assert silent.message == "shop/web:1 documents it, and nothing in the container listens on it"
    bound = listener(80, "127.0.0.1", kind="loopback")
    assert only(container(bound, documented=[80], **names)).fix == (
        "bind 0.0.0.0:80 in the container, or remove EXPOSE 80/tcp"
    )
    published = only(container(published=[publication(80, 8080)], **names))
    assert published.message.endswith(", and nothing in the container listens on 80/tcp")
    undocumented = only(container(*reaching(80), documented_at_run=Ports(), **names))
    assert undocumented.message.endswith("neither shop/web:1 nor the container documents it")
    declared = container(declared=[80], documented_at_run=Ports.parse(80), **names)
    assert only(declared).message.startswith("the container declares it, and nothing in the ")


def test_a_published_silent_port_tells_where_and_what_answers_instead() -> None:
    bound = [publication(80, 8080), publication(80, 8081, "::")]
    finding = only(container(published=bound))
    assert finding.message == (
        "published as 0.0.0.0:8080, [::]:8081, and nothing in web listens on 80/tcp"
    )
    assert finding.fix == "start its service, or don't publish it"
    answers = container(*reaching(8000, 8001), documented=["8000-8001"], published=bound)
    assert only(answers).fix.endswith("such as 8000-8001/tcp")


NO_ADDRESS = ", in a container without an address"
IPV6_ONLY = ", IPv6-only in a container without an IPv6 address"


@pytest.mark.parametrize(
    ("kind", "rest", "message"),
    [
        ("loopback", {}, "its only listener is on loopback: 127.0.0.1:80"),
        (
            "unreachable",
            {},
            f"its only listener can't be reached from outside: [::]:80{NO_ADDRESS}",
        ),
        (
            "unreachable",
            {"v6only": True},
            f"its only listener can't be reached from outside: [::]:80{IPV6_ONLY}",
        ),
    ],
)
def test_an_unreachable_port_tells_its_address(
    kind: Kind, rest: dict[str, Any], message: str
) -> None:
    documented = container(*reaching(80, kind=kind, **rest), documented=[80])
    assert only(documented).message == f"webapp:1 documents it, and {message}"
    published = container(*reaching(80, kind=kind, **rest), published=[publication(80, 8080)])
    assert only(published).message == f"published as 0.0.0.0:8080, and {message}"
    todo = "bind 0.0.0.0" if kind == "loopback" or rest else "give the container a network"
    assert todo in only(documented).fix
    assert "remove EXPOSE" not in only(published).fix


def test_a_network_with_ipv6_helps_no_publication_for_ipv4() -> None:
    alone = reaching(80, kind="unreachable", v6only=True)
    for address, helps in (("127.0.0.1", False), ("::1", True), ("", True)):
        one = container(*alone, published=[publication(80, 8080, address)])
        assert ("give the container a network with an IPv6 address" in only(one).fix) is helps


def test_an_unreachable_listener_is_told_with_its_process() -> None:
    one = container(listener(80, "127.0.0.1", "loopback", Process(7, "gunicorn")), documented=[80])
    assert "127.0.0.1:80 (gunicorn (pid 7))" in only(one).message


# Who wrote it: the image's history

CLASSIC = "/bin/sh -c #(nop)  EXPOSE "
COMMAND = '/bin/sh -c #(nop)  CMD ["httpd"]'
RUN = "RUN /bin/sh -c apt-get install nginx # buildkit"


@pytest.mark.parametrize(
    "command",
    [
        CLASSIC + "80",
        CLASSIC + "80/tcp",
        CLASSIC + "443/tcp 80/tcp 9/udp",
        "EXPOSE [80/tcp]",
        "EXPOSE [443/tcp 80/tcp]",
        "EXPOSE map[80/tcp:{}]",
        "EXPOSE map[443/tcp:{} 80/tcp:{}]",
        "EXPOSE 80/tcp",
        "EXPOSE 79-81/tcp",
        "cmd /S /C #(nop)  EXPOSE 80/tcp",
    ],
)
def test_the_layer_that_exposed_a_port_is_found(command: str) -> None:
    assert exposed_by([COMMAND, RUN, command, COMMAND], Port(80)) == 2
    assert exposed_by([command, command], Port(80)) == 0
    assert exposed_by([command], Port(81, "udp")) is None
    assert exposed_by([command], Port(8)) is None
    assert exposed_by([command], Port(800)) is None


@pytest.mark.parametrize(
    "command",
    [
        "",
        "EXPOSE",
        "EXPOSE ",
        "EXPOSE []",
        "EXPOSE map[]",
        CLASSIC,
        "EXPOSE $PORT",
        "EXPOSE [8080/tcp 80/udp]",
        "ENV PORT=80/tcp",
        "RUN /bin/sh -c echo EXPOSE 80/tcp # buildkit",
        "/bin/sh -c echo EXPOSE 80 >> Dockerfile",
        "COPY EXPOSE 80 /",
        "/bin/sh -c #(nop)  LABEL a=EXPOSE 80",
    ],
)
def test_a_layer_that_exposes_something_else_is_not_taken_for_it(command: str) -> None:
    assert exposed_by([command], Port(80)) is None


@given(st.lists(st.text(max_size=30) | st.text(max_size=9).map(lambda x: f"EXPOSE {x}")))
def test_any_history_can_be_looked_through(history: list[str]) -> None:
    place = exposed_by(history, Port(80))
    assert place is None or "80" in history[place]
    assert exposed_by(None, Port(80)) is None


def silent(history: Iterable[str], parents: dict[int, str], **named: Any) -> Finding:
    below = {place: tuple(x.split(" or ")) for place, x in parents.items()}
    documents = replace(image(80, history=tuple(history), parents=below), **named)
    return only(container(documented=[80], image=documents))


def test_a_layer_of_the_image_s_own_is_shown() -> None:
    finding = silent([COMMAND, CLASSIC + "80/tcp", RUN], {2: "base:1"})
    assert finding.message.endswith(" listens on it (layer: EXPOSE 80/tcp)")
    assert "remove EXPOSE 80/tcp" in finding.fix


def test_an_earlier_build_is_not_taken_for_a_base_image() -> None:
    finding = silent([CLASSIC + "9/tcp", COMMAND, CLASSIC + "80/tcp", RUN], {1: "webapp:0"})
    assert finding.message.endswith("; inherited from webapp:0, unless that is an earlier build")
    remove = "start its service, or remove EXPOSE 80/tcp from its Dockerfile"
    assert finding.fix == f"{remove}; if it is inherited, waive it (`web: silent 80/tcp  # reason`)"


@pytest.mark.parametrize(
    ("base", "named"),
    [
        ("other:1 or reg:5000/webapp:0", {}),
        ("a:1 or b:1 or c:1 or webapp:0", {}),
        ("webapp:0", {"name": "docker.io/library/webapp:1"}),
        ("webapp:0", {"name": "reg:5000/webapp@sha256:" + "a" * 64}),
        ("webapp:0", {"name": "prod", "names": ("prod:latest", "webapp:1")}),
        ("webapp:0", {"name": "sha256:" + "a" * 64, "names": ("webapp:1",)}),
        ("webapp:0", {"name": "sha256:" + "a" * 64}),  # no name any more: nothing is known
        ("webapp:0", {"name": "a" * 12}),
    ],
)
def test_an_earlier_build_by_any_of_its_names(base: str, named: dict[str, Any]) -> None:
    message = silent([COMMAND, CLASSIC + "80/tcp", RUN], {0: base}, **named).message
    assert message.endswith(", unless that is an earlier build")


def test_a_base_image_of_another_name() -> None:
    named = {"name": "prod", "names": ("prod:latest", "reg:5000/webapp:1")}
    finding = silent([COMMAND, CLASSIC + "80/tcp", RUN], {0: "base:1 or reg:5000/base:1"}, **named)
    assert finding.message.endswith("; inherited from base:1 or reg:5000/base:1")


@pytest.mark.parametrize(
    ("parents", "base"),
    [
        ({1: "base:1"}, "base:1"),
        ({3: "base:1"}, "base:1"),
        ({1: "middle:1", 3: "base:1"}, "base:1"),
        ({3: "base:1", 1: "middle:1"}, "base:1"),
        ({1: "middle:1", 4: "below:1"}, "middle:1"),
    ],
)
def test_an_inherited_port_is_told_with_the_image_that_wrote_it(
    parents: dict[int, str], base: str
) -> None:
    finding = silent([COMMAND, RUN, RUN, CLASSIC + "80/tcp", RUN], parents)
    assert finding.message.endswith(f"listens on it; inherited from {base}")
    assert "can't be taken back" in finding.fix
    assert "waive" in finding.fix


def test_a_hostile_layer_is_one_short_line() -> None:
    layer = "EXPOSE 80/tcp \x1b[2J\n" + "x" * 9999
    for parents in ({}, {0: "base\x1b[2J\n" + "x" * 9999}):
        message = silent([layer], parents).message
        assert message.isprintable()
        assert len(message) < 500


def test_without_a_layer_that_tells_nothing_is_said_of_one() -> None:
    for history in ((), (RUN,), (CLASSIC + "81/tcp",)):
        assert silent(history, {1: "base:1"}).message.endswith("listens on it")


# Shared namespaces: the VPN-sidecar pattern


def sidecar(*listeners: Listener, documented: Iterable[int | str] = ()) -> tuple[str, ...]:
    """Return what is wrong with a VPN container that publishes for its neighbour, and with that."""
    app = container(*listeners, documented=documented, id=OTHER_ID, name="app")
    vpn = container(published=[publication(8080)], name="vpn", neighbours=(app,))
    app = replace(app, neighbours=(replace(vpn, neighbours=()),))
    return *found(vpn), *(f"app: {x}" for x in found(app))


def test_a_neighbour_answers_a_publication_and_its_image_documents_it() -> None:
    assert sidecar(*reaching(8080), documented=[8080]) == ()


def test_a_neighbour_s_listener_that_its_image_does_not_document() -> None:
    assert sidecar(*reaching(8080)) == (
        "published-undocumented 8080/tcp",
        "app: undocumented 8080/tcp",
    )


def test_the_fix_of_what_a_neighbour_answers_is_in_its_image() -> None:
    app = container(*reaching(8080), id=OTHER_ID, name="app", image_name="shop/app")
    vpn = container(published=[publication(8080)], name="vpn", neighbours=(app,))
    finding = only(vpn)
    assert finding.message.endswith(", where app answers, and shop/app does not EXPOSE it")
    assert finding.fix.startswith("add to the Dockerfile of shop/app: EXPOSE 8080/tcp, or waive ")


def test_the_fix_of_what_a_neighbour_has_on_loopback_names_it() -> None:
    app = container(*reaching(8080, kind="loopback"), id=OTHER_ID, name="app")
    vpn = container(published=[publication(8080)], name="vpn", neighbours=(app,))
    assert only(vpn).fix == "bind 0.0.0.0:8080 in app"


def test_a_port_that_is_served_instead_of_the_one_that_is_documented() -> None:
    moved = container(*reaching(8081), documented=[8080], name="web", image_name="shop/web")
    silent, undocumented = findings(moved, DEFAULT)
    assert silent.message.endswith("nothing in web listens on it, but on 8081/tcp")
    instead = "if 8081/tcp is the right one, write EXPOSE 8081/tcp in its Dockerfile instead"
    assert silent.fix == f"start its service on 8080/tcp, or {instead}"
    right = "; or, if 8080/tcp is the right one, have its service listen there"
    assert undocumented.fix == f"add to its Dockerfile: EXPOSE 8081/tcp{right}"


def test_a_command_of_another_is_told_behind_that_port() -> None:
    override = CommandOverride("web with other arguments than its image does", None)
    moved = container(*reaching(8081), documented=[8080], name="web", substitute=override)
    silent = findings(moved, DEFAULT)[0]
    end = "on it, but on 8081/tcp: it runs web with other arguments than its image does"
    assert silent.message.endswith(end)
    assert silent.fix == "start its service on 8080/tcp, or run the image's own command"
    fix = findings(moved, DEFAULT)[1].fix
    assert fix.startswith("have its service listen on 8080/tcp; or, if this is the right one, add ")


def test_a_service_of_molecule_on_another_port_was_started() -> None:
    override = CommandOverride("Molecule's sleep loop instead of its image's web", "start it")
    moved = container(*reaching(8081), documented=[8080], name="web", substitute=override)
    silent = findings(moved, DEFAULT)[0]
    assert silent.message.endswith("nothing in web listens on it, but on 8081/tcp")
    assert silent.fix == "start its service on 8080/tcp, or run the image's own command"
    many = container(*reaching(8081), documented=[80, 8080], name="web", substitute=override)
    silent = [x for x in findings(many, select()) if x.rule == "silent"]
    assert [x.fix for x in silent] == [
        f"start its service on {x}/tcp, or run the image's own command" for x in (80, 8080)
    ]
    other = container(*reaching(8080), name="db", id=OTHER_ID)
    shared = findings(replace(moved, neighbours=(other,)), DEFAULT)[0]
    assert "; db, which shares its network, does" in shared.message
    assert "in a network of its own, as db holds the port in this one" in shared.fix
    inside = container(listener(81, "127.0.0.1", "loopback"), documented=[80], substitute=override)
    (silent,) = findings(inside, DEFAULT)
    assert silent.message.endswith("listens on it; its only listener is on loopback: 127.0.0.1:81")
    assert silent.fix.startswith("have its service listen on 0.0.0.0:80, or ")
    both = Ports.parse(8080, 8081)
    declared = {"documented_at_run": both, "declared": both, "image": image(8080)}
    (silent,) = findings(container(*reaching(8081), substitute=override, **declared), DEFAULT)
    assert silent.message.endswith("nothing in web listens on it; it listens on 8081/tcp")
    published = replace(moved, published=[publication(8080)])
    (unserved,) = [x for x in findings(published, DEFAULT) if x.rule == "published-silent"]
    assert unserved.message.endswith("nothing in web listens on 8080/tcp")
    start = "start its service, or run the image's own command, or publish a port that answers"
    assert unserved.fix == f"{start}, such as 8081/tcp"
    own = findings(replace(moved, labels={"owner": "molecule"}), DEFAULT)[0].fix
    waived = "or waive it (`web: silent 8080/tcp  # reason`)"
    assert own == f"start its service on 8080/tcp, {waived}"
    others = container(*reaching(81, 82), documented=[8080], name="web", substitute=override)
    others = replace(others, labels={"owner": "molecule"})
    own = next(x.fix for x in findings(others, DEFAULT) if x.rule == "silent")
    assert own.endswith(f", or set override_command: false in molecule.yml, {waived}")
    for other in (
        *reaching(22),
        doubtful(81, "loopback"),
    ):  # which says nothing of the image's service
        one = container(other, documented=[8080], name="web", substitute=override)
        silent = next(x for x in findings(one, DEFAULT) if x.rule == "silent")
        assert silent.fix == "start it"


@pytest.mark.parametrize(
    ("ports", "documented"),
    [
        ([22], [8080]),
        ([8081, 8082], [8080]),
        ([8081], [8080, 8083]),
        ([8081, 8083], [8080, 8083]),
    ],
)
def test_where_that_is_not_clear(ports: list[int], documented: list[int]) -> None:
    one = container(*reaching(*ports), documented=documented)
    silent = next(x for x in findings(one, DEFAULT) if x.port == Port(8080))
    assert ", but on" not in silent.message
    assert silent.fix.endswith("or remove EXPOSE 8080/tcp from its Dockerfile")


def test_a_port_that_the_container_alone_declares_may_be_meant() -> None:
    one = container(*reaching(6380), declared=[6379])
    end = "have its service listen on 6379/tcp; or, if this is the right one, add to its Dockerfile"
    assert only(one).fix == f"{end}: EXPOSE 6380/tcp"
    several = container(*reaching(6380), declared=[6379, 6381])
    assert only(several).fix == "add to its Dockerfile: EXPOSE 6380/tcp"


@pytest.mark.parametrize(
    "text", ["silent undocumented", "silent;undocumented", "silent ; undocumented"]
)
def test_rules_without_a_comma_are_told_of_it(text: str) -> None:
    with pytest.raises(ConfigurationError, match="a comma separates them, as in silent, undocum"):
        expand([text])
    with pytest.raises(ConfigurationError, match="did you mean "):
        expand(["silent undocumentd"])


def test_a_port_with_a_listener_of_its_own_is_no_other_s_place() -> None:
    one = container(*reaching(80, kind="loopback"), *reaching(7777), documented=[80])
    assert found(one) == ["unreachable 80/tcp", "undocumented 7777/tcp"]
    assert findings(one, DEFAULT)[1].fix == "add to its Dockerfile: EXPOSE 7777/tcp"


def test_a_silent_port_that_a_neighbour_holds() -> None:
    app = container(*reaching(80), documented=[80], id=OTHER_ID, name="app")
    finding = only(container(documented=[80], name="vpn", neighbours=(app,)))
    assert finding.message.endswith("; app, which shares its network, does")
    assert finding.fix.startswith(
        "start its service in a network of its own, as app holds the port in this one, or "
    )


def test_whose_loopback_a_neighbour_s_listener_is_on() -> None:
    app = container(*reaching(8080, kind="loopback"), id=OTHER_ID, name="app")
    vpn = container(published=[publication(8080)], name="vpn", neighbours=(app,))
    assert only(vpn).message.endswith(" in app")


def test_a_neighbour_s_listener_that_nothing_reaches() -> None:
    assert sidecar(*reaching(8080, kind="loopback"), documented=[8080]) == (
        "unreachable 8080/tcp",
        "app: unreachable 8080/tcp",
    )


@pytest.mark.parametrize("port", ["8081", "8080/udp"])
def test_a_neighbour_that_listens_elsewhere_does_not_answer(port: str) -> None:
    assert sidecar(*reaching(port), documented=[port]) == ("published-silent 8080/tcp",)


def test_a_neighbour_that_documents_and_does_not_listen_does_not_answer() -> None:
    assert sidecar(documented=[8080]) == (
        "published-silent 8080/tcp",
        "app: silent 8080/tcp",
    )


@pytest.mark.parametrize("listens", [[], reaching(8080)])
def test_a_neighbour_that_does_not_listen_documents_nothing(listens: list[Listener]) -> None:
    idle = container(documented=[8080], id=OTHER_ID, name="idle")
    busy = container(*reaching(8080), id="b0" * 32, name="busy")
    vpn = container(*listens, published=[publication(8080)], neighbours=(idle, busy))
    assert found(vpn) == ["published-undocumented 8080/tcp"]


def test_a_neighbour_s_listener_is_not_the_container_s_without_a_publication() -> None:
    app = container(*reaching(80), documented=[80], id=OTHER_ID, name="app")
    assert found(container(documented=[80], neighbours=(app,))) == ["silent 80/tcp"]
    assert found(container(neighbours=(app,))) == []


# Listeners that nothing attributes


def doubtful(port: int | str, presumed: Kind = "reachable", address: str = ANY) -> Listener:
    return listener(port, address, "unattributed", presumed=presumed)


@pytest.mark.parametrize(
    "one",
    [
        # Its owner changes nothing: certain findings are shown.
        container(*reaching(80), doubtful(80), documented=[80]),
        container(*reaching(80), doubtful(80, "loopback"), documented=[80]),
        container(doubtful(80, "loopback")),
        container(doubtful("40000/udp", "ephemeral")),
        container(doubtful(80, "unreachable")),
    ],
)
def test_a_listener_on_which_nothing_hangs_is_no_finding(one: Container) -> None:
    assert found(one) == []


@pytest.mark.parametrize(
    "one",
    [
        container(doubtful(80)),
        container(doubtful(80), documented=[80]),
        container(doubtful(80, "loopback"), documented=[80]),
        container(*reaching(80, kind="loopback"), doubtful(80), documented=[80]),
        container(doubtful(80, "loopback"), doubtful(80)),
    ],
)
def test_a_listener_on_which_the_answer_hangs_is_an_error_and_no_guess(one: Container) -> None:
    with pytest.raises(ObservationError, match=r"0\.0\.0\.0:80/tcp|127\.0\.0\.1:80/tcp|as root"):
        found(one)


def test_the_error_names_the_listener_the_container_and_what_would_tell() -> None:
    one = container(doubtful(80, address="::"), name="web\n")
    with pytest.raises(ObservationError) as caught:
        found(one)
    start = "which container [::]:80/tcp belongs to is unknown: web\\n shares its network"
    assert str(caught.value).startswith(start)
    assert "run as root" in str(caught.value)


def test_each_unattributed_listener_may_be_the_only_one_of_the_container() -> None:
    # All together are reachable, none is no matter of this rule: one alone breaks it.
    one = container(doubtful(80, "loopback", "127.0.0.1"), doubtful(80), documented=[80])
    with pytest.raises(ObservationError, match=r"^which container 127\.0\.0\.1:80/tcp belongs"):
        found(one, "unreachable")


def test_what_hangs_on_rules_that_are_not_selected_is_no_error() -> None:
    one = container(doubtful(80))
    assert found(one, "silent") == []
    with pytest.raises(ObservationError):
        found(one, "undocumented")


def test_a_publication_is_answered_whosever_the_listener_is() -> None:
    one = container(doubtful(80), documented=[80], published=[publication(80)])
    assert found(one, "published-silent", "unreachable") == []


def test_it_is_unknown_which_neighbour_s_image_documents_what_is_answered() -> None:
    documents = container(doubtful(80), documented=[80], id=OTHER_ID, name="a")
    other = container(doubtful(80), id="c" * 64, name="b", image_name="b:1")
    for neighbours in ((documents, other), (other, documents)):
        vpn = container(
            doubtful(80), published=[publication(80)], name="vpn", neighbours=neighbours
        )
        with pytest.raises(ObservationError, match="80/tcp belongs to is unknown: vpn"):
            found(vpn, "published-undocumented")
    third = container(doubtful(80), id="d" * 64, name="c", image_name="c:1")
    vpn = container(
        doubtful(80), published=[publication(80)], name="vpn", neighbours=(other, third)
    )
    (finding,) = findings(vpn, select(["published-undocumented"]))
    assert finding.message.endswith(", where b or c answers, and their images don't document it")
    assert finding.fix.startswith(
        "add to the Dockerfile of the one that answers: EXPOSE 80/tcp, or "
    )


def resolved(one: Listener) -> Listener:
    assert one.presumed is not None
    return replace(one, kind=one.presumed)


@given(
    st.lists(st.sampled_from(KINDS), max_size=2),
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=3),
    st.tuples(st.booleans(), st.booleans()),
    st.sampled_from([None, "reachable", "loopback"]),
    st.sampled_from([(), ("all",), *((x,) for x in PRECEDENCE)]),
)
def test_the_answer_is_told_exactly_where_it_is_the_same_whosever_they_are(
    own: list[Kind],
    unattributed: list[Kind],
    wanted: tuple[bool, bool],
    neighbour: Kind | None,
    chosen: tuple[str, ...],
) -> None:
    port = str(PORT)
    mine = [listener(port, f"10.0.0.{i}", kind) for i, kind in enumerate(own)]
    theirs = [doubtful(port, kind, f"10.0.1.{i}") for i, kind in enumerate(unattributed)]
    other = container(*reaching(port, kind=neighbour) if neighbour else (), id=OTHER_ID)
    one = container(
        *mine,
        *theirs,
        documented=[port] * wanted[0],
        published=[publication(port)] * wanted[1],
        neighbours=(other,),
    )
    possible = set()
    for whose in itertools.product([True, False], repeat=len(theirs)):
        taken = [resolved(x) for x, is_mine in zip(theirs, whose, strict=True) if is_mine]
        left = [resolved(x) for x, is_mine in zip(theirs, whose, strict=True) if not is_mine]
        known = replace(
            one,
            listeners=(*mine, *taken),
            neighbours=(replace(other, listeners=(*other.listeners, *left)),),
        )
        possible.add(tuple(found(known, *chosen)))
    if len(possible) == 1:
        assert tuple(found(one, *chosen)) == possible.pop()
    else:
        with pytest.raises(ObservationError):
            found(one, *chosen)


# Publications that nobody tells of


@pytest.mark.parametrize(
    ("one", "chosen", "expected"),
    [
        (container(), (), ["published-silent", "published-undocumented"]),
        (container(*reaching(80), documented=[80]), (),
         ["published-silent", "published-undocumented"]),
        # Whoever publishes the port of such a listener can't reach it.
        (container(*reaching(80, kind="loopback")), ("unreachable",), ["unreachable"]),
        (container(doubtful(80, "loopback")), ("unreachable",), ["unreachable"]),
        (container(neighbours=(container(*reaching(80, kind="loopback"), id=OTHER_ID),)),
         ("unreachable",), ["unreachable"]),
        # Found already.
        (container(*reaching(80, kind="loopback"), documented=[80]), ("unreachable",), []),
        (container(*reaching(80)), ("unreachable",), []),
        (container(*reaching("40000/udp", kind="ephemeral")), ("undocumented", "ssh"), []),
        (container(documented=[80]), ("silent", "undocumented", "host-network", "ssh"), []),
        (container(*reaching(22)), ("cis",), ["published-everywhere", "published-privileged"]),
    ],
)  # fmt: skip
def test_rules_that_hang_on_publications(
    one: Container, chosen: tuple[str, ...], expected: list[str]
) -> None:
    assert list(hanging_on_publications(one, select(chosen))) == expected


@given(
    st.lists(st.sampled_from(KINDS), max_size=2),
    st.booleans(),
    st.sampled_from([None, "reachable", "loopback"]),
    st.sets(st.sampled_from(sorted(RULES)), min_size=1),
    st.tuples(st.sampled_from([str(PORT), "81"]), st.sampled_from([80, 8080])),
)
def test_what_is_judged_by_the_other_rules_is_right_whatever_is_published(
    kinds: list[Kind],
    documents: bool,
    neighbour: Kind | None,
    chosen: set[str],
    published: tuple[str, int],
) -> None:
    port = str(PORT)
    listeners = [listener(port, f"10.0.0.{i}", kind) for i, kind in enumerate(kinds)]
    other = container(*reaching(port, kind=neighbour) if neighbour else (), id=OTHER_ID)
    one = container(*listeners, documented=[port] * documents, neighbours=(other,))
    unknown = hanging_on_publications(one, select(chosen))
    others = chosen.difference(unknown)
    publishing = replace(one, published=(publication(*published),))
    found = {str(x) for name in others for x in findings(one, select([name]))}
    assert {str(x) for name in others for x in findings(publishing, select([name]))} <= found


# Choosing rules


def names(*chosen: str, ignored: Iterable[str] = ()) -> list[str]:
    return [x.name for x in select(chosen, ignored)]


def test_rules_are_chosen_by_name_and_group() -> None:
    assert names() == names("default") == names("default", "silent") == PRECEDENCE
    assert names("silent", "unreachable") == ["unreachable", "silent"]
    assert set(names("all")) == set(RULES)
    assert "undocumented" in names("cis")
    assert not {"silent", "unreachable", "published-silent"} & set(names("cis"))


def test_rules_are_ignored_by_name_and_group() -> None:
    assert names(ignored=["silent"]) == [x for x in PRECEDENCE if x != "silent"]
    assert names("all", ignored=["default"]) == [x for x in RULES if x not in PRECEDENCE]


@pytest.mark.parametrize(("chosen", "ignored"), [((), "default"), (("silent",), "all")])
def test_no_rule_at_all_would_find_nothing_wrong(chosen: tuple[str, ...], ignored: str) -> None:
    with pytest.raises(ConfigurationError, match="no rule is left to judge by"):
        select(chosen, [ignored])
    assert names("silent", ignored=["unreachable"]) == ["silent"]


@pytest.mark.parametrize("name", ["nosuch", "", "Silent", "silent ", "default,cis", "*", "80/tcp"])
def test_an_unknown_rule_is_refused_with_those_there_are(name: str) -> None:
    for chosen, ignored in (([name], []), ([], [name]), (["silent", name], []), (["all"], [name])):
        with pytest.raises(ConfigurationError, match=re.escape(repr(name))) as caught:
            select(chosen, ignored)
        assert all(x in str(caught.value) for x in [*RULES, "default", "cis", "all"])


def test_an_ignored_rule_lets_the_next_one_speak() -> None:
    one = container(documented=[80], published=[publication(80)])
    ignoring = select([], ["published-silent"])
    assert [x.rule for x in findings(one, ignoring)] == ["silent"]


def test_no_rule_finds_nothing() -> None:
    assert findings(container(*reaching(80), documented=[81]), []) == ()


def test_a_search_looks_no_further_than_it_is_asked_to() -> None:
    search = judge.search(container(doubtful(81), documented=[80]), DEFAULT)
    assert str(next(search)) == "silent 80/tcp"
    with pytest.raises(ObservationError):
        next(search)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda x: x.name)
def test_each_rule_says_in_a_line_what_it_is(rule: Any) -> None:
    assert rule.summary.endswith(".")
    assert rule.summary.isprintable()


# Hostile names

HOSTILE = st.text(
    st.sampled_from("a\n\r\t\x00\x1b[\x7f\x85\u2028\u202e\u200b\ud800\ufeff\U000e0001"), max_size=9
) | st.text(max_size=400)


@given(
    st.fixed_dictionaries(
        dict.fromkeys(["container", "image", "base", "layer", "process"], HOSTILE)
    ),
    st.sampled_from(KINDS),
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.booleans()),
)
def test_every_finding_is_one_line_whatever_the_names(
    names: dict[str, str], kind: Kind, flags: tuple[bool, bool, bool, bool]
) -> None:
    documented, published, listens, inherited = flags
    documents = image(
        *[80] * documented,
        name=names["image"],
        history=("x", f"EXPOSE [80/tcp {names['layer']}]"),
        parents={1: (names["base"],)} if inherited else {},
    )
    one = container(
        *[listener(80, ANY, kind, Process(1, names["process"]))] * listens,
        *reaching(22, kind=kind),
        published=[Publication(Port(80), ANY, 80)] * published,
        name=names["container"],
        image=documents,
        network_mode="host",
    )
    found = findings(one, select(["all"]))
    assert found
    for finding in found:
        assert finding.message
        assert finding.message.isprintable()
        assert finding.fix
        assert finding.fix.isprintable()
    unknown = replace(one, listeners=(doubtful(81),), image=replace(documents, documented=Ports()))
    with pytest.raises(ObservationError) as caught:
        findings(unknown, select(["undocumented"]))
    assert str(caught.value).isprintable()
