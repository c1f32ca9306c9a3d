"""Which containers run while the commands of a page of the documentation do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from docs.scene import Service

SHOP = {
    "tutorial.md",
    "explanation/sources.md",
    "how-to/brownfield.md",
    "how-to/shared-network.md",
    "how-to/waivers.md",
    "reference/audit.md",
    "reference/fixtures.md",
    "reference/python-api.md",
}
"""The pages about the containers of the tutorial."""

SCENES: Mapping[str, Sequence[Service]] = {
    "how-to/troubleshooting.md": (
        Service(
            "resolver",
            "net/resolver:3",
            listens=("udp:0.0.0.0:53", "udpclient:127.0.0.1:9"),
            exposes=("53",),
            process="unbound",
        ),
    ),
    "reference/rules.md": (
        Service("unreachable", "app:1", ("tcp:127.0.0.1:8000",), ("8000",)),
        Service("published-silent", "app:2", ("tcp:0.0.0.0:81",), ("81",), {"80/tcp": 18081}),
        Service("silent", "app:3", (), ("8125/udp",)),
        Service("published-undocumented", "app:4", ("tcp:0.0.0.0:80",), (), {"80/tcp": 18082}),
        Service("undocumented", "app:5", ("tcp:0.0.0.0:9100",)),
        Service(
            "published-everywhere",
            "app:6",
            ("tcp:0.0.0.0:80",),
            ("80",),
            {"80/tcp": 18083},
            address="0.0.0.0",  # noqa: S104  # what the rule is about
        ),
        Service("published-privileged", "app:9", ("tcp:0.0.0.0:80",), ("80",), {"80/tcp": 1018}),
        Service("ssh", "app:7", ("tcp:0.0.0.0:2222",), ("2222",), process="sshd"),
        Service("host-network", "app:8", network="host"),
        Service(
            "dynamic",
            "app:10",
            ("tcp:0.0.0.0:80", "tcp:0.0.0.0:0", "tcp:0.0.0.0:0"),
            ("80",),
        ),
        Service("silent-range", "app:11", ("tcp:0.0.0.0:21",), ("21", "21100-21110")),
        Service("multicast", "app:12", ("udp:0.0.0.0:5353",)),
    ),
}
