"""Processes of containers in /proc, with the proof that they are the container's.

A pid is only a number: it can be another kernel's, another pid namespace's, or reused. So a process
counts as a container's only if its cgroup names the container's full id, before and after the
reading, and a directory descriptor holds it, which can't change to another process. Formats:
proc(5), cgroups(7).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import field
from types import TracebackType
from typing import TYPE_CHECKING

from pytest_exposed.errors import ObservationError
from pytest_exposed.model import Process as Owner
from pytest_exposed.sockets.cgroups import CGROUP_LIMIT, cgroup2_mount, names_any, owner_of
from pytest_exposed.sockets.monitor import ancestor_of, is_monitor_of, parent_in
from pytest_exposed.sockets.reading import client_ports
from pytest_exposed.sockets.table import TableError
from pytest_exposed.unpatched import system
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from typing_extensions import Self  # typing's came with Python 3.11

_SOCKET = re.compile(r"socket:\[([0-9]+)\]")

_CHUNK = 65536
_SETTING = 1 << 19
"""Bytes of a kernel setting: a list of all ports is shorter."""

_SHORT_SETTING = 1024
"""Bytes that most settings fit in. The kernel clears as many as are asked for before each read
(proc_sys_call_handler in fs/proc/proc_sysctl.c)."""


class GoneProcessError(ObservationError):
    """The process ended or left the container while it was read."""


def namespace_of(process: str, dir_fd: int | None = None) -> tuple[int, int] | None:
    """Return the identity of the network namespace of a process's directory, or None if hidden.

    It is device and inode of net/tcp, equal for all processes of a namespace. Unlike those of
    ns/net, they need no privilege.
    """
    return identity_of(f"{process}/net/tcp", dir_fd)


def identity_of(path: str, dir_fd: int | None = None) -> tuple[int, int] | None:
    """Return device and inode of a file, such as ns/net of a process; None if it is hidden.

    A file of /proc/<pid>/ns and its mounts have those of the namespace itself (namespaces(7)).
    """
    try:
        found = os.stat(path, dir_fd=dir_fd)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def local_ports() -> Collection[int] | None:
    """Return the ports for clients of the calling thread's network namespace, or None if hidden."""
    found = _setting("ip_local_port_range")
    return client_ports(found, _setting("ip_local_reserved_ports")) if found else None


def _setting(name: str) -> str:
    """Return a setting of the calling thread's network namespace; empty where it is hidden."""
    try:
        text = _read_setting(name, _SHORT_SETTING)
        if not text.endswith(b"\n"):  # it is cut off, and a second read of the file gives nothing
            text = _read_setting(name, _SETTING)
        return text.decode("ascii")
    except (OSError, ValueError):
        return ""


