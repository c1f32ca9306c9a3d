"""A second engine: at a unix socket and, over mutual TLS, at a port of loopback."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from demo import engine as base


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
    with base._home() as folder, ExitStack() as undo:
        authority = trustme.CA()
        server = folder / "server"
        write_certificates(server, authority, authority.issue_cert("127.0.0.1"))
        write_certificates(folder / "client", authority, authority.issue_cert("ops@example.org"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            tls_url = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        url, log = f"unix://{folder}/docker.sock", folder / "dockerd.log"
        tls = [f"--tls{x}={server / x}.pem" for x in ("cert", "key")]
        tls += ["--tlsverify", f"--tlscacert={server / 'ca.pem'}"]
        engine = PrivateEngine(
            url=url,
            tls_url=tls_url,
            authority=authority,
            certificates=folder / "client",
            process=base._start(folder, url, log, f"--host={tls_url}", *tls),
        )
        undo.callback(base._stop, engine.process, folder)
        base._wait_until_it_answers(engine.process, engine.url, log)
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
