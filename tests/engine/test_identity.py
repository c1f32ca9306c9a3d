"""Whose a process and a socket is: sub-cgroups, exec, other namespaces, and lies about them."""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stage import wait_until
from workload import listener

from pytest_exposed import Container, Engine, ObservationError

if TYPE_CHECKING:
    from stage import Stage, Staged

# What mounts and namespaces take; not all of `privileged`, which no engine in a container can give.
POWERS = {
    "cap_add": ["SYS_ADMIN"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
}

# A shell function that runs a command in a cgroup2 directory below the container's own.
IN_CGROUP = """
    mkdir /cgroup && mount -t cgroup2 none /cgroup
    while IFS=: read -r number _ path; do [ "$number" != 0 ] || own=$path; done < /proc/self/cgroup
    in_cgroup() {
        mkdir "/cgroup$own/$1" && echo 0 > "/cgroup$own/$1/cgroup.procs" && shift && exec "$@"
    }
"""


def heard(container: Container) -> set[str]:
    """Return the listeners, with the name of the process where one is known."""
    return {f"{x} {x.process}" for x in container.listeners}


def seen_to_listen(looks: list[Engine], container: Staged) -> list[Container]:
    """Return a container as each of looks sees it, once it listens."""

    def seen() -> list[Container]:
        found = [x.container(container.name) for x in looks]
        return found if all(x.listeners for x in found) else []

    return wait_until(seen, "its listener")


def test_a_process_in_a_cgroup_below_the_containers_own(looks: list[Engine], stage: Stage) -> None:
    container = stage.script(f"{IN_CGROUP} in_cgroup below listener tcp:0.0.0.0:80 ready", **POWERS)
    for look in looks:
        assert heard(look.container(container.name)) == {"0.0.0.0:80/tcp listener"}


def test_it_is_the_containers_in_a_shared_namespace_too(looks: list[Engine], stage: Stage) -> None:
    owner = stage.run("tcp:0.0.0.0:80", name="owner")
    joiner = stage.script(
        f"{IN_CGROUP} in_cgroup below listener tcp:0.0.0.0:81 ready",
        name="joiner",
        **POWERS,
        network_mode=f"container:{owner.id}",
    )
    for look in looks:
        assert heard(look.container(owner.name)) == {"0.0.0.0:80/tcp listener"}
        assert heard(look.container(joiner.name)) == {"0.0.0.0:81/tcp listener"}


@pytest.mark.parametrize("network", ["bridge", "host"])
def test_a_process_of_docker_exec(network: str, looks: list[Engine], stage: Stage) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    container = stage.run(network_mode=network)
    container.sdk.exec_run(["/bin/listener", f"tcp:0.0.0.0:{port}"], detach=True)
    for seen in seen_to_listen(looks, container):
        assert heard(seen) == {f"0.0.0.0:{port}/tcp listener"}
        assert seen.listeners[0].pid != 1


def test_pids_are_those_that_the_container_has(looks: list[Engine], stage: Stage) -> None:
    own = stage.run("tcp:0.0.0.0:80", name="own")
    hosts = stage.run("tcp:0.0.0.0:80", name="hosts", pid_mode="host")
    hosts.sdk.reload()
    main_pid = hosts.sdk.attrs["State"]["Pid"]
    for look in looks:
        assert [x.pid for x in look.container(own.name).listeners] == [1]
        assert [x.pid for x in look.container(hosts.name).listeners] == [main_pid]


class TestLeavingTheNetwork:
    """What a process does in a namespace of its own can't be reached at the container's address."""

    def test_one_that_changes_its_own_address_has_not_left(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        container = stage.script(
            "ip address flush dev eth0; ip address add 10.218.0.7/16 dev eth0; "
            "exec listener tcp:0.0.0.0:80 ready",
            cap_add=["NET_ADMIN"],
        )
        for look in looks:
            assert heard(look.container(container.name)) == {"0.0.0.0:80/tcp listener"}

    def test_what_it_publishes_leads_to_the_address_that_the_engine_gave(
        self, looks: list[Engine], stage: Stage
    ) -> None:
        container = stage.script(
            "ip address flush dev eth0; ip address add 10.218.0.7/16 dev eth0; "
            "exec listener tcp:10.218.0.7:80 ready",
            exposes=("80",),
            cap_add=["NET_ADMIN"],
            ports={"80/tcp": ("127.0.0.1",)},
        )
        for look in looks:
            assert [str(x) for x in look.container(container.name).findings] == [
                "unreachable 80/tcp"
            ]

    def test_a_child_leaves(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.script(
            "unshare -n listener tcp:0.0.0.0:81 ready & exec listener tcp:0.0.0.0:80",
            **POWERS,
        )
        for seen in seen_to_listen(looks, container):
            assert heard(seen) == {"0.0.0.0:80/tcp listener"}

    def test_the_first_process_leaves(self, looks: list[Engine], stage: Stage) -> None:
        container = stage.script(
            "listener tcp:0.0.0.0:80 & exec unshare -n listener tcp:0.0.0.0:81 ready",
            **POWERS,
        )
        for seen in seen_to_listen(looks, container):
            assert heard(seen) == {"0.0.0.0:80/tcp listener"}

    @pytest.mark.parametrize("network", ["bridge", "host"])
    def test_all_leave(self, network: str, looks: list[Engine], stage: Stage) -> None:
        container = stage.script(
            "exec unshare -n listener tcp:0.0.0.0:80 ready",
            exposes=("80",),
            network_mode=network,
            **POWERS,
        )
        for look in looks:
            with pytest.raises(ObservationError, match="they have left it"):
                look.container(container.name)


def test_a_cgroup_named_like_another_container_gains_nothing(
    looks: list[Engine], stage: Stage
) -> None:
    victim = stage.run("tcp:0.0.0.0:80", name="victim", exposes=("80",))
    liar = stage.script(
        f"{IN_CGROUP} (in_cgroup {victim.id} listener tcp:0.0.0.0:99 ready) & wait",
        name="liar",
        **POWERS,
    )
    for look in looks:
        assert heard(look.container(victim.name)) == {"0.0.0.0:80/tcp listener"}
        # Nobody's process, but the socket says who made it, and the namespace is the liar's.
        assert {str(x) for x in look.container(liar.name).listeners} == {"0.0.0.0:99/tcp"}


def test_a_container_all_in_such_a_cgroup_is_not_seen(looks: list[Engine], stage: Stage) -> None:
    victim = stage.run("tcp:0.0.0.0:80", name="victim", exposes=("80",))
    liar = stage.script(
        f"{IN_CGROUP} in_cgroup {victim.id} listener tcp:0.0.0.0:99 ready",
        name="liar",
        **POWERS,
    )
    for look in looks:
        assert heard(look.container(victim.name)) == {"0.0.0.0:80/tcp listener"}
        with pytest.raises(ObservationError, match="no process here is the container's"):
            look.container(liar.name)


def cgroups_of(container: Staged) -> list[Path]:
    """Return the directories of a container's first process in all cgroup hierarchies."""
    container.sdk.reload()
    lines = Path(f"/proc/{container.sdk.attrs['State']['Pid']}/cgroup").read_text().splitlines()
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, kind = line.partition(" - ")
        if kind.startswith("cgroup"):
            controllers = "" if kind.startswith("cgroup2") else kind.rpartition(" rw,")[2]
            mounts[controllers] = Path(place.split()[4])
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        found.append(mounts[controllers] / path.lstrip("/"))
    return found


def test_who_holds_a_socket_counts_more_than_who_made_it(looks: list[Engine], stage: Stage) -> None:
    container = stage.run(network_mode="host")
    with closing(socket.create_server(("127.0.0.1", 0))) as made_by_the_host:
        port = made_by_the_host.getsockname()[1]
        for look in looks:
            assert look.container(container.name).listeners == ()
        holder = subprocess.Popen([listener()], pass_fds=[made_by_the_host.fileno()])
        try:
            for directory in cgroups_of(container):
                (directory / "cgroup.procs").write_text(str(holder.pid))
            for look in looks:
                assert heard(look.container(container.name)) == {f"127.0.0.1:{port}/tcp listener"}
        finally:
            holder.kill()
            holder.wait()


def test_no_source_of_less_knowledge_takes_it_back(engine: Engine, stage: Stage) -> None:
    """Nothing outside reaches a process that left its network, whatever `cat` in it says."""
    container = stage.script(
        "exec unshare -n listener tcp:0.0.0.0:80 ready", exposes=("80",), **POWERS
    )
    with pytest.raises(ObservationError, match="netlink: none of its processes is in its network"):
        engine.container(container.name)
