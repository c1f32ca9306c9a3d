"""Images, containers and networks of the tests: made from the listener, and removed afterwards."""

from __future__ import annotations

import io
import json
import re
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from demo.images import add_file, add_files, build_image, busybox, remove_images
from docker.errors import ImageNotFound, NotFound
from workload import listener

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container
    from docker.models.networks import Network
    from typing_extensions import Self  # typing's came with Python 3.11

T = TypeVar("T")

RUN = "pytest-exposed.tests"
"""Label of all that the tests make; its value is the run of pytest."""

STAGE = "pytest-exposed.tests.stage"
"""Label of the containers of one stage: what audits of the tests filter by."""

_PORT = re.compile("([0-9]+)(?:-([0-9]+))?(?:/(tcp|udp|sctp))?")
"""A port of EXPOSE that is written as the engine keeps it, but for a missing protocol."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

DEADLINE = 20.0
"""How many seconds anything may take that is waited for."""


def wait_until(condition: Callable[[], T], what: str, seconds: float = DEADLINE) -> T:
    """Return what condition returns as soon as it is true; AssertionError after seconds."""
    began = time.monotonic()
    while not (result := condition()):
        passed = time.monotonic() - began
        assert passed < seconds, f"not within {seconds} s: {what}"
        # To ask an engine keeps it busy, and with it what is waited for.
        time.sleep(min(0.01 + passed / 20, 0.1))
    return result


class Images:
    """The images of one run, each content built once and all removed at the end."""

    def __init__(self, client: docker.DockerClient, run: str) -> None:
        self.client = client
        self.run = run
        self.used_by: set[str] = set()
        """The ids of all containers of the run."""
        self._built: dict[str, str] = {}
        self._tags: list[str] = []
        self._numbers = count(1)

    @property
    def _label(self) -> dict[str, str]:
        return {RUN: self.run}

    def build(
        self,
        *,
        exposes: Sequence[str] = (),
        parent: str = "scratch",
        files: Mapping[str, Path | bytes] | None = None,
        links: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] = (),
        instructions: Sequence[str] = (),
    ) -> str:
        """Return the tag of an image that runs the listener and has these EXPOSE lines.

        What needs no builder is loaded: that takes the engine a third of the time, and gives the
        same image. Only instructions and unusual forms of a port are built.
        """
        if files is None and parent == "scratch":
            files, entrypoint = {"/bin/listener": listener()}, ["/bin/listener"]
        content = repr((parent, files, links, entrypoint, exposes, instructions))
        if content not in self._built:
            tag = self.new_tag()
            if parent == "scratch" and not instructions and all(map(_PORT.fullmatch, exposes)):
                image = as_built(
                    tag,
                    self._label,
                    files=files or {},
                    links=links or {},
                    entrypoint=entrypoint,
                    exposes=exposes,
                )
                self.client.images.load(image)
            else:
                # The engine makes a container of each line that it has not read behind the same.
                lines = [f"LABEL {RUN}={self.run}"]
                lines += [f"ENTRYPOINT {json.dumps([*entrypoint])}"] if entrypoint else []
                build_image(
                    self.client,
                    tag,
                    parent=parent,
                    files=files or {},
                    links=links or {},
                    instructions=[*lines, *(f"EXPOSE {x}" for x in exposes), *instructions],
                )
            self._built[content] = tag
        return self._built[content]

    def with_shell(self, exposes: Sequence[str] = (), instructions: Sequence[str] = ()) -> str:
        """Return the tag of an image with busybox beside the listener; it runs a shell script."""
        applets = ("sh", "cat", "hostname", "ip", "ls", "mkdir", "mount", "nsenter", "rmdir")
        applets += ("sleep", "unshare")
        return self.build(
            exposes=exposes,
            files={"/bin/listener": listener(), "/bin/busybox": busybox()},
            links={f"/bin/{x}": "busybox" for x in applets},
            entrypoint=("/bin/sh", "-ec"),
            instructions=instructions,
        )

    def load(self, exposed_ports: Any) -> str:
        """Return the tag of an image made by hand, its ExposedPorts of any shape."""
        tag = self.new_tag()
        config = {
            "Entrypoint": ["/bin/listener"],
            "Labels": self._label,
            "ExposedPorts": exposed_ports,
        }
        self.client.images.load(hand_made(tag, config, _layer({"/bin/listener": listener()}, {})))
        return tag

    def new_tag(self) -> str:
        """Return a tag that no other image has; its image is removed at the end."""
        tag = f"{self.run}/app:{next(self._numbers)}"
        self._tags.append(tag)
        return tag

    def remove(self) -> None:
        """Remove all images of the run, those without a tag too."""
        remove_images(self.client, *self._tags)
        for image in self.left():
            with suppress(ImageNotFound):
                self.client.api.remove_image(image["Id"], force=True)

    def left(self) -> list[dict[str, Any]]:
        """Return the run's images that are on the engine."""
        found = self.client.api.images(all=True, filters={"label": f"{RUN}={self.run}"})
        return [x for x in found if isinstance(x, dict)]


