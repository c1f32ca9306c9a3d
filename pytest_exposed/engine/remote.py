"""Runs processes on an engine for the sources of sockets: the one helper container, and exec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_exposed.engine.calls import LostError
from pytest_exposed.engine.image_records import tags
from pytest_exposed.engine.json_fields import JsonObject, as_text
from pytest_exposed.engine.transport import frames
from pytest_exposed.errors import (
    ConfigurationError,
    EngineError,
    ExposedError,
    NotFoundError,
    ObservationError,
)
from pytest_exposed.text import printable
from pytest_exposed.unpatched import holding, monotonic, new_lock, pause

if TYPE_CHECKING:
    from pytest_exposed.engine.api import Api
    from pytest_exposed.engine.helper import Helper

EXEC_SECONDS = 10.0
"""Seconds for `cat` in a container."""

# Official images with sh and cat, in order of preference, and the forms of their names. Somebody's
# own "name/busybox" is not used.
_OFFICIAL = ("busybox", "alpine")
_PLACES = ("", "library/", "docker.io/library/", "localhost/")

# Big-endian machines, which reverse the words of /proc's addresses (GOARCH, uname -m).
_BIG_ENDIAN = ("s390x", "ppc64", "mips", "mips64", "sparc64")


class EngineRemote:
    """The engine's part of the sources helper and exec."""

    def __init__(self, api: Api, image: str | None) -> None:
        """Use an engine's API; image is the helper's, None for any suitable one on the engine."""
        self._api = api
        self._image = image
        self._helper: Helper | None = None
        self._helping = new_lock()
        self._closed = False
        self._swept = False
        self._info: JsonObject | None = None
        self.image_trouble = ""
        """Why the image that was named can't be used; empty where it can, or none was named."""

    @property
    def byteorder(self) -> str:
        """The byte order of the engine's machine."""
        return "big" if self.about("Architecture") in _BIG_ENDIAN else "little"

    def about(self, name: str) -> str:
        """Return a field of `GET /info`; empty if the engine leaves it out."""
        if self._info is None:
            self._info = {}
            try:
                self._info = self._api.info()
            except EngineError as error:  # a proxy may allow the list and refuse this
                self._tell_lost(error)
        return as_text(self._info.get(name))

    def run_helper(self, script: str, arguments: Sequence[str], end: bytes) -> bytes:
        """Return the output of a shell script in the one helper container.

        A helper that still runs is asked again: see Remote.
        """
        from pytest_exposed.engine.helper import Helper  # noqa: PLC0415  # few audits need one

        with holding(self._helping):
            text = b""
            if self._helper is not None and self._helper.is_ours:
                text = self._asked(self._helper, end, lambda x: x.ask(arguments, end))
            if not text:
                helper = Helper(self._api, self._prepared())
                text = self._asked(helper, end, lambda x: x.begin(script, arguments, end))
        if self._closed and (left := self.close()):
            raise ObservationError(left)
        return text

    def _asked(self, helper: Helper, end: bytes, ask: Callable[[Helper], bytes]) -> bytes:
        """Return a helper's answer and keep the helper; remove it if it fails."""
        self._helper = None
        failure = ""
        try:
            text = ask(helper)
            self._helper = helper if text.endswith(end) else None
        except frames.LateError:
            failure = "its container took too long"
        except ExposedError as error:
            self._tell_lost(error)
            failure = f"its container failed: {error}"
        finally:
            if self._helper is None:
                try:
                    helper.remove()
                except ObservationError as left:
                    failure = f"{failure}; {left}" if failure else str(left)
        if failure:
            raise ObservationError(failure)
        return text

    def _prepared(self) -> str:
        """Return the image for a new helper."""
        try:
            image = self._helper_image()
        except ExposedError as error:
            self._tell_lost(error)
            raise ObservationError(str(error)) from None
        self.sweep(running=True)
        return image

    def sweep(self, *, running: bool = False) -> None:
        """Remove helpers of killed runs, once; running says whether to include running ones."""
        if not self._swept:
            from pytest_exposed.engine.helper import remove_leftovers  # noqa: PLC0415  # as above

            self._swept = True
            # An engine may refuse the request or its filter.
            with suppress(EngineError, ObservationError, ConfigurationError):
                remove_leftovers(self._api, running=running)

    def close(self) -> str | None:
        """Remove the helper; return a line if it may be left.

        If another thread is using it, that thread removes it.
        """
        self._closed = True
        if not self._helping.acquire(False):
            return None
        try:
            helper, self._helper = self._helper, None
            if helper is not None and helper.is_ours:
                helper.remove()
        except ExposedError as error:
            return str(error)
        finally:
            self._helping.release()
        return None

    def _tell_lost(self, error: ExposedError) -> None:
        """Raise the error if the engine is lost, because every further request would fail, too."""
        if isinstance(error, LostError):
            try:
                self._api.ping()
            except EngineError:
                raise error from None

    def _helper_image(self) -> str:
        """Return the helper's image: the given one, pulled if missing, or an official one."""
        if self._image is not None:
            self.image_trouble = ""
            try:
                self._given(self._image)
            except ObservationError as error:
                self.image_trouble = str(error)
                raise
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

    def _given(self, image: str) -> None:
        """Pull the image that was named if it is missing; ObservationError if it can't be used."""
        try:
            self._api.image(image)
        except NotFoundError:
            self._pull(image)
        except LostError:
            raise
        except EngineError as error:
            raise ObservationError(f"its image can't be used: {error}") from None

    def _pull(self, image: str) -> None:
        from pytest_exposed.engine.pull import pull  # noqa: PLC0415  # it needs the docker SDK

        try:
            pull(self._api, image)
            self._api.image(image)  # a pull that fails halfway has the status "200 OK"
        except (EngineError, NotFoundError) as error:
            raise ObservationError(
                f"its image {printable(image)} is missing and can't be pulled: name one that the "
                f"engine has (--exposed-helper-image): {error}"
            ) from None

    def execute(self, container: str, command: Sequence[str]) -> bytes:
        """Return the output of a command in a container.

        Raises ObservationError if it can't run, is killed by a signal, or takes too long.
        """
        deadline = monotonic() + EXEC_SECONDS
        try:
            text, code = self._execute(container, list(command), deadline)
        except frames.LateError:  # no request of the API can end it
            raise ObservationError(
                f"{command[0]} in it took too long, and may still run there"
            ) from None
        except ExposedError as error:
            self._tell_lost(error)
            raise ObservationError(str(error)) from None
        from pytest_exposed.engine.helper import NO_COMMAND  # noqa: PLC0415  # as above

        if code in NO_COMMAND:
            raise ObservationError(f"there is no {command[0]} in the image")
        # 1: a file is missing, which the text shows.
        if code not in (0, 1):
            raise ObservationError(f"{command[0]} in it ended with code {code}")
        return text

    def _execute(self, container: str, command: list[str], deadline: float) -> tuple[bytes, int]:
        wanted = {"Cmd": command, "AttachStdout": True, "AttachStderr": True}
        made = self._api.json_object("POST", "/containers/{}/exec", container, body=wanted)
        identity = str(made.get("Id"))
        started = {"Tty": False, "Detach": False}
        with self._api.stream("/exec/{}/start", identity, body=started) as stream:
            text = frames.gather(frames.output(stream, deadline), deadline, f"{command[0]} in it")
        while True:  # its stream ends a moment before the process
            state = self._api.json_object("GET", "/exec/{}/json", identity)
            code = state.get("ExitCode")
            if state.get("Running") is False and isinstance(code, int):
                return text, code
            if monotonic() > deadline:
                raise frames.LateError(f"{command[0]} in it does not end")
            pause(0.01)
