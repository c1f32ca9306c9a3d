"""JSON as engines, contexts and inventories have it, and the same with some of it replaced."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

ID = "0123456789abcdef" * 4

LISTED: dict[str, Any] = {
    "Id": ID,
    "Names": ["/web", "/db/web"],
    "Image": "webapp:1",
    "ImageID": "sha256:" + ID,
    "Ports": [
        {"IP": "::", "PrivatePort": 80, "PublicPort": 8081, "Type": "tcp"},
        {"PrivatePort": 53, "Type": "udp"},
    ],
    "Labels": {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.swarm.service.id": "s1",
        "com.docker.swarm.service.name": "web",
        "pytest-exposed.allow": "silent until 2027-01-01; 80/tcp; x",
    },
    "State": "running",
    "Status": "Up 3 hours (health: starting)",
    "HostConfig": {"NetworkMode": "container:" + ID},
    "NetworkSettings": {"Networks": {"front": {"IPAddress": "172.18.0.2"}}},
}

INSPECTED: dict[str, Any] = {
    "Path": "httpd",
    "Args": ["-f"],
    "State": {
        "Status": "running",
        "Paused": False,
        "Restarting": False,
        "Pid": 4321,
        "ExitCode": 0,
        "Error": "",
        "StartedAt": "2026-01-02T03:04:05.123456789+01:00",
        "Health": {"Status": "starting"},
    },
    "RestartCount": 2,
    "HostConfig": {
        "NetworkMode": "host",
        "Runtime": "runc",
        "PortBindings": {"80/tcp": [{"HostPort": "8080"}]},
        "Sysctls": {"net.ipv4.ip_local_port_range": "1024 65000"},
    },
    "Config": {"ExposedPorts": {"80/tcp": {}, "8000-8003/UDP": {}}},
}

IMAGE: dict[str, Any] = {
    "Id": "sha256:" + ID,
    "Config": {
        "ExposedPorts": {"80/tcp": {}, "443/TCP": {}, "5-4": {}},
        "Labels": {"a": "b"},
        "Entrypoint": ["sh", "-c"],
        "Cmd": ["httpd"],
    },
    "History": [
        {"CreatedBy": "/bin/sh -c #(nop)  EXPOSE 80/tcp 443", "Tags": ["webapp:1"]},
        {"CreatedBy": "EXPOSE map[80/tcp:{} 8000-8003:{}]", "Tags": ["base:1"]},
    ],
}

SERVICE: dict[str, Any] = {
    "ID": "s1",
    "Endpoint": {
        "Ports": [
            {
                "Protocol": "tcp",
                "TargetPort": 80,
                "PublishedPort": 8080,
                "PublishMode": "ingress",
            }
        ]
    },
}

NODE: dict[str, Any] = {
    "ID": "n1",
    "Description": {"Hostname": "worker"},
    "Spec": {"Availability": "active"},
    "Status": {"State": "ready", "Addr": "0.0.0.0"},  # noqa: S104  # what a manager says of itself
    "ManagerStatus": {"Addr": "[fe80::1]:2377"},
}

CONTEXT: dict[str, Any] = {
    "Name": "x",
    "Endpoints": {"docker": {"Host": "tcp://me:x@[::1]:2376", "SkipTLSVerify": True}},
}

INVENTORY: dict[str, Any] = {
    "_meta": {
        "hostvars": {
            "one": {
                "ansible_host": "::1",
                "ansible_port": 22,
                "ansible_user": "me",
                "ansible_ssh_common_args": "-J 'a b'",
                "ansible_connection": "ssh",
            },
            "two": {"docker_host": "tcp://two:1", "ansible_connection": "local"},
        }
    },
    "all": {"children": ["web", "db"]},
    "web": {"hosts": ["one", "two"], "children": ["db"]},
    "db": {"hosts": ["two"]},
}


EDITS = 500


def _odd(text: str) -> list[Any]:
    """Return what a field can be but should not; a text of the input's own among it."""
    return [
        *(None, True, False, 0, 1, -1, 2**64, 0.5, float("inf"), float("nan")),
        *("", "/", "//", " ", "0", "80", "80/tcp", "1-65535/sctp", "host", "none", "\ud800\x1b[2J"),
        *("Up About an hour", "Up 9 years", "0001-01-01T00:00:00Z", ID, "x" * 5000, "{{ a }}"),
        *([], {}, [[]], [None], ["\udfff"], {"": None}, {"\ud800": {"\n": 1}}, [{}] * 3),
        *(text, [text], {text: text}),
    ]


def altered(record: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Return a record with some of its values, names of fields or whole parts replaced.

    Of the input each pair of bytes is a place and what comes there, up to a NUL; what is behind
    that is a text. There are at most EDITS: more of them write over one another.
    """
    edits, _, rest = data.partition(b"\0")
    edits = edits[: 2 * EDITS]
    odd = _odd(rest.decode("utf-8", "surrogateescape"))
    whole = {"": deepcopy(record)}
    for where, what in zip(edits[::2], edits[1::2], strict=False):
        places = list(_places(whole))
        holder, key = places[where % len(places)]
        if isinstance(holder, dict) and what >= 128:  # what is there has another name
            holder[str(odd[what % len(odd)])] = holder[key]
        else:
            holder[key] = deepcopy(odd[what % len(odd)])
    value = whole[""]
    return value if isinstance(value, dict) else {}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each place in a value, however deep: a list or an object, and the key in it."""
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    for key in list(keys):
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from _places(value[key])
