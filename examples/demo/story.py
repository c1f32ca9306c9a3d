"""The containers of the demo: what the README tells of, some of them with port drift."""

from __future__ import annotations

import json
import secrets
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker.errors import APIError

from demo.images import build_image, busybox, remove_images

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def story(client: docker.DockerClient) -> Iterator[str]:
    """Build the images, start the containers, yield the value of their label, and remove it all.

    Raises DemoError where the engine has containers or images of these names already.
    """
    run_id = secrets.token_hex(4)
    _refuse_to_overwrite(client)
    try:
        _build(client)
        _start(client, run_id)
        yield run_id
    finally:
        _clean_up(client, run_id)


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
        say(f"building {actor.image}: {'; '.join(instructions)}")
        build_image(
            client, actor.image, files={"/bin/busybox": busybox()}, instructions=instructions
        )


def _start(client: docker.DockerClient, run_id: str) -> None:
    # `docker ps` lists the newest first.
    for actor in reversed(ACTORS):
        say(f"starting {actor.name}: {actor.story}")
        container = client.containers.create(
            actor.image,
            name=actor.name,
            labels={LABEL: run_id},
            ports={actor.publishes: ("127.0.0.1", _free_port())} if actor.publishes else {},
        )
        container.start()


def _free_port() -> int:
    """Return a port that is free on the host: an engine knows only which of its own are."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def _clean_up(client: docker.DockerClient, run_id: str) -> None:
    try:
        for container in client.api.containers(all=True, filters={"label": f"{LABEL}={run_id}"}):
            client.api.remove_container(container["Id"], v=True, force=True)
        remove_images(client, *(actor.image for actor in ACTORS))
    except APIError as error:
        print(f"demo: not everything could be removed: {error}", file=sys.stderr)


def say(line: str) -> None:
    # Flushed, because the commands between write to the same place.
    print(line, flush=True)