def as_built(
    tag: str,
    labels: Mapping[str, str],
    *,
    files: Mapping[str, Path | bytes],
    links: Mapping[str, str],
    entrypoint: Sequence[str],
    exposes: Sequence[str],
) -> bytes:
    """Return an image for `docker load` that is as the classic builder would make it."""
    config: dict[str, Any] = {"Labels": dict(labels), "Env": [f"PATH={_PATH}"]}
    lines = [f"LABEL {k}={v}" for k, v in labels.items()]
    if entrypoint:
        config["Entrypoint"] = [*entrypoint]
        lines.append(f"ENTRYPOINT {json.dumps([*entrypoint], separators=(',', ':'))}")
    if exposes:
        config["ExposedPorts"] = {y: {} for x in exposes for y in _ports(x)}
    lines += [f"EXPOSE {x}" for x in exposes]
    history: list[dict[str, Any]] = [{"created_by": "/bin/sh -c #(nop) COPY dir:root in / "}]
    history += [{"created_by": f"/bin/sh -c #(nop)  {x}", "empty_layer": True} for x in lines]
    return hand_made(tag, config, _layer(files, links), history)


def _ports(exposed: str) -> list[str]:
    """Return the ports of a form of EXPOSE, as an image has them."""
    match = _PORT.fullmatch(exposed)
    first, last, protocol = match.groups() if match else ("", "", "")
    return [f"{x}/{protocol or 'tcp'}" for x in range(int(first), int(last or first) + 1)]


def _layer(files: Mapping[str, Path | bytes], links: Mapping[str, str]) -> bytes:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        add_files(tar, files, links)
    return layer.getvalue()


