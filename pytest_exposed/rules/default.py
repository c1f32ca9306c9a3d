"""The rules of the group default: what a container and its image say of a port must agree. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import NO_IMAGE, Listener, Publication, unmapped
from pytest_exposed.model.ports import PROTOCOLS, Port
from pytest_exposed.rules import advice, instead, layers
from pytest_exposed.rules.multicast import is_discovery
from pytest_exposed.rules.optional import is_advice, opens_with
from pytest_exposed.rules.rule import LAYER, Breach, Case, processes, rule, where, who
from pytest_exposed.text import printable


@rule("unreachable", "default", needs=["history"])
def _unreachable(case: Case) -> Breach | None:
    """A port is documented or published, and nothing outside can reach its listeners.

    A server that binds 127.0.0.1 answers only its own container. One that binds IPv6 alone answers
    nobody in a network without IPv6. A publication leads to one address only. Bind 0.0.0.0 or ::,
    or neither document nor publish the port.
    """
    listeners = case.answering if case.published else case.own
    expected = case.documented or case.published
    if not (expected and listeners):
        return None
    if any(x.kind in ("reachable", "ephemeral") for x in listeners):
        return _led_elsewhere(case) if case.published else None
    if _may_be_led_to_loopback(case):
        raise ObservationError(
            f"whether {', '.join(who(x) for x in listeners)} of {case.container} answers at "
            f"{case.where} is unknown: some versions and options of pasta lead the host's loopback "
            f"to the container's; bind {case.bind} and it answers with each"
        )
    why = case.published_as if case.published else case.documenter
    only = ", ".join(who(x) for x in listeners)
    only += "" if case.server == case.subject else f" in {case.server}"
    one = len(listeners) == 1
    if all(x.kind == "unreachable" for x in listeners):
        those = "its only listener can't" if one else "none of its listeners can"
        message = f"{why}, and {those} be reached from outside: {only}"
        lacks = {x.lacks for x in listeners}
        wanted = "an IPv6 address" if lacks == {"an IPv6 address"} else "that address"
        if lacks == {wanted}:
            message += ", IPv6-only in a container without an IPv6 address"
            if case.published and all("." in x.host_ip for x in case.published):
                return message, f"bind {case.bind}"  # a publication for IPv4 leads to IPv4
        elif lacks & {"an address", "an IPv4 address"}:
            kind = "an address" if "an address" in lacks else "an IPv4 address"
            message += f", in a container without {kind}"
            whose = "the container"
            if case.container.network_mode.startswith("container:"):
                whose = "the container whose network it joined"
            give = case.container.rejoin or f"give {whose} a network in which it has {kind}"
            return (
                message,
                f"bind {case.bind}, or {give}" if case.container.wildcard == "::" else give,
            )
        return message, f"bind {case.bind}, or give the container a network with {wanted}"
    where_bound = f"its only {'listener is' if one else 'listeners are'} on loopback"
    if any(x.kind == "unreachable" for x in listeners):
        where_bound = "none of its listeners can be reached from outside"
    return (
        f"{why}, and {where_bound}: {only}",
        advice.to_reach(case, "unreachable", f"{_remedy(case, listeners)} in {case.server}"),
    )


def _may_be_led_to_loopback(case: Case) -> bool:
    """Return whether all that is published is on the host's loopback, which may lead to its own."""
    return (
        case.container.forwarding.may_be_loopback
        and any(x.kind == "loopback" for x in case.answering)
        and bool(case.published)
        and all(x.host_ip and ip_address(x.host_ip).is_loopback for x in case.published)
    )


def _remedy(case: Case, listeners: Iterable[Listener]) -> str:
    addresses = (ip_address(unmapped(x.address)) for x in listeners if x.kind == "loopback")
    if any(not x.is_loopback for x in addresses):
        return "don't bind it to the device lo"
    return f"bind {case.bind}"


