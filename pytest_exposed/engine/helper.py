"""The helper container of an engine: the only thing that an audit creates there.

It stays for further observations, and is removed in every case. We remove it. If our process is
killed, its shell ends with its input, or after a while without a question, and the engine removes
it. If it was never started, or its image runs something else, a later run removes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pytest_exposed.engine.calls import ForbiddenError, LostError
from pytest_exposed.engine.json_fields import as_list, when
from pytest_exposed.engine.owner import LABEL, LEFT_OVER, has_ended, is_helper, this_process
from pytest_exposed.engine.records import Listed, RecordError
from pytest_exposed.engine.transport import frames
from pytest_exposed.errors import EngineError, NotFoundError, ObservationError
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

if TYPE_CHECKING:
    from pytest_exposed.engine.api import Api

OWNER = "pytest-exposed.helper.owner"
"""The label that holds the process that created it: boot, pid namespace, pid and start time."""

_LIMITS = ("Memory", "PidsLimit")
_OF_LIMITS = re.compile("cgroup|controller|memory|pids", re.IGNORECASE)
"""Engines' errors for limits that the machine's cgroups don't support."""

# Runtimes that use the host's kernel, where the sockets are; the first is Docker's own.
_RUNTIMES = ("runc", "crun", "youki", "io.containerd.runc.v2")

SECONDS = 60.0
"""Seconds for a helper's answer, and seconds since its creation in which it is asked."""

LEFT_AFTER = 2 * SECONDS
"""Seconds since its creation after which no run can be at work with a helper."""

_END = 10.0
"""Seconds for the removal of a helper that has ended."""

NO_COMMAND = (126, 127)
"""Exit codes of shells and runtimes for a command that can't run."""


