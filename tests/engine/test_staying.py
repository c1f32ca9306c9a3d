"""A run stays in its network namespace, even where the thread that travels is none."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stage import Stage

SCRIPT = """
import os, sys
from pytest_exposed import Engine, ObservationError
from pytest_exposed.sockets import netlink

netlink.in_kernel_thread = lambda work: work()
before = os.readlink("/proc/thread-self/ns/net")
for source in ("netlink", "auto"):
    with Engine(sys.argv[1], source=source) as engine:
        try:
            print(engine.container(sys.argv[2]).source)
        except ObservationError as error:
            print(error)
assert os.readlink("/proc/thread-self/ns/net") == before
"""


def test_it_is_brought_back_and_the_next_source_answers(engine_url: str, stage: Stage) -> None:
    web = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    command = [sys.executable, "-c", SCRIPT, engine_url, web.name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert first == f"no source can see the sockets of {web.name}:"
    assert "it is back where it was" in done.stdout
    assert last == "procfs"
