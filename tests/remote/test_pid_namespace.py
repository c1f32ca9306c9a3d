"""What is found in each kind of container by sources that need no pids, or where those are others.

Where they are others: in another pid namespace, in a container, with a /proc that hides.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from engine.test_findings import SETUPS, Setup
from remote.common import clock, helper_of, listener_with_cat
from stage import Stage
from workload import listener

import pytest_exposed
from pytest_exposed import Container, Engine

if TYPE_CHECKING:
    import docker
    from remote.relay import Relay
    from stage import Images, Staged

ROOT = Path(__file__).resolve().parents[2]

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can enter and write."""
    path = Path(tempfile.mkdtemp(prefix="pe-run-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def all_setups(images: Images) -> Iterator[Stage]:
    """The containers of all setups of the audit's tests, and idle ones, 30 in all; with a cat."""
    tags = {x.exposes: listener_with_cat(images, exposes=x.exposes) for x in SETUPS}
    with Stage(images) as stage, ThreadPoolExecutor(4) as pool:

        def run(place: int) -> Staged:
            if place >= len(SETUPS):
                return stage.run(name=f"more-{place}", image=tags[()])
            x = SETUPS[place]
            return stage.run(*x.words, name=x.name, image=tags[x.exposes], **x.options)

        list(pool.map(run, range(30)))
        yield stage


@pytest.fixture(scope="module", params=["helper", "exec"])
def seen(
    request: pytest.FixtureRequest,
    socket_url: str,
    helper_image: str,
    all_setups: Stage,
) -> dict[str, Container]:
    """All setups, as one source sees them."""
    with Engine(socket_url, source=request.param, helper_image=helper_image) as engine:
        found = engine.containers(label=all_setups.label)
    assert {x.source for x in found} == {request.param}
    return {x.name.removeprefix(f"{all_setups.name}-"): x for x in found}


class TestByItself:
    """Each source, chosen where a better one would do."""

    @pytest.mark.parametrize("setup", SETUPS, ids=[x.name for x in SETUPS])
    def test_just_what_is_there(self, setup: Setup, seen: dict[str, Container]) -> None:
        container = seen[setup.name]
        assert {str(x) for x in container.findings} == setup.findings
        assert container.listening == setup.listening

    def test_no_names_of_processes(self, seen: dict[str, Container]) -> None:
        (finding,) = seen["no-expose"].findings
        assert finding.message.startswith("something listens on 0.0.0.0:80, and ")
        assert all(not y.owners for x in seen.values() for y in x.listeners)

    def test_udp_clients_as_ephemeral(self, seen: dict[str, Container]) -> None:
        (listener,) = seen["udp-clients"].listeners
        assert (listener.kind, listener.port.protocol) == ("ephemeral", "udp")

    def test_thirty_containers_have_one_helper(
        self, engine_url: str, client: docker.DockerClient, images: Images, all_setups: Stage
    ) -> None:
        # In the engine's events a container has the name of its image.
        image = images.build(parent=helper_of(images), instructions=["LABEL only=this"])
        since = clock(client)
        with Engine(engine_url, source="helper", helper_image=image) as look:
            assert len(look.containers(label=all_setups.label)) == 30
        events = client.api.events(
            since=int(since),
            until=int(clock(client)) + 1,
            filters={"type": "container", "image": image},
            decode=True,
        )
        # It is killed, and its output left, where it has not ended by itself yet.
        actions = [x["Action"] for x in events if x["Action"] not in ("kill", "detach")]
        assert actions == ["create", "attach", "start", "die", "destroy"]


def audit(url: str, folder: Path, stage: Stage, *arguments: str) -> list[str]:
    """Return the command of an audit of a stage that writes a report into a folder."""
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder)),
        *("--exposed", "--docker-host", url, "--exposed-filter", stage.filter),
        *("--exposed-grace=0", f"--exposed-report={folder}/report.json", *arguments),
    ]


