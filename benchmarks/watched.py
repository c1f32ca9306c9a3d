"""What watching costs: CPU time, by netlink; `python -m benchmarks.watched [CONTAINERS …]`.

Its table is written to results/watching.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import fleet
from pytest_exposed import Engine
from pytest_exposed.observation.watch import Watch

if TYPE_CHECKING:
    from stage import Stage, Staged

_FILE = Path(__file__).with_name("results") / "watching.md"
_SIZES = (1, 60, 200)
_SECONDS = 30.0


def main() -> None:
    """Measure on the engine that answers, or on a throwaway one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watched", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=_SIZES, metavar="CONTAINERS")
    sizes = sorted(parser.parse_args().sizes)
    with fleet.empty() as stage:
        _FILE.write_text("\n".join(_lines(stage, sizes)) + "\n", encoding="utf-8")
    print(_FILE.read_text(encoding="utf-8"))


def _lines(stage: Stage, sizes: Sequence[int]) -> list[str]:
    lines = [
        "# What watching costs",
        "",
        f"Containers looked at for {_SECONDS:.0f} s, by netlink as root: CPU time of our process.",
        "",
        "| containers | looks | CPU seconds | of one CPU | ms a look and container |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    containers: list[Staged] = []
    for size in sizes:
        if not fleet.grow(stage, containers, size):
            print(f"memory is too short for {size} containers", flush=True)
            break
        looks, seconds = _watch(containers)
        share, each = 100 * seconds / _SECONDS, 1000 * seconds / looks / size
        lines.append(f"| {size} | {looks} | {seconds:.2f} | {share:.1f} % | {each:.2f} |")
        print(lines[-1], flush=True)
    return lines


def _watch(containers: Sequence[Staged]) -> tuple[int, float]:
    """Return how many looks there were, and the CPU seconds of all."""
    wanted = {x.id for x in containers}
    with Engine(source="netlink") as one:
        chosen = [x for x in one.observer.running() if x.id in wanted]
        before = time.process_time()
        looks = sum(1 for _ in Watch(one.observer).looks(chosen, _SECONDS))
        return looks, time.process_time() - before


if __name__ == "__main__":
    main()
