"""The throwaway engine of a machine where none answers: one for all who ask, and gone with them."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
from demo.engine import engine
from demo.throwaway import silence
from stage import wait_until


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let no engine answer, and keep the other throwaway engine of the machine out of sight."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "config.json").write_text('{"currentContext": "nowhere"}')
    folder = tmp_path / "contexts" / "meta" / sha256(b"nowhere").hexdigest()
    folder.mkdir(parents=True)
    endpoint = {"Host": f"unix://{tmp_path}/none.sock", "SkipTLSVerify": False}
    context = {"Name": "nowhere", "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (folder / "meta.json").write_text(json.dumps(context))


def test_it_is_shared_and_ends_with_the_last_who_uses_it() -> None:
    found: list[str] = []
    enough, guest = threading.Event(), ExitStack()

    def own() -> None:
        with engine() as url:
            found.append(url)
            enough.wait()

    # The owner's thread: the kernel ends the engine with the thread that started it.
    owner = threading.Thread(target=own)
    owner.start()
    try:
        with guest:
            assert guest.enter_context(engine()) == wait_until(lambda: found, "it starts")[0]
            enough.set()
            owner.join(1)
            assert silence(found[0]) is None, "it waits for the one who uses it too"
    finally:
        enough.set()
        owner.join(60)
    assert silence(found[0])
    assert not Path(found[0].removeprefix("unix://")).parent.exists()


def test_the_address_of_one_that_was_killed_is_not_used(tmp_path: Path) -> None:
    stale = tmp_path / f"pytest-exposed-engine-{os.getuid()}.url"
    stale.write_text(f"unix://{tmp_path}/none.sock")
    with engine() as url:
        assert silence(url) is None
        assert stale.read_text() == url
    assert stale.read_text() == ""
