"""The docker command, or podman's where there is none: how it is called for an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Any

from pytest_exposed.engine.hosts import Given, Member, resolve
from pytest_exposed.errors import ConfigurationError, EngineError
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic
from pytest_exposed.values import dataclass

_SECONDS = 30.0
"""How long the command may take for what is done at once."""

_STEP = 0.25
"""Seconds between two lines of progress."""

# Long options of `docker run --help` and `podman run --help`: pflag's FlagUsages. A flag that needs
# no value has no type behind its name, or "[=...]".
_OPTION = re.compile(r" {2,}(?:-(\w), )?--([\w-]+)(?: ([^\s\[]+))?(?:  |\[|$)")


class CommandError(EngineError):
    """A docker command that failed; its message is the command's own."""


@dataclass(frozen=True, slots=True)
class DockerCommand:
    """The command and the engine that it speaks to."""

    program: str
    """docker or podman."""
    _begin: tuple[str, ...] = field(repr=False)  # an address can hold a password
    _environment: dict[str, str] = field(repr=False)

    @classmethod
    def of(cls, host: Given) -> DockerCommand:
        """Return the command for an engine; ConfigurationError where there is none.

        The default engine, and that of a context, are the docker command's own choice.
        """
        if isinstance(host, Member):
            raise ConfigurationError(
                f"--exposed-run can't run an image on {printable(host.name)}, an engine of a list: "
                "name one engine with --docker-host"
            )
        environment = dict(os.environ)
        if shutil.which("docker"):
            if host is not None:
                name = "DOCKER_HOST" if "://" in host or ":" in host else "DOCKER_CONTEXT"
                environment.pop("DOCKER_HOST", None)
                environment.pop("DOCKER_CONTEXT", None)
                environment[name] = _as_docker_writes(resolve(host).url) if ":" in host else host
            return cls("docker", ("docker",), environment)
        if shutil.which("podman"):
            # Not as CONTAINER_HOST: podman reads that only when it is built to be remote.
            return cls("podman", ("podman", "--url", resolve(host).url), environment)
        raise ConfigurationError(
            "--exposed-run needs the docker command, or podman, and neither is on the PATH: "
            "install one, or start the container yourself and audit it with --exposed"
        )

    def begin(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start the command; a Ctrl-C in the terminal doesn't reach it."""
        return subprocess.Popen(
            [*self._begin, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def ask(self, *words: str) -> str:
        """Return what the command prints; CommandError where it fails or takes too long."""
        process = self.begin(words)
        try:
            return output(process, _SECONDS)
        finally:
            end(process)


def output(
    process: subprocess.Popen[bytes],
    seconds: float,
    show: Callable[[float], object] = lambda _: None,
) -> str:
    """Return what a command prints, when it ends; show is called with the seconds so far.

    Raises CommandError where it fails or takes longer.
    """
    began = monotonic()
    while True:
        try:
            out, err = process.communicate(timeout=_STEP)
            break
        except subprocess.TimeoutExpired:
            if monotonic() - began > seconds:
                raise CommandError(f"no answer within {seconds:.0f} s") from None
            show(monotonic() - began)
    if process.returncode != 0:
        raise CommandError(_complaint(err) or f"it ended with code {process.returncode}")
    return out.decode("utf-8", "backslashreplace")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command that still runs."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


def _complaint(err: bytes) -> str:
    """Return the command's own words for a failure in one line: no progress, no hints."""
    lines = [x.strip() for x in err[-8192:].decode("utf-8", "backslashreplace").splitlines()]
    messages = [x for x in lines if re.match(r"(docker|podman|Error|error|invalid|unknown)\b", x)]
    kept = [x for x in (messages or lines) if x and not x.startswith(("See '", "Run '"))]
    text = " ".join(kept).removeprefix("docker: ").removesuffix(".")
    return printable(re.sub(r"\.?\s*See '[^']*--help'.*", "", text), 1000)


def _as_docker_writes(url: str) -> str:
    """Return an address with a scheme that the docker command knows (opts/hosts.go of its CLI)."""
    scheme, _, rest = url.partition("://")
    return f"{ {'http': 'tcp', 'https': 'tcp', 'http+unix': 'unix'}.get(scheme, scheme) }://{rest}"


def with_value(help_text: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the short and long options that take a value, by the text of `docker run --help`."""
    found = [x.groups() for line in help_text.splitlines() if (x := _OPTION.match(line))]
    taking: list[Any] = [(short, long) for short, long, kind in found if kind]
    return frozenset(x for x, _ in taking if x), frozenset(x for _, x in taking)


def image_of(words: Sequence[str], help_text: str) -> str:
    """Return which of the words of `docker run` is the image: the first that is no option.

    It is what a test is called by. ConfigurationError where there is none.
    """
    short, long = with_value(help_text)
    left = iter(words)
    for word in left:
        if word == "--":
            return _image(next(left, ""))
        if word.startswith("--"):
            name, equals, _ = word[2:].partition("=")
            _check_detached(name == "detach" and bool(equals))
            if name in long and not equals:
                next(left, None)
        elif word.startswith("-") and word != "-":
            letters, equals, _ = word[1:].partition("=")
            value = next((at for at, x in enumerate(letters) if x in short), None)
            _check_detached(value is None and letters.endswith("d") and bool(equals))
            if value == len(letters) - 1 and not equals:
                next(left, None)
        else:
            return _image(word)
    return _image("")


def _check_detached(has_value: bool) -> None:
    """Refuse a value of --detach: a command that stays attached ends with its container."""
    if has_value:
        raise ConfigurationError(
            "--exposed-run, exposed_run: --detach has a value: leave it out, a container that is "
            "judged runs in the background"
        )


def _image(word: str) -> str:
    if not word:
        raise ConfigurationError(
            "--exposed-run, exposed_run: no image is named: write [OPTIONS] IMAGE [COMMAND], as "
            "behind `docker run`"
        )
    return word
