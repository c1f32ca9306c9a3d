"""A trial of a service: start it, watch with ss what it listens on, audit it twice, restart it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from corpus.root import image_of

if TYPE_CHECKING:
    from corpus.table import Service

DYNAMIC_FROM = 32768
"""Where the kernel's ip_local_port_range begins, ip(7)."""
NETWORK = "exposed-corpus"
_MINUTE = 60.0
_STILL = 30.0
_LONGEST = 240.0
_PAUSE = 2.0
"""Seconds between two looks of ss."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What all trials share."""

    docker: tuple[str, ...]
    """The docker command, with the engine's address."""
    pytest: tuple[str, ...]
    """The pytest that has the plugin, with the engine's address."""
    at_start: tuple[str, ...]
    """Options of the audit that follows the start at once."""
    folder: Path
    restart: bool

    def run(self, *command: str, check: bool = True) -> str:
        """Run a docker command; return its output."""
        done = subprocess.run([*self.docker, *command], capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def trial(self, service: Service) -> str:
        """Write the record of a service to the folder; return a line about it."""
        name = f"exposed-corpus-{service.name}"
        self.run("rm", "-f", "-v", name, check=False)
        about = ("--name", name, "--hostname", service.name, "--network", NETWORK)
        self.run("run", "-d", *about, *service.options, image_of(service))
        try:
            record = self._watched(name)
            if self.restart:
                record["restart"] = self._restarted(name)
            record["log"] = self._log(name)
        finally:
            self.run("rm", "-f", "-v", name, check=False)
        path = self.folder / f"{service.name}.json"
        path.write_text(json.dumps(record, indent=1), encoding="utf-8")
        found = [f"{x['rule']} {x['port'] or ''}".strip() for x in record["minute"]["findings"]]
        return f"{service.name} {record['state']}: {', '.join(found) or 'match'}"

    def _watched(self, name: str) -> dict[str, Any]:
        with ThreadPoolExecutor(1) as pool:
            start = pool.submit(self.audit, name, "start", *self.at_start)
            samples = self._settled(name)
        minute = self.audit(name, "minute")
        state, exposed = json.loads(
            self.run(
                "inspect", "-f", "[{{json .State.Status}}, {{json .Config.ExposedPorts}}]", name
            )
        )
        exposes = sorted(exposed or {})
        return {
            "state": state,
            "exposes": exposes,
            "samples": samples,
            "start": start.result(),
            "minute": minute,
        }

    def _settled(self, name: str) -> dict[str, list[list[str]]]:
        """Return what ss saw in a minute, or until a slow service has opened all its ports."""
        began = time.monotonic()
        pid = self.run("inspect", "-f", "{{.State.Pid}}", name)
        samples: dict[str, list[list[str]]] = {}
        same, since = None, began
        while (at := time.monotonic() - began) < _LONGEST:
            found = samples[f"{at:.1f}"] = listeners(pid)
            served = [x for x in found if x[2] != "dockerd" and not is_client(x[0])]
            if served != same or not served:
                same, since = served, time.monotonic()
            elif at > _MINUTE and time.monotonic() - since > _STILL:
                break
            time.sleep(_PAUSE)
        return samples

    def _restarted(self, name: str) -> dict[str, Any]:
        """Return what an audit finds after a restart that a fresh baseline doesn't have."""
        baseline = self.folder / f"{name}.baseline"
        baseline.unlink(missing_ok=True)
        self.audit(name, "before", f"--exposed-write-baseline={baseline}")
        accepted = (f"--exposed-baseline={baseline}",) if baseline.exists() else ()
        self.run("restart", "-t", "5", name)
        self._settled(name)
        return self.audit(name, "after", *accepted)

    def audit(self, name: str, moment: str, *options: str) -> dict[str, Any]:
        """Return the container's record in the report of an audit, and its exit status."""
        report = self.folder / f"{name}.{moment}.json"
        report.unlink(missing_ok=True)
        command = [
            *self.pytest,
            "--exposed",
            "-p",
            "no:cacheprovider",
            f"--exposed-report={report}",
        ]
        command += [f"--exposed-filter=name=^{name}$", *options]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False)
        text = self.folder / f"{name}.{moment}.txt"
        text.write_text(done.stdout + done.stderr, encoding="utf-8")
        found: dict[str, Any] = {"findings": [], "error": "not in the report"}
        if report.exists():
            hosts = json.loads(report.read_text(encoding="utf-8"))["hosts"]
            found |= next((x for host in hosts for x in host["containers"]), {})
            report.unlink()
        return {"status": done.returncode, **found, "findings": found["findings"] or []}

    def _log(self, name: str) -> str:
        both = [*self.docker, "logs", "--tail", "40", name]
        done = subprocess.run(both, stdout=-1, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout[-4000:]


def listeners(pid: str) -> list[list[str]]:
    """Return port, address and processes of all that ss sees in a process's network."""
    command = ["nsenter", "-t", pid, "-n", "ss", "-Htulpn"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = []
    for line in done.stdout.splitlines():
        protocol, _, _, _, local, _, *owners = line.split(None, 6)
        address, _, number = local.rpartition(":")
        names = sorted(set(re.findall(r'\("([^"]+)"', " ".join(owners))))
        found.append([f"{number}/{protocol}", address.strip("[]"), "+".join(names)])
    return sorted(found)


def is_client(port: str) -> bool:
    """Return whether a socket looks like a client's: UDP of the ip_local_port_range, ip(7)."""
    number, _, protocol = port.partition("/")
    return protocol == "udp" and int(number) >= DYNAMIC_FROM


def run(bench: Bench, services: Sequence[Service], at_once: int) -> None:
    """Try all services, some at once, each in about 90 seconds; say how it goes."""
    bench.folder.mkdir(parents=True, exist_ok=True)
    bench.run("network", "create", NETWORK, check=False)
    try:
        with ThreadPoolExecutor(at_once) as pool:
            trials = {x.name: pool.submit(bench.trial, x) for x in services}
            for name, trial in trials.items():
                error = trial.exception()
                print(trial.result() if error is None else f"{name}: {error}", flush=True)
    finally:
        bench.run("network", "rm", NETWORK, check=False)
