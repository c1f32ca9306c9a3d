"""As an ordinary user who may use the engine's socket: what is seen, and what is hidden."""

from __future__ import annotations

import grp
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
from commoner import NOBODY, run_as_commoner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stage import Stage

SCRIPT = """
import json, sys
from pytest_exposed import Engine, ObservationError
seen = {}
with Engine(sys.argv[1], source=sys.argv[2]) as engine:
    for name in sys.argv[3:]:
        container = engine.container(name)
        try:
            findings = [f"{x}: {x.message}" for x in container.findings]
        except ObservationError as error:
            findings = str(error)
        seen[name] = {
            "source": container.source,
            "listeners": {str(x): x.kind for x in container.listeners},
            "processes": [x.process for x in container.listeners],
            "findings": findings,
        }
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def group(engine_url: str) -> int:
    """The group that may use the engine's socket."""
    scheme, _, path = engine_url.partition("://")
    return os.stat(path).st_gid if scheme == "unix" else NOBODY


@pytest.fixture
def look_as_commoner(engine_url: str, group: int) -> Any:
    """Return what Engine shows of containers, by name."""

    def look(*names: str, source: str = "auto") -> dict[str, Any]:
        command = [sys.executable, "-c", SCRIPT, engine_url, source, *names]
        done = run_as_commoner(*command, group=group)
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        return seen

    return look


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    """A port of the host that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_what_is_alone_in_its_namespace_is_seen_by_procfs(
    look_as_commoner: Any, stage: Stage
) -> None:
    drift = stage.run("tcp:0.0.0.0:80", name="drift")
    good = stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",), network=stage.network().name)
    assert look_as_commoner(drift.name, good.name) == {
        drift.name: {
            "source": "procfs",
            "listeners": {"0.0.0.0:80/tcp": "reachable"},
            "processes": [None],
            "findings": [
                (
                    f"undocumented 80/tcp: something listens on 0.0.0.0:80, and {drift.image} "
                    "does not EXPOSE it"
                )
            ],
        },
        # Nobody tells whose Docker's DNS is, but its looks.
        good.name: {
            "source": "procfs",
            "listeners": {"0.0.0.0:80/tcp": "reachable"},
            "processes": [None],
            "findings": [],
        },
    }


def test_a_containers_own_sockets_at_dockers_address_of_dns(
    look_as_commoner: Any, stage: Stage
) -> None:
    container = stage.run("udp:127.0.0.11:5353", network=stage.network().name)
    seen = look_as_commoner(container.name)[container.name]
    assert seen["listeners"] == {"127.0.0.11:5353/udp": "loopback"}


@pytest.mark.usefixtures("foreign_port")
def test_host_network_is_seen_by_netlink_and_told_apart_by_the_creators_cgroup(
    look_as_commoner: Any, stage: Stage
) -> None:
    one, two = free_port(), free_port()
    first = stage.run(f"tcp:0.0.0.0:{one}", exposes=(str(one),), network_mode="host")
    second = stage.run(f"tcp:0.0.0.0:{two}", name="second", network_mode="host")
    seen = look_as_commoner(first.name, second.name)
    assert {x["source"] for x in seen.values()} == {"netlink"}
    assert seen[first.name]["listeners"] == {f"0.0.0.0:{one}/tcp": "reachable"}
    assert seen[first.name]["findings"] == []
    assert seen[second.name]["listeners"] == {f"0.0.0.0:{two}/tcp": "reachable"}
    # The kernel chose it, from the host's range.
    assert seen[second.name]["findings"][0].startswith(f"dynamic {two}/tcp")


def test_host_network_by_procfs_is_unattributed(
    look_as_commoner: Any, stage: Stage, foreign_port: int
) -> None:
    port = free_port()
    container = stage.run(f"tcp:0.0.0.0:{port}", network_mode="host")
    seen = look_as_commoner(container.name, source="procfs")[container.name]
    assert seen["listeners"][f"0.0.0.0:{port}/tcp"] == "unattributed"
    assert seen["listeners"][f"127.0.0.1:{foreign_port}/tcp"] == "unattributed"
    assert "is unknown" in seen["findings"]


class TestSharedNamespace:
    def test_listeners_are_unattributed(self, look_as_commoner: Any, stage: Stage) -> None:
        owner = stage.run("tcp:0.0.0.0:80", name="owner", exposes=("80",))
        joiner = stage.run(
            "tcp:0.0.0.0:81", name="joiner", exposes=("81",), network_mode=f"container:{owner.id}"
        )
        for seen in look_as_commoner(owner.name, joiner.name).values():
            assert seen["source"] == "procfs"
            assert seen["listeners"] == {
                "0.0.0.0:80/tcp": "unattributed",
                "0.0.0.0:81/tcp": "unattributed",
            }
            assert "is unknown" in seen["findings"]
            assert "run as root on the engine's host" in seen["findings"]

    def test_what_does_not_hang_on_them_is_judged(
        self, look_as_commoner: Any, stage: Stage
    ) -> None:
        owner = stage.run("tcp:127.0.0.1:80", name="owner", exposes=("82",))
        joiner = stage.run(name="joiner", network_mode=f"container:{owner.id}")
        seen = look_as_commoner(owner.name, joiner.name)
        assert seen[owner.name]["listeners"] == {"127.0.0.1:80/tcp": "unattributed"}
        assert seen[owner.name]["findings"][0].startswith("silent 82/tcp")
        assert seen[joiner.name]["findings"] == []


def audit(engine_url: str, stage: Stage, group: int, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--exposed"]
    where = ["--docker-host", engine_url, "--exposed-filter", stage.filter, "--exposed-grace=0"]
    done = run_as_commoner(*command, *where, *arguments, group=group)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def test_an_audit(engine_url: str, group: int, stage: Stage) -> None:
    good = stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))
    owner = stage.run("tcp:0.0.0.0:80", name="owner", exposes=("80",))
    stage.run(name="member", exposes=("80",), network_mode=f"container:{owner.id}")
    status, out, _ = audit(engine_url, stage, group, "-v")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert f"exposed::{good.name} PASSED" in out
    assert f"exposed::{owner.name} FAILED" in out
    assert "which container 0.0.0.0:80/tcp belongs to is unknown" in out
    assert "exposed: 3 containers on 1 host, 1 match, 2 could not be judged" in out


NAMES = "only root sees which process holds a socket: run as root to see names for - in PROCESS"


def test_one_line_says_what_root_would_see(engine_url: str, group: int, stage: Stage) -> None:
    for name in ("one", "two"):
        stage.run("tcp:0.0.0.0:80", name=name)
    _, out, _ = audit(engine_url, stage, group)
    assert "80/tcp  -           -          0.0.0.0:80  -\n" in out
    assert out.count(NAMES) == 1
    assert f"exposed: {NAMES} (2 containers)\n" in out
    _, out, _ = audit(engine_url, stage, group, "--exposed-source=exec")
    assert NAMES not in out  # nor would root


def test_a_line_says_it_in_a_suite(engine_url: str, group: int, stage: Stage) -> None:
    name = stage.run("tcp:0.0.0.0:80").name
    test = f"def test_x(container_listens_on): assert container_listens_on({name!r}, 81)"
    command = f'echo "{test}" > test_x.py; exec "$@"'
    done = run_as_commoner(
        *("sh", "-ec", command, "sh", sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
        *("--docker-host", engine_url),
        group=group,
    )
    assert done.stdout.count(f"note: {NAMES}\n") == 1


def test_without_the_right_to_use_the_socket(engine_url: str, group: int, stage: Stage) -> None:
    stage.run()
    status, _, err = audit(engine_url, stage, NOBODY)
    assert status == pytest.ExitCode.USAGE_ERROR
    named = f", or as a member of the group {grp.getgrgid(group).gr_name}" if group else ""
    assert err.strip().startswith(
        f"ERROR: pytest-exposed: {engine_url}: permission denied: run as root{named}"
    )


def test_netlink_says_what_it_needs(engine_url: str, group: int, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    status, out, _ = audit(engine_url, stage, group, "--exposed-source=netlink")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert f"no source can see the sockets of {container.name}:" in out
    assert "netlink: its network namespace can't be opened: Permission denied" in out
