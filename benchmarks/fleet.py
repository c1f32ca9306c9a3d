"""The containers that are asked about: each listens on one port, and its image documents it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.engine import connect, engine
from demo.images import busybox
from stage import Images, Stage
from workload import listener

if TYPE_CHECKING:
    from stage import Staged

PORT = 80

_MEMORY = 32 << 20
"""Bytes that a container takes, most of them for its shim."""


@contextmanager
def empty() -> Iterator[Stage]:
    """Yield a stage without containers: on the engine that answers, or on a throwaway one.

    DOCKER_HOST is its address from then on.
    """
    with engine() as url:
        os.environ["DOCKER_HOST"] = url
        client = connect(url)
        images = Images(client, f"benchmarks-{secrets.token_hex(3)}")
        try:
            with Stage(images) as stage:
                yield stage
        finally:
            images.remove()
            client.close()


def image(images: Images) -> str:
    """Return the image of a fleet: the listener, and what others need inside of a container."""
    applets = ("sh", "cat", "netstat", "uname", "which")
    return images.build(
        exposes=[str(PORT)],
        files={"/bin/listener": listener(), "/bin/busybox": busybox()},
        links={f"/bin/{x}": "busybox" for x in applets},
        instructions=['ENTRYPOINT ["/bin/listener"]'],
    )


def grow(stage: Stage, fleet: list[Staged], size: int) -> bool:
    """Start containers until there are size of them; false where memory is too short for that."""
    if (size - len(fleet)) * _MEMORY > _available() // 2:
        return False
    words = f"tcp:0.0.0.0:{PORT}"
    tag = image(stage.images)
    with ThreadPoolExecutor(2) as pool:
        fleet += pool.map(
            lambda x: stage.run(words, name=f"c{x:03}", image=tag), range(len(fleet), size)
        )
    return True


def _available() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(x.split()[1]) * 1024 for x in lines if x.startswith("MemAvailable:"))
