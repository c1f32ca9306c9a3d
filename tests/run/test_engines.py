"""`--exposed-run` on engines that are named, over TLS, and that die."""

from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

import docker
import pytest
from abuse.mortal import MortalEngine, mortal_engine
from engines import started as started_engine
from stage import Images, wait_until

if TYPE_CHECKING:
    from remote.private import PrivateEngine

LABEL = {"label": "pytest-exposed.run"}


@pytest.fixture
def image(private_images: Images) -> str:
    return private_images.build(exposes=("80",))


@pytest.fixture(autouse=True)
def _nothing_is_left(
    private_client: docker.DockerClient, monkeypatch: pytest.MonkeyPatch
) -> object:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    yield
    assert not private_client.api.containers(all=True, filters=LABEL)


def run(pytester: pytest.Pytester, image: str, *options: str) -> None:
    """Run an image that matches."""
    line = f"--exposed-run={image} tcp:0.0.0.0:80"
    pytester.runpytest(line, *options).assert_outcomes(passed=1)


def test_the_environment(
    pytester: pytest.Pytester, image: str, private: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", private.url)
    run(pytester, image)


def test_the_option_before_the_environment(
    pytester: pytest.Pytester, image: str, private: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    run(pytester, image, "--docker-host", private.url)


@pytest.mark.parametrize("scheme", ["tcp", "https"])
def test_tls(
    pytester: pytest.Pytester,
    image: str,
    private: PrivateEngine,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(private.certificates))
    host = private.tls_url.replace("tcp://", f"{scheme}://")
    run(pytester, image, "--docker-host", host)


@pytest.mark.parametrize("way", ["option", "variable", "current"])
def test_a_context(
    pytester: pytest.Pytester,
    image: str,
    private: PrivateEngine,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    tmp_path = pytester.mkdir("docker")
    folder = tmp_path / "contexts" / "meta" / sha256(b"lab").hexdigest()
    folder.mkdir(parents=True)
    endpoint = {"Host": private.url, "SkipTLSVerify": False}
    meta = {"Name": "lab", "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    current = {"currentContext": "lab"} if way == "current" else {}
    (tmp_path / "config.json").write_text(json.dumps(current), encoding="utf-8")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    if way == "variable":
        monkeypatch.setenv("DOCKER_CONTEXT", "lab")
    run(pytester, image, *(["--docker-host", "lab"] if way == "option" else []))


def test_several_engines(
    pytester: pytest.Pytester, images: Images, image: str, private: PrivateEngine, engine_url: str
) -> None:
    """Each runs the image; where one doesn't have it, that test fails."""
    result = pytester.runpytest(
        *("--docker-host", engine_url, "--docker-host", private.url),
        f"--exposed-run={image} tcp:0.0.0.0:80",
    )
    assert images.run not in image
    result.assert_outcomes(passed=1, failed=1)


def test_an_engine_that_dies(pytester: pytest.Pytester) -> None:
    """The run ends with a line that says what may be left; a later run removes it."""
    with started_engine(mortal_engine()) as engine:
        client = docker.DockerClient(engine.url)
        images = Images(client, "mortal")
        image = images.build(exposes=("80",))
        process = begin(pytester, engine, image)
        wait_until(lambda: client.containers.list(filters=LABEL), "it is started", 60)
        engine.kill()
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 1, output
        assert "Traceback" not in output
        assert "INTERNALERROR" not in output
        assert "a container that this run started may be left" in output
        engine.start()
        assert client.containers.list(all=True, filters=LABEL)
        run(pytester, image, "--docker-host", engine.url)
        assert not client.containers.list(all=True, filters=LABEL)
        client.close()


def begin(pytester: pytest.Pytester, engine: MortalEngine, image: str) -> subprocess.Popen[str]:
    """Begin to run an image that never settles."""
    given = ("--docker-host", engine.url, f"--exposed-run={image}")
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", *given],
        cwd=pytester.path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
