"""What the helper containers of all runs are known by, and which process made a thing.

A later run knows by it that nobody will remove that.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from pytest_exposed.engine.records import Listed

LABEL = "pytest-exposed.helper"
"""What marks helper containers; its value is the container's name."""

LEFT_OVER = {"label": [LABEL], "status": ["created", "exited", "dead"]}
"""The filters of those that do not run, and may be left by runs that were killed."""


def is_helper(listed: Listed) -> bool:
    """Return whether a container is a helper, of this run or another.

    Everybody can use the label, images too: the name is of our making, and what has no network
    can't be reached by anybody. Podman's list doesn't tell the network.
    """
    is_ours = re.fullmatch("pytest-exposed-[0-9a-f]{32}", listed.name) is not None
    named = listed.labels.get(LABEL) == listed.name and is_ours
    return named and listed.network_mode in ("none", None)


def this_process() -> str:
    """Return what tells this process from all others of its machine; empty where nothing does."""
    return _identity(os.getpid())


def has_ended(identity: str) -> bool:
    """Return whether a process is one of this machine that has ended; False where not known.

    Pids are those of a pid namespace: another container's can't be looked up.
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
    """Return boot, pid namespace, pid and start time of a process; proc(5), proc_pid_stat(5)."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return f"{boot} {namespace} {pid} {int(stat[19])}"
    except (OSError, ValueError, IndexError):
        return ""
