"""A Debian root that has the servers of all services, and an image for each service."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpus.table import Service

SUITE = "bookworm"
BASE = "exposed-corpus/base"
"""The image that all others are built on."""

_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_FINISHED = "etc/exposed-corpus"
"""A file that only a whole root has."""


def image_of(service: Service) -> str:
    """Return the name of a service's image."""
    return f"exposed-corpus/{service.name}"


def build_root(root: Path, packages: Mapping[str, str]) -> None:
    """Build a root with packages of Debian, PyPI and npm, where it isn't whole yet.

    As root, with debootstrap, npm and node; raises subprocess.CalledProcessError.
    """
    if (root / _FINISHED).exists():
        return
    if not (root / "usr/bin/apt-get").exists():
        _run("debootstrap", "--variant=minbase", SUITE, str(root))
    _write(root / "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)  # starts no service
    with _mounted(root):
        _take_over("/etc/resolv.conf", root)
        _add_updates(root / "etc/apt/sources.list")
        _inside(root, "apt-get", "update", "-qq")
        options = ("-yqq", "--no-install-recommends")
        _inside(root, "apt-get", "install", *options, *packages["apt"].split())
        _inside(root, "apt-get", "clean")
        _take_over("/etc/resolv.conf", root)  # packages make it a link
        if _CERTIFICATES.exists():  # where a proxy has its own authority
            _take_over(str(_CERTIFICATES), root)
        _inside(root, "python3", "-m", "venv", "/opt/py")
        pip = ("/opt/py/bin/pip", "install", "-q", "--no-cache-dir")
        _inside(root, *pip, *packages["pip"].split())
    _install_node(root, packages["npm"].split())
    _write(root / _FINISHED, "", 0o644)


def build_base(docker: Iterable[str], root: Path) -> None:
    """Make a root the image that all others are built on."""
    archive = ("tar", "-C", str(root), "--one-file-system", "-c", ".")
    with subprocess.Popen(archive, stdout=subprocess.PIPE) as tar:
        subprocess.run([*docker, "import", "-", BASE], stdin=tar.stdout, check=True)


def build_images(docker: Iterable[str], services: Iterable[Service], base: str) -> None:
    """Build the image of each service on a base image, which changes nothing that is there."""
    for service in services:
        lines = f"FROM {base}\nENV LANG=C.UTF-8\n{service.dockerfile}\n"
        command = [*docker, "build", "-q", "-t", image_of(service), "-"]
        # What there is everywhere, and needs no plugin.
        classic = {**os.environ, "DOCKER_BUILDKIT": "0"}
        done = subprocess.run(
            command, input=lines, text=True, capture_output=True, env=classic, check=False
        )
        if done.returncode != 0:
            raise SystemExit(f"the image of {service.name} can't be built: {done.stderr.strip()}")


@contextmanager
def _mounted(root: Path) -> Iterator[None]:
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    _run("mount", "--bind", "/dev", str(root / "dev"))
    try:
        yield
    finally:
        _run("umount", str(root / "dev"), str(root / "proc"))


def _add_updates(sources: Path) -> None:
    """Add the suite's updates to what debootstrap wrote: deb MIRROR SUITE main."""
    mirror = sources.read_text(encoding="utf-8").split()[1].removesuffix("/")
    places = {SUITE: mirror, f"{SUITE}-updates": mirror, f"{SUITE}-security": f"{mirror}-security"}
    lines = [f"deb {place} {suite} main\n" for suite, place in places.items()]
    sources.write_text("".join(lines), encoding="utf-8")


def _install_node(root: Path, packages: Iterable[str]) -> None:
    """Install packages of npm, which Debian's root has not, and the machine's own node."""
    folder = root / "opt/node"
    folder.mkdir(exist_ok=True)
    # One of them asks for node-fetch by a tag, which not every mirror has.
    overrides = '{"name": "corpus", "private": true, "overrides": {"node-fetch": "2.7.0"}}'
    _write(folder / "package.json", f"{overrides}\n", 0o644)
    _run("npm", "install", "--no-fund", "--no-audit", *packages, folder=folder)
    found = _run("node", "-p", "process.execPath", capture=True).strip()
    node = root / "usr/local/bin/node"
    node.write_bytes(Path(found).resolve().read_bytes())
    node.chmod(0o755)


def _take_over(name: str, root: Path) -> None:
    """Give a root a file of the machine."""
    path = root / name.lstrip("/")
    path.unlink(missing_ok=True)
    path.write_bytes(Path(name).read_bytes())


def _write(path: Path, text: str, mode: int) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _inside(root: Path, *command: str) -> None:
    # Wheels that this machine has are not inside.
    clean = ("env", "DEBIAN_FRONTEND=noninteractive", "PIP_FIND_LINKS=", "LC_ALL=C.UTF-8")
    _run("chroot", str(root), *clean, *command)


def _run(*command: str, folder: Path | None = None, capture: bool = False) -> str:
    pipe = subprocess.PIPE if capture else None
    done = subprocess.run(command, cwd=folder, stdout=pipe, text=True, check=True)
    return done.stdout or ""