def _led_elsewhere(case: Case) -> Breach | None:
    """Return what is wrong with publications that lead to where no listener is bound, if so.

    Raises ObservationError where that is unknown.
    """
    missed, unknown = case.led_elsewhere()
    only = ", ".join(who(x) for x in case.answering)
    if not missed:
        if unknown:
            raise _unknown(case, unknown, only)
        return None
    published = f"published{case.by_service} as {where(missed)}"
    ends = case.addresses(missed) or ()
    if not ends:
        family = "publish it for an address family that the container has"
        return (
            f"{published}, which the engine forwards to no address of {case.subject}",
            f"{family}, in a network that is not internal, or don't publish it",
        )
    those = "its only listener is" if len(case.answering) == 1 else "its listeners are"
    message = f"{published}, which leads to {' or '.join(ends)}, and {those}"
    if all(x.v6only for x in case.answering) and ":" not in ends[0]:
        fix = f"bind {case.bind} in {case.server}, or let it take IPv4 as well (no IPV6_V6ONLY)"
        return f"{message} IPv6-only: {only}", fix
    return f"{message} bound elsewhere: {only}", f"bind {case.bind} in {case.server}"


def _unknown(case: Case, published: Sequence[Publication], only: str) -> ObservationError:
    ends = case.addresses(published)
    leads = " or ".join(ends) if ends else "an address that is unknown"
    why = case.container.forwarding.why or "a listener is bound to a device"
    device = ", on no device," if any(x.on_device for x in case.answering) else ""
    cure = f"bind {case.bind}{device} and it answers at each"
    if case.container.forwarding.ipv4 == () and case.container.forwarding.any_is_both is None:
        cure = "publish it for an address family that the container has"
    return ObservationError(
        f"{where(published)} leads to {leads} of {case.container}, and whether {only} answers "
        f"there is unknown: {why}; {cure}"
    )


@rule("published-silent", "default", needs=["command", "history", "stopped"])
def _published_silent(case: Case) -> Breach | None:
    """A port is published, and nothing listens on it.

    The host accepts connections there, and they fail. Publish the port that the service listens on,
    or start the service.
    """
    if not case.published or case.answering:
        return None
    runs, fix = instead.command_of(case.container)
    if fix is not None and instead.is_started(case.container):
        runs, fix = "", None
    nothing = f"nothing in {case.subject} listens on {case.port}"
    if (other := instead.would_answer(case)) is not None:
        return f"published as {case.where}, and {nothing}: {other[0]}", other[1]
    on_loopback = "" if fix else instead.only_on_loopback(case.container)
    serve = advice.to_serve(case, on_loopback=bool(on_loopback))
    stopped, anew = instead.might_answer(case)
    return (
        f"published as {case.where}, and {nothing}{runs}{on_loopback}{stopped}",
        (fix or advice.to_answer(case, serve)) + anew,
    )


@rule("silent", "default", needs=["command", "history"], advises=is_advice)
def _silent(case: Case) -> Breach | None:
    """A port is documented, and nothing listens on it.

    Proxies route to it, `docker run -P` publishes it and CI waits for it, in vain. Remove the
    EXPOSE, or start the service. A port that a base image documents can't be removed: add a waiver.
    The finding is a warning, which fails nothing, where another documented port is served and this
    one is optional (TLS, a cluster) or the image comes from a registry: its users can't edit the
    Dockerfile.
    """
    if not case.documented or case.own or case.on_demand:
        return None
    message = f"{case.documenter}, and nothing in {case.subject} listens on it"
    if (slip := _of_protocol(case, message)) is not None:
        return slip
    # What the image would run instead serves what the image documents.
    runs, fix = ("", None) if case.only_declared else instead.command_of(case.container)
    moved = instead.moved(case)
    if moved is not None:
        message += f", but on {moved}"
    elif fix is not None:
        if not instead.is_started(case.container):
            return message + runs, fix
        message += instead.served(case.container)
    on_loopback = instead.only_on_loopback(case.container)
    message += (runs if fix is None else "") + on_loopback
    serve = advice.to_serve(case, on_loopback=bool(on_loopback))
    overridden = case.container.substitute is not None and not case.only_declared
    if moved is not None or (overridden and not on_loopback):
        serve = f"start its service on {case.port}"
    if overridden and not case.neighbours:  # the image may be right about its own command
        fix = advice.to_run(case, serve, was_started=moved is not None)
        return message + _documented_by(case), fix
    if case.neighbours:
        message += f"; {case.server}, which shares its network, does"
        serve = f"{serve} in a network of its own, as {case.server} holds the port in this one"
    if (needs := opens_with(case)) is not None:
        message += f"; its service may open it with {needs}"
    message += _documented_by(case)
    return message, advice.to_remove(case, "silent", serve, moved)


