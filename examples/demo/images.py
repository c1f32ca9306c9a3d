"""Images built from static files alone, so that no registry is needed."""

from __future__ import annotations

import io
import struct
import tarfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from docker.errors import ImageNotFound

from demo.packages import NotInstalled, install

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import docker

NOTHING: Mapping[str, str] = MappingProxyType({})
PT_INTERP = 3  # elf(5): the program header that names a dynamic linker


def busybox() -> Path:
    """Return the path of a statically linked busybox, installed with apt-get where missing.

    Raises NotInstalled where there is none and it can't be installed.
    """
    path = Path("/bin/busybox")
    if not _is_static(path):
        install("busybox-static")
    if not _is_static(path):
        raise NotInstalled(
            f"{path} is not a statically linked program, although busybox-static is installed. "
            "Install it again: apt-get install --reinstall busybox-static"
        )
    return path


def build_image(
    client: docker.DockerClient,
    tag: str,
    *,
    parent: str = "scratch",
    files: Mapping[str, Path | bytes] = MappingProxyType({}),
    links: Mapping[str, str] = NOTHING,
    instructions: Sequence[str] = (),
) -> str:
    """Build an image and return its id.

    `files` maps a path in the image to its content, `links` a path to a symbolic link's target,
    `instructions` are lines of a Dockerfile: ``EXPOSE 80``, ``CMD ["/bin/app"]``, ``USER 1000``.
    The same arguments give the same layers. Programs and scripts are executable.

    Raises docker.errors.BuildError where an instruction fails.
    """
    lines = [f"FROM {parent}", *instructions]
    if files or links:
        lines.insert(1, "COPY root /")
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        add_file(tar, "Dockerfile", "\n".join(lines).encode())
        add_files(tar, files, links, below="root/")
    context.seek(0)
    image, _ = client.images.build(fileobj=context, custom_context=True, tag=tag, rm=True)
    return str(image.id)


def remove_images(client: docker.DockerClient, *tags: str) -> None:
    """Remove images, with the untagged ones they were built from. Missing ones are no error."""
    for tag in tags:
        with suppress(ImageNotFound):
            client.images.remove(tag, force=True)


def add_files(
    tar: tarfile.TarFile,
    files: Mapping[str, Path | bytes],
    links: Mapping[str, str] = NOTHING,
    below: str = "",
) -> None:
    """Add files and symbolic links to an archive, as `build_image` takes them, below a folder."""
    for path, source in sorted(files.items()):
        content = source if isinstance(source, bytes) else source.read_bytes()
        add_file(tar, f"{below}{path.lstrip('/')}", content)
    for path, target in sorted(links.items()):
        entry = _entry(tar, f"{below}{path.lstrip('/')}")
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        tar.addfile(entry)


def add_file(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to an archive, with the folders it is in; programs and scripts are executable."""
    entry = _entry(tar, name)
    entry.size = len(content)
    entry.mode = 0o755 if content.startswith((b"\x7fELF", b"#!")) else 0o644
    tar.addfile(entry, io.BytesIO(content))


def _entry(tar: tarfile.TarFile, name: str) -> tarfile.TarInfo:
    """Return an entry for `name`, having added the folders it is in."""
    # The engine would make missing folders itself, with the time of the build.
    for folder in reversed(PurePosixPath(name).parents[:-1]):
        if str(folder) not in tar.getnames():
            entry = tarfile.TarInfo(str(folder))
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
    return tarfile.TarInfo(name)


def _is_static(path: Path) -> bool:
    """Tell whether the file is a program that needs no dynamic linker, by its ELF header."""
    with suppress(OSError, IndexError, struct.error):
        program = path.read_bytes()
        if program[:4] != b"\x7fELF":
            return False
        wide = program[4] == 2
        (offset,) = struct.unpack_from("Q" if wide else "I", program, 32 if wide else 28)
        size, count = struct.unpack_from("HH", program, 54 if wide else 42)
        kinds = (struct.unpack_from("I", program, offset + i * size)[0] for i in range(count))
        return PT_INTERP not in kinds
    return False
