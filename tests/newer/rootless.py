"""Engines of an ordinary user, each on a machine of its own, without systemd."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from newer.daemons import CONTAINERS, NewerEngine, served
from newer.machine import Machine, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 1500

URL = "unix://{folder}/run/engine.sock"

# newuidmap(1) reads /etc/subuid by the user's name; slirp4netns and pasta open /dev/net/tun, which
# many machines keep for root. Each is replaced on this machine alone: the root is everyone's.
SETUP = """
set -eu
folder=$1 user=$2
cd "$folder"
cp /etc/passwd /etc/group .
echo "rootless:x:$user:$user::$folder/home:/bin/sh" >>passwd
echo "rootless:x:$user:" >>group
echo "rootless:200000:65536" >subuid
mknod tun c 10 200
chmod 644 passwd group subuid
chmod 666 tun
mount --bind passwd /etc/passwd
mount --bind group /etc/group
mount --bind subuid /etc/subuid
mount --bind subuid /etc/subgid
mount --bind tun /dev/net/tun
install -d -m 700 -o "$user" -g "$user" home run
"""

DOCKER = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
"""Docker's own script: it runs dockerd under rootlesskit, with slirp4netns."""


@contextmanager
def rootless_docker_engine(*options: str) -> Iterator[NewerEngine]:
    """Run docker 28 as an ordinary user, with these options of dockerd."""
    with _machine() as host:
        places = [
            f"--data-root={host.folder}/home/data",
            f"--host={host.environment['DOCKER_HOST']}",
        ]
        with served(host, "sh", DOCKER, *places, *options) as found:
            yield found


@contextmanager
def rootless_podman_engine() -> Iterator[NewerEngine]:
    """Run podman 5's service as an ordinary user; `podman` inside meets the same containers."""
    with _machine() as host:
        text = CONTAINERS.format(folder=f"{host.folder}/home")
        (host.folder / "containers.conf").write_text(text)
        (host.folder / "containers.conf").chmod(0o644)
        url = host.environment["DOCKER_HOST"]
        with served(host, "podman", "system", "service", "--time=0", url) as found:
            yield found


@contextmanager
def _machine() -> Iterator[Machine]:
    """Make a machine on which commands run as an ordinary user."""
    environment = {
        "HOME": "{folder}/home",
        "XDG_RUNTIME_DIR": "{folder}/run",
        "CONTAINERS_CONF": "{folder}/containers.conf",
        "DOCKER_HOST": URL,
        "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
    }
    with machine(environment) as host:
        host.command("sh", "-c", SETUP, "setup", str(host.folder), str(USER))
        # The signal of a dead parent is lost as the user changes, unless it is kept.
        user = (f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--pdeathsig=keep")
        yield replace(host, prefix=("setpriv", *user))
