"""The lines of Dockerfiles that findings point at."""

from __future__ import annotations

import pytest

from pytest_exposed import ConfigurationError, Port
from pytest_exposed.report.dockerfile import Dockerfile

BUILT = """\
# syntax=docker/dockerfile:1
FROM golang AS build
EXPOSE 1
RUN <<EOF
FROM nothing
EXPOSE 2
EOF

FROM debian
# EXPOSE 3
expose 80 443/UDP \\
    # the admin port
    9000-9002
RUN apt-get install \\
    EXPOSE
EXPOSE $PORT
CMD ["server"]
"""


@pytest.mark.parametrize(
    ("port", "line"),
    [("80", 11), ("443/udp", 11), ("9001", 11), ("443", 16), ("1", 16), ("2", 16)],
)
def test_the_line_of_a_port(port: str, line: int) -> None:
    assert Dockerfile.parse("Dockerfile", BUILT).line_of(Port.parse(port)) == line


def test_without_expose_the_last_from() -> None:
    text = "FROM a\nEXPOSE 80\n\nFROM b\nRUN true\n"
    assert Dockerfile.parse("Dockerfile", text).line_of(Port.parse(80)) == 4
    assert Dockerfile.parse("Dockerfile", text).line_of(None) == 4


def test_another_mark_of_continuation() -> None:
    text = "# escape=`\nFROM a\nCOPY a `\n EXPOSE 80\nEXPOSE 81\n"
    assert Dockerfile.parse("Dockerfile", text).line_of(Port.parse(80)) == 5


@pytest.mark.parametrize("text", ["", "EXPOSE 80\n", "\x00", "RUN <<EOF\nFROM a\n"])
def test_no_dockerfile(text: str) -> None:
    with pytest.raises(ConfigurationError, match="it has no FROM"):
        Dockerfile.parse("Dockerfile", text)
