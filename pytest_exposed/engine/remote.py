"""What runs on an engine so that sockets are seen: the one helper container, and exec.

The helper is the only thing that is ever created on an engine, and it is removed in every case.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pytest_exposed.engine import frames
from pytest_exposed.engine.api import LostError
from pytest_exposed.engine.image_records import tags
from pytest_exposed.engine.records import Listed, RecordError, when
from pytest_exposed.errors import EngineError, ExposedError, NotFoundError, ObservationError
from pytest_exposed.sockets.remote import LIMIT
from pytest_exposed.text import printable

if TYPE_CHECKING:
    from pytest_exposed.engine.api import Api

LABEL = "pytest-exposed.helper"
"""What marks helper containers; its value is the container's name."""

_NAME = re.compile(r"pytest-exposed-[0-9a-f]{32}")

SECONDS = 60.0
"""How long a helper may take."""

EXEC_SECONDS = 10.0
"""How long `cat` in a container may take."""

_NO_COMMAND = (126, 127)
"""Exit codes of shells and runtimes for a command that can't be run."""

# Official images that have sh and cat, the first one first, and what these can be called: anybody's
# own "name/busybox" is not taken for one.
_OFFICIAL = ("busybox", "alpine")
_PLACES = ("", "library/", "docker.io/library/", "localhost/")

# Machines that write the words of /proc's addresses the other way round (GOARCH, uname -m).
_BIG_ENDIAN = ("s390x", "ppc64", "mips", "mips64", "sparc64")


def is_helper(listed: Listed) -> bool:
    """Return whether a container is a helper, of this run or another.

    Everybody can use the label, images too: the name is of our making, and what has no network
    can't be reached by anybody. Podman's list doesn't tell the network.
    """
    named = listed.labels.get(LABEL) == listed.name and _NAME.fullmatch(listed.name) is not None
    return named and listed.network_mode in ("none", None)


