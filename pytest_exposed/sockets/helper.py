"""Sockets of all containers of an engine, read by one helper container in the host's pid namespace.

The helper runs a shell script as nobody, without network, capabilities or a writable file:
/proc/<pid>/net is world-readable. A process belongs to the container that its cgroup names before
and after its tables are read. The helper can't see who made or holds a socket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from uuid import uuid4

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.helper_script import SCRIPT, Seen, parse
from pytest_exposed.sockets.hidden import NO_CGROUPS, has_no_cgroups
from pytest_exposed.sockets.reading import (
    Remote,
    SocketSnapshot,
    SocketSnapshots,
    Target,
    ambiguous,
    apart,
    is_outside_its_netns,
    outside_its_netns,
    retry_with_current_addresses,
    with_shared,
)
from pytest_exposed.sockets.remote import addresses_of, reading
from pytest_exposed.sockets.source import Shared

name = "helper"
needs = "an image with sh and cat on the engine"


def observe(targets: Sequence[Target], shared: Shared) -> SocketSnapshots:
    """Return what the one helper container sees of each target, or why it can't."""
    remote = shared.engine
    try:
        asked = uuid4().hex  # no answer can be mistaken for another question's
        end = f"@done {asked}\n".encode()
        text = remote.run_helper(SCRIPT, [asked, *(x.id for x in targets)], b"\n" + end)
        seen, alike, host = parse(text, end)
    except ObservationError as error:
        return {x.id: error for x in targets}
    known = {x.encode() for x in shared.ids} | {x.id.encode() for x in targets}
    whose: dict[str | None, list[Seen]] = {}
    for process in seen:
        whose.setdefault(process.owner(known), []).append(process)
    answers: SocketSnapshots = {}
    for target in targets:
        try:
            processes = _first_first(target, whose.get(target.id, []), alike)
            answers[target.id] = retry_with_current_addresses(
                target, partial(_reading, processes, host, remote)
            )
        except ObservationError as error:
            answers[target.id] = error
    return with_shared(answers)


def _first_first(target: Target, processes: list[Seen], alike: Mapping[int, int]) -> Sequence[Seen]:
    """Return a container's processes; the one in the namespace of its first process comes first."""
    if len(processes) < 2:
        return processes
    # A container that runs containers has processes in their namespaces, too.
    pid = target.main_pid()
    first = alike.get(pid, pid)
    if first not in [x.pid for x in processes] and not target.addresses:
        raise ObservationError(
            f"it has processes in {len(processes)} network namespaces, and which is its own is "
            "unknown: its first process is hidden"
        )
    return sorted(processes, key=lambda x: x.pid != first)


def _reading(
    processes: Sequence[Seen], host: bytes, remote: Remote, target: Target
) -> SocketSnapshot:
    if not processes:
        if has_no_cgroups(remote):
            raise ObservationError(f"{NO_CGROUPS}, by which the helper tells them apart")
        raise ObservationError(
            "the helper found no process of the container: it has just ended, or the engine's "
            "/proc is mounted with hidepid"
        )
    found = []
    for process in processes:
        at_host = process.namespaces[0] == host if host else None
        if not is_outside_its_netns(target, addresses_of(target, process.tables), at_host=at_host):
            found.append(process)
    if not found:
        raise outside_its_netns(target)
    if len(found) > 1 and target.addresses:
        raise ambiguous(len(found))
    if found[0].apart and target.has_no_address:
        raise apart()
    namespace, tables = found[0].namespaces[0], found[0].tables
    at_host = namespace == host
    return reading("helper", target, namespace, tables, remote.byteorder, at_host=at_host)
