"""A Debian root of a newer suite than the machine's: docker 28, podman 5 and what they need."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from demo.packages import PATH, NotInstalled, cannot_install, install, tail, which

if TYPE_CHECKING:
    from collections.abc import Iterator

SUITE = "forky"

PACKAGES = (
    *("ca-certificates", "iptables", "nftables", "iproute2", "procps", "curl", "busybox-static"),
    *("docker.io", "docker-cli", "docker-compose", "runc"),
    *("podman", "netavark", "aardvark-dns", "catatonit"),
    # rootless engines
    *("uidmap", "rootlesskit", "slirp4netns", "passt"),
)

VARIABLE = "EXPOSED_ENGINES_ROOT"
"""Environment variable: a root to use instead of the cached one, built there if missing."""

SCRIPTS = Path("/usr/share/debootstrap/scripts")


def engines_root() -> Path:
    """Return the root's folder. The first call on a machine builds it: some 4 minutes, 1 GB.

    Raises demo.packages.NotInstalled where it can't be built or used.
    """
    if obstacle := cannot_install():
        raise NotInstalled(
            f"{obstacle}. Run `tox -e engines` as root on Debian or Ubuntu, where namespaces, "
            "mounts and network bridges may be created."
        )
    root = Path(os.environ.get(VARIABLE) or _cached())
    with _one_builder(root):
        if not root.exists():
            _build(root)
    if not (root / "usr/bin/podman").exists():
        raise NotInstalled(
            f"{root} has no /usr/bin/podman: it is no root of engines. Remove it to have one "
            f"built, or set {VARIABLE} to another folder."
        )
    return root


def _cached() -> Path:
    # Another list of packages is another root.
    content = sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:8]
    return Path.home() / ".cache" / "pytest-exposed-engines" / f"{SUITE}-{content}"


@contextmanager
def _one_builder(root: Path) -> Iterator[None]:
    root.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(f"{root}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(root: Path) -> None:
    if which("debootstrap") is None:
        install("debootstrap")
    script = SCRIPTS / SUITE
    if not script.exists():
        # An older debootstrap doesn't know the newer suite; one script serves all of them.
        script = SCRIPTS / "sid"
    unfinished = root.with_name(f"{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    command = [
        *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        # The keys of a newer suite may be missing here; the mirror is one that apt trusts already.
        "--no-check-gpg",
        *(SUITE, str(unfinished), _mirror(), str(script)),
    ]
    print(f"building {root} ({SUITE}): some 4 minutes", flush=True)  # noqa: T201  # -s shows why it takes so long
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PATH": PATH},
        check=False,
    )
    if done.returncode != 0:
        raise NotInstalled(
            f"debootstrap could not build {root} (status {done.returncode}). "
            f"The end of its output:\n{tail(done.stdout)}"
        )
    unfinished.rename(root)


def _mirror() -> str:
    """Return the url of the Debian mirror that apt uses here, or Debian's own."""
    command = ["apt-get", "indextargets", "Origin: Debian", "--format", "$(REPO_URI)"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return next((x for x in listed if "security" not in x), "https://deb.debian.org/debian")