class EngineRemote:
    """The engine's side of the sources helper and exec."""

    def __init__(self, api: Api, image: str | None) -> None:
        """Take the calls of an engine; image is the helper's, None for one that is there."""
        self._api = api
        self._image = image
        self._byteorder: str | None = None
        self._asking = Lock()  # exec looks at several containers at a time

    @property
    def byteorder(self) -> str:
        """That of the engine's machine."""
        with self._asking:
            if self._byteorder is None:
                machine = ""
                with suppress(EngineError):  # one that tells its containers, and nothing of itself
                    machine = str(self._api.info().get("Architecture"))
                self._byteorder = "big" if machine in _BIG_ENDIAN else "little"
            return self._byteorder

    def run_helper(self, script: str, arguments: Sequence[str]) -> bytes:
        """Return what a shell script writes that runs in the one helper container."""
        try:
            image = self._helper_image()
        except ExposedError as error:
            self._tell_lost(error)
            raise ObservationError(str(error)) from None
        with suppress(EngineError, ObservationError):  # an engine may refuse the question
            self._remove_leftovers()
        name = f"pytest-exposed-{uuid4().hex}"
        try:
            return self._run(image, name, [script, "sh", *arguments])
        except frames.LateError:
            raise ObservationError("its container took too long") from None
        except ExposedError as error:
            self._tell_lost(error)
            raise ObservationError(f"its container failed: {error}") from None
        finally:
            # By its name: there may be one, too, where the answer to its creation was lost.
            self._remove(name)

    def _run(self, image: str, name: str, arguments: Sequence[str]) -> bytes:
        client, call = self._api.client, self._api.call
        deadline = time.monotonic() + SECONDS
        create: Callable[..., Any] = client.create_container_from_config
        made = self._api.object(
            "POST /containers/create", lambda: create(_helper(image, name, arguments), name)
        )
        for warning in made.get("Warnings") or ():
            if "platform" in str(warning):
                raise ObservationError(f"{printable(image)}: {printable(str(warning))}")
        where = f"POST /containers/{name}"
        # Attached before it starts: all that it writes is read as it comes, and kept nowhere.
        wanted = {"stdout": 1, "stream": 1}
        with self._api.stream("/containers/{0}/attach", name, params=wanted) as stream:
            call(f"{where}/start", lambda: client.start(name))
            text = _gather(frames.output(stream, deadline), deadline, "the helper")
        left = max(1, int(deadline - time.monotonic()))
        ended = self._api.object(f"{where}/wait", lambda: client.wait(name, timeout=left))
        code = ended.get("StatusCode")
        if code in _NO_COMMAND:
            raise ObservationError(f"there is no sh or no cat in {printable(image)}")
        if code != 0:
            raise ObservationError(f"it ended with code {code}")
        return text

    def _tell_lost(self, error: ExposedError) -> None:
        """Raise the error where the engine is lost: whatever else is asked will fail alike."""
        if isinstance(error, LostError):
            try:
                self._api.ping()
            except EngineError:
                raise error from None

    def _remove(self, container: str) -> None:
        """Remove a helper, running or not, if there is one."""
        try:
            self._api.call(
                f"DELETE /containers/{container}",
                lambda: self._api.client.remove_container(container, v=True, force=True),
                named=True,
            )
        except NotFoundError:
            pass
        except EngineError as error:
            if "already in progress" in str(error):  # somebody else removes it
                return
            advice = f"remove it when the engine is back: docker rm -f {container}"
            if isinstance(error, LostError):
                raise LostError(f"{error}; the helper may be left: {advice}") from None
            raise ObservationError(f"its container is left: {error}; {advice}") from None

    def _helper_image(self) -> str:
        """Return the helper's image: that which is named, pulled if missing, or one of Docker's."""
        if self._image is not None:
            try:
                self._api.image(self._image)
            except NotFoundError:
                self._pull(self._image)
            except LostError:
                raise
            except EngineError as error:
                raise ObservationError(f"its image can't be used: {error}") from None
            return self._image
        names = [x for record in self._api.images() for x in tags(record)]
        for official in _OFFICIAL:
            own = {place + official for place in _PLACES}
            found = sorted(x for x in names if x.rpartition(":")[0] in own)
            if found:
                return next((x for x in found if x.endswith(":latest")), found[-1])
        raise ObservationError(
            f"it needs an image with sh and cat: there is no {' or '.join(_OFFICIAL)} on the "
            "engine, and --exposed-helper-image names none"
        )

    def _remove_leftovers(self) -> None:
        """Remove helpers of runs that were killed: those older than any helper gets."""
        left = self._api.all_containers({"label": [LABEL]})
        if not left:
            return
        now = when(self._api.info().get("SystemTime"))
        for record in left:
            made = record.get("Created")
            old = now is not None and isinstance(made, int) and now.timestamp() - made > 2 * SECONDS
            with suppress(ObservationError, RecordError):
                listed = Listed.from_record(record)
                if old and is_helper(listed):
                    self._remove(listed.id)

    def _pull(self, image: str) -> None:
        from docker.utils import parse_repository_tag  # noqa: PLC0415  # it is slow to import

        repository, tag = parse_repository_tag(image)  # or its digest
        try:
            self._api.call(
                "POST /images/create",
                lambda: self._api.client.pull(repository, tag=tag or "latest"),
            )
            self._api.image(image)  # a pull that fails in the middle is answered with "200 OK"
        except (EngineError, NotFoundError) as error:
            raise ObservationError(f"its image can't be pulled: {error}") from None

    def execute(self, container: str, command: Sequence[str]) -> bytes:
        """Return what a command writes that runs in a container.

        Raises ObservationError where it can't run, is ended by a signal, or takes too long.
        """
        deadline = time.monotonic() + EXEC_SECONDS
        try:
            text, code = self._execute(container, list(command), deadline)
        except frames.LateError:  # there is no call that ends it
            raise ObservationError(
                f"{command[0]} in it took too long, and may still run there"
            ) from None
        except ExposedError as error:
            self._tell_lost(error)
            raise ObservationError(str(error)) from None
        if code in _NO_COMMAND:
            raise ObservationError(f"there is no {command[0]} in the image")
        # 1: one of the files is missing, which the text itself tells.
        if code not in (0, 1):
            raise ObservationError(f"{command[0]} in it ended with code {code}")
        return text

    def _execute(self, container: str, command: list[str], deadline: float) -> tuple[bytes, int]:
        client = self._api.client
        made = self._api.object(
            f"POST /containers/{container}/exec",
            lambda: client.exec_create(container, command, stdin=False),
        )
        identity = str(made.get("Id"))
        wanted = {"Tty": False, "Detach": False}
        with self._api.stream("/exec/{0}/start", identity, json=wanted) as stream:
            text = _gather(frames.output(stream, deadline), deadline, f"{command[0]} in it")
        reading = f"GET /exec/{identity}/json"
        while True:  # its stream ends a moment before it does
            state = self._api.object(reading, lambda: client.exec_inspect(identity))
            code = state.get("ExitCode")
            if state.get("Running") is False and isinstance(code, int):
                return text, code
            if time.monotonic() > deadline:
                raise frames.LateError(f"{command[0]} in it does not end")
            time.sleep(0.01)


def _helper(image: str, name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the configuration of the helper: it can read what everyone can read, and no more."""
    return {
        "Image": image,
        "Entrypoint": ["sh", "-c"],
        "Cmd": list(arguments),
        "User": "65534:65534",
        "Env": ["LC_ALL=C"],
        "Labels": {LABEL: name},
        "NetworkDisabled": True,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": {
            "PidMode": "host",
            "UsernsMode": "host",  # the host's pids can't be had from another user namespace
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "none"},
            "Memory": 64 << 20,
            "PidsLimit": 16,
        },
    }


def _gather(chunks: Iterator[bytes], deadline: float, who: str) -> bytes:
    """Return all chunks as one text, of at most LIMIT bytes and before the deadline."""
    text = bytearray()
    for chunk in chunks:
        text += chunk
        if len(text) > LIMIT:
            raise ObservationError(f"{who} wrote over {LIMIT} bytes")
        if time.monotonic() > deadline:
            raise frames.LateError(f"{who} took too long")
    return bytes(text)
