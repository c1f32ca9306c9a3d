"""A docker engine for the demo and the tests: the one that answers, or a throwaway one.

The throwaway engine is a private ``dockerd`` with its own data, socket and network bridge below
one temporary directory. It touches neither another engine on the machine nor the machine's
firewall, and leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException

from demo.packages import PATH, NotInstalled, cannot_install, install, tail, which

if TYPE_CHECKING:
    from collections.abc import Iterator

START_DEADLINE = 60.0
STOP_DEADLINE = 30.0

# A unix socket's path has room for 107 bytes; the longest one below the engine's directory is
# containerd's exec/containerd/containerd-debug.sock.
LONGEST_DIRECTORY = 60

# linux/sockios.h, linux/if.h: struct ifreq begins with a name of 16 bytes.
SIOCSIFFLAGS = 0x8914
SIOCBRADDBR = 0x89A0
SIOCBRDELBR = 0x89A1


class EngineMissing(RuntimeError):  # noqa: N818 - the word its users look for
    """No docker engine answers and none can be started here."""


@contextmanager
def engine() -> Iterator[str]:
    """Yield the URL of a docker engine that answers.

    It is the engine the docker CLI would use: DOCKER_HOST, DOCKER_CONTEXT, the current context,
    the default socket. Where that one does not answer, a throwaway engine is started (root on
    Debian or Ubuntu; what is missing is installed with apt-get) and removed again afterwards,
    with all its containers, images and networks. One at a time lives on a machine: another
    caller waits.

    Raises EngineMissing where the engine named by DOCKER_HOST or DOCKER_CONTEXT does not answer,
    and where none answers and none can be started.
    """
    host, cause = _current_host()
    cause = cause or _silence(host)
    if cause is None:
        yield host
        return

    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if value := os.environ.get(name):
            raise EngineMissing(
                f"the docker engine of {name}={value} does not answer: {cause}. "
                f"Start it, or unset {name} to use another one."
            ) from cause
    if obstacle := cannot_install():
        raise EngineMissing(
            f"no docker engine answers at {host}: {cause}. A throwaway engine can't be started: "
            f"{obstacle}. Start Docker, or set DOCKER_HOST to an engine you can use."
        ) from cause

    with _only_one():
        try:
            _install_engine()
        except NotInstalled as error:
            raise EngineMissing(
                f"no docker engine answers at {host}: {cause}. A throwaway engine can't be "
                f"started: {error}"
            ) from error
        with _throwaway_engine() as host:
            yield host


def connect(host: str, *, timeout: int = 60) -> docker.DockerClient:
    """Return a client of the engine at `host` that has answered once.

    Raises DockerException or OSError where the engine does not answer.
    """
    # DockerClient(base_url=…) would ignore DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.
    client = docker.from_env(timeout=timeout, environment={**os.environ, "DOCKER_HOST": host})
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def _current_host() -> tuple[str, Exception | None]:
    """Return the engine's URL as the docker CLI would choose it, or why there is none."""
    if host := os.environ.get("DOCKER_HOST"):
        return host, None
    name = os.environ.get("DOCKER_CONTEXT")
    try:
        context = ContextAPI.get_context(name)
    except DockerException as error:
        return "the current context", error
    if context is None:
        # The SDK goes on with the default socket, which is not what was asked for.
        return "the current context", DockerException(
            f"docker has no context {name or 'of its name'}"
        )
    return str(context.Host), None


def _install_engine() -> None:
    # docker.io's iptables are for the DNS of user-defined networks, inside the containers.
    packages = {"dockerd": "docker.io", "iptables": "iptables"}
    missing = [package for command, package in packages.items() if which(command) is None]
    if missing:
        install(*missing)
    if which("docker") is None:
        # Since Debian 13 the command is a package of its own; before, docker.io brings it.
        install("docker-cli")


@contextmanager
def _only_one() -> Iterator[None]:
    """Wait until no other throwaway engine lives on this machine.

    Containers on the host's network and published ports would get in each other's way.
    """
    path = Path(tempfile.gettempdir()) / f"pytest-exposed-engine-{os.getuid()}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for the other throwaway engine to end ({path})", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _throwaway_engine() -> Iterator[str]:
    # Whatever ends the with block, every callback runs, the last one first.
    with _home() as directory, ExitStack() as undo:
        log = directory / "dockerd.log"
        host = f"unix://{directory}/docker.sock"
        print(f"starting a throwaway docker engine at {host}", flush=True)
        process = _start(directory, host, log)
        undo.callback(_stop, process, directory)
        _wait_until_it_answers(process, host, log)
        undo.callback(_empty, host)
        yield host


@contextmanager
def _home() -> Iterator[Path]:
    """Yield a directory for an engine, whose name is its network bridge's; remove both."""
    directory = _make_directory()
    try:
        _add_bridge(directory.name)
        try:
            yield directory
        finally:
            _remove_bridge(directory.name)
    finally:
        _remove_directory(directory)


def _make_directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="pe-"))
    if len(os.fsencode(directory)) > LONGEST_DIRECTORY:
        directory.rmdir()
        directory = Path(tempfile.mkdtemp(prefix="pe-", dir="/tmp"))
    # As with a system's engine, who may use it is a matter of the socket's mode, not its folder's.
    directory.chmod(0o711)
    return directory


