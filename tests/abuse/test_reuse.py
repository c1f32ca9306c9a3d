"""A pid that comes to mean another process while it is looked at."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from workload import listener

from pytest_exposed import ObservationError
from pytest_exposed.sockets import netlink, procfs
from pytest_exposed.sockets.local import Local, Read
from pytest_exposed.sockets.reading import Target

if TYPE_CHECKING:
    from stage import Stage

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
"""What the kernel counts on from: documented in admin-guide/sysctl/kernel.rst."""


_TRIES = 20
"""How often a pid is asked for, and how many pids: others start processes, too."""


def process_with_pid(pid: int) -> subprocess.Popen[bytes] | None:
    """Start a listener on port 9999, in a network of its own, that has this pid.

    None where others were faster each time.
    """
    for _ in range(_TRIES):
        LAST_PID.write_text(str(pid - 1), encoding="ascii")
        command = ["unshare", "--net", "--", listener(), "tcp:0.0.0.0:9999", "ready"]
        started = subprocess.Popen(command, stdout=subprocess.PIPE)
        if started.pid == pid:
            assert started.stdout is not None
            assert started.stdout.readline() == b"ready\n"
            return started
        started.kill()
        started.communicate()
    return None


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_a_pid_that_is_anothers_meanwhile(source: str, stage: Stage) -> None:
    with ExitStack() as stack:
        netlinks = stack.enter_context(netlink.reader())
        reused(netlinks.sockets if source == "netlink" else procfs.sockets, source, stage)


def reused(read: Read, source: str, stage: Stage) -> None:
    for number in range(_TRIES):
        container = stage.run("tcp:0.0.0.0:80", name=f"victim-{number}")
        look = Local([container.id])
        (pid,) = look.pids[container.id]
        target = Target(container.id, frozenset(), container.id, shares=False, main_pid=lambda: pid)  # noqa: B023  # called in this round
        before = look.observe([target], source, read)[container.id]
        assert [x.port for x in before.sockets] == [80]  # type: ignore[union-attr]
        container.sdk.kill()
        container.sdk.wait()
        impostor = process_with_pid(pid)
        if impostor is not None:
            break
    assert impostor is not None, f"none of {_TRIES} pids could be had"
    try:
        after = look.observe([target], source, read)[container.id]
        assert isinstance(after, ObservationError)
        assert look.owners(container.id, {x.inode for x in before.sockets}) == {}  # type: ignore[union-attr]
    finally:
        impostor.kill()
        impostor.communicate()
