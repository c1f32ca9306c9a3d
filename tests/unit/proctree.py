"""A tree of files that looks like /proc, for what needs no kernel."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from make import DATA, ID


def namespace(proc: Path, name: str, **tables: str) -> Path:
    """Make the files of a network namespace; members of it share them."""
    folder = proc.parent / f"{proc.name}-{name}"
    folder.mkdir(parents=True)
    for table in ("tcp", "tcp6", "udp", "udp6"):
        heading = (DATA / table).read_text().partition("\n")[0]
        (folder / table).write_text(tables.get(table, heading + "\n"))
    (folder / "if_inet6").write_text(tables.get("if_inet6", ""))
    (folder / "fib_trie").write_text(tables.get("fib_trie", ""))
    return folder


def process(
    proc: Path,
    pid: int,
    *,
    cgroup: str = f"0::/docker/{ID}\n",
    network: Path | None = None,
    holds: Iterable[int | str] = (),
    comm: bytes = b"web\n",
    nspid: str = "1",
    namespaces: Mapping[str, Path] | None = None,
) -> Path:
    """Make the folder of a process in a network namespace, with sockets by their inodes."""
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "cgroup").write_text(cgroup)
    (folder / "comm").write_bytes(comm)
    (folder / "status").write_text(
        f"Name:\tweb\nPid:\t{pid}\nNStgid:\t{pid}\t{nspid}\nNSpid:\t{pid}\t7777\nNSsid:\t9\n"
    )
    for number, held in enumerate(holds):
        target = f"socket:[{held}]" if isinstance(held, int) else held
        os.symlink(target, folder / "fd" / str(number))
    if namespaces:
        (folder / "ns").mkdir()
        for name, file in namespaces.items():
            os.link(file, folder / "ns" / name)
    if network is not None:
        (folder / "net").mkdir()
        for table in network.iterdir():
            os.link(table, folder / "net" / table.name)
    return folder


def move(folder: Path, network: Path) -> None:
    """Put a process into another network namespace."""
    for table in network.iterdir():
        (folder / "net" / table.name).unlink()
        os.link(table, folder / "net" / table.name)
