"""The demo that stays: what it says can be run can be, and nothing is left of it."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest
from demo.story import ACTORS
from examples.common import EXAMPLES, Command

if TYPE_CHECKING:
    from pathlib import Path

    import docker


@pytest.mark.usefixtures("demo_alone")
def test_it_stays_until_it_is_ended(
    environment: dict[str, str], command: Command, client: docker.DockerClient, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "demo", "--stay"]
    with subprocess.Popen(
        words, cwd=EXAMPLES, env=environment, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as demo:
        assert demo.stdout is not None
        try:
            lines = iter(demo.stdout.readline, "")
            shown = list(takewhile(lambda x: "until Ctrl-C" not in x, lines))
            assert "demo: the audit found exactly the drift that is there\n" in shown
            options = [shlex.split(next(lines)) for _ in range(4)][1:]
            audit, passes, fails = (
                command("env", *x, "-p", "no:cacheprovider", cwd=tmp_path) for x in options
            )
        finally:
            demo.terminate()  # a job in the background ignores Ctrl-C
            demo.communicate(timeout=60)
    assert "= 3 failed, 2 passed in " in audit.stdout
    assert passes.returncode == 0, passes.stdout
    assert "= 9 passed in " in passes.stdout  # five of them are of its containers, no other's
    assert "= 6 failed in " in fails.stdout
    assert demo.returncode == 128 + signal.SIGTERM
    names = {x.name for x in client.containers.list(all=True, ignore_removed=True)}
    assert names.isdisjoint(x.name for x in ACTORS)
