"""The engine's HTTP API through the docker SDK: reads only, each failure one clear error."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from pytest_exposed.engine import podman
from pytest_exposed.engine.transport.cause import cause
from pytest_exposed.engine.transport.frames import EngineStream
from pytest_exposed.engine.transport.sdk import expect_sdk
from pytest_exposed.engine.untyped import JsonObject
from pytest_exposed.errors import ConfigurationError, EngineError, NotFoundError, ends_run
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host
    from pytest_exposed.engine.transport.client import Client

T = TypeVar("T")

_MAKES = {
    "docker": "docker",
    "engine": "docker",
    "libpod": "podman",
    "podman engine": "podman",
}
"""What an engine calls itself, in its answers' header Server and in GET /version."""

_DAY = 86400.0
_LOG_LINES, _LOG_BYTES = 5, 4096


class Api:
    """The calls that are made of an engine. Every one raises EngineError where it fails."""

    def __init__(self, host: Host, timeout: float) -> None:
        """Connect to host; timeout, in seconds, bounds each answer as a whole."""
        if host.trouble:
            raise EngineError(host.trouble)
        expect_sdk()
        self.host = host
        self._streams: set[EngineStream] = set()
        self._closed = False
        self.client: Client = self.call("GET /_ping", lambda: _connect(host, timeout))
        try:
            if not self.call("GET /_ping", self.client.agree_by_ping):
                self.call("GET /version", self.client.agree)
        except BaseException:
            self.client.close()  # or what answered stays connected until the garbage is collected
            raise

    def close(self) -> None:
        """Close the connections; another thread that is at work is left to remove what it made."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.end()
        self.client.close()

    @contextmanager
    def stream(self, path: str, identity: str, **content: Any) -> Iterator[EngineStream]:
        """Read a stream that a call begins, until the block or the connection ends.

        path is that of the call, with {0} for the id; content is the call's params or json.
        """
        work = partial(self.client.upgrade, path, identity, **content)
        stream = EngineStream(self.call(f"POST {path.format(identity)}", work))
        self._streams.add(stream)
        try:
            yield stream
        finally:
            self._streams.discard(stream)
            stream.close()

    def containers(self, filters: Mapping[str, Sequence[str]] | None = None) -> list[JsonObject]:
        """Return the running containers, paused and restarting ones included, as `docker ps` does.

        Raises ConfigurationError where the engine refuses a filter.
        """
        return self._containers(filters, every=False)

    def all_containers(
        self, filters: Mapping[str, Sequence[str]] | None = None
    ) -> list[JsonObject]:
        """Return all containers, stopped ones included."""
        return self._containers(filters, every=True)

    def _containers(
        self, filters: Mapping[str, Sequence[str]] | None, *, every: bool
    ) -> list[JsonObject]:
        wanted = {key: list(values) for key, values in (filters or {}).items()}
        asked = podman.with_paused(wanted) if self.client.is_podman and not every else wanted
        try:
            found = self._objects(
                "GET /containers/json",
                lambda: self.client.containers(all=every, filters=asked or None),
            )
        except RefusedError as error:
            if not wanted:
                raise
            written = ", ".join(f"{k}={v}" for k, values in wanted.items() for v in values)
            raise ConfigurationError(
                f"{self.host.shown} refuses the filter {printable(written)}: {error.reason}"
            ) from None
        return (
            podman.joined(found, self._of_libpod(every=every)) if self.client.is_podman else found
        )

    def _of_libpod(self, *, every: bool) -> list[JsonObject] | None:
        """Return libpod's own list of the containers; None where it is refused."""
        filters = json.dumps({} if every else podman.with_paused({}))
        read = partial(self.client.libpod_containers, filters)
        try:
            return self._objects("GET /libpod/containers/json", read)
        except (
            EngineError
        ):  # a proxy that knows docker's API only; were it lost, others would say so
            return None

    def container(self, name: str) -> JsonObject:
        """Return the inspection of a container; NotFoundError where there is none."""
        inspect: Callable[..., Any] = self.client.inspect_container
        return self.json_object(f"GET /containers/{name}/json", lambda: inspect(name), named=True)

    def image(self, name: str, *, platform: str = "") -> JsonObject:
        """Return the inspection of an image; NotFoundError where there is none.

        platform, in JSON, chooses among those of an index; an older engine takes no notice of it.
        """
        path = f"/images/{{0}}/json{_query(platform)}"
        get = self.client.get_json
        return self.json_object(f"GET /images/{name}/json", lambda: get(path, name), named=True)

    def inspections(
        self, kind: str, names: Collection[str], *, platform: str = ""
    ) -> Iterator[tuple[str, JsonObject]]:
        """Yield the inspections of many with their names, sooner than one by one.

        kind is "containers" or "images". Those that are missing have to be asked for alone, which
        tells why.
        """
        answers = self.client.read(f"/{kind}/{{0}}/json{_query(platform)}", names)
        for name in names:
            found = self.call(f"GET /{kind}/{name}/json", lambda: next(answers, None))
            if isinstance(found, dict):
                yield name, found

    def images(self) -> list[JsonObject]:
        """Return all images that have a name or are used."""
        return self._objects("GET /images/json", self.client.images)

    def networks(self) -> list[JsonObject]:
        """Return all networks."""
        return self._objects("GET /networks", self.client.networks)

    def network(self, name: str) -> JsonObject:
        """Return the inspection of a network; NotFoundError where there is none."""
        inspect: Callable[..., Any] = self.client.inspect_network
        return self.json_object(f"GET /networks/{name}", lambda: inspect(name), named=True)

    def make(self) -> str:
        """Return who made the engine, docker or podman; empty for another, or where it is silent.

        Its answer to a ping says it, unless a proxy took that away: GET /version does, but takes
        the engine long. Sources: api/server/middleware/version.go of moby, and
        pkg/api/server/handler_api.go of podman.
        """
        if self.client.is_podman:
            return "podman"
        word = self.client.server.partition("/")[0].lower()
        if word in _MAKES:
            return _MAKES[word]
        try:
            found = self.json_object("GET /version", self.client.version).get("Components")
        except LostError:
            raise
        except EngineError:  # a proxy that refuses to tell
            return ""
        names = {str(x.get("Name")) for x in found or () if isinstance(x, dict)}
        return next((_MAKES[x.lower()] for x in names if x.lower() in _MAKES), "")

    def history(self, image: str, *, platform: str = "") -> list[JsonObject]:
        """Return the layers of an image, newest first; NotFoundError where there is none."""
        path = f"/images/{{0}}/history{_query(platform)}"
        get = self.client.get_json
        return self._objects(f"GET /images/{image}/history", lambda: get(path, image), named=True)

    def services(self) -> list[JsonObject]:
        """Return the services of the swarm that the engine is a manager of."""
        return self._objects("GET /services", self.client.services)

    def nodes(self) -> list[JsonObject]:
        """Return the nodes of the swarm that the engine is a manager of."""
        return self._objects("GET /nodes", self.client.nodes)

    def last_lines(self, container: str) -> str:
        """Return the last lines that a container wrote, escaped; empty where they can't be had."""
        try:
            text = self.call(
                f"GET /containers/{container}/logs",
                lambda: self.client.logs(container, tail=_LOG_LINES),
                named=True,
            )
        except (EngineError, NotFoundError):  # some logging drivers can't be read
            return ""
        lines = text[-_LOG_BYTES:].decode("utf-8", "backslashreplace").splitlines()
        return "\n".join(f"  {printable(x)}" for x in lines[-_LOG_LINES:])

    def ping(self) -> None:
        """Raise LostError where the engine does not answer."""
        self.call("GET /_ping", self.client.ping)

    def info(self) -> JsonObject:
        """Return what the engine tells of itself, its clock among it."""
        return self.json_object("GET /info", self.client.info)

    def json_object(self, call: str, work: Callable[[], Any], *, named: bool = False) -> JsonObject:
        """Return the JSON object that a call answers."""
        answer = self.call(call, work, named=named)
        if isinstance(answer, dict):
            return answer
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no object")

    def _objects(
        self, call: str, work: Callable[[], Any], *, named: bool = False
    ) -> list[JsonObject]:
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
            raise LostError(f"{self.host.shown}: {call}: its connections were closed")
        try:
            return work()
        except EngineError:
            raise
        except docker.errors.APIError as error:
            reason = printable(_without_tags(str(error.explanation or error)))
            status = error.response.status_code if error.response is not None else 0
            if named and isinstance(error, docker.errors.NotFound):
                raise NotFoundError(f"{self.host.shown}: {call}: {reason}") from None
            if status == 400:
                raise RefusedError(self.host, call, reason) from None
            if status in (401, 403, 405):
                raise ForbiddenError(
                    f"{self.host.shown}: {call} is not allowed, by a proxy before the engine or a "
                    f"plugin of it: {reason}"
                ) from None
            raise EngineError(f"{self.host.shown}: {call} failed: {reason}") from None
        except Exception as error:  # requests', urllib3's, paramiko's, json's, OSError
            if ends_run(error):
                raise
            raise LostError(f"{self.host.shown}: {call}: {cause(error, self.host)}") from None


