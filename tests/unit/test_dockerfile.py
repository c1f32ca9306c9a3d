"""The lines of Dockerfiles that findings point at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from make import container

from pytest_exposed import ConfigurationError, Port
from pytest_exposed.model import Finding, Image
from pytest_exposed.model.ports import Ports
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


def lines(text: str, *ports: str, documented: bool = True) -> list[int]:
    """Return the line of each port in a Dockerfile, as for an image that documents them or not."""
    parsed = Dockerfile.parse("Dockerfile", text)
    found = [Port.parse(x) for x in ports]
    return [parsed.line_of(x, Ports(found if documented else ())) for x in found]


@pytest.mark.parametrize(
    ("port", "line"),
    [("80", 11), ("443/udp", 11), ("9001", 11), ("443", 16), ("1", 16), ("2", 16)],
)
def test_the_line_of_a_port(port: str, line: int) -> None:
    assert lines(BUILT, port, documented=False) == [line]


def test_without_expose_the_last_from() -> None:
    text = "FROM a\nEXPOSE 80\n\nFROM b\nRUN true\n"
    assert lines(text, "80", documented=False) == [4]


TARGETS = """\
FROM debian AS app
EXPOSE 8000
CMD ["app"]
FROM debian AS test
EXPOSE 1
FROM debian AS tool
CMD ["tool"]
"""


@pytest.mark.parametrize(
    ("documented", "line"), [(["8000"], 2), (["1"], 5), ([], 6), (["9"], 6), (["1", "8000"], 5)]
)
def test_an_undocumented_port_is_of_the_stage_that_was_built(
    documented: list[str], line: int
) -> None:
    """Whose EXPOSE lines the image has: `docker build --target`."""
    parsed = Dockerfile.parse("Dockerfile", TARGETS)
    assert parsed.line_of(Port.parse(9100), Ports.parse(*documented)) == line


STAGES = """\
FROM python AS worker
CMD ["python3", "-m", "worker"]
FROM python AS shell
CMD run  it
FROM worker AS loop
EXPOSE 8000
FROM python AS app
EXPOSE 8000
ENTRYPOINT ["python3"]
CMD ["-m", "app"]
"""


@pytest.mark.parametrize(
    ("documented", "command", "line"),
    [
        ([], ["python3", "-m", "worker"], 1),
        ([], ["/bin/sh", "-c", "run it"], 3),
        (["8000"], ["/init", "python3", "-m", "worker"], 6),
        (["8000"], ["python3", "-m", "app"], 8),
        ([], ["python3", "-m", "app"], 8),  # it was built before it had the EXPOSE
        ([], ["other"], 8),
        ([], [], 8),
    ],
)
def test_of_stages_alike_it_is_the_one_that_runs_the_same(
    documented: list[str], command: list[str], line: int
) -> None:
    parsed = Dockerfile.parse("Dockerfile", STAGES)
    found = parsed.line_of(Port.parse(9100), Ports.parse(*documented), tuple(command))
    assert found == line


ARGUMENTS = """\
FROM busybox
ARG PORT=8080
EXPOSE $PORT
ARG STATS=9090
EXPOSE $STATS
"""
LAYERS = ("CMD x", "EXPOSE [9090/tcp]", "ARG STATS", "EXPOSE map[8081/tcp:{}]", "ARG PORT")


@pytest.mark.parametrize(
    ("port", "documented", "history", "line"),
    [
        (8081, [8081, 9090], (), 3),  # that of the other variable is known
        (9090, [8081, 9090], (), 5),
        (8081, [8081, 9091], (), 5),  # either may have it
        (8081, [8081, 9090], LAYERS, 3),
        (9090, [8081, 9090], LAYERS, 5),
        (8080, [8080, 9090], ("EXPOSE 9090/tcp", "EXPOSE 8080/tcp", "EXPOSE 1/tcp"), 3),
        (9090, [9090, 8080], ("EXPOSE 8080/tcp", "EXPOSE 9090/tcp"), 3),
        (9090, [9090, 8080], ("EXPOSE 9090/tcp",), 5),
    ],
)
def test_a_variable_that_a_build_argument_sets(
    port: int, documented: list[int], history: tuple[str, ...], line: int
) -> None:
    parsed = Dockerfile.parse("Dockerfile", ARGUMENTS)
    assert parsed.line_of(Port(port), Ports.parse(*documented), (), history) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('FROM a\nEXPOSE "7070"\n', 2),
        ("FROM a\nEXPOSE 8080:7070\n", 2),
        ("FROM a AS b\nONBUILD EXPOSE 7070\nFROM b\nEXPOSE 7071\n", 2),
        ("ARG B=b\nFROM a AS b\nEXPOSE 7070\nFROM ${B}\nEXPOSE 7071\n", 3),
    ],
)
def test_forms_of_expose(text: str, line: int) -> None:
    parsed = Dockerfile.parse("Dockerfile", text)
    assert parsed.line_of(Port(7070), Ports.parse(7070)) == line


def test_a_command_over_several_lines() -> None:
    text = "FROM a\nEXPOSE 1\nCMD httpd \\\n    -f -p 1\nFROM a\nEXPOSE 1\nCMD other\n"
    parsed = Dockerfile.parse("Dockerfile", text)
    command = ("/bin/sh", "-c", "httpd     -f -p 1")
    assert parsed.line_of(Port(1), Ports.parse(1), command) == 2


@pytest.mark.parametrize("set_by", ["ENV PORT=9090", "ARG PORT=9090"])
@pytest.mark.parametrize("history", [(), ("EXPOSE 9090/tcp", "CMD x", "EXPOSE 7000/tcp")])
def test_a_port_of_the_base_image_beside_a_variable(set_by: str, history: tuple[str, ...]) -> None:
    parsed = Dockerfile.parse("Dockerfile", f"FROM a\n{set_by}\nEXPOSE $PORT\n")
    found = [parsed.line_of(Port(x), Ports.parse(7000, 9090), (), history) for x in (7000, 9090)]
    assert found == [1, 3]


@pytest.mark.parametrize(
    ("text", "documented", "other"),
    [
        ('FROM a\nEXPOSE 3000\nCMD ["node"]\n', [8080], "exposes 3000/tcp"),
        ('FROM a\nCMD ["node"]\n', [8080], "runs another command"),
        ('FROM a\nEXPOSE 3000\nCMD ["httpd"]\n', [8080], ""),
        ("FROM a\nEXPOSE $X\n", [8080], ""),
        ('FROM a\nEXPOSE $X\nCMD ["node"]\n', [8080], "runs another command"),
        ('FROM a\nARG P=3000\nEXPOSE $P\nCMD ["node"]\n', [8080], "exposes 3000/tcp"),
        ('FROM a\nARG P=3000\nEXPOSE $P\nCMD ["httpd"]\n', [8080], ""),
        ("FROM a\n", [8080], ""),
        ("FROM a AS b\nFROM a\nEXPOSE 3000\nCMD x\n", [], ""),
    ],
)
def test_a_file_of_another_image(text: str, documented: list[int], other: str) -> None:
    image = Image("1", "web:1", Ports.parse(*documented), command=("httpd",))
    found = Finding("undocumented", Port(9200), "m", "add to its Dockerfile: EXPOSE 9200/tcp")
    one = replace(container(), image=image, verdict=(found,))
    pointed = Dockerfile.parse("D", text).pointed_at(one)
    asks = f"D {other}, and web:1 does not: is it another image's?"
    assert pointed.notes == ((asks,) if other else ())
    assert ("(D:" in pointed.findings[0].fix) is not bool(other)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ('EXPOSE 8080 9443/udp\nCMD ["node"]\n', True),
        ('EXPOSE 8080 9443/udp\nCMD ["httpd"]\n', False),
        ("EXPOSE 8080 9443/udp\n", False),
        ('EXPOSE 8080\nCMD ["node"]\n', False),
        ('ARG P=9443\nEXPOSE 8080 $P\nCMD ["node"]\n', False),
    ],
)
def test_a_file_that_was_changed_or_is_another_s(text: str, asks: bool) -> None:
    image = Image("1", "web:1", Ports.parse(8080), command=("httpd",))
    found = Finding("undocumented", Port(9200), "m", "add to its Dockerfile: EXPOSE 9200/tcp")
    one = replace(container(), image=image, verdict=(found,))
    pointed = Dockerfile.parse("D", f"FROM a\n{text}").pointed_at(one)
    anew = "build the image anew, or is it another image's?"
    note = f"D exposes 9443/udp and runs another command than web:1: {anew}"
    assert pointed.notes == ((note,) if asks else ())
    assert "(D:" in pointed.findings[0].fix


@pytest.mark.parametrize(
    ("fix", "pointed"),
    [
        ("add EXPOSE 1; or, if 2, listen there", "add EXPOSE 1 (D:1); or, if 2, listen there"),
        ("listen; or, if 1, add EXPOSE 1", "listen; or, if 1, add EXPOSE 1 (D:1)"),
    ],
)
def test_the_line_stands_behind_what_is_done_there(fix: str, pointed: str) -> None:
    one = replace(container(), verdict=(Finding("undocumented", Port(1), "m", fix),))
    (found,) = Dockerfile.parse("D", "FROM a\n").pointed_at(one).findings
    assert found.fix == pointed


def test_the_order_counts_where_literal_lines_agree() -> None:
    parsed = Dockerfile.parse("Dockerfile", "FROM a\nEXPOSE 1\nARG X\nEXPOSE $X\nEXPOSE $X\n")
    layers = ("EXPOSE 3/tcp", "EXPOSE 2/tcp", "EXPOSE 1/tcp")
    found = [parsed.line_of(Port(x), Ports.parse(1, 2, 3), (), layers) for x in (1, 2, 3)]
    assert found == [2, 4, 5]
    found = [parsed.line_of(Port(x), Ports.parse(2, 3), (), layers[:2]) for x in (2, 3)]
    assert found == [5, 5]


@pytest.mark.parametrize(
    ("last", "line"),
    [
        ('CMD ["httpd"]', 1),  # the image runs what its base image does
        ('SHELL ["sh", "-c"]\nCMD run it', 1),
        ('CMD ["sh"]', 3),
        ("", 3),
    ],
)
def test_a_stage_that_runs_what_its_base_does(last: str, line: int) -> None:
    text = f"FROM busybox AS build\nFROM busybox\nEXPOSE 8080\n{last}\n"
    found = Dockerfile.parse("Dockerfile", text).line_of(Port.parse(9), Ports(), ("sh",))
    assert found == line


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('CMD ["-p", "1"]\nENTRYPOINT ["httpd"]', ["httpd", "-p", "1"]),
        ('ENTRYPOINT ["httpd"]\nCMD ["-p", "1"]', ["httpd", "-p", "1"]),
        ('CMD ["x"]\nFROM b\nENTRYPOINT ["httpd"]', ["httpd"]),  # that of another stage goes
        ("CMD echo it\\'s; httpd", ["/bin/sh", "-c", "echo it\\'s; httpd"]),
        ("CMD echo \"it's\" it's", ["/bin/sh", "-c", "echo \"it's\" it's"]),
        ("RUN x \\\\\nCMD y", ["/bin/sh", "-c", "y"]),  # two end a line
        ("RUN x \\\nCMD y", []),
    ],
)
def test_what_an_image_would_run(text: str, command: list[str]) -> None:
    stages = Dockerfile.parse("Dockerfile", f"FROM a AS b\n{text}\n").stages
    assert list(stages[-1].own_command) == command


def test_a_quote_that_nothing_ends() -> None:
    text = 'FROM a\nCMD "' + "\\" * 99999 + "\n" + "RUN '\"" * 9999
    assert len(Dockerfile.parse("Dockerfile", text).stages) == 1


def test_a_command_for_a_shell_of_its_own() -> None:
    text = 'FROM a AS b\nFROM a AS c\nSHELL ["bash", "-c"]\nCMD run it\nFROM c\n'
    parsed = Dockerfile.parse("Dockerfile", text)
    assert parsed.line_of(Port.parse(9), Ports(), ("bash", "-c", "run it")) == 5


@pytest.mark.parametrize("words", ["", "[", "[" * 99999, '{"a": 1}', "[7]"])
def test_any_command_is_read(words: str) -> None:
    parsed = Dockerfile.parse("Dockerfile", f"FROM a\nCMD {words}\nENTRYPOINT {words}\n")
    assert parsed.line_of(Port.parse(80), Ports(), ("x",)) == 1


def test_what_an_earlier_stage_exposes_can_be_removed() -> None:
    inherited = "an inherited EXPOSE can't be taken back: start its service, or waive it"
    found = Finding("silent", Port.parse(8000), "nothing listens", inherited)
    other = Finding("silent", Port.parse(9), "nothing listens", inherited)
    one = replace(container(documented=[8000, 8001, 9]), verdict=(found, other))
    text = "FROM a AS prod\nEXPOSE 8000\nFROM a AS tool\nEXPOSE 9\nFROM prod\nEXPOSE 8001\n"
    parsed = Dockerfile.parse("D", text)
    fixes = [x.fix for x in parsed.pointed_at(one).findings]
    assert fixes[0] == "start its service, or remove EXPOSE 8000/tcp from its Dockerfile (D:2)"
    # That the other stage, which has no part in it, exposes it changes nothing.
    assert fixes[1] == f"{inherited} (D:5)"


def test_a_line_of_the_file_is_not_inherited() -> None:
    fix = "start its service, or remove EXPOSE 81/tcp from its Dockerfile; if it is inherited, x"
    found = Finding("silent", Port.parse(81), "nothing listens", fix)
    one = replace(container(documented=[80, 81]), verdict=(found,))
    for text, shown in (("EXPOSE 80 81", "its Dockerfile (D:2)"), ("EXPOSE 80", "inherited, x")):
        (finding,) = Dockerfile.parse("D", f"FROM a\n{text}\n").pointed_at(one).findings
        assert finding.fix.endswith(shown)


def test_a_line_that_the_image_was_built_without() -> None:
    found = Finding("undocumented", Port.parse(81), "x listens", "add to its Dockerfile: EXPOSE 81")
    one = replace(container(documented=[80]), verdict=(found,))
    (finding,) = Dockerfile.parse("D", "FROM a\nEXPOSE 80 81\n").pointed_at(one).findings
    assert finding.fix == "build the image anew: D:2 has EXPOSE 81/tcp"


def test_a_last_line_that_ends_as_if_another_followed() -> None:
    assert Dockerfile.parse("D", "FROM a\nEXPOSE 80 \\\n").line_of(Port(80), Ports()) == 2


def test_a_finding_without_a_port() -> None:
    """The host's network."""
    assert Dockerfile.parse("Dockerfile", "FROM a\n").line_of(None, Ports()) == 1
    assert Dockerfile.parse("Dockerfile", BUILT).line_of(None, Ports()) == 16


