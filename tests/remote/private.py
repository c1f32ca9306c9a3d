"""A second engine: at a unix socket and, over mutual TLS, at a port of loopback."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from demo.throwaway import throwaway


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
    """Start one, and remove it in the end.

    Raises demo.throwaway.EngineMissing or demo.packages.NotInstalled where that can't be.
    """
    with tempfile.TemporaryDirectory(prefix="certificates-") as name:
        authority, server, client = trustme.CA(), Path(name, "server"), Path(name, "client")
        write_certificates(server, authority, authority.issue_cert("127.0.0.1"))
        write_certificates(client, authority, authority.issue_cert("ops@example.org"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            tls_url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        tls = [f"--tls{x}={server / x}.pem" for x in ("cert", "key")]
        tls += ["--tlsverify", f"--tlscacert={server / 'ca.pem'}"]
        with throwaway(f"--host={tls_url}", *tls) as engine:
            yield PrivateEngine(engine.url, tls_url, authority, client, engine.process)


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
