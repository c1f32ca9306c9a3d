"""The docker command, or podman's where there is none: how it is called for an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import field

from pytest_exposed.engine.hosts import Given, Member, resolve
from pytest_exposed.errors import ConfigurationError, EngineError
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic
from pytest_exposed.values import dataclass

_SECONDS = 30.0
"""How long the command may take for what is done at once."""

_STEP = 0.25
"""Seconds between two lines of progress."""


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
                environment.pop("DOCKER_HOST", None)
                environment.pop("DOCKER_CONTEXT", None)
                if ":" in host:
                    environment["DOCKER_HOST"] = _as_docker_writes(resolve(host).url)
                else:
                    environment["DOCKER_CONTEXT"] = host
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
