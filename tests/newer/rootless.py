"""Engines of an ordinary user, each on a machine of its own, without systemd."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from newer.daemons import CONTAINERS, NewerEngine, served
from newer.machine import Machine, end_processes, machine

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 1500

ADDRESS = "198.51.100.7"
"""The machine's address to the outside: pasta gives containers that of the default route."""

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
ip link add outside type veth peer name beyond
ip address add "$3/24" dev outside
ip link set outside up
ip link set beyond up
ip route add default dev outside
"""

CGROUPS = "/sys/fs/cgroup"

# Podman without root makes no cgroups in version 1. In version 2 it does, in one that is the
# user's, as systemd makes it; it has to be in there.
DELEGATE = f"""
set -eu
mount -t cgroup2 cgroup2 {CGROUPS}
install -d -o "$2" -g "$2" "{CGROUPS}/$1" "{CGROUPS}/$1/service"
chown "$2:$2" "{CGROUPS}/$1/cgroup.procs" "{CGROUPS}/$1/service/cgroup.procs"
"""
JOIN = f'echo $$ >"{CGROUPS}/$0/service/cgroup.procs"; exec "$@"'

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
def rootless_podman_engine(*, cgroups: bool = False) -> Iterator[NewerEngine]:
    """Run podman 5's service as an ordinary user; `podman` inside meets the same containers.

    With cgroups, each container has a cgroup of its own, as where a systemd is.
    """
    with ExitStack() as stack:
        host = stack.enter_context(_machine())
        if cgroups:
            host = stack.enter_context(_with_cgroups(host))
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
        host.command("sh", "-c", SETUP, "setup", str(host.folder), str(USER), ADDRESS)
        # The signal of a dead parent is lost as the user changes, unless it is kept.
        user = (f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--pdeathsig=keep")
        yield replace(host, prefix=("setpriv", *user))


@contextmanager
def _with_cgroups(host: Machine) -> Iterator[Machine]:
    """Give a machine's user a cgroup, in which its commands run; remove it in the end."""
    root, name = replace(host, prefix=()), host.folder.name
    root.command("sh", "-c", DELEGATE, "delegate", name, str(USER))
    try:
        yield replace(host, prefix=("sh", "-ec", JOIN, name, *host.prefix))
    finally:
        end_processes(host.pid, host.folder)
        root.command(
            "find", f"{CGROUPS}/{name}", "-depth", "-type", "d", "-exec", "rmdir", "{}", "+"
        )
