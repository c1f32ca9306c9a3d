"""What runs of the tests that were killed have left on an engine: the next run removes it.

A run holds a locked file as long as it lives, however it ends. An engine's things of a run whose
file is there and not locked are nobody's; of a run without a file on this machine nothing is known.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from demo.images import remove_images
from docker.errors import APIError, NotFound
from stage import RUN, Images, remove_containers

if TYPE_CHECKING:
    import docker


@contextmanager
def alive(client: docker.DockerClient, run: str) -> Iterator[None]:
    """Say that a run lives, as long as the with block does."""
    path = Path(f"{_prefix(client)}{run}")
    # It is never there without its lock.
    new = path.with_name(f".{path.name}")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        new.rename(path)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def remove_remains(client: docker.DockerClient) -> None:
    """Remove the containers, networks and images of runs that were killed."""
    prefix = Path(_prefix(client))
    for path in prefix.parent.glob(f"{prefix.name}*"):
        with suppress(FileNotFoundError), path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # it lives
            _remove(client, path.name.removeprefix(prefix.name))
            path.unlink()


def _remove(client: docker.DockerClient, run: str) -> None:
    label = {"label": f"{RUN}={run}"}
    remove_containers(client, label)
    for network in client.networks.list(filters=label):
        with suppress(NotFound):
            network.remove()
    images = Images(client, run)
    with suppress(APIError):  # somebody's container is of one
        # Those with a tag first: the others are what they were built from.
        tags = [y for x in images.left() for y in x["RepoTags"] or ()]
        remove_images(client, *(x for x in tags if x != "<none>:<none>"))
        images.remove()


def _prefix(client: docker.DockerClient) -> str:
    """Return how the paths of the files of an engine's runs begin."""
    identity = client.info()["ID"].replace(":", "")[:16]
    return f"{tempfile.gettempdir()}/pytest-exposed-tests-{os.getuid()}-{identity}-"
