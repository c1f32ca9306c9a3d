"""The calls of the engine's HTTP API, each failure one clear error."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pytest_exposed.engine import docker_config, podman
from pytest_exposed.engine.hosts import DEFAULT_SOCKET, Host
from pytest_exposed.engine.json_fields import JsonObject
from pytest_exposed.engine.transport import frames
from pytest_exposed.engine.transport.cause import cause
from pytest_exposed.engine.transport.client import Answer, Client, StatusError
from pytest_exposed.engine.transport.connection import EngineStream
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    ExposedError,
    NotFoundError,
    ends_run,
)
from pytest_exposed.text import printable

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
        self.host = host
        self._streams: set[EngineStream] = set()
        self._closed = False
        preferred = os.environ.get("DOCKER_API_VERSION") or ""
        try:
            with self._calling("GET /_ping"):
                self.client = Client(host, timeout, docker_config.headers())
                is_agreed = self.client.agree(preferred)
        except LostError as error:
            if host.url != DEFAULT_SOCKET:
                raise
            from pytest_exposed.engine import elsewhere  # noqa: PLC0415  # where none answers

            raise LostError(f"{error}{elsewhere.advice(host.url)}") from None
        if not is_agreed:
            with self._calling("GET /version"):
                self.client.agree_by_version()

    def close(self) -> None:
        """Close the connections; another thread that is at work is left to remove what it made."""
        self._closed = True
        for stream in tuple(self._streams):
            stream.end()
        self.client.close()

    def ask(
        self,
        method: str,
        path: str,
        *names: str,
        named: bool = False,
        **content: Any,
    ) -> Answer:
        """Return an engine's answer; path has {} for each name, content is as of Client.request.

        named is for calls of one container or image, which can be missing: NotFoundError.
        """
        with self._calling(f"{method} {path.format(*names)}", named=named):
            return self.client.request(method, path, *names, **content)

    def json_object(
        self, method: str, path: str, *names: str, named: bool = False, **content: Any
    ) -> JsonObject:
        """Return the JSON object that a call answers."""
        found = self._json(method, path, *names, named=named, **content)
        if isinstance(found, dict):
            return found
        call = printable(f"{method} {path.format(*names)}")
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no object")

    def json_objects(
        self, path: str, *names: str, named: bool = False, **content: Any
    ) -> list[JsonObject]:
        """Return the JSON objects that a GET answers."""
        found = self._json("GET", path, *names, named=named, **content)
        if isinstance(found, list) and all(isinstance(x, dict) for x in found):
            return found
        call = printable(f"GET {path.format(*names)}")
        raise EngineError(f"{self.host.shown}: {call} answered what no engine does: no objects")

    def _json(self, method: str, path: str, *names: str, named: bool, **content: Any) -> Any:
        with self._calling(f"{method} {path.format(*names)}", named=named):
            return self.client.request(method, path, *names, **content).json()

    @contextmanager
    def stream(self, path: str, *names: str, **content: Any) -> Iterator[EngineStream]:
        """Read a stream that a call begins, until the block or the connection ends.

        path has {} for each name; content is the call's params or body.
        """
        with self._calling(f"POST {path.format(*names)}"):
            stream = self.client.upgrade(path, *names, **content)
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
        found = self._listed(asked, wanted, every=every)
        return (
            podman.joined(found, self._of_libpod(every=every)) if self.client.is_podman else found
        )

    def stopped_containers(self, filters: Mapping[str, Sequence[str]]) -> list[JsonObject]:
        """Return the containers that don't run; ConfigurationError for a refused filter.

        Those of a filter by status may run. Of podman's the pods are not known.
        """
        states = ["created", "exited", *([] if self.client.is_podman else ["dead", "removing"])]
        return self._listed({"status": states, **filters}, filters, every=True)

    def _listed(
        self,
        asked: Mapping[str, Sequence[str]],
        wanted: Mapping[str, Sequence[str]],
        *,
        every: bool,
    ) -> list[JsonObject]:
        """Return the list for the filters that are asked; wanted are those of the user."""
        params = {"all": int(every), **({"filters": json.dumps(asked)} if asked else {})}
        try:
            return self.json_objects("/containers/json", params=params)
        except RefusedError as error:
            if not wanted:
                raise
            written = ", ".join(f"{k}={v}" for k, values in wanted.items() for v in values)
            raise ConfigurationError(
                f"{self.host.shown} refuses the filter {printable(written)}: {error.reason}"
            ) from None

    def _of_libpod(self, *, every: bool) -> list[JsonObject] | None:
        """Return libpod's own list of the containers; None where it is refused."""
        filters = json.dumps({} if every else podman.with_paused({}))
        params = {"all": "true", "filters": filters}
        try:
            return self.json_objects("/v4.0.0/libpod/containers/json", params=params)
        except (
            EngineError
        ):  # a proxy that knows docker's API only; were it lost, others would say so
            return None

    def container(self, name: str) -> JsonObject:
        """Return the inspection of a container; NotFoundError where there is none."""
        return self.json_object("GET", "/containers/{}/json", name, named=True)

    def image(self, name: str, *, platform: str = "") -> JsonObject:
        """Return the inspection of an image; NotFoundError where there is none.

        platform, in JSON, chooses among those of an index; an older engine takes no notice of it.
        """
        return self.json_object("GET", "/images/{}/json", name, named=True, params=_of(platform))

    def inspections(
        self, kind: str, names: Collection[str], *, platform: str = ""
    ) -> Iterator[tuple[str, JsonObject]]:
        """Yield the inspections of many with their names.

        kind is "containers" or "images". Those that are missing have to be asked for alone, which
        tells why. It ends with the first that doesn't come in time.
        """
        for name in names:
            try:
                found = self.client.request("GET", f"/{kind}/{{}}/json", name, params=_of(platform))
                record = found.json()
            except TimeoutError:
                return
            except Exception as error:  # json's, OSError, StatusError, AnswerError
                if ends_run(error):
                    raise
                continue
            if isinstance(record, dict):
                yield name, record

    def images(self) -> list[JsonObject]:
        """Return all images that have a name or are used."""
        return self.json_objects("/images/json")

    def networks(self) -> list[JsonObject]:
        """Return all networks."""
        return self.json_objects("/networks")

    def network(self, name: str) -> JsonObject:
        """Return the inspection of a network; NotFoundError where there is none."""
        return self.json_object("GET", "/networks/{}", name, named=True)

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
            found = self.json_object("GET", "/version").get("Components")
        except LostError:
            raise
        except EngineError:  # a proxy that refuses to tell
            return ""
        names = {str(x.get("Name")) for x in found or () if isinstance(x, dict)}
        return next((_MAKES[x.lower()] for x in names if x.lower() in _MAKES), "")

    def history(self, image: str, *, platform: str = "") -> list[JsonObject]:
        """Return the layers of an image, newest first; NotFoundError where there is none."""
        return self.json_objects("/images/{}/history", image, named=True, params=_of(platform))

    def services(self) -> list[JsonObject]:
        """Return the services of the swarm that the engine is a manager of."""
        return self.json_objects("/services")

    def nodes(self) -> list[JsonObject]:
        """Return the nodes of the swarm that the engine is a manager of."""
        return self.json_objects("/nodes")

    def last_lines(self, container: str) -> str:
        """Return the last lines that a container wrote, escaped; empty where they can't be had."""
        params = {"stdout": 1, "stderr": 1, "tail": _LOG_LINES}
        try:
            found = self.ask("GET", "/containers/{}/logs", container, named=True, params=params)
        except (EngineError, NotFoundError):  # some logging drivers can't be read
            return ""
        text = frames.text_of(found.body)
        lines = text[-_LOG_BYTES:].decode("utf-8", "backslashreplace").splitlines()
        return "\n".join(f"  {printable(x)}" for x in lines[-_LOG_LINES:])

    def ping(self) -> None:
        """Raise LostError where the engine does not answer."""
        self.ask("GET", "/_ping")

    def info(self) -> JsonObject:
        """Return what the engine tells of itself, its clock among it."""
        return self.json_object("GET", "/info")

    @contextmanager
    def _calling(self, call: str, *, named: bool = False) -> Iterator[None]:
        """Make an error of ours of what is raised in the block, with host and call."""
        call = printable(call)
        if self._closed and not call.startswith("DELETE "):
            raise LostError(f"{self.host.shown}: {call}: its connections were closed")
        try:
            yield
        except StatusError as error:
            raise self._refusal(error, call, named=named) from None
        except Exception as error:  # json's, ssl's, OSError, AnswerError
            if ends_run(error):
                raise
            raise LostError(f"{self.host.shown}: {call}: {cause(error, self.host)}") from None

    def _refusal(self, error: StatusError, call: str, *, named: bool) -> ExposedError:
        reason = printable(_without_tags(error.reason))
        if named and error.status == 404:
            return NotFoundError(f"{self.host.shown}: {call}: {reason}")
        if error.status == 400:
            return RefusedError(self.host, call, reason)
        if error.status in (401, 403, 405):
            return ForbiddenError(
                f"{self.host.shown}: {call} is not allowed, by a proxy before the engine or a "
                f"plugin of it: {reason}"
            )
        return EngineError(f"{self.host.shown}: {call} failed: {reason}")


class LostError(EngineError):
    """An engine that was not reached, or did not answer to the end."""


class ForbiddenError(EngineError):
    """An engine, or what stands before it, that does not let a call through: nothing was done."""


class RefusedError(EngineError):
    """An engine that calls a request a bad one."""

    def __init__(self, host: Host, call: str, reason: str) -> None:
        super().__init__(f"{host.shown}: {call} was refused: {reason}")
        self.reason = reason


def _of(platform: str) -> dict[str, str]:
    return {"platform": platform} if platform else {}


def _without_tags(text: str) -> str:
    """Return a text; of a page of HTML, as proxies answer, what it says."""
    if not text.lstrip().startswith("<"):
        return text
    return " ".join(re.sub(r"<[^<>]{0,200}>", " ", text[:4096]).split())


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
        raise ConfigurationError(f"{name}={given!r} is not a filter: give a string, or several")
    return texts