def test_a_documented_port_that_no_line_names_is_of_the_base_image() -> None:
    assert lines("FROM a\nEXPOSE 80\n", "81") == [1]
    assert lines("FROM a\nEXPOSE 80\n", "81", documented=False) == [2]


def test_a_stage_that_begins_from_another() -> None:
    """Names of stages are the same in upper and lower case."""
    text = "FROM --platform=x a AS base\nEXPOSE 80\nFROM go as build\nFROM Base\nEXPOSE 81\n"
    assert lines(text, "80", "81", "82") == [2, 5, 4]
    assert lines(text.replace("EXPOSE 81\n", ""), "82", documented=False) == [4]


def test_a_target_that_is_not_the_last_stage() -> None:
    assert lines("FROM a AS web\nEXPOSE 80\nFROM a AS test\nEXPOSE 9000\n", "80") == [2]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a\nARG PORT=80\nEXPOSE $PORT\nEXPOSE 1\n",
        "FROM a\nENV PORT=80\nEXPOSE ${PORT}/tcp\nEXPOSE 1\n",
        "FROM a\nENV PORT 80\nEXPOSE ${PORT}\nEXPOSE 1\n",
        'FROM a\nENV A=1 PORT="80"\nEXPOSE $PORT\nEXPOSE 1\n',
        "FROM a\nARG A=1\nEXPOSE ${NONE:-80}\nEXPOSE 1\n",
        "FROM a\nENV A=8\nEXPOSE ${A}0\nEXPOSE 1\n",
        "ARG PORT=80\nFROM a\nEXPOSE $PORT\nEXPOSE 1\n",  # by --build-arg, perhaps
        "FROM a\nARG PORT=2\nEXPOSE $PORT\nEXPOSE 1\n",
    ],
)
def test_a_port_in_a_variable(text: str) -> None:
    assert lines(text, "80") == [3]


