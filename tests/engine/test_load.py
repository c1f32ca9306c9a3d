"""Many connections, many listeners."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stage import Stage

    from pytest_exposed import Engine


def test_20000_established_connections(netlink: Engine, procfs: Engine, stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", "connections:8080:20000", exposes=("80",))
    container.sdk.reload()
    rows = Path(f"/proc/{container.sdk.attrs['State']['Pid']}/net/tcp").read_text().splitlines()
    assert len(rows) > 40_000  # both ends of each
    for engine in (netlink, procfs):
        seen = engine.container(container.name)
        assert {str(x): x.kind for x in seen.listeners} == {
            "0.0.0.0:80/tcp": "reachable",
            "127.0.0.1:8080/tcp": "loopback",
        }
        assert seen.findings == ()


def test_2000_listeners(netlink: Engine, procfs: Engine, stage: Stage) -> None:
    documented = stage.run("tcp:0.0.0.0:10000-11999", name="d", exposes=("10000-11999",))
    undocumented = stage.run("tcp:0.0.0.0:10000-11999", "tcp:[::]:80", name="u", exposes=("80",))
    for engine in (netlink, procfs):
        seen = engine.container(documented.name)
        assert seen.listening == {"10000-11999/tcp"}
        assert seen.findings == ()
        seen = engine.container(undocumented.name)
        assert seen.listening == {"10000-11999/tcp", "80/tcp"}
        assert {x.rule for x in seen.findings} == {"undocumented"}
        assert {x.port for x in seen.findings} == set(seen.listening - {"80/tcp"})
