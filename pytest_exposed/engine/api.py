"""What an engine is asked by its HTTP API. Its reference: the Engine API of docker."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence

from pytest_exposed.engine import podman
from pytest_exposed.engine.calls import Calls, FailedError, LostError
from pytest_exposed.engine.json_fields import JsonObject, as_dict, as_list, as_text
from pytest_exposed.engine.transport import frames
from pytest_exposed.errors import ConfigurationError, EngineError, NotFoundError, ends_run
from pytest_exposed.text import did_you_mean, printable

_MAKES = {
    "docker": "docker",
    "engine": "docker",
    "libpod": "podman",
    "podman engine": "podman",
}
"""What an engine calls itself, in its answers' header Server and in GET /version."""

_LOG_LINES, _LOG_BYTES = 10, 4096

_FILTERS = (
    *("ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label"),
    *("name", "network", "publish", "since", "status", "volume"),
)
"""Keys of docker's filters, to suggest: docker container ls, in docker's reference."""


class Api(Calls):
    """The calls that are made of an engine. Every one raises EngineError where it fails."""

    def containers(
        self, filters: Mapping[str, Sequence[str]] | None = None, *, every: bool = False
    ) -> list[JsonObject]:
        """Return the running containers, paused and restarting ones included, as `docker ps` does.

        every includes stopped ones. Raises ConfigurationError where the engine refuses a filter.
        """
        wanted = {key: list(values) for key, values in (filters or {}).items()}
        asked = podman.with_paused(wanted) if self.client.is_podman and not every else wanted
        found = self._listed(asked, wanted, every=every)
        if not self.client.is_podman:
            return found
        return podman.joined(found, self._of_libpod(every=every))

    def stopped_containers(self, filters: Mapping[str, Sequence[str]]) -> list[JsonObject]:
        """Return the containers that don't run; ConfigurationError for a refused filter.

        A filter by status may choose running ones. Podman's have no pods here.
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
        """Return the list for the filters asked; wanted are the user's own, for messages."""
        params = {"all": int(every), **({"filters": json.dumps(asked)} if asked else {})}
        try:
            return self.json_objects("/containers/json", params=params)
        except FailedError as error:  # also of a filter by what is not there
            if not wanted:
                raise
            written = ", ".join(f"{k}={v}" for k, values in wanted.items() for v in values)
            odd = [x for x in wanted if x not in _FILTERS]
            near = "".join(did_you_mean(x, _FILTERS) for x in odd)
            if odd and not near:
                near = f": for a label, write label={printable(written)}"
            raise ConfigurationError(
                f"{self.host.shown} refuses the filter {printable(written)}: {error.reason}{near}"
            ) from None

    def _of_libpod(self, *, every: bool) -> list[JsonObject] | None:
        """Return libpod's own list of the containers; None where it is refused."""
        filters = json.dumps({} if every else podman.with_paused({}))
        params = {"all": "true", "filters": filters}
        try:
            return self.json_objects("/v4.0.0/libpod/containers/json", params=params)
        except EngineError:  # a proxy knows docker's API only; were it lost, others would say so
            return None

    def container(self, name: str) -> JsonObject:
        """Return the inspection of a container; NotFoundError where there is none."""
        return self.json_object("GET", "/containers/{}/json", name, named=True)

    def image(self, name: str, *, platform: str = "") -> JsonObject:
        """Return the inspection of an image; NotFoundError where there is none.

        platform, in JSON, chooses among those of an index; an older engine ignores it.
        """
        return self.json_object("GET", "/images/{}/json", name, named=True, params=_of(platform))

    def inspections(
        self, kind: str, names: Collection[str], *, platform: str = ""
    ) -> Iterator[tuple[str, JsonObject]]:
        """Yield the inspections of many with their names.

        kind is "containers" or "images". Those that are missing have to be asked for alone, which
        says why. It ends with the first that doesn't come in time.
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
        """Return the engine's make, docker or podman; empty for another, or if unknown.

        The answer to a ping has it, unless a proxy removed the header. Then GET /version has it,
        which takes the engine long. Sources: api/server/middleware/version.go of moby, and
        pkg/api/server/handler_api.go of podman.
        """
        if self.client.is_podman:
            return "podman"
        word = self.client.server.partition("/")[0].lower()
        if word in _MAKES:
            return _MAKES[word]
        try:
            found = self.json_object("GET", "/version")
        except LostError:
            raise
        except EngineError:  # a proxy refuses the question
            return ""
        parts = map(as_dict, as_list(found.get("Components")))
        names = [as_text(x.get("Name")).lower() for x in parts]
        return next((_MAKES[x] for x in names if x in _MAKES), "")

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
        return "\n".join(f"  {printable(x.expandtabs(4))}" for x in lines[-_LOG_LINES:])

    def ping(self) -> None:
        """Raise LostError where the engine does not answer."""
        self.ask("GET", "/_ping")

    def info(self) -> JsonObject:
        """Return what the engine says of itself, with its clock."""
        return self.json_object("GET", "/info")


def _of(platform: str) -> dict[str, str]:
    return {"platform": platform} if platform else {}
