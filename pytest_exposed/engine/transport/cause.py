"""One line from any exception of a request: why it failed, and what to try."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_exposed.engine.transport.wire import AnswerError, ClosedError, SshError
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host

_CLOSED = (
    "the connection was closed: does the engine want TLS, or another certificate "
    "(DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)?"
)
_RUNS = "is the engine running, and is this its address?"
_ASKS_WHERE = ("is this its address?", "is the host's name right?")
_ADVICE = {
    errno.ENOENT: f"there is no such socket: {_RUNS}",
    errno.ECONNREFUSED: f"nothing answers there: {_RUNS}",
    errno.ECONNRESET: _CLOSED,
    errno.EPIPE: _CLOSED,
}


def cause(error: BaseException, host: Host, *, answered: bool = False) -> str:
    """Return why a request failed and what to try, in one line without user info.

    answered is whether the engine has answered before.
    """
    text = _shown(str(error), host)
    if isinstance(error, SshError):
        return _of_ssh(text, host)
    missing = f"{host.tls.missing}; " if host.tls is not None and host.tls.missing else ""
    if _is_of_tls(error) or "HTTPS server" in text:
        return f"TLS failed: {missing}{text} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
    if isinstance(error, AnswerError):
        return text
    if isinstance(error, OSError):
        at_end = missing if isinstance(error, ConnectionError) else ""
        why = _no_socket(host) or _of_system(error, host)
        if answered and error.errno in (errno.ENOENT, errno.ECONNREFUSED):
            why = "the engine has answered before, and does not any more: was it stopped?"
        if why and why.endswith(_ASKS_WHERE) and host.hint and not host.ssh:
            why += f" ({host.hint})"
        return at_end + (why or f"{type(error).__name__}: {text}")
    shown = f"{type(error).__name__}: {text}"
    if isinstance(error, (ValueError, RecursionError)):
        return f"no engine sends such an answer: is this its address? ({shown})"
    is_blocked = type(error).__name__ == "SocketBlockedError"
    return shown + (" (pytest-socket: --allow-unix-socket, --allow-hosts)" if is_blocked else "")


def _of_system(error: OSError, host: Host) -> str | None:
    """Return the meaning of a system error; None for an unknown one."""
    if isinstance(error, ClosedError) or (isinstance(error, ConnectionError) and host.ssh):
        why = "the connection was closed without an answer"
        return _of_ssh(why, host) if host.ssh else f"{why}: is the engine still running?"
    if isinstance(error, PermissionError) and host.url.startswith("unix://"):
        return f"permission denied: run as root{_group(host)}"
    if isinstance(error, TimeoutError):
        if host.ssh:
            return _of_ssh("no answer in time: the host may be down, or its engine busy", host)
        return "no answer in time: is the engine busy, or another service at this address?"
    if isinstance(error, socket.gaierror):
        return f"{printable(error.strerror or str(error))}: is the host's name right?"
    return _ADVICE.get(error.errno or 0)


def _no_socket(host: Host) -> str | None:
    """Return that a host's path is another file; None where it is a socket, or none at all."""
    path = host.url.partition("unix://")[2]
    with suppress(OSError):
        if path and not stat.S_ISSOCK(os.stat(path).st_mode):
            return "this is no socket: give the path of the engine's, such as /var/run/docker.sock"
    return None


def _group(host: Host) -> str:
    """Return ", or " and whose member may use a unix socket; nothing where no group may."""
    try:
        import grp  # noqa: PLC0415  # not on Windows

        found = os.stat(host.url.removeprefix("unix://"))
        if found.st_gid == 0 or not found.st_mode & stat.S_IWGRP:
            return ""
        return f", or as a member of the group {printable(grp.getgrgid(found.st_gid).gr_name)}"
    except (ImportError, OSError, KeyError):
        return ", or as a member of the socket's group (docker)"


def _of_ssh(text: str, host: Host) -> str:
    if host.shown.startswith("ssh://"):
        # The user's name is never shown, and ssh takes no path.
        user = "USER@" if "-l" in host.ssh else ""
        place = host.shown.removeprefix("ssh://").partition("/")[0]
        engine = f"docker -H {host.docker_host}" if host.docker_host else "docker"
        command = f"ssh ssh://{user}{place} {engine} version"
        return f"{text}; `{command}` must work without asking for anything"
    hint = f"; {host.hint}" if host.hint else ""
    if re.search("refused|timed out|No route|unreachable|Could not resolve|no answer in", text):
        return f"{text}; is the host up, and its address right?{hint}"
    return f"{text}; ssh must get there without asking for anything{hint}"


def _is_of_tls(error: BaseException) -> bool:
    # By name: ssl is slow to import.
    return any(x.__name__ == "SSLError" for x in type(error).__mro__)


def _shown(text: str, host: Host) -> str:
    """Return a text as one line without user info."""
    text = " ".join(text.split())
    user = host.url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    text = text.replace(host.url, "…") if host.url else text
    for secret in filter(None, (user, *user.split(":", 1))):
        # Not within a word: a short name is in many.
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", "…", text)
    return printable(text, 512)
