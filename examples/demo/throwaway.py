"""A throwaway docker engine: a private ``dockerd``, of which nothing is left behind.

It has its own data, socket and network bridge below one temporary directory, and touches neither
another engine on the machine nor the machine's firewall. The demo runs one where no engine
answers; the tests do too, and run more of them with options of their own:

    with throwaway("--live-restore") as engine:
        print(engine.url)
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import docker
from docker.errors import APIError, DockerException

from demo.directory import bridged_directory
from demo.packages import PATH, EngineMissing, install, tail, which

if TYPE_CHECKING:
    from collections.abc import Iterator

START_DEADLINE = 60.0
STOP_DEADLINE = 30.0


class Dockerd:
    """A ``dockerd`` with all that is its own below one directory."""

    def __init__(self, directory: Path, *options: str, inside: tuple[str, ...] = ()) -> None:
        """`inside` is a command that runs another, as in a network namespace."""
        self.directory = directory
        self.url = f"unix://{directory}/docker.sock"
        self.process: subprocess.Popen[bytes]
        self._log = directory / "dockerd.log"
        # Without a file of its own it reads the options of the machine's engine.
        configuration = directory / "daemon.json"
        configuration.write_text("{}", encoding="ascii")
        self._command = [
            *inside,
            # Should this process be killed, the engine stops its containers and ends. (To the
            # kernel it is the thread that counts: start it in one that stays.)
            *("setpriv", "--pdeathsig", "TERM"),
            "dockerd",
            f"--config-file={configuration}",
            f"--data-root={directory / 'data'}",
            f"--exec-root={directory / 'exec'}",
            f"--pidfile={directory / 'docker.pid'}",
            f"--host={self.url}",
            # With iptables it would remove the rules of another engine's published ports.
            # docker-proxy serves ours.
            *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
            *options,
        ]

    def start(self) -> None:
        """Start it, and return before it answers."""
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # dockerd starts itself again for each container, and collects garbage three times.
                env={"GOGC": "400", **os.environ, "PATH": PATH},
                # Ctrl-C is for the caller, who then ends the engine in good order.
                start_new_session=True,
            )

    def wait_until_it_answers(self) -> None:
        """Return when it answers; EngineMissing where it ends before, or never does."""
        advice = (
            "It needs a machine, or a container, that may create namespaces, mounts and network "
            "bridges. Start Docker by other means, or set DOCKER_HOST to an engine you can use. "
        )
        wait_for_engine(self.url, self.process, self._log, "the throwaway dockerd", advice)

    def stop(self) -> None:
        """End dockerd, and what it started and may have left running."""
        self.process.terminate()
        try:
            self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            print("the throwaway dockerd does not end, killing it", file=sys.stderr)
        finally:
            self.process.kill()  # no more than a wait where it has ended
            self.process.wait()
        killing = time.monotonic() + 5
        while left := _left_running(self.directory):
            if time.monotonic() > killing + 5:
                print(f"the throwaway engine left processes running: {left}", file=sys.stderr)
                break
            if time.monotonic() > killing:
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


@contextmanager
def throwaway(*options: str) -> Iterator[Dockerd]:
    """Yield an engine that answers, with these options of dockerd; remove it afterwards.

    Raises EngineMissing or NotInstalled where there can't be one.
    """
    install_engine()
    # Whatever ends the with block, every callback runs, the last one first.
    with bridged_directory() as directory, ExitStack() as undo:
        # On docker0 it would hand out another engine's addresses.
        engine = Dockerd(directory, f"--bridge={directory.name}", *options)
        print(f"starting a throwaway docker engine at {engine.url}", flush=True)
        engine.start()
        undo.callback(engine.stop)
        engine.wait_until_it_answers()
        undo.callback(empty, engine.url)
        yield engine


def install_engine() -> None:
    """Install what is missing of an engine with apt-get; NotInstalled where that can't be."""
    # docker.io's iptables are for the DNS of user-defined networks, inside the containers.
    packages = {"dockerd": "docker.io", "iptables": "iptables"}
    missing = [package for command, package in packages.items() if which(command) is None]
    if missing:
        install(*missing)
    if which("docker") is None:
        # Since Debian 13 the command is a package of its own; before, docker.io brings it.
        install("docker-cli")


def connect(host: str, *, timeout: int = 60) -> docker.DockerClient:
    """Return a client of the engine at `host` that has answered once.

    Raises DockerException or OSError where the engine does not answer.
    """
    if host.startswith("unix://"):
        # The SDK leaves a socket open when it can't connect, and says why at great length.
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(timeout)
            probe.connect(host.removeprefix("unix://"))
    # DockerClient(base_url=…) would ignore DOCKER_TLS_VERIFY and DOCKER_CERT_PATH.
    client = docker.from_env(timeout=timeout, environment={**os.environ, "DOCKER_HOST": host})
    try:
        client.ping()
    except BaseException:
        client.close()
        raise
    return client


def silence(host: str) -> Exception | None:
    """Return what kept the engine from answering, None when it answered."""
    try:
        connect(host, timeout=5).close()
    except (DockerException, OSError) as error:
        return error
    return None


def wait_for_engine(
    host: str, process: subprocess.Popen[bytes], log: Path, name: str, advice: str = ""
) -> None:
    """Return when an engine answers; EngineMissing where it does not."""
    deadline = time.monotonic() + START_DEADLINE
    while error := silence(host):
        if process.poll() is not None:
            what = f"ended with status {process.returncode}"
        elif time.monotonic() > deadline:
            what = f"did not answer within {START_DEADLINE:.0f} s ({error})"
        else:
            time.sleep(0.05)
            continue
        text = log.read_text(encoding="utf-8", errors="replace")
        raise EngineMissing(f"{name} {what}. {advice}The end of its log:\n{tail(text)}") from error


def empty(host: str) -> None:
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
