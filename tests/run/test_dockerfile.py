"""`--exposed-dockerfile`: findings point at the line where they are mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from stage import Images

Run = Callable[..., pytest.RunResult]


def test_a_file_of_another_image_is_told_where_the_image_matches(
    run: Run, images: Images, pytester: pytest.Pytester
) -> None:
    (pytester.path / "Dockerfile").write_text("FROM scratch\nEXPOSE 90\n")
    image = images.build(exposes=("80",))
    given = (f"--exposed-run={image} tcp:0.0.0.0:80", "--exposed-dockerfile=Dockerfile", "-q")
    result = run(*given)
    result.assert_outcomes(passed=1)
    asks = "Dockerfile exposes 90/tcp, and * does not: is it another image's?"
    result.stdout.fnmatch_lines([f"exposed: {asks}"])


def test_messages_and_sarif(run: Run, images: Images, pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("docker")
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY listener /\nEXPOSE 80\nEXPOSE 81\n")
    image = images.build(exposes=("80", "81"))
    result = run(
        f"--exposed-run={image} tcp:0.0.0.0:81 tcp:0.0.0.0:9000",
        *("--exposed-dockerfile=docker/Dockerfile", "--exposed-grace=1"),
        *("--exposed-report=ports.sarif", "--exposed-report=ports.json"),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*start its service, *(docker/Dockerfile:3)", "*EXPOSE 9000/tcp (docker/Dockerfile:4)"]
    )
    (found,) = json.loads((pytester.path / "ports.sarif").read_text())["runs"]
    places = [x["locations"][0]["physicalLocation"] for x in found["results"]]
    assert [(x["artifactLocation"]["uri"], x["region"]["startLine"]) for x in places] == [
        ("docker/Dockerfile", 3),
        ("docker/Dockerfile", 4),
    ]


def test_what_is_not_mended_there(run: Run, images: Images, pytester: pytest.Pytester) -> None:
    (pytester.path / "Dockerfile").write_text("FROM scratch\nEXPOSE 80\n")
    result = run(
        f"--exposed-run=-p 127.0.0.1::81 {images.build(exposes=('80',))} tcp:0.0.0.0:80",
        *("--exposed-dockerfile=Dockerfile", "--exposed-grace=1"),
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  published-silent *", "*publish a port that answers*80/tcp"])
    result.stdout.no_fnmatch_line("*Dockerfile:*")


@pytest.mark.parametrize("ports", ["80 81", "81"])
def test_an_expose_that_the_file_does_not_have_any_more(
    ports: str, run: Run, pytester: pytest.Pytester, images: Images
) -> None:
    (pytester.path / "Dockerfile").write_text("FROM scratch\n")
    result = run(
        f"--exposed-run={images.build(exposes=ports.split())} tcp:0.0.0.0:80",
        *("--exposed-dockerfile=Dockerfile", "--exposed-grace=1"),
    )
    result.assert_outcomes(failed=1)
    anew = "build the image anew: Dockerfile has no EXPOSE 81/tcp"
    result.stdout.fnmatch_lines(["  silent *", f" *{anew}"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--exposed", "--exposed-dockerfile=Dockerfile"), "--exposed-dockerfile needs "),
        (("--exposed-dockerfile=Dockerfile",), "--exposed-dockerfile needs --exposed-run"),
        (("--exposed-run=a", "--exposed-dockerfile=none"), "the Dockerfile none can't be read: No"),
        (
            ("--exposed-run=a", "--exposed-dockerfile=Dockerfil"),
            "the Dockerfile Dockerfil can't be read: No such file or directory: did you mean ",
        ),
        (
            ("--exposed-run=a", "--exposed-run=b", "--exposed-dockerfile=Dockerfile"),
            "--exposed-dockerfile is of one image, and these are run: a, b",
        ),
    ],
)
def test_what_can_not_be(
    run: Run, pytester: pytest.Pytester, options: tuple[str, ...], message: str
) -> None:
    (pytester.path / "Dockerfile").write_text("FROM scratch\n")
    assert refusal(run(*options)).startswith(message)
