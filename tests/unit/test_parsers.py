"""Every parser at once: any bytes, and what is almost right, are a value or an error of ours."""

from __future__ import annotations

from contextlib import suppress

import pytest
from fuzz.seeds import SEEDS
from fuzz.targets import TARGETS, run
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed import ExposedError

EVERY_SEED = sorted({x for seeds in SEEDS.values() for x in seeds if len(x) < 2000})


@st.composite
def almost(draw: st.DrawFn, name: str) -> bytes:
    """A text in a target's form, with parts of others put in its place, repeated or cut."""
    text = bytearray(draw(st.sampled_from(SEEDS[name])))
    for _ in range(draw(st.integers(0, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 20)))
        text[begin:end] = draw(st.one_of(st.binary(max_size=8), st.sampled_from(EVERY_SEED)))
    return bytes(text) * draw(st.sampled_from([1, 1, 1, 2, 50]))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
def test_whatever_comes_is_a_value_or_an_error(name: str, data: st.DataObject) -> None:
    run(name, data.draw(st.one_of(almost(name), st.binary(max_size=600))))


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_targets_begin_with_gets_to_their_end(name: str) -> None:
    """But for what is made to be refused: a parser that sees no good form is hardly tested."""
    taken = 0
    for seed in SEEDS[name]:
        with suppress(ExposedError):
            TARGETS[name](seed)
            taken += 1
    assert taken > 0


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("part", [b"[", b'{"a":', b"9", b"1-", b"\x00", b"@", b"/", b"x\n", b": "])
def test_much_of_it_too(name: str, part: bytes) -> None:
    run(name, part * 50_000)
