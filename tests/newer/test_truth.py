"""The truth cases of the machine's own engine hold on docker 28, by every source."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from newer.daemons import NewerEngine

TESTS = Path(__file__).parents[1]

CASES = [
    *("engine/test_addresses.py", "engine/test_checks.py", "engine/test_command.py"),
    *("engine/test_findings.py", "engine/test_identity.py", "engine/test_images.py"),
    *("engine/test_namespaces.py", "engine/test_states.py", "engine/test_user.py"),
    *("remote/test_exec.py", "remote/test_helper.py"),
]
"""By netlink and procfs, as root and as an ordinary user; by exec; by the helper container."""


@pytest.mark.parametrize("file", CASES)
def test_on_docker_28(file: str, docker_28: NewerEngine) -> None:
    """They run in its network: what it publishes answers there."""
    machine = docker_28.machine
    pytest_there = [
        *("nsenter", f"--net=/proc/{machine.pid}/ns/net", sys.executable, "-m", "pytest"),
        *("-q", "-n", "0", "-p", "no:cacheprovider", f"tests/{file}"),
    ]
    done = subprocess.run(
        pytest_there,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=TESTS.parent,
        env={**os.environ, "DOCKER_HOST": docker_28.url},
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (*_, summary) = done.stdout.splitlines()
    assert " passed" in summary
    assert "skipped" not in summary
