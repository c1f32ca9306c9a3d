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

OWN_NETWORK = [
    "engine/test_identity.py::test_a_process_of_docker_exec[netlink-host]",
    "engine/test_identity.py::test_a_process_of_docker_exec[procfs-host]",
    "engine/test_identity.py::test_who_holds_a_socket_counts_more_than_who_made_it",
    "engine/test_images.py::TestPublishing::test_without_effect[netlink-host]",
    "engine/test_images.py::TestPublishing::test_without_effect[procfs-host]",
    "engine/test_namespaces.py::TestHostNetwork",
    "engine/test_namespaces.py::test_one_look_at_many_namespaces_ends_where_it_began",
    "engine/test_user.py::test_host_network_is_seen_by_netlink_and_told_apart_by_the_creators_cgroup",
    "engine/test_user.py::test_host_network_by_procfs_is_unattributed",
]
"""Those of --network host: the newer engine's host network is not that of process 1.

They are an error there ("they have left it"), never an answer.
"""

LEAVING = "engine/test_identity.py::TestLeavingTheNetwork"

OWN_MOUNTS = [
    f"{LEAVING}::test_one_that_changes_its_own_address_has_not_left",
    f"{LEAVING}::test_what_it_publishes_leads_to_the_address_that_the_engine_gave",
]
"""Those that need the engine's files of namespaces, which are mounted in its machine alone.

They are an error there ("they have left it, or changed its address"), never an answer.
"""


@pytest.mark.parametrize("file", CASES)
def test_on_docker_28(file: str, docker_28: NewerEngine) -> None:
    """They run in its network: what it publishes answers there."""
    machine = docker_28.machine
    left_out = [f"--deselect=tests/{x}" for x in (*OWN_NETWORK, *OWN_MOUNTS) if file in x]
    pytest_there = [
        *("nsenter", f"--net=/proc/{machine.pid}/ns/net", sys.executable, "-m", "pytest"),
        *("-q", "-n", "0", "-p", "no:cacheprovider", *left_out, f"tests/{file}"),
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
