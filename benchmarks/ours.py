"""What an audit costs: whole, as pytest runs it, and in its parts."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import medians, pytest_run, timed
from pytest_exposed.audit.results import HostResults, Results
from pytest_exposed.model import Container
from pytest_exposed.observation import Engine
from pytest_exposed.observation.observe import judge, see
from pytest_exposed.report import record, write
from pytest_exposed.sockets.cgroups import pids_of

if TYPE_CHECKING:
    from stage import Stage, Staged

SOURCES = ("netlink", "procfs", "helper", "exec")
PARTS = ("list", "pids", "sockets", "rules", "reporting")

TRIVIAL = """
import pytest

@pytest.mark.parametrize("number", range({}))
def test_of_nothing(number): pass
"""


def whole(stage: Stage, size: int, source: str, helper_image: str, rounds: int) -> float:
    """Return the seconds that an audit takes longer than as many tests of nothing."""
    warm = ["-p", "benchmarks.warm"]
    audit = ["-p", "exposed", "--exposed", f"--exposed-source={source}"]
    audit += [f"--exposed-helper-image={helper_image}"] if helper_image else []
    if len(stage.client.containers.list()) > size:  # others run, and a filter is one more call
        audit += [f"--exposed-filter={stage.filter}"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text(TRIVIAL.format(size), encoding="ascii")
        found = medians(
            {
                "nothing": lambda: pytest_run(*warm, folder=folder).session,
                "audit": lambda: pytest_run(*warm, *audit, folder=folder).session,
            },
            rounds,
        )
    return found["audit"] - found["nothing"]


def parts(fleet: list[Staged], source: str, helper_image: str, rounds: int) -> dict[str, float]:
    """Return the seconds of each part of an audit: PARTS."""
    ids = {x.id for x in fleet}
    with (
        Engine(source=source, helper_image=helper_image) as engine,
        tempfile.TemporaryDirectory() as folder,
    ):
        everyone = engine.observer.running()
        wanted = [x for x in everyone if x.id in ids]
        local = source in ("netlink", "procfs")
        observer = engine.observer
        scene = see(observer, wanted, everyone, source)

        def judged() -> dict[str, object]:
            """Attribute and judge what was seen."""
            rules, acceptance = observer.rules, observer.acceptance
            return {**judge(observer, scene, wanted, rules, acceptance, owners=False)}

        seen = [x for x in judged().values() if isinstance(x, Container)]
        assert len(seen) == len(fleet)

        def report() -> None:
            outcome = Results({"": HostResults("")})
            for one in seen:
                outcome.add({"host": "", "record": record.of_container(one)})
            outcome.summary()
            write(Path(folder, "report.json"), [x.as_record() for x in outcome.hosts.values()])

        works: dict[str, Callable[[], object]] = {
            "list": observer.running,
            "pids": lambda: pids_of([x.id for x in everyone]) if local else None,
            "sockets": lambda: see(observer, wanted, everyone, source),
            "rules": judged,
            "reporting": report,
        }
        found = medians({k: lambda v=v: timed(v) for k, v in works.items()}, rounds)
    found["sockets"] -= found["pids"]  # which it looks up itself
    if not local:
        found["pids"] = 0
    return found


def answers(stage: Stage, rounds: int) -> float | None:
    """Return the seconds an engine takes for what an audit asks it; None where it is far away.

    They are asked for over a bare connection: a ping, the list, and one image.
    """
    api = stage.client.api
    path = getattr(api.get_adapter(api.base_url), "socket_path", None)
    if path is None:
        return None
    (image, *_) = {x["ImageID"] for x in api.containers()}
    calls = ("/_ping", "/containers/json", f"/images/{image}/json")

    def ask() -> None:
        with socket.socket(socket.AF_UNIX) as bare:
            bare.connect(path)
            connection = HTTPConnection("localhost")
            connection.sock = bare
            for call in calls:
                connection.request(
                    "GET", call if call == "/_ping" else f"/v{api.api_version}{call}"
                )
                assert connection.getresponse().read()

    return medians({"": lambda: timed(ask)}, rounds)[""]


def look(engine: Engine, fleet: list[Staged]) -> Callable[[], float]:
    """Return what looks at containers once, judges them, and returns the seconds that took."""
    ids = {x.id for x in fleet}

    def once() -> None:
        everyone = engine.observer.running()
        answers = engine.observer.observe([x for x in everyone if x.id in ids], everyone)
        assert all(isinstance(x, Container) for x in answers.values()), answers

    return lambda: timed(once)