def outcome(command: Sequence[str], folder: Path, **environment: str) -> dict[str, dict[str, Any]]:
    """Run a command, an audit in it, and return its report's containers by name."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return _report(folder, done.returncode, done.stdout + done.stderr)


def _report(folder: Path, code: int, output: str) -> dict[str, dict[str, Any]]:
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED), output
    report = json.loads((folder / "report.json").read_text())
    (host,) = report["hosts"]
    return {x["name"]: x for x in host["containers"]}


def check_all_setups(found: dict[str, dict[str, Any]], stage: Stage, source: str) -> None:
    """Assert that a source has found in every setup what is there."""
    assert len(found) == 30
    assert {x["source"] for x in found.values()} == {source}
    for setup in SETUPS:
        container = found[f"{stage.name}-{setup.name}"]
        findings = {f"{x['rule']} {x['port']}" for x in container["findings"]}
        assert (setup.name, findings) == (setup.name, setup.findings)


def in_pid_namespace(command: Sequence[str]) -> list[str]:
    """Return a command that runs a command with pids of its own, and a /proc that shows them."""
    return ["unshare", "--pid", "--fork", "--mount-proc", "--", *command]


@pytest.fixture(scope="module")
def shared(socket_url: str, images: Images, shared_stage: Stage) -> tuple[str, str, Stage]:
    """The engine, and a container with a cat that is alone on its stage."""
    image = listener_with_cat(images, exposes=("80",))
    return socket_url, shared_stage.run("tcp:0.0.0.0:80", image=image).name, shared_stage


class TestAnotherPidNamespace:
    def test_the_helper_sees_what_is_there(
        self, socket_url: str, all_setups: Stage, helper_image: str, folder: Path
    ) -> None:
        run = audit(socket_url, folder, all_setups, "--exposed-helper-image", helper_image)
        found = outcome(in_pid_namespace(run), folder)
        check_all_setups(found, all_setups, "helper")

    def test_exec_sees_what_is_there(
        self, socket_url: str, all_setups: Stage, folder: Path
    ) -> None:
        run = audit(socket_url, folder, all_setups, "--exposed-source=exec")
        check_all_setups(outcome(in_pid_namespace(run), folder), all_setups, "exec")

    @pytest.mark.parametrize("source", ["auto", "exec", "netlink", "procfs"])
    def test_a_process_with_the_containers_pid_is_not_the_containers(
        self, source: str, shared: tuple[str, str, Stage], helper_image: str, folder: Path
    ) -> None:
        url, name, stage = shared
        pid = stage.client.api.inspect_container(name)["State"]["Pid"]
        run = audit(url, folder, stage, f"--exposed-source={source}")
        run += ["--exposed-helper-image", helper_image]
        # A process of that number, alone in a network namespace, listens on another port.
        script = f"""
            echo {pid - 1} > /proc/sys/kernel/ns_last_pid
            unshare --net -- {listener()} tcp:0.0.0.0:9999 &
            [ $! = {pid} ] || exit 99
            until grep -q :270F /proc/{pid}/net/tcp; do :; done
            {shlex.join(run)}
        """
        record = outcome(in_pid_namespace(["sh", "-c", script]), folder)[name]
        seen = {"auto": "helper", "exec": "exec"}.get(source)
        assert (record["source"], record["listening"]) == (seen, ["80/tcp"] if seen else None)
        assert seen or "no process here is the container's" in record["error"]

    def test_with_the_old_proc_it_is_as_on_the_host(
        self, shared: tuple[str, str, Stage], folder: Path
    ) -> None:
        url, name, stage = shared
        run = audit(url, folder, stage)
        record = outcome(["unshare", "--pid", "--fork", "--", *run], folder)[name]
        assert (record["source"], record["listening"], record["findings"]) == (
            "netlink",
            ["80/tcp"],
            [],
        )


# The machine's own Python for others


def needed() -> list[str]:
    """Return the folders that this Python, its packages and the plugin are in."""
    package = Path(pytest_exposed.__file__).parent.parent
    paths = {sys.base_prefix, sys.prefix, str(package), *map(os.path.abspath, sys.path)}
    folders = sorted(x for x in paths if os.path.isdir(x) and x != "/")
    outer: list[str] = []
    for folder in folders:
        if not any(folder == x or folder.startswith(f"{x}/") for x in outer):
            outer.append(folder)
    return outer


class TestInsideAContainer:
    """A job of CI: the socket is mounted, and the rest is the container's own."""

    @pytest.fixture
    def job(self, images: Images, socket_url: str, folder: Path) -> Iterator[Any]:
        """Run a command in a container that has this Python and the engine's socket."""
        socket = socket_url.removeprefix("unix://")
        system = [x for x in ("/usr", "/bin", "/lib", "/lib64", "/etc/ssl") if os.path.isdir(x)]
        read_only = {*system, *(x for x in needed() if not x.startswith("/usr/"))}
        binds = {x: {"bind": x, "mode": "ro"} for x in read_only}
        binds |= {str(x): {"bind": str(x), "mode": "rw"} for x in (socket, folder)}
        jobs = []

        def run(command: Sequence[str]) -> dict[str, dict[str, Any]]:
            container = images.client.containers.create(
                images.build(files={"/etc/hostname": b"job\n"}),
                list(command),
                volumes=binds,
                working_dir=str(folder),
                environment={"HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
                tmpfs={"/run": ""},
            )
            jobs.append(container)
            container.start()
            code = container.wait(timeout=120)["StatusCode"]
            return _report(folder, code, container.logs().decode())

        yield run
        for container in jobs:
            container.remove(force=True)

    def test_the_helper_sees_what_is_there(
        self, job: Any, socket_url: str, all_setups: Stage, helper_image: str, folder: Path
    ) -> None:
        found = job(audit(socket_url, folder, all_setups, "--exposed-helper-image", helper_image))
        check_all_setups(found, all_setups, "helper")

    def test_without_a_helper_image_exec_does(
        self, job: Any, socket_url: str, images: Images, stage: Stage, folder: Path
    ) -> None:
        with_cat = stage.run("tcp:0.0.0.0:80", image=listener_with_cat(images, exposes=("80",)))
        without = stage.run("tcp:0.0.0.0:80", name="without", exposes=("80",))
        # An image that can't be had, since the engine may have a busybox.
        run = audit(socket_url, folder, stage, "--exposed-helper-image=127.0.0.1:1/nosuch")
        found = job(run)
        assert found[with_cat.name]["source"] == "exec"
        assert found[with_cat.name]["listening"] == ["80/tcp"]
        error = found[without.name]["error"]
        for source in ("netlink", "procfs", "helper", "exec"):
            assert f"\n{source}: " in error


class TestAnOrdinaryUser:
    @pytest.fixture
    def as_nobody(self, folder: Path) -> Any:
        """Return a command that runs one as nobody, in a mount namespace of its own.

        Where this Python is in folders of root's, they are covered by ones that are not.
        """

        def wrap(command: Sequence[str], *, before: str = ":") -> list[str]:
            lines = ["set -e", *_covered(folder), before]
            lines.append(f"exec {shlex.join([*NOBODY, *command])}")
            return ["unshare", "--mount", "--", "sh", "-c", "\n".join(lines)]

        return wrap

    def test_sees_what_is_there(
        self, as_nobody: Any, relay: Relay, all_setups: Stage, folder: Path
    ) -> None:
        found = outcome(as_nobody(audit(relay.url, folder, all_setups)), folder)
        check_all_setups(found, all_setups, "procfs")
        assert not any(y["process"] for x in found.values() for y in x["listeners"])

    def test_with_hidepid_the_helper_does(
        self,
        as_nobody: Any,
        relay: Relay,
        all_setups: Stage,
        helper_image: str,
        folder: Path,
    ) -> None:
        run = audit(relay.url, folder, all_setups, "--exposed-helper-image", helper_image)
        found = outcome(as_nobody(run, before=HIDE), folder)
        check_all_setups(found, all_setups, "helper")

    @pytest.mark.parametrize("source", ["netlink", "procfs"])
    def test_with_hidepid_nothing_else_takes_hidden_for_empty(
        self, source: str, as_nobody: Any, relay: Relay, stage: Stage, folder: Path
    ) -> None:
        container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
        run = audit(relay.url, folder, stage, f"--exposed-source={source}")
        error = outcome(as_nobody(run, before=HIDE), folder)[container.name]["error"]
        assert f"{source}: no process here is the container's" in error
        assert "hidepid" in error

    def test_a_socket_that_is_not_for_him_is_told_in_one_line(
        self, as_nobody: Any, relay: Relay, stage: Stage, folder: Path
    ) -> None:
        os.chmod(relay.path, 0o600)
        done = subprocess.run(
            as_nobody(audit(relay.url, folder, stage)),
            cwd=folder,
            env={**os.environ, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        (line,) = [x for x in done.stderr.splitlines() if x]
        assert line == (f"ERROR: pytest-exposed: {relay.url}: permission denied: run as root")


# The options of a mount of /proc are its own since Linux 5.8.
HIDE = "mount -t proc -o hidepid=2 proc /proc"


def _covered(folder: Path) -> list[str]:
    """Return the lines of a shell that let everybody reach this Python."""
    hidden: dict[str, list[str]] = {}
    for path in needed():
        ancestors = [str(x) for x in reversed(Path(path).parents)]
        closed = next((x for x in [*ancestors, path] if not os.stat(x).st_mode & 0o001), None)
        if closed is not None:
            hidden.setdefault(closed, []).append(path)
    lines = []
    for ancestor, paths in hidden.items():
        for number, path in enumerate(paths):
            aside = f"{folder}/{number}"
            lines += [f"mkdir {aside}", f"mount --bind {shlex.quote(path)} {aside}"]
        lines.append(f"mount -t tmpfs -o mode=755 none {shlex.quote(ancestor)}")
        for number, path in enumerate(paths):
            quoted = shlex.quote(path)
            lines += [f"mkdir -p {quoted}", f"mount --move {folder}/{number} {quoted}"]
            lines.append(f"rmdir {folder}/{number}")
    return lines
