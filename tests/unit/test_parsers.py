"""Every parser at once: any bytes, and what is almost right, are a value or an error of ours."""

from __future__ import annotations

import pytest
from fuzz.targets import ID, TARGETS, run
from hypothesis import given
from hypothesis import strategies as st

SEEDS = [
    *(b"80/tcp", b"8000-8003/udp", b"127.0.0.1:8080:80/tcp", b"[::]:80", b"web-*: silent, 80 # x"),
    *(b"web: silent 80/tcp\n", b"tcp://me:x@[::1]:1", b"ssh://a b", b"0::/docker/" + ID.encode()),
    b"   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 1 1\n",
    b"  |-- 127.0.0.1\n     /32 host LOCAL\n",
    b"fe800000000000000000000000000001 02 40 20 80 eth0",
    b"@process 1\n@namespace 1\n@before\n0::/\n@table tcp\n@failed\n@after\n0::/\n@end",
    b"@process 99999999999\n",
    b"\x01\0\0\0\0\0\0\x02ab",
    b'{"Id": 1, "Ports": [{"PrivatePort": true, "IP": 1}], "State": {"Pid": 1e999}}',
    b'{"Config": {"ExposedPorts": {"1-65535/tcp": null, "": 1}}, "HostConfig": []}',
    b'{"State": [], "Names": [null, "/\\ud800"], "Labels": {"a": {}}, "Status": "Up 9 years"}',
    b"2024-02-30T25:00:00.1234567890Z",
    b"\xff\xfe\x1b[2J\r\n\xe2\x80\xae",
]


@st.composite
def almost(draw: st.DrawFn) -> bytes:
    """A text in some form, with parts of others put in its place, repeated or cut."""
    text = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 20)))
        text[begin:end] = draw(st.one_of(st.binary(max_size=8), st.sampled_from(SEEDS)))
    return bytes(text) * draw(st.sampled_from([1, 1, 1, 2, 50]))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.one_of(almost(), st.binary(max_size=600)))
def test_whatever_comes_is_a_value_or_an_error(name: str, data: bytes) -> None:
    run(name, data)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("part", [b"[", b'{"a":', b"9", b"1-", b"\x00", b"@", b"/", b"x\n", b": "])
def test_much_of_it_too(name: str, part: bytes) -> None:
    run(name, part * 200_000)
