"""What tests of abuse share with those of remote engines."""

from __future__ import annotations

from remote.conftest import (
    _no_engine_but_the_tests,
    refusal,
    relay,
    run_pytest,
    socket_url,
)

__all__ = [
    "_no_engine_but_the_tests",
    "refusal",
    "relay",
    "run_pytest",
    "socket_url",
]
