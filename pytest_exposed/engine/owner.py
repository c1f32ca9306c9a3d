"""Marks of helper containers, and identities of the processes that created them.

By these a later run recognises helpers that nobody else will remove.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pytest_exposed.engine.records import Listed

LABEL = "pytest-exposed.helper"
"""The label of helper containers; its value is the container's name."""

LEFT_OVER = {"label": [LABEL], "status": ["created", "exited", "dead"]}
"""Filters for helpers that don't run, which killed runs may have left."""


def is_helper(listed: Listed) -> bool:
    """Return whether a container is a helper, of this run or another.

    Anyone can set the label, even an image. So the name must match too, and the container must
    have no network, in which nothing can be reached. Podman's list doesn't show the network.
    """
    is_ours = re.fullmatch("pytest-exposed-[0-9a-f]{32}", listed.name) is not None
    named = listed.labels.get(LABEL) == listed.name and is_ours
    return named and listed.network_mode in ("none", None)


def this_process() -> str:
    """Return the unique identity of this process on its machine; empty if unknown."""
    return _identity(os.getpid())


def has_ended(identity: str) -> bool:
    """Return whether a process was on this machine and has ended; False if unknown.

    A pid belongs to a pid namespace: in another container's it can't be looked up.
    """
    boot, namespace, pid, _ = (identity.split() + [""] * 4)[:4]
    here = this_process().split()
    if not here or [boot, namespace] != here[:2] or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)  # /proc may hide it
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    now = _identity(int(pid))
    return now not in ("", identity)


def _identity(pid: int) -> str:
    """Return boot id, pid namespace, pid and start time: proc(5), proc_pid_stat(5)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return f"{boot} {namespace} {pid} {int(stat[19])}"
    except (OSError, ValueError, IndexError):
        return ""