class LostError(EngineError):
    """An engine that was not reached, or did not answer to the end."""


class ForbiddenError(EngineError):
    """An engine, or what stands before it, that does not let a call through: nothing was done."""


class RefusedError(EngineError):
    """An engine that calls a request a bad one."""

    def __init__(self, host: Host, call: str, reason: str) -> None:
        super().__init__(f"{host.shown}: {call} was refused: {reason}")
        self.reason = reason


def _query(platform: str) -> str:
    return f"?platform={quote(platform, safe='')}" if platform else ""


def _without_tags(text: str) -> str:
    """Return a text; of a page of HTML, as proxies answer, what it says."""
    if not text.lstrip().startswith("<"):
        return text
    return " ".join(re.sub(r"<[^<>]{0,200}>", " ", text[:4096]).split())


def _connect(host: Host, timeout: float) -> Client:
    from pytest_exposed.engine.transport.client import connect  # noqa: PLC0415  # the SDK is slow to import

    return connect(host, timeout)


def timeout_of(given: object = None) -> float:
    """Return the seconds that one answer may take; ConfigurationError for what is no such number.

    None is DOCKER_CLIENT_TIMEOUT, which Compose has, too, or 30.
    """
    name = "timeout"
    if given is None:
        name, given = "DOCKER_CLIENT_TIMEOUT", os.environ.get("DOCKER_CLIENT_TIMEOUT") or 30.0
    try:
        found = float(given) if isinstance(given, (int, float, str)) else 0
    except (ValueError, OverflowError):
        found = 0
    if not 0 < found <= _DAY:  # nan neither
        raise ConfigurationError(
            f"{name}={given!r} is not a number of seconds, above 0 and up to 86400"
        )
    return found


def filter_values(name: str, given: object) -> list[str]:
    """Return the values of one of Docker's filters; raises ConfigurationError for none."""
    values = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
    texts = [x for x in values if isinstance(x, str)]
    if not texts or len(texts) < len(values):
        raise ConfigurationError(f"{name}={given!r} is not a filter: give a text or several")
    return texts