def _start(directory: Path, host: str, log: Path, *options: str) -> subprocess.Popen[bytes]:
    # Without a file of its own it reads the options of the machine's engine.
    configuration = directory / "daemon.json"
    configuration.write_text("{}", encoding="ascii")
    command = [
        # Should this process be killed, the engine stops its containers and ends. (To the kernel
        # it is the thread that counts: enter engine() in one that stays.)
        *("setpriv", "--pdeathsig", "TERM"),
        "dockerd",
        f"--config-file={configuration}",
        f"--data-root={directory / 'data'}",
        f"--exec-root={directory / 'exec'}",
        f"--pidfile={directory / 'docker.pid'}",
        f"--host={host}",
        # On docker0 it would hand out another engine's addresses, and with iptables it would
        # remove the rules of another engine's published ports. docker-proxy serves ours.
        f"--bridge={directory.name}",
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
        *options,
    ]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": PATH},
            # Ctrl-C is for the caller, who then ends the engine in good order.
            start_new_session=True,
        )


def _wait_until_it_answers(process: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while error := _silence(host):
        if process.poll() is not None:
            what = f"ended with status {process.returncode}"
        elif time.monotonic() > deadline:
            what = f"did not answer within {START_DEADLINE:.0f} s ({error})"
        else:
            time.sleep(0.05)
            continue
        text = log.read_text(encoding="utf-8", errors="replace")
        raise EngineMissing(
            f"the throwaway dockerd {what}. It needs a machine, or a container, that may create "
            "namespaces, mounts and network bridges. Start Docker by other means, or set "
            f"DOCKER_HOST to an engine you can use. The end of its log:\n{tail(text)}"
        ) from error


def _silence(host: str) -> Exception | None:
    """Return what kept the engine from answering, None when it answered."""
    try:
        if host.startswith("unix://"):
            # The SDK leaves a socket open when it can't connect, and says why at great length.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(5)
                probe.connect(host.removeprefix("unix://"))
        connect(host, timeout=5).close()
    except (DockerException, OSError) as error:
        return error
    return None


def _empty(host: str) -> None:
    """Remove all containers and networks: they hold processes, mounts and interfaces."""
    try:
        client = connect(host, timeout=30)
        try:
            api = client.api
            if api.info()["Swarm"]["LocalNodeState"] != "inactive":
                api.leave_swarm(force=True)

            def remove(container: dict[str, str]) -> None:
                with suppress(APIError):  # it ends by itself, as with --rm
                    api.remove_container(container["Id"], v=True, force=True)

            with ThreadPoolExecutor(max_workers=8) as pool:
                list(pool.map(remove, api.containers(all=True)))
            client.networks.prune()
        finally:
            client.close()
    except (DockerException, OSError) as error:
        # Its processes, mounts and files go all the same; nothing else knows its networks.
        print(
            f"the throwaway engine could not be emptied: {error}. Bridges of its networks may be "
            "left (ip link show type bridge).",
            file=sys.stderr,
        )


def _stop(process: subprocess.Popen[bytes], directory: Path) -> None:
    """End dockerd, and what it started and may have left running."""
    process.terminate()
    try:
        process.wait(STOP_DEADLINE)
    except subprocess.TimeoutExpired:
        print("the throwaway dockerd does not end, killing it", file=sys.stderr)
    finally:
        process.kill()  # no more than a wait where it has ended
        process.wait()
    killing = time.monotonic() + 5
    while left := _left_running(directory):
        if time.monotonic() > killing + 5:
            print(f"the throwaway engine left processes running: {left}", file=sys.stderr)
            break
        if time.monotonic() > killing:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _left_running(directory: Path) -> list[int]:
    """Return the pids of the engine's containerd, its shims and their containers."""
    parents = {}
    ours = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            pid = int(status.parent.name)
            # proc(5): "pid (comm) state ppid …", and a comm may hold blanks and brackets
            state, parent = status.read_bytes().rpartition(b")")[2].split()[:2]
            program, *arguments = (status.parent / "cmdline").read_bytes().split(b"\0")
            if state != b"Z":
                parents[pid] = int(parent)
            # The directory alone is no proof: the user's own commands may name it.
            if program.rpartition(b"/")[2].startswith(b"containerd") and any(
                os.fsencode(directory) + b"/" in argument for argument in arguments
            ):
                ours.add(pid)
    return [pid for pid, parent in parents.items() if pid in ours or parent in ours]


def _remove_directory(directory: Path) -> None:
    for point in reversed(_mounts_below(directory)):
        subprocess.run(["umount", "--lazy", point], stdin=subprocess.DEVNULL, check=False)
    try:
        shutil.rmtree(directory)
    except OSError as error:
        print(f"{directory} could not be removed: {error}", file=sys.stderr)


def _mounts_below(directory: Path) -> list[str]:
    """Return the mount points in `directory`, in the order they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    # proc(5): the fifth field is the mount point, its blanks escaped
    points = [line.split(" ")[4].replace(r"\040", " ") for line in lines]
    return [point for point in points if point.startswith(f"{directory}/")]


def _add_bridge(name: str) -> None:
    """Create a network bridge: dockerd creates none but docker0."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, SIOCBRADDBR, name.encode() + b"\0")
    except OSError as error:
        raise EngineMissing(
            f"a throwaway engine can't be started: no network bridge can be created ({error}). "
            "Run with CAP_NET_ADMIN, or set DOCKER_HOST to an engine you can use."
        ) from error


def _remove_bridge(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), 0))  # down
        fcntl.ioctl(control, SIOCBRDELBR, name.encode() + b"\0")
