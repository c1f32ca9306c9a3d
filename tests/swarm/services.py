"""Swarm services of the tests, and the containers of their tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from docker.errors import NotFound
from docker.types import ContainerSpec, EndpointSpec, ServiceMode, TaskTemplate
from stage import RUN, STAGE, Images, wait_until

if TYPE_CHECKING:
    import docker
    from typing_extensions import Self  # typing's came with Python 3.11

ANYWHERE = 60.0
"""Seconds that a swarm may take to bring a service up or down."""


class Services:
    """Services of a swarm; a context manager that removes them and waits for their containers."""

    def __init__(self, images: Images, *others: docker.DockerClient) -> None:
        """Take the images, on the engine of a manager; others are those of the other nodes."""
        self.images = images
        self.api = images.client.api
        self._engines = [images.client, *others]
        self._ids: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for identity in self._ids:
            with suppress(NotFound):
                self.api.remove_service(identity)
        for identity in self._ids:
            gone = f"the containers of service {identity} are gone"
            wait_until(lambda x=identity: not self.tasks(x), gone, ANYWHERE)  # type: ignore[misc]  # its own

    def tasks(self, service: str, *, every: bool = True) -> list[Mapping[str, Any]]:
        """Return the containers of a service on all nodes, stopped ones too if every."""
        label = {"label": f"com.docker.swarm.service.id={service}"}
        return [x for one in self._engines for x in one.api.containers(all=every, filters=label)]

    def run(
        self,
        name: str,
        *words: str,
        exposes: Sequence[str] = (),
        image: str | None = None,
        publishes: Mapping[int, Any] | None = None,
        replicas: int | None = 1,
        env: Sequence[str] = (),
    ) -> str:
        """Create a service, and return its id when all tasks have written "ready".

        publishes maps ports of the nodes to those of the tasks, as docker.types.EndpointSpec does;
        replicas None is one on each node.
        """
        spec = ContainerSpec(
            image or self.images.build(exposes=exposes),
            args=[*words] if image else [*words, "ready"],
            env=list(env),
            labels={RUN: self.images.run, STAGE: "swarm"},
            stop_grace_period=0,
        )
        mode = ServiceMode("replicated", replicas) if replicas else ServiceMode("global")
        answer = self.api.create_service(
            TaskTemplate(spec, restart_policy={"Condition": "none"}),
            name,
            mode=mode,
            endpoint_spec=EndpointSpec(ports=dict(publishes)) if publishes else None,
        )
        self._ids.append(str(answer["ID"]))
        number = replicas or len(self._engines)
        ready = lambda: self._ready(self._ids[-1]) == number  # noqa: E731
        wait_until(ready, f"{number} tasks of service {name} run", ANYWHERE)
        return self._ids[-1]

    def _ready(self, service: str) -> int:
        label = {"label": f"com.docker.swarm.service.id={service}"}
        found = [x for one in self._engines for x in one.containers.list(filters=label)]
        return sum(b"ready" in x.logs() for x in found)
