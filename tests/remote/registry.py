"""A registry on loopback with one image, from which an engine pulls without TLS."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.images import busybox

# https://github.com/distribution/distribution: docs/content/spec, API and manifest v2, schema 2
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Registry:
    """A registry; every name and tag in it is the one image."""

    address: str
    digest: str
    """What names the image by its content: "sha256:…"."""
    asked: list[str] = field(default_factory=list)
    """The paths of all requests so far."""


@contextmanager
def registry(*, broken: bool = False, exposes: Iterable[str] = ()) -> Iterator[Registry]:
    """Run a registry whose image is busybox; a broken one gives other bytes for its layer."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        program = tarfile.TarInfo("bin/busybox")
        program.size, program.mode = busybox().stat().st_size, 0o755
        tar.addfile(program, io.BytesIO(busybox().read_bytes()))
        for name in ("sh", "cat", "ls"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        # No engine has this layer yet, which it then would not pull.
        salt = tarfile.TarInfo("salt")
        salt.size = 16
        tar.addfile(salt, io.BytesIO(os.urandom(16)))
    packed = gzip.compress(layer.getvalue(), 1, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"ExposedPorts": {x: {} for x in exposes}},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer.getvalue())]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _part(_CONFIG, config),
            "layers": [_part(_LAYER, packed)],
        }
    ).encode()
    blobs = {_digest(config): config, _digest(packed): b"no" if broken else packed}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            asked.append(self.path)
            kind = self.path.rsplit("/", 2)[-2]
            content = manifest if kind == "manifests" else blobs.get(self.path.rpartition("/")[2])
            if self.path == "/v2/":
                content = b"{}"
            self.send_response(200 if content is not None else 404)
            content = content or b""
            self.send_header("Content-Type", _MANIFEST if kind == "manifests" else "text/plain")
            self.send_header("Docker-Content-Digest", _digest(content))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Registry(f"127.0.0.1:{server.server_port}", _digest(manifest), asked)
        finally:
            server.shutdown()
            thread.join()


def _digest(content: bytes) -> str:
    return f"sha256:{sha256(content).hexdigest()}"


def _part(kind: str, content: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(content), "digest": _digest(content)}
