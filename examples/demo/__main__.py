"""Containers with and without port drift, and what ``pytest --exposed`` says about them.

Run ``python -m demo`` in the examples folder. The exit status is 0 when the audit found exactly
the drift that was put there. With ``--stay`` the containers run until Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException

from demo.engine import EngineMissing, connect, engine
from demo.packages import NotInstalled, which
from demo.story import ACTORS, LABEL, DemoError, say, story

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType


def main() -> int:
    """Show the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--stay", action="store_true", help="let the containers run until Ctrl-C")
    stay = parser.parse_args().stay
    if not entry_points(group="pytest11", name="exposed"):
        print(
            f"pytest-exposed is not installed for {sys.executable}. "
            f"Install it: {sys.executable} -m pip install pytest-exposed",
            file=sys.stderr,
        )
        return 1
    signal.signal(signal.SIGTERM, _leave)
    try:
        with engine() as host, tempfile.TemporaryDirectory(prefix="demo-") as folder:
            return _show(host, Path(folder), stay=stay)
    except (DemoError, EngineMissing, NotInstalled, DockerException, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _leave(number: int, _frame: FrameType | None) -> None:
    """End by an exception, so that everything is cleaned up."""
    sys.exit(128 + number)


def _show(host: str, folder: Path, *, stay: bool) -> int:
    client = connect(host)
    try:
        with story(client) as run_id:
            _docker_ps(host, run_id)
            status = _audit(host, run_id, folder)
            if stay:
                _stay(host, run_id)
            return status
    finally:
        client.close()


def _docker_ps(host: str, run_id: str) -> None:
    docker = which("docker")
    if docker is None:
        say("what `docker ps` says is not shown: there is no docker command")
        return
    columns = r"table {{.Names}}\t{{.Image}}\t{{.Ports}}"
    command = ["docker", "ps", "--filter", f"label={LABEL}={run_id}", "--format", columns]
    say(f"\n$ {shlex.join(command)}")
    subprocess.run([docker, *command[1:]], env={**os.environ, "DOCKER_HOST": host}, check=False)


def _audit(host: str, run_id: str, folder: Path) -> int:
    """Run the audit and return 0 where it found just the drift that is there."""
    # An empty configuration: this checkout's own is about its tests.
    configuration, report = folder / "pytest.ini", folder / "report.json"
    configuration.write_text("[pytest]\n", encoding="ascii")
    audit = ["--exposed", "--docker-host", host, "--exposed-filter", f"label={LABEL}={run_id}"]
    quiet = ["-p", "no:cacheprovider", "-c", str(configuration), "--exposed-report", str(report)]
    say(f"\n$ pytest {shlex.join(audit)}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    status = subprocess.run(
        [sys.executable, "-m", "pytest", *audit, *quiet], cwd=folder, env=environment, check=False
    ).returncode
    try:
        document = json.loads(report.read_bytes())
    except (OSError, ValueError) as error:
        raise DemoError(f"pytest ended with status {status} and no report: {error}") from error

    problems = [*_differences(document)]
    if status != 1:
        problems.append(f"pytest ended with status {status}; findings make it 1")
    say("")
    for problem in problems:
        say(f"demo: {problem}")
    if not problems:
        say("demo: the audit found exactly the drift that is there")
    return 1 if problems else 0


def _stay(host: str, run_id: str) -> None:
    """Tell what can be run by hand, and wait for Ctrl-C."""
    say("\ndemo: the containers run until Ctrl-C. In another terminal:\n")
    ours = f"--exposed-filter label={LABEL}={run_id}"
    suite = Path(__file__).parents[1] / "suite"
    services, drift = (shlex.quote(str(suite / f"test_{x}.py")) for x in ("services", "drift"))
    for arguments in (f"--exposed {ours}", f"{services} {ours}", drift):
        say(f"DOCKER_HOST={host} {shlex.quote(sys.executable)} -m pytest {arguments}")
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _differences(document: dict[str, Any]) -> Iterable[str]:
    """Yield a line for each thing in the audit's report that is not as it must be."""
    audited = [container for host in document["hosts"] for container in host["containers"]]
    names = sorted(container["name"] for container in audited)
    expected_names = sorted(actor.name for actor in ACTORS)
    if names != expected_names:
        yield f"audited {names}, not {expected_names}"
    for host in document["hosts"]:
        if host["error"]:
            yield f"{host['host']} was not observed: {host['error']}"
    for container in audited:
        if container["error"]:
            yield f"{container['name']} was not observed: {container['error']}"
    found = {
        (container["name"], finding["rule"], finding["port"])
        for container in audited
        for finding in container["findings"]
    }
    expected = {(actor.name, *actor.drift) for actor in ACTORS if actor.drift}
    for name, rule, port in sorted(expected - found, key=str):
        yield f"not found: {name} {rule} {port}"
    for name, rule, port in sorted(found - expected, key=str):
        yield f"found, but it is not there: {name} {rule} {port}"


if __name__ == "__main__":
    sys.exit(main())
