"""Containers with and without port drift, and what ``pytest --exposed`` says about them.

Run ``python -m demo`` in the examples folder. The exit status is 0 when the audit found exactly
the drift that was put there.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, DockerException

from demo.engine import EngineMissing, connect, engine
from demo.images import build_image, busybox, remove_images
from demo.packages import NotInstalled, which

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

    import docker

LABEL = "pytest-exposed.demo"


class DemoError(RuntimeError):
    """The demo can't be shown."""


@dataclass(frozen=True)
class Actor:
    """A container of the demo, its image, and the drift the audit must find in it."""

    name: str
    image: str
    serves: str
    exposes: tuple[str, ...] = ()
    publishes: str | None = None
    story: str = ""
    drift: tuple[str, str] | None = None


ACTORS = (
    Actor(
        "demo-noexpose",
        "webapp:noexpose",
        serves="80",
        story="serves port 80, its image has no EXPOSE",
        drift=("undocumented", "80/tcp"),
    ),
    Actor(
        "demo-expose",
        "webapp:expose",
        serves="80",
        exposes=("80",),
        story="the same with EXPOSE 80",
    ),
    Actor(
        "demo-httpd",
        "httpd:demo",
        serves="80",
        exposes=("80",),
        story="another server that serves what it exposes",
    ),
    Actor(
        "demo-loopback",
        "webapp:loopback",
        serves="127.0.0.1:8000",
        exposes=("8000",),
        story="exposes 8000, listens on 127.0.0.1:8000 only",
        drift=("unreachable", "8000/tcp"),
    ),
    Actor(
        "demo-misrouted",
        "webapp:81",
        serves="81",
        exposes=("81",),
        publishes="80/tcp",
        story="serves and exposes 81, but its publication goes to 80",
        drift=("published-silent", "80/tcp"),
    ),
)


