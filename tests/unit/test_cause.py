"""Why a call of an engine failed: what real ones may say, whichever of two comes first."""

from __future__ import annotations

import socket
from http.client import RemoteDisconnected

import pytest
from requests import ConnectionError as RequestError
from urllib3.exceptions import ProtocolError

from pytest_exposed.engine.hosts import resolve
from pytest_exposed.engine.transport.cause import cause

HINT = "`ssh ssh://prod-1 docker version` must work without asking for anything"


@pytest.mark.parametrize(
    ("error", "host", "is_hinted"),
    [
        (OSError("Socket is closed"), "ssh://prod-1", True),
        (RemoteDisconnected("no response"), "ssh://prod-1", True),
        (OSError("Socket is closed"), "tcp://127.0.0.1:2375", False),
    ],
)
def test_a_command_at_the_other_end_that_ended_at_once(
    error: OSError, host: str, is_hinted: bool
) -> None:
    failed = RequestError(ProtocolError("Connection aborted.", error))
    assert cause(failed, resolve(host)).endswith(HINT) is is_hinted


def test_a_name_of_a_host_that_is_none() -> None:
    failed = RequestError(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    assert cause(failed, resolve("tcp://nosuch.invalid:2375")) == (
        "Name or service not known: is the host's name right?"
    )