def test_the_last_value_counts_and_that_of_env_before_that_of_arg() -> None:
    text = "ARG P=5\nFROM a\nARG P\nEXPOSE $P\nARG P=6\nEXPOSE $P\nENV P=7\nARG P=8\nEXPOSE $P\n"
    assert lines(text, "5", "6", "7") == [4, 6, 9]


@pytest.mark.parametrize("space", ["", " ", "\t"])
def test_another_mark_of_continuation(space: str) -> None:
    text = f"# syntax=x\n#{space}ESCAPE =`\nFROM a\nCOPY a `{space}\n EXPOSE 80\nEXPOSE 80\n"
    assert lines(text, "80") == [6]


@pytest.mark.parametrize("first", ["", "# a comment", "# other=x"])
def test_a_directive_stands_at_the_top(first: str) -> None:
    text = f"{first}\n# escape=`\nFROM a\nENV A=b`\nEXPOSE 80\nEXPOSE 81\n"
    assert lines(text, "80") == [5]


def test_lines_are_those_of_an_editor() -> None:
    """Other characters that separate lines for Python are none for docker."""
    assert lines(
        "# a\u2028b\x0cc\x85\nFROM a\r\nEXPOSE 80\r\nEXPOSE 81 \\\r\n 82\r\n", "80", "82"
    ) == [
        3,
        4,
    ]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_bytes(b"\xef\xbb\xbfFROM a\r\nEXPOSE 80\r\nEXPOSE 81\r\n")
    assert Dockerfile.read(str(path)).line_of(Port.parse(80), Ports()) == 2


@pytest.mark.parametrize(
    "instruction",
    [
        "RUN cat <<EOF\nEXPOSE 1\nEOF",
        "RUN <<-'EOF' cat\nEXPOSE 1\n EOF\n\tEOF",
        "COPY <<a <<b /x/\na b\na\nFROM x\nb",
        "ONBUILD RUN <<EOF\nFROM x\nEOF",
        "RUN cat <<<EOF",
        "RUN cat<<EOF",
        'RUN echo "a <<EOF"',
        "RUN echo $((1<<4))",
        "CMD cat <<EOF",
    ],
)
def test_here_documents(instruction: str) -> None:
    text = f"FROM a\n{instruction}\nEXPOSE 80\nCMD x\n"
    assert lines(text, "80") == [instruction.count("\n") + 3]


@pytest.mark.parametrize("text", ["", "EXPOSE 80\n", "\x00", "RUN <<EOF\nFROM a\n"])
def test_no_dockerfile(text: str) -> None:
    with pytest.raises(ConfigurationError, match="it has no FROM"):
        Dockerfile.parse("Dockerfile", text)