def _of_protocol(case: Case, message: str) -> Breach | None:
    """Return what is wrong where the number is served under a protocol that isn't documented.

    One that is documented as well is no slip: images of HTTP/3 have 443/tcp and 443/udp.
    """
    others = [x for x in case.alike if x not in case.container.documented]
    if not others:
        return None
    message += f", but on {others[0]}"
    if case.only_declared:
        return message, f"declare {others[0]} instead"
    if case.port.protocol == "tcp":
        message += f": EXPOSE {case.port.number} means {case.port}"
    write = f"write EXPOSE {others[0]} in its Dockerfile instead"
    return message, advice.to_document(case, "silent", write)


def _documented_by(case: Case) -> str:
    """Return which image or layer has the EXPOSE of a port, as the end of a message."""
    origin = layers.origin_of(case.container.image, case.port)
    if origin.base is not None:
        unless = ", unless that is an earlier build" if origin.unsure else ""
        return f"; inherited from {printable(origin.base)}{unless}"
    if origin.command is None:
        return ""
    inherited = "; inherited from an image below" if origin.inherited else ""
    return f"{inherited}{LAYER}{layers.shown(origin.command)})"


@rule("published-undocumented", "default")
def _published_undocumented(case: Case) -> Breach | None:
    """A port is published, and the image does not document it.

    Whoever runs the image next won't know that the port has to be published. Add an EXPOSE to the
    Dockerfile.
    """
    if not case.published or _is_documented(case):
        return None
    if case.neighbours[1:] and case.unsure and not case.own:
        line = _add_expose(case, "the Dockerfile of the one that answers")
        return (
            f"{case.published_as}, where {case.server} answers, and their images don't document it",
            f"{line}, or {advice.waive(case, 'published-undocumented')}",
        )
    if case.neighbours and not case.own:
        server = case._replace(container=case.neighbours[0])
        line = _add_expose(server, f"the Dockerfile of {server.image}")
        return (
            f"{case.published_as}, where {server.container} answers, and {server.undocumented}",
            f"{line}, or {advice.waive(case, 'published-undocumented')}",
        )
    return (
        f"{case.published_as}, and {case.undocumented}",
        advice.to_document(case, "published-undocumented", _add_expose(case)),
    )


@rule("undocumented", "default", "cis")
def _undocumented(case: Case) -> Breach | None:
    """A container listens on a port that its image does not document.

    Every other container in its networks can reach a port that nobody has written down. Add an
    EXPOSE to the Dockerfile, or close the port.
    """
    reachable = [x for x in case.own if x.kind == "reachable" and not x.dynamic]
    if not reachable or case.documented or is_discovery(case):
        return None
    several = len({x for listener in reachable for x in listener.owners}) > 1
    verb = "listen on" if several else "listens on"
    who = processes(reachable) or "something"
    endpoints = ", ".join(x.endpoint for x in reachable)
    hint = ""
    if case.port in case.container.declared:
        hint = "; --expose or -p documents it for this container only"
    return (
        f"{who} {verb} {endpoints}, and {case.undocumented}{hint}",
        instead.right_one(case, advice.to_document(case, "undocumented", _add_expose(case))),
    )


def _is_documented(case: Case) -> bool:
    """Return whether the container's image documents the port, or a neighbour's that serves it."""
    return case.documented or any(case.port in x.documented for x in case.neighbours)


def _add_expose(case: Case, file: str = "its Dockerfile") -> str:
    if case.container.image == NO_IMAGE:
        return (
            f"build an image with EXPOSE {case.port} and run that, or accept the port by a line of "
            f"exposed_allow: {case.container}: {case.port}  # reason"
        )
    for other in (Port(case.port.number, x) for x in PROTOCOLS if x != case.port.protocol):
        if other in case.container.documented:
            there = f"EXPOSE {other.number} there means {other}"
            if other.protocol != "tcp":
                there = f"EXPOSE {other} there is another port"
            return f"add to {file}: EXPOSE {case.port} ({there})"
    return f"add to {file}: EXPOSE {case.port}"


RULES = (_unreachable, _published_silent, _silent, _published_undocumented, _undocumented)
"""In the order in which they are tried: a port breaks one of them at most."""
