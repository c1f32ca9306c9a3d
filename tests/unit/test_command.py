"""What a container runs instead of its image's command, by tables and for any words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make import container, image, publication

from pytest_exposed.model import CommandOverride, Publication
from pytest_exposed.observation.command import is_own, substitute
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

LOOP = ("bash", "-c", "while true; do sleep 10000; done")
MOLECULE = {"owner": "molecule"}
HTTPD = ("httpd", "-f")
ENTRYPOINT = ("/entry.sh",)


def runs(now: tuple[str, ...], labels: dict[str, str] | None = None, /, **of: Any) -> str | None:
    found = substitute(now, image(80, **of), labels or {})
    return found and found.what


@pytest.mark.parametrize(
    ("command", "of"),
    [
        (HTTPD, {"command": HTTPD}),
        (HTTPD, {"entrypoint": HTTPD}),
        ((*ENTRYPOINT, *HTTPD), {"entrypoint": ENTRYPOINT, "command": HTTPD}),
        # An init before it.
        (("/dev/init", "--", *HTTPD), {"command": HTTPD}),
        # Arguments where the image has none, and a command where the image has none at all.
        (("/entry.sh", "--verbose"), {"entrypoint": ENTRYPOINT}),
        (HTTPD, {}),
        # What the engine doesn't tell.
        ((), {}),
        (("",), {"command": HTTPD}),
    ],
)
def test_nothing_is_replaced(command: tuple[str, ...], of: dict[str, Any]) -> None:
    assert runs(command, **of) is None
    assert runs(command, MOLECULE, **of) is None


@pytest.mark.parametrize(
    ("command", "of", "words"),
    [
        (("sh",), {"command": HTTPD}, "sh instead of its image's httpd"),
        (("sh",), {"entrypoint": ENTRYPOINT}, "sh instead of its image's /entry.sh"),
        (
            ("/entry.sh", "sleep", "1000"),
            {"entrypoint": ENTRYPOINT, "command": HTTPD},
            "sleep instead of its image's httpd",
        ),
        # Arguments alone are not shown: they may be secret.
        (
            ("/entry.sh", "--password=hunter2"),
            {"entrypoint": ENTRYPOINT, "command": ("--port=80",)},
            "/entry.sh with other arguments than its image does",
        ),
        (
            ("httpd", "-p", "81"),
            {"command": HTTPD},
            "httpd with other arguments than its image does",
        ),
        # The shell finds one in the other.
        (
            ("sh", "-c", "sleep 9"),
            {"command": ("/bin/sh",)},
            "sh with other arguments than its image does",
        ),
        (
            ("/entry.sh", "-p"),
            {"entrypoint": ENTRYPOINT, "command": HTTPD},
            "arguments instead of its image's httpd",
        ),
        (LOOP, {"command": HTTPD}, "bash instead of its image's httpd"),
        (("\x1b[2J" + "x" * 99,), {"command": HTTPD}, None),
    ],
)
def test_what_is_replaced(command: tuple[str, ...], of: dict[str, Any], words: str | None) -> None:
    what = runs(command, **of)
    assert what is not None
    assert words in (what, None)
    assert what.isprintable()
    assert len(what) < 120


def test_a_program_is_the_same_with_its_folder() -> None:
    assert runs(("/bin/httpd", "-p", "80"), command=("httpd", "-p", "80")) is None
    assert runs(("httpd", "-p", "80"), command=("/usr/sbin/httpd", "-p", "80")) is None
    assert runs(("/opt/httpd",), command=("/usr/sbin/httpd",)) is not None
    assert runs(("/bin/httpd", "/x"), command=("httpd", "x")) is not None
    assert runs(("tail", "-f", "/bin/httpd"), command=("httpd",)) is not None
    of = {"entrypoint": ("/run.sh",), "command": ("a.conf",)}
    assert runs(("/run.sh", "/etc/a.conf"), **of) is not None


def test_the_loop_of_molecule_says_what_to_do() -> None:
    for of in ({"command": HTTPD}, {"entrypoint": ENTRYPOINT, "command": HTTPD}):
        made = image(80, **of)  # type: ignore[arg-type]  # as above
        found = substitute((*made.entrypoint, *LOOP), made, MOLECULE)
        assert found is not None
        assert found.what == "Molecule's sleep loop instead of its image's httpd (override_command)"
        assert found.fix is not None
        assert "override_command: false in molecule.yml" in found.fix
    assert runs(("sleep", "infinity"), MOLECULE, command=HTTPD) == (
        "sleep instead of its image's httpd"
    )


@given(*[st.lists(st.text(max_size=9), max_size=4).map(tuple)] * 3)
def test_any_words(
    command: tuple[str, ...], entrypoint: tuple[str, ...], own: tuple[str, ...]
) -> None:
    of = {"entrypoint": entrypoint, "command": own}
    what = runs(command, **of)
    assert what is None or what.isprintable()
    assert runs((*entrypoint, *own), **of) is None


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("httpd -f", {"command": HTTPD}),
        ("httpd -f", {"entrypoint": HTTPD}),
        ("/entry.sh httpd -f", {"entrypoint": ENTRYPOINT, "command": HTTPD}),
        # An argument with a space in it, but not the first word, is in quotes.
        ("/bin/sh -c 'exec httpd -f'", {"command": ("/bin/sh", "-c", "exec httpd -f")}),
        ("/bin/my sh -c", {"command": ("/bin/my sh", "-c")}),
        ("echo ' ' it's", {"command": ("echo", " ", "it's")}),
        ("echo  x", {"command": ("echo", "", "x")}),
        # Arguments where the image has none, and a command where the image has none at all.
        ("/entry.sh --verbose 'a b'", {"entrypoint": ENTRYPOINT}),
        ("httpd -f", {}),
        ("", {}),
    ],
)
def test_a_line_of_the_list_that_is_the_images_command(line: str, of: dict[str, Any]) -> None:
    assert is_own(line, image(80, **of))


@pytest.mark.parametrize(
    ("line", "of"),
    [
        ("", {"command": HTTPD}),  # what the engine doesn't tell
        ("sh", {"command": HTTPD}),
        ("httpd", {"command": HTTPD}),
        ("httpd -f -p 81", {"command": HTTPD}),
        ("sh httpd -f", {"command": HTTPD}),
        ("/dev/init -- httpd -f", {"command": HTTPD}),
        ("/entry.sh sleep 1000", {"entrypoint": ENTRYPOINT, "command": HTTPD}),
        ("httpd -f", {"entrypoint": ENTRYPOINT, "command": HTTPD}),
        ("/bin/sh -c exec httpd -f", {"command": ("/bin/sh", "-c", "exec httpd -f")}),
        ("/entry.shx", {"entrypoint": ENTRYPOINT}),
        ("bash -c 'while true; do sleep 10000; done'", {"command": HTTPD}),
    ],
)
def test_a_line_of_the_list_that_tells_too_little(line: str, of: dict[str, Any]) -> None:
    assert not is_own(line, image(80, **of))


PLAIN = st.lists(st.text("ab-/", min_size=1, max_size=3), max_size=3).map(tuple)


@given(PLAIN, PLAIN, PLAIN)
def test_nothing_that_is_replaced_is_taken_for_the_images_own(
    command: tuple[str, ...], entrypoint: tuple[str, ...], own: tuple[str, ...]
) -> None:
    of = {"entrypoint": entrypoint, "command": own}
    if is_own(" ".join(command), image(80, **of)):
        assert runs(command, **of) is None
    assert is_own(" ".join(entrypoint + own), image(80, **of))


@pytest.mark.parametrize("published", [[], [publication(80)]])
@pytest.mark.parametrize("fix", ["set override_command: false", None])
def test_findings_end_with_it(published: list[Publication], fix: str | None) -> None:
    instead = CommandOverride("sh instead of its image's httpd", fix)
    idle = container(documented=[80], published=published, substitute=instead)
    (finding,) = findings(idle, select())
    assert finding.message.endswith(
        "80/tcp: it runs sh instead of its image's httpd"
        if published
        else "on it: it runs sh instead of its image's httpd"
    )
    assert finding.fix == fix or (fix is None and finding.fix.startswith("start its service"))
