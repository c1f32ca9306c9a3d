"""What to do about a port, for the reader who can do it: the safest first. Pure.

It depends on the image's owner: nobody else can edit its Dockerfile. An image with a repository
digest came from a registry, and the builder of an image can't change its base.
"""

from __future__ import annotations

import re

from pytest_exposed.model import Container, Image
from pytest_exposed.model.ports import Port, Ports
from pytest_exposed.model.services import made_by_molecule
from pytest_exposed.rules import layers
from pytest_exposed.rules.definition import definition_of, in_definition, in_publications
from pytest_exposed.rules.rule import Case

_CONTROL_PORTS = Ports.parse(
    953,  # rndc of BIND
    2019,  # Caddy's admin API
    2375,  # the docker engine's API, without TLS
    2380,  # etcd's peers
    5005,  # Java's debugger, as its manuals have it
    6060,  # pprof of Go
    8005,  # Tomcat's shutdown
    9222,  # the debugger of Chrome
    9229,  # the debugger of Node.js
    9901,  # Envoy's admin interface
    15000,  # Envoy's in Istio
)
"""Control ports, bound to loopback on purpose: their clients own the server."""


def waiver(container: Container, rule: str, port: Port | None) -> str:
    """Return a line of exposed_allow that accepts a finding, to paste.

    For an image that a run starts it is for all tags: each build may have one of its own.
    """
    service = container.service
    name = re.sub(r"[^\w./:@-]", "?", service.name if service else container.name)
    if service is None:  # no container's name has a colon
        name = re.sub(r":[\w.?-]+$", ":*", name)
    return f"{name}: {rule} {port}  # reason" if port else f"{name}: {rule}  # reason"


def waive(case: Case, rule: str) -> str:
    """Return the words for waiving a finding of a port."""
    return f"waive it (`{waiver(case.container, rule, case.port)}`)"


START = "start its service"


def to_run(case: Case, serve: str, *, was_started: bool) -> str:
    """Return how a port comes to be served that the image's own command may serve, or by serve.

    was_started says that its service was started by hand, and listens elsewhere.
    """
    if not made_by_molecule(case.container.labels):
        return f"{serve}, or {_own_command(case)}"
    own = "" if was_started else f", or {_own_command(case)}"
    return f"{serve}{own}, or {waive(case, 'silent')}"


def _own_command(case: Case) -> str:
    """Return how a container comes to run its image's command."""
    if made_by_molecule(case.container.labels):
        return "set override_command: false in molecule.yml"
    return "run the image's own command"


INHERITED = "an inherited EXPOSE can't be taken back"
"""Where the fix of a port begins that a base image documents."""

IF_INHERITED = "; if it is inherited, "
"""Where it goes on if that is unsure."""


def is_inherited(case: Case) -> bool:
    """Return whether the port's EXPOSE is inherited from the image's base."""
    return layers.origin_of(case.container.image, case.port).inherited


def _is_others(image: Image) -> bool:
    """Return whether the user may not own an image's Dockerfile.

    It came from a registry, or Molecule built it from a template (without pre_build_image).
    """
    return image.is_from_registry or "molecule_local/" in image.name


def to_document(case: Case, rule: str, line: str) -> str:
    """Return the fix of a port that its image should document: a line for its Dockerfile.

    The Compose or Molecule file that defines the container can document it as well. With
    documented="run" the command that starts it can, unless it joins another's network.
    """
    container = case.container
    definition = definition_of(container) if rule != "silent" else None
    setting = definition.to_document(container, case.port) if definition else None
    if container.documented_at_run is not None and rule != "silent":
        joins = container.network_mode.startswith("container:")  # docker refuses --expose then
        setting = setting or (None if joins else f"declare it (--expose {case.port})")
        return f"{setting}, or {line}" if setting else line
    if _is_others(container.image):
        return f"{waive(case, rule)}, or {setting or f'build an image on it and {line}'}"
    return f"{line}; or {setting}" if setting else line


def to_serve(case: Case, *, on_loopback: bool) -> str:
    """Return how a port comes to be served; on_loopback is whether all that listens is there."""
    return f"have its service listen on {case.bind}" if on_loopback else START


def to_remove(case: Case, rule: str, serve: str, moved: Port | None) -> str:
    """Return the fix of a port that its image documents, and that nothing serves.

    serve is how it comes to be served, moved the port that is served instead.
    """
    if case.only_declared:
        return f"{serve}, or don't declare it{in_definition(case.container)}"
    origin = layers.origin_of(case.container.image, case.port)
    if origin.inherited and not origin.unsure:
        return f"{INHERITED}: {serve}, or {waive(case, rule)}"
    remove = f"remove EXPOSE {case.port} from its Dockerfile"
    if moved is not None:
        remove = f"if {moved} is the right one, write EXPOSE {moved} in its Dockerfile instead"
    if _is_others(case.container.image):
        return f"{waive(case, rule)}, or {serve}; if the image is yours, {remove}"
    if origin.unsure:
        return f"{serve}, or {remove}{IF_INHERITED}{waive(case, rule)}"
    return f"{serve}, or {remove}"


def to_answer(case: Case, serve: str) -> str:
    """Return the fix of a port that is published, and that nothing serves; serve is as above."""
    written = in_publications(case.container)
    ports = case.listening_elsewhere()
    other = f", or publish a port that answers{written}, such as {ports}"
    other = other if ports else f", or don't publish it{written}"
    can_move = not _is_others(case.container.image) and not is_inherited(case)
    of_image = case.documented and not case.only_declared
    if of_image and case.container.substitute is not None:  # its own command may serve it
        was_started = ports and made_by_molecule(case.container.labels)
        serve = serve if was_started else f"{serve}, or {_own_command(case)}"
    elif of_image and can_move and ports.isdisjoint(case.container.image.documented):
        other += f", and EXPOSE it instead of {case.port}" if ports else ""
    elif of_image and can_move and ports <= case.container.image.documented:
        other += f", and remove EXPOSE {case.port} from its Dockerfile"
    return f"{serve}{other}"


def to_reach(case: Case, rule: str, bind: str) -> str:
    """Return the fix of a port on loopback: bind it for all, unless it may be for control.

    That may be so for a known control port, or beside another documented port that is reachable: a
    server that already serves others is not closed to them by mistake.
    """
    can_remove = not _is_others(case.container.image) and not is_inherited(case)
    close = [f"remove EXPOSE {case.port}" if can_remove else waive(case, rule)]
    undeclared = f"don't declare it{in_definition(case.container)}"
    close = [undeclared] if case.only_declared else close if case.documented else []
    others = case.container.documented - {case.port}
    if case.port not in _CONTROL_PORTS and others.isdisjoint(case.listening):
        return bind if case.published else f"{bind}, or {close[0]}"
    close += [f"don't publish it{in_publications(case.container)}"] if case.published else []
    return f"{', '.join(close)}; or, if others are to reach it, {bind}"
