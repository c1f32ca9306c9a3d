"""`ssh://` to a server on loopback: what works, and one clear line for what does not."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from demo.packages import PATH, NotInstalled, install, which
from remote.common import listener_with_cat, modules_of_an_audit, refusing_port
from stage import wait_until

from pytest_exposed import Engine, EngineError
from pytest_exposed.engine.transport import ssh

if TYPE_CHECKING:
    from stage import Images, Stage

USER = getpass.getuser()

Refusal = Callable[..., str]


@dataclass(frozen=True)
class Server:
    """An ssh server on loopback."""

    port: int
    folder: Path
    """Holds its key, and the one that it lets in: host, host.pub, client, client.pub."""

    @property
    def url(self) -> str:
        return f"ssh://{USER}@127.0.0.1:{self.port}"

    @property
    def shown(self) -> str:
        return f"ssh://127.0.0.1:{self.port}"


@contextmanager
def ssh_server(folder: Path, **environment: str) -> Iterator[Server]:
    """Run a server whose sessions have these variables."""
    if which("sshd") is None:
        install("openssh-server")
    sshd = str(which("sshd"))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    for name in ("host", "client"):
        make_key(folder / name)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {"PATH": PATH, **environment}
    (folder / "sshd_config").write_text(
        f"Port {port}\n"
        "ListenAddress 127.0.0.1\n"
        f"HostKey {folder}/host\n"
        f"AuthorizedKeysFile {folder}/client.pub\n"
        "AuthenticationMethods publickey\n"
        "StrictModes no\nUsePAM no\nPidFile none\n"
        f"SetEnv {' '.join(f'{k}={v}' for k, v in given.items())}\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", str(folder / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _answers(process, port, folder / "log"), "sshd answers")
        yield Server(port, folder)
    finally:
        process.terminate()
        process.wait(10)


def make_key(path: Path) -> None:
    """Write a key pair: path and path.pub."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


def _answers(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture(scope="module")
def start_server() -> Iterator[Callable[..., Server]]:
    """Start ssh servers with variables in their sessions."""
    with ExitStack() as stack:

        def start(**environment: str) -> Server:
            folder = Path(tempfile.mkdtemp(prefix="pe-ssh-"))
            stack.callback(shutil.rmtree, folder)
            return stack.enter_context(ssh_server(folder, **environment))

        try:
            yield start
        except NotInstalled as error:
            pytest.fail(f"these tests need an ssh server. {error}", pytrace=False)


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Server], engine_url: str) -> Server:
    """A server whose docker command speaks to the engine."""
    return start_server(DOCKER_HOST=engine_url)


