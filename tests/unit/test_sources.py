"""What a source raises is its reason, of whatever class; what ends a run is none."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from make import ID, reading, target

from pytest_exposed.errors import EngineError, ObservationError, StrandedError
from pytest_exposed.sockets.chain import ORDER, SourceChain, source_of
from pytest_exposed.sockets.reading import SocketSnapshot, SocketSnapshots, Target
from pytest_exposed.sockets.source import Source


class BlockedError(RuntimeError):
    """As pytest-socket's, which is no OSError."""


FAILURES = [
    BlockedError("a test tried to use socket.socket"),
    RuntimeError("can't start new thread"),
    MemoryError(),
    RecursionError("too deep"),
    struct.error("too short"),
    KeyError("x\ny"),
    TypeError("an integer is required (got type Mock)"),
]


def look(
    monkeypatch: pytest.MonkeyPatch, failures: dict[str, BaseException], source: str = "auto"
) -> SocketSnapshots:
    """Ask sources that raise, and others that see."""

    def asked(_: SourceChain, source: str, targets: Sequence[Target]) -> SocketSnapshots:
        if source in failures:
            raise failures[source]
        return {x.id: reading(source=source) for x in targets}

    monkeypatch.setattr(SourceChain, "_asked", asked)
    remote: object = None
    return SourceChain(source, [ID], remote).observe(  # type: ignore[arg-type]  # nothing is asked of it
        [target(ID)], runs=lambda _: True
    )


@pytest.mark.parametrize("error", FAILURES, ids=lambda x: type(x).__name__)
def test_the_next_source_is_asked(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = look(monkeypatch, {"netlink": error})[ID]
    assert isinstance(answer, SocketSnapshot)
    assert answer.source == "procfs"


def test_all_reasons_are_told_each_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = dict(zip(ORDER, FAILURES, strict=False))
    answer = look(monkeypatch, dict(failures))[ID]
    assert isinstance(answer, ObservationError)
    assert str(answer).splitlines() == [
        "netlink: BlockedError: a test tried to use socket.socket",
        "procfs: RuntimeError: can't start new thread",
        "helper: MemoryError",
        "exec: RecursionError: too deep",
    ]


def test_a_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = look(monkeypatch, {"procfs": KeyError("x\ny"), "netlink": OSError("a\nb")}, "netlink")
    assert str(answer[ID]) == "netlink: OSError: a b"


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), SystemExit(3), StrandedError("away"), pytest.exit.Exception("enough")],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("source", ORDER)
def test_what_ends_a_run_goes_through(
    source: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(error)):
        look(monkeypatch, {source: error}, source)


@pytest.mark.parametrize("source", ["helper", "exec"])
def test_an_engine_that_is_lost_ends_the_look(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="gone"):
        look(monkeypatch, {source: EngineError("gone")}, source)


def test_an_engine_that_does_not_tell_a_pid_leaves_the_next_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = look(monkeypatch, {"netlink": EngineError("refused")})[ID]
    assert isinstance(answer, SocketSnapshot)


@pytest.mark.parametrize("source", [source_of(x) for x in ORDER], ids=ORDER)
def test_what_a_source_needs_is_documented(source: Source) -> None:
    rows = (
        (Path(__file__).parents[2] / "docs" / "explanation" / "sources.md").read_text().splitlines()
    )
    (row,) = (x for x in rows if x.startswith(f"| `{source.name}` |"))
    assert source.needs in row.replace("`", "")
