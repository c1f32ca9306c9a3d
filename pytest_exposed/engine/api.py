"""The engine's HTTP API through the docker SDK: reads only, each failure one clear error."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_exposed.engine import frames
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
        self.host = host
        self._client: APIClient = self._call("GET /version", lambda: _connect(host, timeout))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

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
            answer = self._call(
                "GET /containers/json",
                lambda: self._client.containers(all=every, filters=wanted or None),
            )
        except _RefusedError as error:
            if not wanted:
                raise
            written = ", ".join(f"{k}={v}" for k, values in wanted.items() for v in values)
            raise ConfigurationError(
                f"{self.host.shown} refuses the filter {printable(written)}: {error.reason}"
            ) from None
        return _objects(answer, self.host, "GET /containers/json")

    def container(self, name: str) -> Record:
        """Return the inspection of a container; NotFoundError where there is none."""
        call = f"GET /containers/{name}/json"
        return _object(
            self._call(call, lambda: self._client.inspect_container(name)), self.host, call
        )

    def image(self, name: str) -> Record:
        """Return the inspection of an image; NotFoundError where there is none."""
        call = f"GET /images/{name}/json"
        return _object(
            self._call(
                call,
                lambda: self._client.inspect_image(name),  # type: ignore[no-untyped-call]  # in the stubs
            ),
            self.host,
            call,
        )

    def images(self) -> list[Record]:
        """Return all images that have a name or are used."""
        return _objects(
            self._call("GET /images/json", self._client.images), self.host, "GET /images/json"
        )

    def history(self, image: str) -> list[Record]:
        """Return the layers of an image, newest first."""
        call = f"GET /images/{image}/history"
        return _objects(
            self._call(
                call,
                lambda: self._client.history(image),  # type: ignore[no-untyped-call]  # in the stubs
            ),
            self.host,
            call,
        )

    def logs(self, container: str, lines: int) -> str:
        """Return the last lines that a container wrote, at most 4,096 characters."""
        call = f"GET /containers/{container}/logs"
        text = self._call(call, lambda: self._client.logs(container, tail=lines))
        return text[-4096:].decode("utf-8", "backslashreplace")

    def info(self) -> Record:
        """Return what the engine tells of itself, its clock among it."""
        return _object(self._call("GET /info", self._client.info), self.host, "GET /info")

    # The helper container and exec: what is not a read of the engine, for what only these can read.

    def create(self, configuration: Record, name: str) -> str:
        """Create a container, and return its id."""
        answer = self._call(
            "POST /containers/create",
            lambda: self._client.create_container_from_config(configuration, name),  # type: ignore[no-untyped-call]  # in the stubs
        )
        return str(_object(answer, self.host, "POST /containers/create").get("Id"))

    def start(self, container: str) -> None:
        """Start a container."""
        self._call(f"POST /containers/{container}/start", lambda: self._client.start(container))

    def output(self, container: str) -> Iterator[bytes]:
        """Yield what a container writes to its standard output, until it ends."""
        call = f"GET /containers/{container}/logs"
        chunks = iter(
            self._call(
                call,
                lambda: self._client.logs(container, stderr=False, stream=True, follow=True),
            )
        )
        while (chunk := self._call(call, lambda: next(chunks, None))) is not None:
            yield chunk

    def exit_code(self, container: str) -> int:
        """Wait for the end of a container, and return its exit code."""
        call = f"POST /containers/{container}/wait"
        answer = _object(self._call(call, lambda: self._client.wait(container)), self.host, call)
        code = answer.get("StatusCode")
        return code if isinstance(code, int) else -1

    def remove(self, container: str) -> None:
        """Remove a container, running or not; NotFoundError where there is none."""
        self._call(
            f"DELETE /containers/{container}/json",
            lambda: self._client.remove_container(container, v=True, force=True),
        )

    def pull(self, image: str) -> None:
        """Pull an image."""
        repository, _, tag = (
            image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
        )
        self._call("POST /images/create", lambda: self._client.pull(repository, tag=tag))

    def exec_create(self, container: str, command: list[str]) -> str:
        """Prepare a command in a container, and return its id."""
        call = f"POST /containers/{container}/exec"
        answer = self._call(call, lambda: self._client.exec_create(container, command, stdin=False))
        return str(_object(answer, self.host, call).get("Id"))

    def exec_output(self, command: str, deadline: float) -> Iterator[bytes]:
        """Yield what a prepared command writes to its standard output, until the deadline."""
        call = f"POST /exec/{command}/start"
        stream = self._call(call, lambda: self._client.exec_start(command, socket=True))
        try:
            yield from frames.output(stream, deadline)
        finally:
            stream.close()

    def exec_code(self, command: str, deadline: float) -> int:
        """Return the exit code of a command whose output has ended."""
        call = f"GET /exec/{command}/json"
        while True:
            answer = _object(
                self._call(call, lambda: self._client.exec_inspect(command)), self.host, call
            )
            code = answer.get("ExitCode")
            if answer.get("Running") is False and isinstance(code, int):
                return code
            if time.monotonic() > deadline:
                raise EngineError(f"{self.host.shown}: {call}: the command does not end")
            time.sleep(0.01)

    def _call(self, call: str, work: Callable[[], T]) -> T:
        """Return what work returns; what it raises becomes an error of ours, with host and call."""
        import docker.errors  # noqa: PLC0415  # the SDK is slow to import

        try:
            return work()
        except docker.errors.APIError as error:
            reason = printable(str(error.explanation or error))
            if isinstance(error, docker.errors.NotFound) and call.count("/") > 2:
                raise NotFoundError(f"{self.host.shown}: {call}: {reason}") from None
            if error.response is not None and error.response.status_code == 400:
                raise _RefusedError(self.host, call, reason) from None
            raise EngineError(f"{self.host.shown}: {call} failed: {reason}") from None
        except Exception as error:  # noqa: BLE001  # requests', urllib3's, paramiko's, json's, OSError
            raise EngineError(f"{self.host.shown}: {call}: {cause(error, self.host)}") from None


class _RefusedError(EngineError):
    """An engine that calls a request a bad one."""

    def __init__(self, host: Host, call: str, reason: str) -> None:
        super().__init__(f"{host.shown}: {call} was refused: {reason}")
        self.reason = reason


def _connect(host: Host, timeout: float) -> APIClient:
    import docker  # noqa: PLC0415  # the SDK is slow to import

    settings: Record = {"timeout": timeout, "version": "auto"}
    if host.url:
        settings["base_url"] = host.url
    if host.tls is not None:
        settings["tls"] = host.tls
    elif host.url.startswith(("tcp://", "https://")):
        from docker.utils import kwargs_from_env  # noqa: PLC0415

        settings |= {k: v for k, v in kwargs_from_env().items() if k == "tls"}
    return docker.APIClient(**settings)


def _object(answer: Any, host: Host, call: str) -> Record:
    if isinstance(answer, dict):
        return answer
    raise EngineError(f"{host.shown}: {call} answered what no engine answers: not an object")


def _objects(answer: Any, host: Host, call: str) -> list[Record]:
    if isinstance(answer, list) and all(isinstance(x, dict) for x in answer):
        return answer
    raise EngineError(
        f"{host.shown}: {call} answered what no engine answers: not a list of objects"
    )


_ADVICE = {
    errno.ENOENT: "there is no such socket: is the engine running, and is this its address?",
    errno.ECONNREFUSED: "nothing answers there: is the engine running?",
    errno.EACCES: "permission denied: run as root, or as a member of the socket's group (docker)",
    errno.EPERM: "permission denied: run as root, or as a member of the socket's group (docker)",
    errno.ECONNRESET: "the connection was closed: does the engine want TLS (DOCKER_TLS_VERIFY)?",
}


def cause(error: BaseException, host: Host) -> str:
    """Return why a call failed and what to try, in one line without user info."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, OSError) and one.errno in _ADVICE:
            return _ADVICE[one.errno]
    names = {type(x).__name__ for x in chain}
    if names & {"timeout", "TimeoutError", "ReadTimeout", "ReadTimeoutError", "ConnectTimeout"}:
        return "no answer in time: is the engine busy, or another service at this address?"
    text = " ".join(str(chain[-1] if str(chain[-1]) else error).split())
    user = host.url.partition("://")[2].partition("/")[0].rpartition("@")[0]
    for secret in filter(None, {host.url, user, user.partition(":")[2]}):
        text = text.replace(secret, "…")
    if "SSLError" in names or "TLSParameterError" in names:
        return f"TLS failed: {printable(text)} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
    return f"{type(chain[-1]).__name__}: {printable(text)}"


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
        queue += [x for x in below if isinstance(x, BaseException)]
    return found


def default_timeout() -> float:
    """Return the seconds that one answer may take: DOCKER_CLIENT_TIMEOUT, as of Compose, or 30."""
    try:
        return max(0.1, float(os.environ.get("DOCKER_CLIENT_TIMEOUT", "")))
    except ValueError:
        return 30.0
