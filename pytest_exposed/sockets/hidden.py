"""Why no process of a container can be found here: the true reason where it is known."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from pytest_exposed.errors import ObservationError
from pytest_exposed.sockets.reading import Remote
from pytest_exposed.text import printable

NO_CGROUPS = (
    "this engine puts containers in no cgroup of their own (its cgroup driver is none, as rootless "
    "docker's without systemd is)"
)

# The first pid namespace of a machine (PROC_PID_INIT_INO in include/linux/proc_ns.h).
_FIRST_PIDS = "pid:[4026531836]"

_SHOWS_ALL = ("0", "off")
"""Values of hidepid that hide nothing (proc(5))."""


def has_no_cgroups(remote: Remote) -> bool:
    """Return whether an engine says that it makes no cgroups."""
    return remote.about("CgroupDriver") == "none"


def why_no_process(remote: Remote, proc: str = "/proc") -> ObservationError:
    """Return why no process of a running container is found here."""
    return ObservationError(f"no process here is the container's: {_why(remote, proc)}")


def _why(remote: Remote, proc: str) -> str:
    theirs, ours = remote.about("KernelVersion"), platform.release()
    if theirs and theirs != ours:
        return f"the engine runs on another kernel ({printable(theirs, 64)} there, {ours} here)"
    if option := _hiding(proc):
        return f"/proc is mounted with hidepid={option}, which hides them from this user"
    if _has_pids_of_its_own(proc):
        return "this process has a pid namespace of its own, or /proc is that of another one"
    if has_no_cgroups(remote):
        return f"{NO_CGROUPS}, and its monitor is not seen here"
    return "it has just ended, or the engine runs on another machine or in another pid namespace"


def _hiding(proc: str) -> str:
    """Return the option of the mount of /proc that hides other users' processes from this one."""
    if os.access(f"{proc}/1/cgroup", os.R_OK):
        return ""
    try:
        lines = Path(proc, "self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    mounts = [x for x in lines if x.split(" ")[4:5] == [proc]]
    match = re.search(r"hidepid=(\w+)", mounts[-1].rpartition(" - ")[2]) if mounts else None
    return match[1] if match and match[1] not in _SHOWS_ALL else ""


def _has_pids_of_its_own(proc: str) -> bool:
    try:
        return os.readlink(f"{proc}/self/ns/pid") != _FIRST_PIDS
    except OSError:  # /proc of another pid namespace has no self
        return True
