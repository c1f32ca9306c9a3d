"""Which process made a thing on an engine, so that a later one knows that nobody will remove it."""

from __future__ import annotations

import os
from pathlib import Path


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