def _read_setting(name: str, size: int) -> bytes:
    fd = system.open(f"/proc/sys/net/ipv4/{name}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        text: bytes = system.read(fd, size)
        return text
    finally:
        system.close(fd)


@dataclass(slots=True)
class ContainerProcess:
    """A living process that is proven to be a container's; a context manager that closes it."""

    pid: int
    ids: Collection[bytes]
    id: bytes
    proc: str = "/proc"
    monitor: int | None = None
    """The container's monitor, if the engine makes no cgroups: see monitor.py."""
    _fd: int = field(default=-1, init=False)
    namespace: tuple[int, int] = field(default=(0, 0), init=False)
    """The identity of its network namespace: see namespace_of."""
    _cgroup: bytes | None = field(default=None, init=False)
    """What its cgroup file said when that was last proof."""

    def __enter__(self) -> Self:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            self._fd = os.open(f"{self.proc}/{self.pid}", flags)
        except OSError as error:
            raise GoneProcessError(
                f"process {self.pid} can't be opened: {error.strerror}"
            ) from None
        try:
            namespace = namespace_of(".", self._fd)
            if namespace is None:
                self._take_a_living_thread()
                namespace = self._look_up_namespace()
            self.namespace = namespace
            self._prove_owner()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the process; further calls do nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def identity(self, name: str) -> tuple[int, int] | None:
        """Return device and inode of a file of the process; None if it is hidden."""
        return identity_of(name, self._fd)

    def prove(self) -> None:
        """Raise GoneProcessError unless it lives, is the container's, and is in the same namespace.

        Call this again after every reading: the table of a namespace without processes is empty.
        """
        self._prove_owner()
        if self._look_up_namespace() != self.namespace:
            raise GoneProcessError(f"process {self.pid} went to another network namespace")

    def _prove_owner(self) -> None:
        if self.monitor is not None:
            proven = self._descends_from(self.monitor)
        else:
            cgroup = self.read("cgroup", CGROUP_LIMIT)
            proven = cgroup == self._cgroup or owner_of(cgroup, self.ids) == self.id
            self._cgroup = cgroup if proven else None
        if not proven:
            raise GoneProcessError(f"process {self.pid} is not, or no longer, the container's")

    def _descends_from(self, monitor: int) -> bool:
        """Return whether it descends from a process that still is the container's monitor."""
        parent = parent_in(self.read("stat", CGROUP_LIMIT))
        if parent is not None and parent != monitor:
            parent = ancestor_of(parent, lambda x: x == monitor, self.proc)
        return parent == monitor and is_monitor_of(monitor, self.id, self.proc)

    def _take_a_living_thread(self) -> None:
        """Read through another thread if the first one has ended and has no network any more."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        try:
            tasks = os.open("task", flags, dir_fd=self._fd)
        except OSError:
            return
        try:
            for name in os.listdir(tasks):
                if namespace_of(name, tasks) is not None:
                    thread = os.open(name, flags, dir_fd=tasks)
                    os.close(self._fd)
                    self._fd = thread
                    return
        except OSError:  # it has ended as well
            return
        finally:
            os.close(tasks)

    def _look_up_namespace(self) -> tuple[int, int]:
        namespace = namespace_of(".", self._fd)
        if namespace is None:  # a zombie still has a cgroup, but no network
            raise GoneProcessError(f"process {self.pid} has ended, or its network can't be read")
        return namespace

    def open(self, name: str) -> int:
        """Return a new descriptor of a file of the process; raises OSError."""
        fd: int = system.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)
        return fd

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a file of the process piece by piece, as the kernel writes it; raises OSError."""
        fd = self.open(name)
        try:
            while chunk := os.read(fd, _CHUNK):
                yield chunk
        finally:
            os.close(fd)

    def read(self, name: str, limit: int) -> bytes:
        """Return a whole file of the process; raises ObservationError beyond limit bytes."""
        text = b""
        try:
            for chunk in self.chunks(name):
                text += chunk
                if len(text) > limit:
                    raise TableError(f"/proc/{self.pid}/{name} is longer than {limit} bytes")
        except OSError as error:
            raise GoneProcessError(
                f"/proc/{self.pid}/{name} can't be read: {error.strerror}"
            ) from None
        return text

    def sockets_held(self) -> set[int]:
        """Return the inodes of the sockets it holds; raises PermissionError without the right."""
        inodes = set()
        fds = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        try:
            for name in os.listdir(fds):
                try:
                    match = _SOCKET.fullmatch(os.readlink(name, dir_fd=fds))
                except FileNotFoundError:  # closed since
                    continue
                if match:
                    inodes.add(int(match[1]))
        finally:
            os.close(fds)
        return inodes

    def owner(self, depth: int | None = None) -> Owner:
        """Return its name, and its pid in the container's own pid namespace.

        depth counts the pid namespaces from the reader's to that one; None for the innermost one,
        if the container runs no containers.
        """
        from pytest_exposed.sockets import program  # noqa: PLC0415  # only needed for findings

        name = self.read("comm", 64).rstrip(b"\n").decode("utf-8", "backslashreplace")
        pids, words = self.pids_inside(), self._words(program.LIMIT)
        pid = pids[-1 if depth is None else min(depth, len(pids)) - 1]
        return Owner(pid, program.full_name(name, words), program.program_of(words))

    def pids_inside(self) -> list[int]:
        """Return its pid in each of its pid namespaces, from the reader's to its own."""
        match = re.search(rb"^NStgid:([\t 0-9]+)$", self.read("status", 65536), re.MULTILINE)
        return [int(x) for x in match[1].split()] if match else [self.pid]

    def _words(self, limit: int) -> list[str]:
        """Return the first words of its command line; none if it is empty or hidden."""
        text = b""
        try:
            for chunk in self.chunks("cmdline"):
                text += chunk
                if len(text) >= limit:
                    break
        except OSError:
            return []
        # The last word may be cut off.
        words = text[:limit].split(b"\0")[:-1]
        return [x.decode("utf-8", "backslashreplace") for x in words]

    def cgroup_directory(self) -> str | None:
        """Return its cgroup2 directory if this names the container, or None."""
        for line in (self._cgroup or b"").splitlines():
            if line.startswith(b"0::") and names_any(line, (self.id,)):
                path = os.fsdecode(line[3:])
                mount = cgroup2_mount(self.proc)
                # The path begins with /.. if it is outside this process's cgroup namespace.
                if mount is not None and not path.startswith("/.."):
                    return f"{mount}/{path.lstrip('/')}"
        return None
