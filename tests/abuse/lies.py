"""What an engine that lies, or something else at its address, answers: bytes without an end too."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from remote.relay import Meddle

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n\r\n"
PAUSE = 0.02
"""Seconds between the bytes of a drip: less than what any wait of ours is bounded by."""


def whole(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    """Return an answer in good form."""
    lines = [
        b"HTTP/1.1 " + status,
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
        *headers,
    ]
    return b"\r\n".join([*lines, b"", body])


def says(*parts: bytes) -> Meddle:
    """Meddle: answer these bytes, and close the connection."""
    return _sends(lambda: parts)


def drips(text: bytes) -> Meddle:
    """Meddle: answer a text a byte at a time."""

    def slowly() -> Iterator[bytes]:
        never = threading.Event()
        for place in range(len(text)):
            yield text[place : place + 1]
            never.wait(PAUSE)

    return _sends(slowly)


def endless(head: bytes, part: bytes) -> Meddle:
    """Meddle: answer head, and then part for ever."""
    return _sends(lambda: chain([head], repeat(part)))


def endless_and_slow(head: bytes, part: bytes) -> Meddle:
    """Meddle: the same with pauses, where time is the only bound: else it eats a processor."""

    def slowly() -> Iterator[bytes]:
        never = threading.Event()
        yield head
        while not never.wait(PAUSE):
            yield part

    return _sends(slowly)


def _sends(parts: Callable[[], Iterable[bytes]]) -> Meddle:
    def meddle(client: socket.socket) -> None:
        for part in parts():  # until they end, or nobody listens any more
            client.sendall(part)

    return meddle


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
LONG = b"x" * 65536
BOMB = gzip.compress(b"[" + b" " * (256 << 20) + b"]", 1)

TRANSPORT: dict[str, Meddle] = {
    "closes": says(),
    "closes-in-the-head": says(JSON[:30]),
    "closes-in-the-body": says(JSON, b"Content-Length: 1000\r\n\r\n[", b"{}"),
    "closes-in-a-chunk": says(CHUNKED, b"1000\r\n["),
    "closes-between-chunks": says(CHUNKED, b"1\r\n[\r\n"),
    "drips-its-head": drips(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 90 + b"\r\n"),
    "drips-its-body": drips(JSON + b"Content-Length: 9999\r\n\r\n[" + b" " * 9999),
    "drips-chunks": drips(CHUNKED + b"1\r\n \r\n" * 1000),
    "drips-chunk-extensions": drips(CHUNKED + b"1;" + b"x" * 9999),
    "never-begins": endless_and_slow(b"", INTERIM),
    "endless-header": endless(JSON + b"X: ", LONG),
    "endless-headers": endless(JSON, b"X: y\r\n" * 1000),
    "huge-headers": says(JSON, *[b"X: " + b"y" * 60000 + b"\r\n"] * 1000, b"\r\n[]"),
    "endless-body": endless(JSON + b"\r\n[", LONG),
    "endless-chunks": endless(CHUNKED, b"10000\r\n" + LONG + b"\r\n"),
    "endless-trailers": endless_and_slow(CHUNKED + b"2\r\n[]\r\n0\r\n", b"X: y\r\n" * 1000),
    "negative-chunk": endless(CHUNKED + b"-1\r\n", LONG),
    "chunk-without-a-size": says(CHUNKED, b"zz\r\n[]\r\n"),
    "gigantic-length": endless(JSON + b"Content-Length: 99999999999999\r\n\r\n", LONG),
    "negative-length": endless(JSON + b"Content-Length: -1\r\n\r\n[", LONG),
    "length-that-is-none": endless(JSON + b"Content-Length: ten\r\n\r\n[", LONG),
    "gzip-bomb": says(whole(BOMB, b"200 OK", b"Content-Encoding: gzip")),
    "unknown-encoding": says(whole(b"[]", b"200 OK", b"Content-Encoding: \x1b[2J")),
    "no-http": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no-text": says(bytes(range(256)) * 10),
    "strange-status": says(b"HTTP/1.1 \x1b[31m OK\r\n\r\n"),
    "html": says(whole(b"<!DOCTYPE html><title>It works!</title>")),
    "not-utf-8": says(whole(b'[{"Id":"\xff\xfe"}]')),
    "redirect": says(whole(b"", b"302 Found", b"Location: /elsewhere?\x1b[2J")),
    "redirect-for-good": says(whole(b"[]", b"308 Permanent Redirect", b"Location: //x.invalid/")),
    "error-of-html": says(whole(b"<h1>\x1b[31mBad Gateway</h1>\n" * 5000, b"502 Bad Gateway")),
    "error-without-end": endless(b"HTTP/1.1 500 Oh\r\n\r\n", LONG),
    "error-of-another-form": says(whole(b'["message"]', b"500 Oh")),
    "error-with-codes": says(whole(b'{"message": "a\\u001b[2J\\nb\\u202e"}', b"500 Oh\x1b[2J")),
    "error-too-deep": says(whole(b'{"message":' + b"[" * 200_000, b"500 Oh")),
}
"""Answers that no call takes, by what is wrong with them."""

SHAPES: dict[str, Meddle] = {
    name: says(whole(text))
    for name, text in {
        "nothing": b"",
        "half": b'[{"Id": "',
        "null": b"null",
        "true": b"true",
        "number": b"1e999",
        "text": b'"text"',
        "nulls": b"[null, null]",
        "lists": b"[[[]]]",
        "too-deep": b"[" * 1_000_000,
        "deep-objects": b'{"a":' * 200_000,
        "long-number": b"[" + b"9" * 1_000_000 + b"]",
        "many-values": b"[" + b"0," * 5_000_000 + b"0]",
    }.items()
}
"""Texts that are no JSON, or not that of any call."""


def containers(count: int, **fields: object) -> bytes:
    """Return a list of containers, as an engine would answer."""
    record = {"Id": "@", "Names": ["/@"], "ImageID": "sha256:0", "State": "running", **fields}
    text = json.dumps(record)
    rows = (text.replace("@", f"{x:064x}") for x in range(count))
    return whole(f"[{','.join(rows)}]".encode())
