"""Tests leave nothing on the engine, even where they are killed: the next ones remove it."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from remains import remove_remains
from stage import RUN

if TYPE_CHECKING:
    import docker

TESTS = Path(__file__).parents[1]

# It ends as by a signal that nothing can handle.
KILLED = """
import os, shutil, sys
from demo.throwaway import connect
from remains import alive
from stage import Images, Stage
from workload import listener

client = connect(sys.argv[1])
with alive(client, sys.argv[2]):
    stage = Stage(Images(client, sys.argv[2]))
    stage.network()
    stage.run()
    print("ready", flush=True)
    sys.stdin.readline()
    shutil.rmtree(listener().parent)  # else it goes when the process ends
    os.kill(os.getpid(), 9)
"""


def test_of_a_killed_run_nothing_is_left(client: docker.DockerClient, engine_url: str) -> None:
    run = f"t{secrets.token_hex(3)}"
    paths = [str(TESTS), str(TESTS.with_name("examples"))]
    code = f"import sys; sys.path[:0] = {paths}\n{KILLED}"
    with subprocess.Popen(
        [sys.executable, "-c", code, engine_url, run],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        remove_remains(client)
        assert _left(client, run) == (1, 1, 1), "it lives"
        process.communicate("\n")
    remove_remains(client)
    assert _left(client, run) == (0, 0, 0)


def _left(client: docker.DockerClient, run: str) -> tuple[int, int, int]:
    """Return how many containers, networks and images with a tag there are of a run."""
    label = {"label": f"{RUN}={run}"}
    api = client.api
    containers, networks = api.containers(all=True, filters=label), api.networks(filters=label)
    return len(containers), len(networks), len(api.images(filters={**label, "dangling": False}))