@pytest.fixture
def home(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with an empty .ssh, where no agent helps: pytester's."""
    folder = pytester.path / ".ssh"
    folder.mkdir(mode=0o700)
    (folder / "config").touch()
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    # ssh takes the user's home from the system, whatever HOME is.
    program = pytester.path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(
        f"#!/bin/sh\nexec {which('ssh')} -F {folder}/config "
        f"-o UserKnownHostsFile={folder}/known_hosts "
        f'-o IdentityFile={folder}/id_ed25519 -o IdentitiesOnly=yes "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    assert Path.home() == pytester.path
    return pytester.path


def trust(home: Path, server: Server, *, key: str | None = None) -> None:
    """Write the server's key, or another, into known_hosts."""
    kind, public, _ = (key or (server.folder / "host.pub").read_text()).split()
    line = f"[127.0.0.1]:{server.port} {kind} {public}\n"
    (home / ".ssh" / "known_hosts").write_text(line)


def take_key(home: Path, server: Server) -> None:
    """Take the key that the server lets in as one's own."""
    shutil.copy(server.folder / "client", home / ".ssh" / "id_ed25519")


@pytest.fixture
def ready(home: Path, server: Server) -> Path:
    """A home with all that the server asks for."""
    trust(home, server)
    take_key(home, server)
    return home


def test_an_interrupt_that_meets_its_start_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    begin = subprocess.Popen._execute_child  # type: ignore[attr-defined]  # where it is met

    def met(process: subprocess.Popen[bytes], *arguments: object) -> None:
        begin(process, *arguments)
        begun.append(process.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "_execute_child", met)
    with pytest.raises(KeyboardInterrupt):
        ssh.SshWire(["sleep", "60"])
    assert not Path("/proc", str(begun[0])).exists()


@pytest.mark.usefixtures("ready")
class TestItWorks:
    def test_by_address(self, server: Server, stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80")
        with Engine(server.url) as engine:
            assert (engine.host, engine.label) == (server.shown, "127.0.0.1")
            assert engine.observer.find(container.name)[0].id == container.id

    def test_by_a_name_of_the_users_configuration(
        self, ready: Path, server: Server, stage: Stage
    ) -> None:
        key = ready / "elsewhere"
        (ready / ".ssh" / "id_ed25519").rename(key)
        (ready / ".ssh" / "config").write_text(
            f"Host prod-1\n  HostName 127.0.0.1\n  Port {server.port}\n  User {USER}\n"
            f"  IdentityFile {key}\n"
        )
        container = stage.run("tcp:0.0.0.0:80")
        with Engine("ssh://prod-1") as engine:
            assert (engine.host, engine.label) == ("ssh://prod-1", "prod-1")
            assert engine.observer.find(container.name)[0].id == container.id

    @pytest.mark.parametrize("source", ["netlink", "helper", "exec"])
    def test_with_each_source(
        self, source: str, server: Server, helper_image: str, images: Images, stage: Stage
    ) -> None:
        image = listener_with_cat(images, exposes=("80",))
        container = stage.run("tcp:0.0.0.0:80", image=image)
        with Engine(server.url, source=source, helper_image=helper_image) as look:
            seen = look.container(container.name)
        assert (seen.source, seen.findings) == (source, ())
        assert seen.listening == {"80/tcp"}

    def test_in_an_audit(
        self, server: Server, stage: Stage, run_pytest: Callable[..., pytest.RunResult]
    ) -> None:
        stage.run("tcp:0.0.0.0:80", exposes=("80",))
        result = run_pytest("--docker-host", server.url, "--exposed-filter", stage.filter)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([f"exposed: {server.shown}, 1 running container that *"])
        assert not [x for x in result.errlines if x]

    @pytest.mark.parametrize("name", ["address", "context"])
    def test_running_an_image(
        self, server: Server, images: Images, pytester: pytest.Pytester, name: str
    ) -> None:
        host = server.url
        if name == "context":
            host = "over-there"
            command = ["docker", "context", "create", host, f"--docker=host={server.url}"]
            subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
        image = images.build(exposes=("80",))
        given = ("--docker-host", host)
        result = pytester.runpytest(*given, f"--exposed-run={image} tcp:0.0.0.0:80")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["exposed: *, 1 container to start (*)"])
        made = {"label": "pytest-exposed.run", "ancestor": image}
        assert not images.client.api.containers(all=True, filters=made)

    def test_running_an_image_that_ends(
        self, server: Server, images: Images, pytester: pytest.Pytester
    ) -> None:
        image = images.build(exposes=("80",))
        given = ("--docker-host", server.url)
        result = pytester.runpytest(*given, f"--exposed-run={image} tcp:0.0.0.0:81 exit:3")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"{image} has exited with code 3*"])
        made = {"label": "pytest-exposed.run", "ancestor": image}
        assert not images.client.api.containers(all=True, filters=made)

    def test_without_a_library(self, server: Server, stage: Stage, tmp_path: Path) -> None:
        stage.run("tcp:0.0.0.0:80", exposes=("80",))
        found = modules_of_an_audit(
            tmp_path, "--docker-host", server.url, "--exposed-filter", stage.filter
        )
        assert not found & {"docker", "requests", "urllib3", "paramiko"}


