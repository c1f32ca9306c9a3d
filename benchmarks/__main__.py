"""Measures everything and writes results/: `python -m benchmarks [CONTAINERS …]`."""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import command, fleet, growth, kinds, others, ours, startup
from benchmarks.measure import medians
from benchmarks.measured import AuditCost, Results, Way
from benchmarks.plot import svg
from benchmarks.table import markdown

if TYPE_CHECKING:
    import docker
    from stage import Stage, Staged

FOLDER = Path(__file__).with_name("results")

_SIZES = (10, 60, 200)
_ROUNDS = {"netlink": 15, "procfs": 5, "helper": 3, "exec": 3}
_OF_A_KIND = 60
_ASKED = 10
"""How many containers are asked in the slow ways of others."""


def main() -> None:
    """Measure on the engine that answers, or on a throwaway one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=_SIZES, metavar="CONTAINERS")
    sizes = sorted(parser.parse_args().sizes)
    with fleet.empty() as stage:
        results = _measure(stage, sizes)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "results.md").write_text(markdown(results), encoding="utf-8")
    (FOLDER / "results.svg").write_text(svg(results), encoding="utf-8")
    print(markdown(results))


def _measure(stage: Stage, sizes: list[int]) -> Results:
    results = Results(_machine(stage.client))
    helper_image = fleet.image(stage.images)
    print("much of something", flush=True)
    results.growths = growth.growths(stage, 5)
    print("containers of other kinds", flush=True)
    results.kinds = kinds.costs(stage, min(_OF_A_KIND, sizes[-1]), _ROUNDS["netlink"])
    containers: list[Staged] = []
    for size in sizes:
        print(f"{size} containers", flush=True)
        if not fleet.grow(stage, containers, size):
            print(f"memory is too short for {size} containers", flush=True)
            if not containers:
                raise SystemExit(1)
            break
        if not results.audits:
            results.answers = ours.answers(stage, _ROUNDS["netlink"])
            results.commands = command.costs(stage, size, _ROUNDS["netlink"])
        for source in ours.SOURCES:
            rounds = _ROUNDS[source]
            whole = ours.whole(stage, size, source, helper_image, rounds)
            parts = ours.parts(containers, source, helper_image, rounds)
            results.audits.append(AuditCost(source, size, whole, parts))
            print(f"  {source}: {1000 * whole / size:.2f} ms a container", flush=True)
    smallest = results.commands[0]
    if len(containers) > smallest.containers:
        results.more = [command.more(smallest, stage, len(containers), _ROUNDS["netlink"])]
    print("other ways", flush=True)
    results.asked = min(_ASKED, len(containers))
    _compare(results, containers[:_ASKED])
    print("starting up", flush=True)
    results.start_ups = startup.start_ups(stage, helper_image, containers[0].name, 15)
    results.import_seconds = startup.import_seconds()
    return results


def _compare(results: Results, asked: list[Staged]) -> None:
    """Ask in the ways of others, and put the audits of the largest fleet before them."""
    largest = max(x.containers for x in results.audits)
    results.ways = [
        Way(f"`pytest --exposed`, by {x.source}, of {x.containers}", x.whole / x.containers)
        for x in results.audits
        if x.containers == largest
    ]
    ways = list(others.ways(asked))
    found = medians({name: ask for name, obstacle, ask in ways if obstacle is None}, 3)
    results.ways += [Way(name, found.get(name), obstacle) for name, obstacle, _ in ways]


def _machine(client: docker.DockerClient) -> str:
    return (
        f"Python {platform.python_version()}, pytest {pytest.__version__}, "
        f"{platform.system()} {platform.release().partition('-')[0]}, "
        f"engine {client.version()['Version']}, {os.cpu_count()} CPUs"
    )


if __name__ == "__main__":
    main()