class Helper:
    """A helper container, which runs a shell script."""

    def __init__(self, api: Api, image: str) -> None:
        """Prepare a helper from an image; nothing is created yet."""
        self._api = api
        self._image = image
        self._name = _new_name()
        self._made = monotonic()
        self._process = os.getpid()
        self._open = ExitStack()
        self._stream: Any = None
        self._ahead = bytearray()
        self._may_exist = False

    @property
    def is_ours(self) -> bool:
        """Whether this process created it, rather than a process that this one was forked from."""
        return self._process == os.getpid()

    @property
    def _is_young(self) -> bool:
        """Whether no other run removes it as a leftover before it can answer."""
        return monotonic() - self._made < SECONDS

    def begin(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:
        """Create and start it; return its first output, up to the end mark or its exit.

        Raises LateError if this takes too long, ObservationError if the output can't be read or
        the container failed, EngineError and NotFoundError as the engine's calls do.
        """
        deadline = self._made + SECONDS
        wanted = _configuration(self._image, self._name, [script, "sh", *arguments])
        runtime = _runtime(self._api)
        if runtime:
            wanted["HostConfig"]["Runtime"] = runtime
        try:
            self._start(wanted)
        except EngineError as error:
            # Podman without a cgroup controller: crun can't set the limit.
            if isinstance(error, LostError) or not _OF_LIMITS.search(str(error)):
                raise
            self.remove()
            self._name = wanted["Labels"][LABEL] = _new_name()
            for limit in _LIMITS:
                del wanted["HostConfig"][limit]
            self._start(wanted)
        text = self._read(end, deadline)
        if not text.endswith(end):
            self._raise_for_code(deadline)
        return text

    def _start(self, wanted: dict[str, Any]) -> None:
        name = self._name
        self._may_exist = True
        try:
            made = self._api.json_object(
                "POST", "/containers/create", params={"name": name}, body=wanted
            )
        except ForbiddenError:
            self._may_exist = False
            raise
        for warning in as_list(made.get("Warnings")):
            if "platform" in str(warning):
                raise ObservationError(f"{printable(self._image)}: {printable(str(warning))}")
        # Attached before the start: all output is read as it comes, and none is logged.
        both = {"stdin": 1, "stdout": 1, "stream": 1}
        stream = self._api.stream("/containers/{}/attach", name, params=both)
        self._stream = self._open.enter_context(stream)
        self._api.ask("POST", "/containers/{}/start", name)

    def ask(self, arguments: Sequence[str], end: bytes) -> bytes:
        """Return its output for another question; empty if a new helper is needed.

        Raises LateError if this takes too long.
        """
        if not self._is_young or self._ahead:  # output left from before: it can't be trusted
            return b""
        deadline = monotonic() + SECONDS
        try:
            self._stream.send(" ".join(arguments).encode() + b"\n", SECONDS)
            text = self._read(end, deadline)
        except frames.LateError:
            raise
        except (ObservationError, OSError):
            return b""
        return text if text.endswith(end) else b""

    def _read(self, end: bytes, deadline: float) -> bytes:
        chunks = frames.output(self._stream, deadline, self._ahead)
        return frames.gather(chunks, deadline, "the helper", end)

    def _raise_for_code(self, deadline: float) -> None:
        """Raise ObservationError if it failed and the engine still knows its exit code."""
        left = max(1.0, deadline - monotonic())
        wait = ("POST", "/containers/{}/wait", self._name)
        try:
            ended = self._api.json_object(*wait, named=True, seconds=left)
        except NotFoundError:  # the engine has removed it
            return
        code = ended.get("StatusCode")
        if code in NO_COMMAND:
            raise ObservationError(f"there is no sh or no cat in {printable(self._image)}")
        if code != 0:
            raise ObservationError(f"it ended with code {code}")

    def remove(self) -> None:
        """Remove it, running or not. It may exist even if its creation got no answer.

        Raises LostError or ObservationError if it may be left.
        """
        self._open.close()  # first: the engine would wait for a reader
        if self._may_exist:
            remove(self._api, self._name)


def remove(api: Api, container: str) -> None:
    """Remove a helper by its id or name, if it exists; raises as Helper.remove does."""
    try:
        api.ask("DELETE", "/containers/{}", container, named=True, params={"v": 1, "force": 1})
    except NotFoundError:
        pass
    except EngineError as error:
        if "already in progress" in str(error):  # the engine or another run removes it
            wait = ("POST", "/containers/{}/wait", container)
            with suppress(EngineError, NotFoundError):
                api.ask(*wait, named=True, params={"condition": "removed"}, seconds=_END)
            return
        advice = f"remove it when the engine is back: docker rm -f {container}"
        if isinstance(error, LostError):
            raise LostError(f"{error}; the helper may be left: {advice}") from None
        raise ObservationError(f"its container is left: {error}; {advice}") from None


def _new_name() -> str:
    return f"pytest-exposed-{uuid4().hex}"


def _runtime(api: Api) -> str:
    """Return the runtime to request; empty if the engine's default will do, or is unknown."""
    try:
        info = api.info()
    except EngineError:
        return ""
    default, known = info.get("DefaultRuntime"), info.get("Runtimes")
    if not isinstance(known, dict) or not isinstance(default, str) or default in _RUNTIMES:
        return ""
    return next((x for x in _RUNTIMES if x in known), "")


def remove_leftovers(api: Api, *, running: bool) -> None:
    """Remove helpers of killed runs that the engine did not remove.

    They are too old, or their process ended before it started them. running says whether to
    include helpers that still run: most end with their run.
    """
    left = api.containers({"label": [LABEL]} if running else LEFT_OVER, every=True)
    if not left:
        return
    now = when(api.info().get("SystemTime"))
    for record in left:
        made = record.get("Created")
        old = now is not None and isinstance(made, int) and now.timestamp() - made > LEFT_AFTER
        with suppress(ObservationError, RecordError):
            listed = Listed.from_record(record)
            orphan = listed.state == "created" and has_ended(listed.labels.get(OWNER, ""))
            if (old or orphan) and is_helper(listed):
                remove(api, listed.id)


def _configuration(image: str, name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return a helper's configuration: it can read world-readable files and do nothing else."""
    return {
        "Image": image,
        "Entrypoint": ["sh", "-c"],
        "Cmd": list(arguments),
        "User": "65534:65534",
        "Env": ["LC_ALL=C"],
        "Labels": {LABEL: name, OWNER: this_process()},
        "NetworkDisabled": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "OpenStdin": True,
        "StdinOnce": True,  # its input ends with our connection
        "HostConfig": {
            "AutoRemove": True,
            "PidMode": "host",
            "UsernsMode": "host",  # the host's pid namespace requires the host's user namespace
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "LogConfig": {"Type": "none"},
            "Memory": 64 << 20,
            "PidsLimit": 16,
        },
    }
