"""A pid that comes to mean another process while it is looked at."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stage import wait_until
from workload import listener

from pytest_exposed import ObservationError
from pytest_exposed.sockets import netlink, procfs
from pytest_exposed.sockets.local import Local
from pytest_exposed.sockets.reading import Target

if TYPE_CHECKING:
    from stage import Stage

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
"""What the kernel counts on from: documented in admin-guide/sysctl/kernel.rst."""


def process_with_pid(pid: int) -> subprocess.Popen[bytes]:
    """Start a listener on port 9999, in a network of its own, that has this pid."""

    def start() -> subprocess.Popen[bytes] | None:
        LAST_PID.write_text(str(pid - 1), encoding="ascii")
        command = ["unshare", "--net", "--", listener(), "tcp:0.0.0.0:9999", "ready"]
        started = subprocess.Popen(command, stdout=subprocess.PIPE)
        if started.pid == pid:
            return started
        started.kill()  # somebody else was faster
        started.communicate()
        return None

    found = wait_until(start, f"a process {pid} is made")
    assert found is not None
    assert found.stdout is not None
    assert found.stdout.readline() == b"ready\n"
    return found


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_a_pid_that_is_anothers_meanwhile(source: str, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80")
    look = Local([container.id])
    (pid,) = look.pids[container.id]
    target = Target(container.id, frozenset(), container.id, shares=False, main_pid=lambda: pid)
    read = netlink.sockets if source == "netlink" else procfs.sockets
    before = look.observe([target], source, read)[container.id]
    assert [x.port for x in before.sockets] == [80]  # type: ignore[union-attr]
    container.sdk.kill()
    container.sdk.wait()
    impostor = process_with_pid(pid)
    try:
        after = look.observe([target], source, read)[container.id]
        assert isinstance(after, ObservationError)
        assert look.owners(container.id, {x.inode for x in before.sockets}) == {}  # type: ignore[union-attr]
    finally:
        impostor.kill()
        impostor.communicate()
