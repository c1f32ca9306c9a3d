"""Why a call of an engine failed: one line, and what to try."""

from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path

import pytest

from pytest_exposed.engine.api import Api
from pytest_exposed.engine.hosts import resolve
from pytest_exposed.engine.transport.cause import cause
from pytest_exposed.engine.transport.wire import AnswerError, ClosedError, SshError
from pytest_exposed.errors import EngineError

FILES = "(DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ClosedError(),
            "the connection was closed without an answer: is the engine still running?",
        ),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            f"the connection was closed: does the engine want TLS, or another certificate {FILES}?",
        ),
        (
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            "Name or service not known: is the host's name right?",
        ),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
            f"TLS failed: [SSL: WRONG_VERSION_NUMBER] wrong version number {FILES}",
        ),
        (
            ValueError("no JSON"),
            "no engine sends such an answer: is this its address? (ValueError: no JSON)",
        ),
        (AnswerError("it answers\nin two lines"), "it answers in two lines"),
    ],
)
def test_a_failure_is_one_line(error: Exception, line: str) -> None:
    assert cause(error, resolve("tcp://127.0.0.1:2375", {})) == line


def test_an_address_that_nobody_gave_comes_with_what_gives_one() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    for host, end in ((None, "? (DOCKER_HOST, --docker-host)"), ("tcp://127.0.0.1", "address?")):
        assert cause(refused, resolve(host, {"DOCKER_HOST": "tcp://127.0.0.1:9"})).endswith(end)
    closed = ConnectionResetError(errno.ECONNRESET, "reset")
    assert "--docker-host" not in cause(closed, resolve(None, {}))


def test_a_path_that_is_no_socket(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "file"):
        path.touch()
        host = resolve(f"unix://{path}", {})
        with pytest.raises(EngineError, match="this is no socket: give the path of "):
            Api(host, 1)


def test_a_pipe_where_there_is_none() -> None:
    with pytest.raises(EngineError, match="named pipes are of Windows: give a socket, such as "):
        Api(resolve("npipe:////./pipe/docker_engine", {}), 1)


def test_ssh_that_ended_names_what_must_work() -> None:
    error = SshError("ssh ended with status 255: Permission denied")
    assert cause(error, resolve("ssh://prod-1", {})) == (
        "ssh ended with status 255: Permission denied; "
        "`ssh ssh://prod-1 docker version` must work without asking for anything"
    )


@pytest.mark.parametrize("user", ["s", "e", "status"])
def test_a_short_user_is_not_cut_out_of_other_words(user: str) -> None:
    error = SshError(f"ssh ended with code 255: nothing for {user}, or {user}@prod-1")
    said = cause(error, resolve(f"ssh://{user}@prod-1", {}))
    assert said.startswith("ssh ended with code 255: nothing for …, or …@prod-1; ")


@pytest.mark.parametrize("error", [ClosedError(), ConnectionResetError(104, "reset")])
def test_an_ssh_that_says_nothing_is_not_told_of_tls(error: OSError) -> None:
    assert cause(error, resolve("ssh://prod-1", {})) == (
        "the connection was closed without an answer; "
        "`ssh ssh://prod-1 docker version` must work without asking for anything"
    )


def test_its_user_is_not_shown_and_its_path_is_for_docker() -> None:
    assert cause(TimeoutError(), resolve("ssh://me@prod-1:2222/run/podman/podman.sock", {})) == (
        "no answer in time: the host may be down, or its engine busy; `ssh ssh://USER@prod-1:2222 "
        "docker -H unix:///run/podman/podman.sock version` must work without asking for anything"
    )