class TestItDoesNot:
    def test_with_a_server_that_nobody_knows(
        self, home: Path, server: Server, refusal: Refusal
    ) -> None:
        take_key(home, server)
        assert refusal("--docker-host", server.url) == (
            f"{server.shown}: ssh ended with status 255: Host key verification failed."
            f"; {_hint(server)}"
        )

    def test_with_a_server_that_is_another(
        self, home: Path, server: Server, refusal: Refusal
    ) -> None:
        take_key(home, server)
        make_key(home / "other")
        trust(home, server, key=(home / "other.pub").read_text())
        line = refusal("--docker-host", server.url)
        assert line == (
            f"{server.shown}: ssh ended with status 255: Host key verification failed."
            f"; the host has another key than before; {_hint(server)}"
        )

    def test_with_a_key_file_that_others_may_read(
        self, home: Path, server: Server, refusal: Refusal
    ) -> None:
        trust(home, server)
        take_key(home, server)
        (home / ".ssh" / "id_ed25519").chmod(0o644)
        line = refusal("--docker-host", server.url)
        assert f"; others may read the key file, and ssh ignores it; {_hint(server)}" in line

    def test_with_another_key(self, home: Path, server: Server, refusal: Refusal) -> None:
        trust(home, server)
        make_key(home / ".ssh" / "id_ed25519")
        line = refusal("--docker-host", server.url)
        assert line.startswith(f"{server.shown}: ssh ended with status 255: ")
        assert line.endswith(f"Permission denied (publickey).; {_hint(server)}")

    def test_without_a_key(self, home: Path, server: Server, refusal: Refusal) -> None:
        trust(home, server)
        assert refusal("--docker-host", server.url).endswith(_hint(server))

    @pytest.mark.usefixtures("ready")
    def test_as_somebody_else(self, server: Server, refusal: Refusal) -> None:
        line = refusal("--docker-host", f"ssh://nosuchuser@127.0.0.1:{server.port}")
        assert line.startswith(f"{server.shown}: ssh ended with status 255: ")
        assert "nosuchuser" not in line

    @pytest.mark.usefixtures("ready")
    def test_with_a_password_in_the_address(self, server: Server, refusal: Refusal) -> None:
        line = refusal("--docker-host", f"ssh://{USER}:hunter2@127.0.0.1:{server.port}")
        assert line.startswith(f"{server.shown}: ssh takes no password from an address: ")
        assert "hunter2" not in line

    @pytest.mark.usefixtures("home")
    def test_where_nothing_listens(self, refusal: Refusal) -> None:
        with refusing_port() as port:
            line = refusal("--docker-host", f"ssh://root@127.0.0.1:{port}")
        assert line.startswith(f"ssh://127.0.0.1:{port}: ssh ended with status 255: ")
        assert f"Connection refused; `ssh ssh://USER@127.0.0.1:{port} docker version` must" in line

    @pytest.mark.usefixtures("home")
    def test_with_a_name_that_is_none(self, refusal: Refusal) -> None:
        line = refusal("--docker-host", "ssh://nosuch.invalid")
        assert line.startswith("ssh://nosuch.invalid: ssh ended with status 255: ")
        assert "Could not resolve hostname" in line

    def test_where_the_far_side_has_no_docker(
        self, home: Path, start_server: Callable[..., Server], refusal: Refusal
    ) -> None:
        server = start_server(PATH="/nowhere")
        trust(home, server)
        take_key(home, server)
        line = refusal("--docker-host", server.url)
        assert line.startswith(f"{server.shown}: ")
        assert line.endswith(_hint(server))

    def test_where_the_far_side_has_no_engine(
        self, home: Path, start_server: Callable[..., Server], refusal: Refusal
    ) -> None:
        server = start_server(DOCKER_HOST="unix:///nowhere/docker.sock")
        trust(home, server)
        take_key(home, server)
        line = refusal("--docker-host", server.url)
        assert line.startswith(f"{server.shown}: ")
        assert line.endswith(_hint(server))

    @pytest.mark.usefixtures("ready")
    def test_where_no_engine_has_the_socket(self, server: Server, refusal: Refusal) -> None:
        line = refusal("--docker-host", f"{server.url}/nowhere/docker.sock")
        version = "docker -H unix:///nowhere/docker.sock version"
        hint = _hint(server).replace("docker version", version)
        assert line.startswith(f"{server.shown}/nowhere/docker.sock: ")
        assert line.endswith(hint)

    def test_without_the_program(
        self, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        assert refusal("--docker-host", "ssh://prod-1").startswith(
            "ssh://prod-1: ssh can't be run: No such file or directory "
            "(is OpenSSH's client installed?); "
        )


def _hint(server: Server) -> str:
    there = server.shown.replace("//", "//USER@")
    return f"`ssh {there} docker version` must work without asking for anything"


def test_an_ssh_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_END", 0.2)
    script = "trap '' TERM; echo up; while :; do sleep 1; done"
    wire = ssh.SshWire(["sh", "-c", script])
    wire.allow(time.monotonic() + 60, 60)
    assert wire.receive() == b"up\n"
    wire.close()
    assert wire.process.returncode == -signal.SIGKILL


def test_what_it_has_started_ends_with_it() -> None:
    wire = ssh.SshWire(["sh", "-c", "sleep 60 & echo $!; wait"])
    wire.allow(time.monotonic() + 60, 60)
    child = Path("/proc", wire.receive().decode().strip())
    assert child.exists()
    wire.close()
    wait_until(lambda: not child.exists(), "the child has ended")


def test_its_messages_fill_no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "_MOST_WRITTEN", 1 << 16)
    # The shell waits until its limit has been set.
    wire = ssh.SshWire(["sh", "-c", "until test $(ulimit -f) = 128; do :; done; exec yes >&2"])
    wire.allow(time.monotonic() + 60, 60)
    with pytest.raises(ssh.SshError, match=f"ssh ended with status {-signal.SIGXFSZ}: y"):
        wire.receive()
    wire.close()


@pytest.mark.usefixtures("ready")
def test_a_path_is_that_of_a_socket_over_there(
    server: Server, stage: Stage, engine_url: str
) -> None:
    """As the docker command reads it (cli/connhelper of docker/cli)."""
    container = stage.run("tcp:0.0.0.0:80")
    with pytest.raises(EngineError, match=r"ssh ended with status 1: .*nowhere"):
        Engine(f"{server.url}/nowhere/docker.sock")
    with Engine(server.url + engine_url.removeprefix("unix://")) as engine:
        assert engine.observer.find(container.name)[0].id == container.id
