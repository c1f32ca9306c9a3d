"""Copies of the examples, with names of the run, and the images that they make."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from demo.images import busybox
from stage import RUN, Images

if TYPE_CHECKING:
    import docker

EXAMPLES = Path(__file__).parents[2] / "examples"

Command = Callable[..., subprocess.CompletedProcess[str]]
"""Runs a command in a folder: `command("molecule", "test", cwd=folder, VARIABLE="value")`."""


def copy(example: str, to: Path, names: Mapping[str, str]) -> Path:
    """Return a copy of an example's folder, in whose files each of names stands for another."""
    folder = to / Path(example).name
    shutil.copytree(EXAMPLES / example, folder)
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for old, new in names.items():
                text = text.replace(old, new)
            path.write_text(text, encoding="utf-8")
    return folder


def build(client: docker.DockerClient, images: Images, example: str) -> str:
    """Return the tag of the image that an example's Dockerfile makes of a busybox."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(EXAMPLES / example / "Dockerfile", "Dockerfile")
        tar.add(busybox().resolve(), "busybox")
    context.seek(0)
    tag = images.new_tag()
    client.images.build(
        fileobj=context, custom_context=True, tag=tag, rm=True, labels={RUN: images.run}
    )
    return tag


def replaced(path: Path, old: str, new: str) -> None:
    """Replace the one place in a file where old stands."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")