def main() -> int:
    """Show the demo and return its exit status."""
    if not entry_points(group="pytest11", name="exposed"):
        print(
            f"pytest-exposed is not installed for {sys.executable}. "
            f"Install it: {sys.executable} -m pip install pytest-exposed",
            file=sys.stderr,
        )
        return 1
    signal.signal(signal.SIGTERM, _leave)
    try:
        with engine() as host, tempfile.TemporaryDirectory(prefix="demo-") as folder:
            return _show(host, Path(folder))
    except (DemoError, EngineMissing, NotInstalled, DockerException, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _leave(number: int, _frame: FrameType | None) -> None:
    """End by an exception, so that everything is cleaned up."""
    sys.exit(128 + number)


def _show(host: str, folder: Path) -> int:
    run_id = secrets.token_hex(4)
    client = connect(host)
    try:
        _refuse_to_overwrite(client)
        try:
            _build(client)
            _start(client, run_id)
            _docker_ps(host, run_id)
            return _audit(host, run_id, folder)
        finally:
            _clean_up(client, run_id)
    finally:
        client.close()


def _refuse_to_overwrite(client: docker.DockerClient) -> None:
    """Raise DemoError where the engine already has images or containers of the demo's names."""
    api = client.api
    names = {name.lstrip("/") for entry in api.containers(all=True) for name in entry["Names"]}
    tags = {tag for entry in api.images() for tag in entry["RepoTags"] or ()}
    containers = [actor.name for actor in ACTORS if actor.name in names]
    images = [actor.image for actor in ACTORS if actor.image in tags]
    if containers or images:
        advice = [f"docker rm -f {' '.join(containers)}"] if containers else []
        advice += [f"docker rmi {' '.join(images)}"] if images else []
        raise DemoError(
            "the engine already has containers or images of the demo's names, and they may be "
            f"yours. If you don't need them: {'; '.join(advice)}"
        )


def _build(client: docker.DockerClient) -> None:
    for actor in ACTORS:
        command = json.dumps(["/bin/busybox", "httpd", "-f", "-p", actor.serves])
        instructions = [*(f"EXPOSE {port}" for port in actor.exposes), f"CMD {command}"]
        _say(f"building {actor.image}: {'; '.join(instructions)}")
        build_image(
            client, actor.image, files={"/bin/busybox": busybox()}, instructions=instructions
        )


def _start(client: docker.DockerClient, run_id: str) -> None:
    # `docker ps` lists the newest first.
    for actor in reversed(ACTORS):
        _say(f"starting {actor.name}: {actor.story}")
        container = client.containers.create(
            actor.image,
            name=actor.name,
            labels={LABEL: run_id},
            # 0: the engine chooses a host port that is free
            ports={actor.publishes: ("127.0.0.1", 0)} if actor.publishes else {},
        )
        container.start()


def _docker_ps(host: str, run_id: str) -> None:
    docker = which("docker")
    if docker is None:
        _say("what `docker ps` says is not shown: there is no docker command")
        return
    columns = r"table {{.Names}}\t{{.Image}}\t{{.Ports}}"
    command = ["docker", "ps", "--filter", f"label={LABEL}={run_id}", "--format", columns]
    _say(f"\n$ {shlex.join(command)}")
    subprocess.run([docker, *command[1:]], env={**os.environ, "DOCKER_HOST": host}, check=False)


def _audit(host: str, run_id: str, folder: Path) -> int:
    """Run the audit and return 0 where it found just the drift that is there."""
    # An empty configuration: this checkout's own is about its tests.
    configuration, report = folder / "pytest.ini", folder / "report.json"
    configuration.write_text("[pytest]\n", encoding="ascii")
    audit = ["--exposed", "--docker-host", host, "--exposed-filter", f"label={LABEL}={run_id}"]
    quiet = ["-p", "no:cacheprovider", "-c", str(configuration), "--exposed-report", str(report)]
    _say(f"\n$ pytest {shlex.join(audit)}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    status = subprocess.run(
        [sys.executable, "-m", "pytest", *audit, *quiet], cwd=folder, env=environment, check=False
    ).returncode
    try:
        document = json.loads(report.read_bytes())
    except (OSError, ValueError) as error:
        raise DemoError(f"pytest ended with status {status} and no report: {error}") from error

    problems = [*_differences(document)]
    if status != 1:
        problems.append(f"pytest ended with status {status}; findings make it 1")
    _say("")
    for problem in problems:
        _say(f"demo: {problem}")
    if not problems:
        _say("demo: the audit found exactly the drift that is there")
    return 1 if problems else 0


def _differences(document: dict[str, Any]) -> Iterable[str]:
    """Yield a line for each thing in the audit's report that is not as it must be."""
    audited = [container for host in document["hosts"] for container in host["containers"]]
    names = sorted(container["name"] for container in audited)
    expected_names = sorted(actor.name for actor in ACTORS)
    if names != expected_names:
        yield f"audited {names}, not {expected_names}"
    for host in document["hosts"]:
        if host["error"]:
            yield f"{host['host']} was not observed: {host['error']}"
    for container in audited:
        if container["error"]:
            yield f"{container['name']} was not observed: {container['error']}"
    found = {
        (container["name"], finding["rule"], finding["port"])
        for container in audited
        for finding in container["findings"]
    }
    expected = {(actor.name, *actor.drift) for actor in ACTORS if actor.drift}
    for name, rule, port in sorted(expected - found, key=str):
        yield f"not found: {name} {rule} {port}"
    for name, rule, port in sorted(found - expected, key=str):
        yield f"found, but it is not there: {name} {rule} {port}"


def _clean_up(client: docker.DockerClient, run_id: str) -> None:
    try:
        for container in client.api.containers(all=True, filters={"label": f"{LABEL}={run_id}"}):
            client.api.remove_container(container["Id"], v=True, force=True)
        remove_images(client, *(actor.image for actor in ACTORS))
    except APIError as error:
        print(f"demo: not everything could be removed: {error}", file=sys.stderr)


def _say(line: str) -> None:
    # Flushed, because the commands between write to the same place.
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
