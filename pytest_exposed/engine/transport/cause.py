"""Why a call of an engine failed, and what to try: one line from whatever was raised."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from pytest_exposed.engine.transport.answer import AnswerError
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host

_CLOSED = (
    "the connection was closed: does the engine want TLS, or another certificate "
    "(DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)?"
)
_ADVICE = {
    errno.ENOENT: "there is no such socket: is the engine running, and is this its address? "
    "(DOCKER_HOST, --docker-host)",
    errno.ECONNREFUSED: "nothing answers there: is the engine running?",
    errno.EACCES: "permission denied: run as root, or as a member of the socket's group (docker)",
    errno.EPERM: "permission denied: run as root, or as a member of the socket's group (docker)",
    errno.ECONNRESET: _CLOSED,
    errno.EPIPE: _CLOSED,
}
# What http.client and the SDK raise for answers of another form.
_NO_ENGINE = {
    *("BadStatusLine", "LineTooLong", "IncompleteRead", "HTTPException", "JSONDecodeError"),
    *("AttributeError", "KeyError", "TypeError"),
}

# What paramiko's channel says where the command at the other end has ended before it was asked.
_ENDED_BEFORE = "Socket is closed"


class SshError(Exception):
    """The ssh program, which brought no answer: why."""


def cause(error: BaseException, host: Host) -> str:
    """Return why a call failed and what to try, in one line without user info."""
    below = chain(error)
    names = {type(x).__name__ for x in below}
    tls = bool(names & {"SSLError", "TLSParameterError"})  # whose numbers are not the system's
    for one in below:
        if isinstance(one, (AnswerError, SshError)):
            return printable(str(one), 512)
        if isinstance(one, socket.gaierror):
            return f"{printable(one.strerror or str(one))}: is the host's name right?"
        if isinstance(one, OSError) and one.errno in _ADVICE and not tls:
            return _ADVICE[one.errno]
    if names & {"timeout", "TimeoutError", "ReadTimeout", "ReadTimeoutError", "ConnectTimeout"}:
        return "no answer in time: is the engine busy, or another service at this address?"
    text = _told(below, host)
    shown = f"{type(below[-1]).__name__}: {printable(text)}"
    cut_off = "RemoteDisconnected" in names
    if tls or "HTTPS server" in text:
        shown = f"TLS failed: {printable(text)} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
    elif type(below[-1]).__module__.startswith("paramiko") or (
        host.url.startswith("ssh://") and (cut_off or text == _ENDED_BEFORE)
    ):
        shown += f"; `ssh {host.shown} docker version` must work without asking for anything"
    elif cut_off:
        shown = "the connection was closed without an answer: is the engine still running?"
    elif names & _NO_ENGINE:
        shown = f"no engine answers so: is this its address? ({shown})"
    return shown


def _told(below: list[BaseException], host: Host) -> str:
    """Return what an engine answered, or the text of the innermost cause, without user info."""
    told = [str(getattr(x, "explanation", None) or "") for x in below]
    text = " ".join((next(filter(None, told), "") or str(below[-1]) or str(below[0])).split())
    user = host.url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    for secret in filter(None, (host.url, user, user.partition(":")[2])):
        text = text.replace(secret, "…")
    return text


def chain(error: BaseException) -> list[BaseException]:
    """Return error and all that lies below it: causes, and errors among the arguments of errors."""
    found: list[BaseException] = []
    queue: list[BaseException] = [error]
    while queue and len(found) < 32:
        one = queue.pop(0)
        if any(one is x for x in found):
            continue
        found.append(one)
        below = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        errors = getattr(one, "errors", None)  # paramiko's, by address
        below += errors.values() if isinstance(errors, dict) else []
        queue += [x for x in below if isinstance(x, BaseException)]
    return found
