"""What each target begins with: texts in good form, so that what is made of them gets somewhere."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from fuzz.records import ID

DATA = Path(__file__).parents[1] / "unit" / "data"
"""What a Linux kernel and the sources wrote: its README.md tells of what."""

HELPER_IDS = (
    "5eacebf4ed0a55331c67ac1fb0f5a85f21dfef76b9407649fac8baeba10081cd",
    "89a5f731168db3da2aca98b23d50bc3d948c8799605891eac11eb0bde034b559",
    "ed4d2b5b0e897872394b06779298814197b3816ac75e67f505796eb8575bba63",
)
"""The containers in the real text of the helper."""


def _real(name: str) -> bytes:
    return DATA.joinpath(name).read_bytes()


def _rows(name: str) -> list[bytes]:
    """Return the rows of a table, the first, the first two and so on."""
    rows = _real(name).splitlines(keepends=True)[1:]
    return list(accumulate(rows))


def _datagrams() -> list[bytes]:
    """Return the kernel's answers, behind a byte that says to which dump."""
    found = []
    for number, name in enumerate(("tcp", "tcp6", "udp", "udp6")):
        lines = DATA.joinpath(f"sock_diag_{name}.hex").read_text(encoding="ascii").split()
        found.append(bytes([number]) + b"".join(map(bytes.fromhex, lines)))
    return found


PORTS = [b"80", b"80/tcp", b"8000-8003/udp", b"65535/SCTP", b"1-65535"]
EDITS = [b"", b"\x01\x01", b"\x05\x10\x09\x21", b"\x05\x2b\x09\x2c\x20\x2d\x30\xad\0text \x1b"]

SEEDS: dict[str, list[bytes]] = {
    "ports": PORTS,
    "bound": [*PORTS, b"127.0.0.1:80", b"[::]:80/udp", b"[fe80::1]:1-3/tcp"],
    "published": [b"80", b"8080:80", b"127.0.0.1:8080:80/tcp", b"[::1]:1-3:1-3/udp", b"1.2.3.4::1"],
    "exposed": [*PORTS, b"80/tcp\n80-90/tcp\n\n85-95/tcp\n8080:80\nabc/tcp"],
    "rules": [b"default", b"cis, silent", b"all,unreachable,,"],
    "waiver": [
        b"web-*: silent, 80, 9101/udp until 2027-03-31  # why",
        b"[ab]?: undocumented",
        b"*: 1-65535/tcp # x",
    ],
    "baseline": [b"web: silent 80/tcp\nshop/web: host-network\n# x\n\n", b"a: b: ssh 22"],
    "host": [
        *(b"tcp://me:x@[::1]:1", b"ssh://a@b", b"unix:///run/x", b"npipe:////./pipe/x"),
        *(b"http://h:65535/p?q#f", b"https://[fe80::1%25eth0]:2", b"default", b"prod", b"http://["),
    ],
    "tcp": _rows("tcp"),
    "tcp6": _rows("tcp6"),
    "udp": _rows("udp"),
    "udp6": _rows("udp6"),
    "lines": [_real("tcp"), _real("udp")],
    "sctp": [
        b" ffff8800b9a7ec00 ffff8800b8d7b400 2   10  29   2905     0 37651 10.0.0.1 fe80::1\n",
        b"        0        0 2   10  0    2905     0 37651 \n       0        0 2   7  0 1 0 1 *\n",
        b"(null) (null) 2 10 0 65535 4294967295 18446744073709551615 0.0.0.0\n",
    ],
    "if_inet6": [_real("if_inet6"), b"fe800000000000000000000000000001 02 40 20 80 eth0\n"],
    "route": [b"eth0\t00000000\t01001DAC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"],
    "fib_trie": [_real("fib_trie")[6:], b"  |-- 127.0.0.1\n     /32 host LOCAL\n"],
    "cgroup": [
        b"0::/docker/" + ID.encode(),
        b"1:name=systemd:/../" + ID.encode() + b"\n0::/system.slice/docker-" + ID.encode(),
        b"0::/libpod-" + ID.encode() + b"/" + b"a" * 64,
        b"0::/libpod-conmon-" + ID.encode() + b".scope",
    ],
    "netlink": _datagrams(),
    "helper": [
        _real("helper").partition(b"\n@host")[0],
        b"@process 1\n@namespace 1\n@before\n0::/" + ID.encode() + b"\n@table tcp\n@failed\n"
        b"@after\n0::/" + ID.encode() + b"\n@namespace 1\n@end\n@alike 2 1",
        b"@process 99999999999",
    ],
    "cat": [_real("exec")],
    "frames": [b"\x01\0\0\0\0\0\0\x02ab\x02\0\0\0\0\0\0\x01c\x01\0\0\0\0\0\0\0", b"\0" * 16],
    "time": [
        b"2026-01-02T03:04:05.123456789Z",
        b"0001-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:59-00:01",
        b"2024-02-30T25:00:00Z",
    ],
    "printable": [b"web", b"\xff\xfe\x1b[2J\r\n\xe2\x80\xae\xf0\x9f\x98\x80" + b"x" * 300],
    "words": [b"sh\0-c\0httpd\nhttpd\n", b"bash\0-c\0while true; do sleep 10000; done\n-f\nhttpd"],
} | dict.fromkeys(
    ("listed", "inspected", "image", "service", "node", "context", "inventory"), EDITS
)
"""By the target's name."""
