"""A second engine: at a unix socket and, over mutual TLS, at a port of loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from demo import engine as base
from demo.packages import PATH


@dataclass(frozen=True)
class PrivateEngine:
    """An engine that only one run of the tests uses."""

    url: str
    tls_url: str
    """Its address over TLS: "tcp://127.0.0.1:PORT", the one name that its certificate has."""
    authority: trustme.CA
    """Who signs its certificate, and those that it accepts."""
    certificates: Path
    """What DOCKER_CERT_PATH is to be for it."""
    process: subprocess.Popen[bytes]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it accept connections, by its kernel, and never answer."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextmanager
def private_engine() -> Iterator[PrivateEngine]:
    """Start one like the demo's throwaway engine, and remove it in the end.

    Raises demo.engine.EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    base._install_engine()
    with ExitStack() as undo:
        folder = base._make_directory()
        undo.callback(base._remove_directory, folder)
        base._add_bridge(folder.name)
        undo.callback(base._remove_bridge, folder.name)
        authority = trustme.CA()
        server = folder / "server"
        write_certificates(server, authority, authority.issue_cert("127.0.0.1"))
        write_certificates(folder / "client", authority, authority.issue_cert("ops@example.org"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        engine = PrivateEngine(
            url=f"unix://{folder}/docker.sock",
            tls_url=f"tcp://127.0.0.1:{port}",
            authority=authority,
            certificates=folder / "client",
            process=_start(folder, f"127.0.0.1:{port}", server),
        )
        undo.callback(base._stop, engine.process, folder)
        base._wait_until_it_answers(engine.process, engine.url, folder / "dockerd.log")
        undo.callback(base._empty, engine.url)
        yield engine


def write_certificates(
    folder: Path, authority: trustme.CA, certificate: trustme.LeafCert, *, without: str = ""
) -> Path:
    """Write ca.pem, cert.pem and key.pem into a new folder, but for one of them; return it."""
    folder.mkdir()
    parts = {
        "ca.pem": authority.cert_pem,
        "cert.pem": certificate.cert_chain_pems[0],
        "key.pem": certificate.private_key_pem,
    }
    for name, part in parts.items():
        if name != without:
            part.write_to_path(str(folder / name))
    return folder


def _start(folder: Path, address: str, certificates: Path) -> subprocess.Popen[bytes]:
    configuration = folder / "daemon.json"
    configuration.write_text("{}", encoding="ascii")
    command = [
        *("setpriv", "--pdeathsig", "TERM"),
        "dockerd",
        f"--config-file={configuration}",
        f"--data-root={folder / 'data'}",
        f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'docker.pid'}",
        f"--host=unix://{folder}/docker.sock",
        f"--host=tcp://{address}",
        "--tlsverify",
        *(f"--tls{x}={certificates / x}.pem" for x in ("cert", "key")),
        f"--tlscacert={certificates / 'ca.pem'}",
        f"--bridge={folder.name}",
        *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
    ]
    with (folder / "dockerd.log").open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": PATH},
            start_new_session=True,
        )
