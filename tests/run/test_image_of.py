"""Which word of `docker run` is the image, by the help of the docker command itself."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from pytest_exposed import ConfigurationError
from pytest_exposed.audit.running.plan import image_of


@pytest.fixture(scope="module")
def shown() -> str:
    words = ["docker", "run", "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "line",
    [
        "web:1",
        "web:1 sh -c true",
        "-e A=b web:1",
        "-eA=b web:1",
        "-it -p 80:80 web:1 -p x",
        "-itp 80:80 web:1",
        "-dp80:80 web:1",
        "--publish 80:80 --rm web:1",
        "--publish=80:80 --init --name x web:1",
        "--net host --net-alias x web:1",
        "--label a=b --add-host a:1 -- web:1",
        "--health-cmd 'true --x' --gpus all web:1",
    ],
)
def test_the_image(shown: str, line: str) -> None:
    assert image_of(shlex.split(line), shown) == "web:1"


@pytest.mark.parametrize("option", ["--detach=false", "-d=false", "-itd=0"])
def test_it_runs_in_the_background(shown: str, option: str) -> None:
    with pytest.raises(ConfigurationError, match="--detach has a value"):
        image_of([option, "web:1"], shown)


@pytest.mark.parametrize("line", ["-ed=1 web:1", "-e d=1 web:1", "--detach -d web:1"])
def test_what_is_no_value_of_detach(shown: str, line: str) -> None:
    assert image_of(shlex.split(line), shown) == "web:1"
