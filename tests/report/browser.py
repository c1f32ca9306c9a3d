"""Chromium without a window, driven over two pipes by its DevTools protocol."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import tempfile
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.packages import install, which

PATIENCE = 60
"""Seconds for an answer of a browser on a busy machine."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "about:blank",
)
ALT, CONTROL, META, SHIFT = 1, 2, 4, 8
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40}
TEXTS = {"Enter": "\r"}


def program() -> str:
    """Return the path of Chromium, installed where it is missing and that is possible.

    Raises demo.packages.NotInstalled where it isn't.
    """
    if not any(map(which, NAMES)):
        install("chromium")
    return next(x for x in map(which, NAMES) if x)


class Browser:
    """A running Chromium: what a test opens in it are pages."""

    def __init__(self, executable: str, profile: str) -> None:
        """Start it. It reads commands from its descriptor 3 and answers on 4."""
        self.profile = profile
        theirs_in, self._commands = _pipe()
        self._answers, theirs_out = _pipe()
        arguments = [executable, *OPTIONS[:-1], f"--user-data-dir={profile}", OPTIONS[-1]]
        log = os.open(f"{profile}/log", os.O_WRONLY | os.O_CREAT, 0o600)
        self._log = Path(profile, "log")
        self.pid = os.posix_spawn(
            executable,
            arguments,
            # A language and a home of its own: the same on every machine.
            {**os.environ, "HOME": profile, "LC_ALL": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
                (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                (os.POSIX_SPAWN_DUP2, theirs_out, 4),
            ],
            setpgroup=0,
        )
        for descriptor in (log, theirs_in, theirs_out):
            os.close(descriptor)
        self._last = 0
        self._read = b""
        self._results: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        self._last += 1
        command = {"id": self._last, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while self._last not in self._results:
            self.listen(deadline, method)
        answer = self._results.pop(self._last)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def listen(self, deadline: float, awaited: str) -> None:
        """Take in what the browser says next."""
        ready, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
        data = os.read(self._answers, 1 << 20) if ready else b""
        if not data:
            why = "has ended" if ready else f"said nothing for {PATIENCE} s"
            log = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise TimeoutError(f"Chromium {why}; awaited: {awaited}\n{log}")
        *messages, self._read = (self._read + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._results[message["id"]] = message
            else:
                self.events.append(message)

    def close(self) -> None:
        """End it and all its processes, whatever its state."""
        with contextlib.suppress(OSError, TimeoutError):
            self.call("Browser.close")
        for descriptor in (self._commands, self._answers):
            os.close(descriptor)
        deadline = time.monotonic() + 10
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                break
            time.sleep(0.02)
        # Its renderers end by themselves; none may outlive the test.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def _pipe() -> tuple[int, int]:
    """Return the ends of a pipe, above the descriptors that the browser is given."""
    low = os.pipe()
    ends = [fcntl.fcntl(x, fcntl.F_DUPFD_CLOEXEC, 10) for x in low]
    for descriptor in low:
        os.close(descriptor)
    return ends[0], ends[1]


@contextlib.contextmanager
def running() -> Iterator[Browser]:
    """Run a browser with a profile of its own."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        browser = Browser(program(), profile)
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """A tab of a browser, and what it has asked for and complained of."""

    def __init__(self, browser: Browser, *, width: int = 1400, height: int = 900) -> None:
        self._browser = browser
        self._scripts = True
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        attached = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def events(self, *methods: str) -> list[dict[str, Any]]:
        """Return the parameters of the page's events of these names."""
        return [
            x["params"]
            for x in self._browser.events
            if x.get("sessionId") == self._session and x["method"] in methods
        ]

    def open(self, path: Path) -> float:
        """Open a file; return the seconds until it was loaded and drawn."""
        return self.visit(path.as_uri())

    def visit(self, address: str) -> float:
        """Open an address; return the seconds until it was loaded and drawn."""
        loads = len(self.events("Page.loadEventFired"))
        began = time.monotonic()
        answer = self.call("Page.navigate", url=address)
        assert "errorText" not in answer, f"{address}: {answer['errorText']}"
        deadline = began + PATIENCE
        while len(self.events("Page.loadEventFired")) == loads:
            self._browser.listen(deadline, f"{address} loaded")
        self.settle()
        return time.monotonic() - began

    def settle(self) -> None:
        """Wait until what was done is drawn."""
        if not self._scripts:  # then nobody is told of frames
            self.screenshot()
            return
        self.js("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))")

    def js(self, expression: str) -> Any:
        """Return the value of an expression, awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def texts(self, selector: str) -> list[str]:
        """Return the texts of the elements that can be seen."""
        found: list[str] = self.js(
            f"[...document.querySelectorAll({json.dumps(selector)})]"
            ".filter(x => x.checkVisibility()).map(x => x.innerText)"
        )
        return found

    def press(self, *keys: str, modifiers: int = 0) -> None:
        """Press keys: "Tab", "Enter", "a"."""
        for key in keys:
            code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            text = TEXTS.get(key, key if len(key) == 1 else "")
            event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
            down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
            self.call("Input.dispatchKeyEvent", **event, **down)
            self.call("Input.dispatchKeyEvent", **event, type="keyUp")
        self.settle()

    def click(self, selector: str) -> None:
        """Press the mouse in the middle of an element."""
        where = self.js(
            f"(() => {{ const x = document.querySelector({json.dumps(selector)});"
            "x.scrollIntoView({block: 'center', inline: 'center'});"
            "const r = x.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2] })()"
        )
        event = {"x": where[0], "y": where[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", **event, type=kind)
        self.settle()

    def theme(self, name: str) -> None:
        """Let the system prefer "light" or "dark"."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[feature])
        self.settle()

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self) -> bytes:
        """Return what is seen, as PNG."""
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def without_scripts(self) -> None:
        """Run none of the scripts of what is opened from now on."""
        self.call("Emulation.setScriptExecutionDisabled", value=True)
        self._scripts = False

    def complaints(self) -> list[Any]:
        """Return what stands in the console: errors, warnings, exceptions, refused content."""
        return self.events("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")

    def requests(self) -> list[str]:
        """Return the addresses that were asked for."""
        return [x["request"]["url"] for x in self.events("Network.requestWillBeSent")]

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