def hand_made(
    tag: str, config: Mapping[str, Any], layer: bytes, history: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Return an image of one layer as `docker load` reads it."""
    record: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer).hexdigest()}"]},
    }
    if history:
        record["history"] = history
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    image = io.BytesIO()
    with tarfile.open(fileobj=image, mode="w") as tar:
        add_file(tar, "layer.tar", layer)
        add_file(tar, "config.json", json.dumps(record).encode())
        add_file(tar, "manifest.json", json.dumps(manifest).encode())
    return image.getvalue()


@dataclass(frozen=True)
class Staged:
    """A container of the tests."""

    id: str
    name: str
    image: str
    sdk: Container
    """The docker SDK's object of it."""

    def start(self) -> None:
        """Start it, and return when it has written "ready"."""
        self.sdk.start()
        self.wait_for("ready")

    def restart(self) -> None:
        """Restart it at once, and return when it has written "ready" again."""
        before = self._lines().count("ready")
        self.sdk.restart(timeout=0)
        self.wait_for("ready", times=before + 1)

    def wait_for(self, line: str, *, times: int = 1) -> None:
        """Wait until it has written a line; AssertionError where it ends before."""

        def written() -> bool:
            ended = self.state() == "exited"
            lines = self._lines()
            found = lines.count(line) >= times
            assert found or not ended, f"{self.name} ended: {lines}"
            return found

        wait_until(written, f"{self.name} writes {line!r}")

    def _lines(self) -> list[str]:
        return self.sdk.logs().decode().splitlines()

    def state(self) -> str:
        """Return its state, as the engine tells it now."""
        self.sdk.reload()
        return self.sdk.status

    def host_port(self, port: str) -> int:
        """Return the port of the host on which a port like "80/tcp" is published, the first."""
        self.sdk.reload()
        return int((self.sdk.ports[port] or [])[0]["HostPort"])


class Stage:
    """Containers and networks of one test or module; a context manager that removes them."""

    _numbers = count(1)

    def __init__(self, images: Images) -> None:
        self.images = images
        self.client = images.client
        self.name = f"{images.run}-{next(self._numbers)}"
        self._networks: list[Network] = []

    @property
    def filter(self) -> str:
        """The docker filter that chooses just the containers of the stage."""
        return f"label={STAGE}={self.name}"

    @property
    def label(self) -> str:
        """The label of the filter, as Engine.containers takes it."""
        return f"{STAGE}={self.name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            remove_containers(self.client, {"label": self.label})
        finally:
            for network in self._networks:
                with suppress(NotFound):
                    network.remove()

    def create(
        self,
        *words: str,
        name: str = "app",
        image: str | None = None,
        exposes: Sequence[str] = (),
        declares: Sequence[str] = (),
        binds: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Staged:
        """Create a container called name behind the stage's prefix; words are the listener's.

        declares are the ports of --expose, and binds those of -p where the SDK refuses it, both as
        the engine's API writes them; with them options are the SDK's of create_host_config.
        """
        # To compile docker's filter of system calls is a tenth of a start, and no question here.
        options.setdefault("security_opt", ["seccomp=unconfined"])
        image = self.images.build(exposes=exposes) if image is None else image
        full_name = f"{self.name}-{name}"
        labels = {RUN: self.images.run, STAGE: self.name, **(labels or {})}
        api, containers = self.client.api, self.client.containers
        if declares or binds:
            host = api.create_host_config(**options)
            host["PortBindings"] = {x: [{"HostPort": ""}] for x in binds}
            config = api.create_container_config(image, [*words], labels=labels, host_config=host)
            config["ExposedPorts"] = {x: {} for x in (*declares, *binds)}
            answer = api.create_container_from_config(config, full_name)  # type: ignore[no-untyped-call]  # in the stubs
            container = containers.get(answer["Id"])
        else:
            container = containers.create(image, [*words], name=full_name, labels=labels, **options)
        self.images.used_by.add(str(container.id))
        return Staged(str(container.id), full_name, image, container)

    def run(self, *words: str, **options: Any) -> Staged:
        """Create and start a container, and return it when it has done what the words say."""
        container = self.create(*words, "ready", **options)
        container.start()
        return container

    def script(self, text: str, *, exposes: Sequence[str] = (), **options: Any) -> Staged:
        """Run a shell script that prints "ready" in an image with busybox and the listener."""
        container = self.create(text, image=self.images.with_shell(exposes), **options)
        container.start()
        return container

    def network(self, *, prefix: str = "", **options: Any) -> Network:
        """Create a network; its name begins with prefix."""
        name = f"{prefix}{self.name}-{len(self._networks)}"
        network = self.client.networks.create(name, labels={RUN: self.images.run}, **options)
        self._networks.append(network)
        return network


def remove_containers(client: docker.DockerClient, filters: Mapping[str, str]) -> None:
    """Remove all containers that the filters choose."""

    def remove(container: Mapping[str, Any]) -> None:
        with suppress(NotFound):
            client.api.remove_container(container["Id"], v=True, force=True)

    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(remove, client.api.containers(all=True, filters=dict(filters))))


def leftovers(images: Images) -> list[str]:
    """Return a line for each container and network of the run that is still on the engine."""
    api, label = images.client.api, {"label": f"{RUN}={images.run}"}
    containers = api.containers(all=True, filters=label)
    # A helper container names the containers that it was to look at.
    helpers = api.containers(all=True, filters={"label": "pytest-exposed.helper"})
    containers += [x for x in helpers if any(y in x["Command"] for y in images.used_by)]
    return [
        *(f"container {x['Names']}" for x in containers),
        *(f"network {x['Name']}" for x in api.networks(filters=label)),
    ]
