"""/proc/<pid>/uid_map: the users of a user namespace. Format: user_namespaces(7)."""

from __future__ import annotations


def has_one_user(uid_map: bytes) -> bool:
    """Return whether a map of user ids has one user at most: making it takes no privilege."""
    lines = uid_map.split(b"\n")
    return len([x for x in lines if x]) < 2 and lines[0].split()[2:] in ([], [b"1"])
