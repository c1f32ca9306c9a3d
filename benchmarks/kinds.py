"""What an audit costs of containers whose list entry doesn't tell all: each is inspected."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import fleet, ours

if TYPE_CHECKING:
    from stage import Stage, Staged


@dataclass(frozen=True, slots=True)
class KindCost:
    """Seconds of an audit of so many containers of a kind, by netlink."""

    kind: str
    containers: int
    whole: float


def costs(stage: Stage, size: int, rounds: int) -> list[KindCost]:
    """Start size containers of each kind, measure an audit of them, and remove them."""
    image = stage.images.build()
    holder = f"container:{stage.name}-c000"
    kinds: dict[str, Callable[[int], Staged]] = {
        "listens on a port": lambda n: stage.run(
            f"tcp:0.0.0.0:{fleet.PORT}", name=f"c{n:03}", image=fleet.image(stage.images)
        ),
        "listens on nothing": lambda n: stage.run(name=f"c{n:03}", image=image),
        "has `--network none`, and listens on nothing": lambda n: stage.run(
            name=f"c{n:03}", image=image, network_mode="none"
        ),
        "has `--network host`, and listens on nothing": lambda n: stage.run(
            name=f"c{n:03}", image=image, network_mode="host"
        ),
        "has `--network container:…`, and listens on nothing": lambda n: stage.run(
            name=f"c{n:03}", image=image, network_mode=holder if n else None
        ),
    }
    found = []
    for kind, start in kinds.items():
        containers = [start(0)]
        with ThreadPoolExecutor(2) as pool:
            containers += pool.map(start, range(1, size))
        found.append(KindCost(kind, size, ours.whole(stage, size, "netlink", "", rounds)))
        print(f"  {kind}: {1000 * found[-1].whole / size:.2f} ms a container", flush=True)
        for container in reversed(containers):
            container.sdk.remove(force=True)
    return found
