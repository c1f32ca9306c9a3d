"""The engine's HTTP API through the docker SDK: reads only, each failure one clear error."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from pytest_exposed.engine.frames import EngineStream
from pytest_exposed.errors import ConfigurationError, EngineError, NotFoundError
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from docker import APIClient

    from pytest_exposed.engine.hosts import Host

T = TypeVar("T")

Record = dict[str, Any]
"""A JSON object as the engine sent it: every field of it is checked where it is read."""


class Api:
    """The calls that are made of an engine. Every one raises EngineError where it fails."""

    def __init__(self, host: Host, timeout: float) -> None:
        """Connect to host; timeout, in seconds, bounds each wait for an answer."""
        if host.trouble:
            raise EngineError(host.trouble)
        self.host = host
        self._streams: set[EngineStream] = set()
        self._closed = False
        self.client: APIClient = self.call("GET /version", lambda: _connect(host, timeout))

    def close(self) -> None:
        """Close the connections; another thread that is at work is left to remove what it made."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.end()
        self.client.close()

    @contextmanager
    def stream(self, call: str, work: Callable[[], Any]) -> Iterator[EngineStream]:
        """Read a stream that a call begins, until the block or the connection ends."""
        stream = EngineStream(self.call(call, work))
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            stream.close()

    def containers(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Record]:
        """Return the running containers, paused and restarting ones included, as `docker ps` does.

        Raises ConfigurationError where the engine refuses a filter.
        """
        return self._containers(filters, every=False)

    def all_containers(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[Record]:
        """Return all containers, stopped ones included."""
        return self._containers(filters, every=True)

    def _containers(
        self, filters: Mapping[str, Sequence[str]] | None, *, every: bool
    ) -> list[Record]:
        wanted = {key: list(values) for key, values in (filters or {}).items()}
        try:
            return self._objects(
                "GET /containers/json",
                lambda: self.client.containers(all=every, filters=wanted or None),
            )
        except _RefusedError as error:
            if not wanted:
                raise
            written = ", ".join(f"{k}={v}" for k, values in wanted.items() for v in values)
            raise ConfigurationError(
                f"{self.host.shown} refuses the filter {printable(written)}: {error.reason}"
            ) from None

    def container(self, name: str) -> Record:
        """Return the inspection of a container; NotFoundError where there is none."""
        inspect: Callable[..., Any] = self.client.inspect_container
        return self.object(f"GET /containers/{name}/json", lambda: inspect(name), named=True)

    def image(self, name: str) -> Record:
        """Return the inspection of an image; NotFoundError where there is none."""
        inspect: Callable[..., Any] = self.client.inspect_image
        return self.object(f"GET /images/{name}/json", lambda: inspect(name), named=True)

    def images(self) -> list[Record]:
        """Return all images that have a name or are used."""
        return self._objects("GET /images/json", self.client.images)

    def history(self, image: str) -> list[Record]:
        """Return the layers of an image, newest first; NotFoundError where there is none."""
        history: Callable[..., Any] = self.client.history
        return self._objects(f"GET /images/{image}/history", lambda: history(image), named=True)

    def services(self) -> list[Record]:
        """Return the services of the swarm that the engine is a manager of."""
        return self._objects("GET /services", self.client.services)

    def nodes(self) -> list[Record]:
        """Return the nodes of the swarm that the engine is a manager of."""
        return self._objects("GET /nodes", self.client.nodes)

    def logs(self, container: str, lines: int) -> str:
        """Return the last lines that a container wrote, at most 4,096 characters."""
        text = self.call(
            f"GET /containers/{container}/logs",
            lambda: self.client.logs(container, tail=lines),
            named=True,
        )
        return text[-4096:].decode("utf-8", "backslashreplace")

    def ping(self) -> None:
        """Raise LostError where the engine does not answer."""
        self.call("GET /_ping", self.client.ping)

    def info(self) -> Record:
        """Return what the engine tells of itself, its clock among it."""
        return self.object("GET /info", self.client.info)

    def object(self, call: str, work: Callable[[], Any], *, named: bool = False) -> Record:
        """Return the JSON object that a call answers."""
        answer = self.call(call, work, named=named)
        if isinstance(answer, dict):
            return answer
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no object")

    def _objects(self, call: str, work: Callable[[], Any], *, named: bool = False) -> list[Record]:
        answer = self.call(call, work, named=named)
        if isinstance(answer, list) and all(isinstance(x, dict) for x in answer):
            return answer
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no objects")

    def call(self, call: str, work: Callable[[], T], *, named: bool = False) -> T:
        """Return what work returns; what it raises becomes an error of ours, with host and call.

        named is for calls of one container or image, which can be missing: NotFoundError.
        """
        import docker.errors  # noqa: PLC0415  # the SDK is slow to import

        call = printable(call)
        if self._closed and not call.startswith("DELETE "):
            raise LostError(f"{self.host.shown}: {call}: the connection was closed meanwhile")
        try:
            return work()
        except EngineError:
            raise
        except docker.errors.APIError as error:
            reason = printable(str(error.explanation or error))
            if named and isinstance(error, docker.errors.NotFound):
                raise NotFoundError(f"{self.host.shown}: {call}: {reason}") from None
            if error.response is not None and error.response.status_code == 400:
                raise _RefusedError(self.host, call, reason) from None
            raise EngineError(f"{self.host.shown}: {call} failed: {reason}") from None
        except Exception as error:  # noqa: BLE001  # requests', urllib3's, paramiko's, json's, OSError
            raise LostError(f"{self.host.shown}: {call}: {cause(error, self.host)}") from None


class LostError(EngineError):
    """An engine that was not reached, or did not answer to the end."""


class SshError(Exception):
    """The ssh program, which brought no answer: why."""


class _RefusedError(EngineError):
    """An engine that calls a request a bad one."""

    def __init__(self, host: Host, call: str, reason: str) -> None:
        super().__init__(f"{host.shown}: {call} was refused: {reason}")
        self.reason = reason


def _connect(host: Host, timeout: float) -> APIClient:
    import docker  # noqa: PLC0415  # the SDK is slow to import

    scheme, _, path = host.url.partition("://")

    class Client(docker.APIClient):
        """The SDK's client, without what it leaves to chance."""

        def request(self, *arguments: Any, **options: Any) -> Any:
            """Give every call a timeout, which the SDK forgets for some, and an engine to call."""
            if options.get("timeout") is None:
                options["timeout"] = timeout
            if scheme in ("unix", "http+unix"):
                # It leaves a socket open when it can't connect.
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(timeout)
                    probe.connect(path)
            return super().request(*arguments, **options)

        def merge_environment_settings(self, *arguments: Any, **options: Any) -> Any:
            """Let REQUESTS_CA_BUNDLE, which is for the web, not replace the engine's own CA."""
            settings = super().merge_environment_settings(*arguments, **options)
            if self.verify is not True:
                settings["verify"] = self.verify
            return settings

    settings: Record = {"timeout": timeout, "version": "auto"}
    if host.ssh:
        from pytest_exposed.engine import ssh  # noqa: PLC0415  # slow, as the SDK is

        return ssh.client(Client, host, settings)
    if host.url:
        settings["base_url"] = _with_ssh_port(host) if host.url.startswith("ssh://") else host.url
    if host.tls is not None:
        settings["tls"] = host.tls
    elif host.url.startswith(("tcp://", "https://")):
        settings |= _tls_of_environment(host)
    return Client(**settings)


def _with_ssh_port(host: Host) -> str:
    """Return an ssh:// address with its port: the SDK takes 22, whatever ~/.ssh/config says."""
    try:
        paramiko = import_module("paramiko")  # slow to import, and without types
    except ImportError:
        raise EngineError(
            f"{host.shown}: ssh:// needs paramiko: pip install 'pytest-exposed[ssh]'"
        ) from None
    parts = urlsplit(host.url)
    path = os.path.expanduser("~/.ssh/config")
    if parts.port is None and os.path.isfile(path):
        port = paramiko.SSHConfig.from_path(path).lookup(parts.hostname or "").get("port")
        return f"{host.url.rstrip('/')}:{port}" if port else host.url
    return host.url


def _tls_of_environment(host: Host) -> Record:
    from docker.errors import TLSParameterError  # noqa: PLC0415
    from docker.utils import kwargs_from_env  # noqa: PLC0415

    try:
        return {k: v for k, v in kwargs_from_env().items() if k == "tls"}
    except TLSParameterError:
        home = os.path.join(os.path.expanduser("~"), ".docker")
        folder = os.environ.get("DOCKER_CERT_PATH") or home
        names = [f"{x}.pem" for x in ("ca", "cert", "key")]
        missing = [x for x in names if not os.path.isfile(os.path.join(folder, x))]
        raise EngineError(
            f"{host.shown}: TLS failed: there is no {' and no '.join(missing)} in "
            f"{printable(folder)} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
        ) from None


_CLOSED = (
    "the connection was closed: does the engine want TLS, or another certificate "
    "(DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)?"
)
_ADVICE = {
    errno.ENOENT: "there is no such socket: is the engine running, and is this its address?",
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


def cause(error: BaseException, host: Host) -> str:
    """Return why a call failed and what to try, in one line without user info."""
    chain = list(_chain(error))
    names = {type(x).__name__ for x in chain}
    tls = bool(names & {"SSLError", "TLSParameterError"})  # whose numbers are not the system's
    if told_by_ssh := [x for x in chain if isinstance(x, SshError)]:
        return str(told_by_ssh[0])
    for one in chain:
        if isinstance(one, OSError) and one.errno in _ADVICE and not tls:
            return _ADVICE[one.errno]
    if names & {"timeout", "TimeoutError", "ReadTimeout", "ReadTimeoutError", "ConnectTimeout"}:
        return "no answer in time: is the engine busy, or another service at this address?"
    # What an engine answered, or the innermost cause.
    told = [str(getattr(x, "explanation", None) or "") for x in chain]
    text = " ".join((next(filter(None, told), "") or str(chain[-1]) or str(error)).split())
    user = host.url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    for secret in filter(None, (host.url, user, user.partition(":")[2])):
        text = text.replace(secret, "…")
    shown = f"{type(chain[-1]).__name__}: {printable(text)}"
    cut_off = "RemoteDisconnected" in names
    if tls or "HTTPS server" in text:
        shown = f"TLS failed: {printable(text)} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
    elif type(chain[-1]).__module__.startswith("paramiko") or (
        cut_off and host.url.startswith("ssh://")
    ):
        shown += f"; `ssh {host.shown} docker version` must work without asking for anything"
    elif cut_off:
        shown = "the connection was closed without an answer: is the engine still running?"
    elif names & _NO_ENGINE:
        shown = f"no engine answers so: is this its address? ({shown})"
    return shown


def _chain(error: BaseException) -> list[BaseException]:
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


def default_timeout() -> float:
    """Return the seconds that one answer may take: DOCKER_CLIENT_TIMEOUT, as of Compose, or 30."""
    try:
        return max(0.1, float(os.environ.get("DOCKER_CLIENT_TIMEOUT", "")))
    except ValueError:
        return 30.0
