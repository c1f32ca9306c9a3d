"""Docker contexts, made by the docker command: by name, by variable, the current one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from demo.packages import PATH, NotInstalled, install, which
from remote.private import PrivateEngine, write_certificates

from pytest_exposed import Engine, EngineError

if TYPE_CHECKING:
    from remote.relay import Relay

Docker = Callable[..., str]
Refusal = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the docker command's configuration, which it has yet to make."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return tmp_path / "docker"


@pytest.fixture
def docker(config: Path) -> Docker:
    """Run the docker command, and return what it prints."""
    if which("docker") is None:
        try:
            install("docker-cli")
        except NotInstalled as error:
            pytest.fail(f"these tests need the docker command. {error}", pytrace=False)

    def run(*arguments: str, **environment: str) -> str:
        return subprocess.run(
            [str(which("docker")), *arguments],
            env={**os.environ, "PATH": PATH, "DOCKER_CONFIG": str(config), **environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    return run


def reached(host: str | None, relay: Relay) -> bool:
    """Return whether a look at a host goes through a relay."""
    before = len(relay.requests)
    with Engine(host) as engine:
        engine.observer.running()
    return len(relay.requests) > before


class TestByName:
    def test_it_leads_to_its_engine(self, docker: Docker, relay: Relay, config: Path) -> None:
        docker("context", "create", "prod-1", "--docker", f"host={relay.url}")
        # The docker command needs no config.json for it.
        assert not (config / "config.json").exists()
        assert reached("prod-1", relay)
        with Engine("prod-1") as engine:
            assert (engine.label, engine.host) == ("prod-1", relay.url)

    def test_it_is_the_one_that_the_docker_command_means(
        self, docker: Docker, relay: Relay
    ) -> None:
        docker("context", "create", "Pr-2.0+x_y", "--docker", f"host={relay.url}")
        docker("--context", "Pr-2.0+x_y", "ps")
        assert relay.requests
        assert reached("Pr-2.0+x_y", relay)

    def test_in_an_audit(
        self, docker: Docker, relay: Relay, run_pytest: Callable[..., pytest.RunResult]
    ) -> None:
        docker("context", "create", "prod-1", "--docker", f"host={relay.url}")
        given = ("--exposed-filter", "name=nosuchcontainer")
        result = run_pytest("--docker-host", "prod-1", *given)
        assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
        result.stdout.fnmatch_lines([f"exposed: {relay.url}, 0 running containers that match *"])

    def test_default_is_the_platforms_socket(self, docker: Docker, relay: Relay) -> None:
        docker("context", "create", "prod-1", "--docker", f"host={relay.url}")
        docker("context", "use", "prod-1")
        try:
            with Engine("default") as engine:
                said = engine.host
        except EngineError as error:  # none answers there: the tests have one of their own
            said = str(error).partition(": ")[0]
        assert said == "unix:///var/run/docker.sock"
        assert not relay.requests


class TestTheDefault:
    @pytest.fixture(autouse=True)
    def _contexts(self, docker: Docker, relay: Relay) -> None:
        docker("context", "create", "through", "--docker", f"host={relay.url}")
        docker("context", "create", "dead", "--docker", "host=unix:///nowhere/docker.sock")

    def test_is_the_current_context(self, docker: Docker, relay: Relay) -> None:
        docker("context", "use", "through")
        assert reached(None, relay)

    def test_is_docker_context_before_the_current_one(
        self, docker: Docker, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docker("context", "use", "dead")
        monkeypatch.setenv("DOCKER_CONTEXT", "through")
        assert reached(None, relay)

    def test_is_docker_host_before_both(
        self, docker: Docker, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docker("context", "use", "dead")
        monkeypatch.setenv("DOCKER_CONTEXT", "dead")
        monkeypatch.setenv("DOCKER_HOST", relay.url)
        assert reached(None, relay)

    def test_is_not_asked_for_where_a_host_is_given(
        self, docker: Docker, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docker("context", "use", "dead")
        monkeypatch.setenv("DOCKER_CONTEXT", "dead")
        monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        assert reached(relay.url, relay)
        assert reached("through", relay)

    def test_agrees_with_the_docker_command(
        self, docker: Docker, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docker("context", "use", "dead")
        for variables in (
            {"DOCKER_HOST": relay.url},
            {"DOCKER_CONTEXT": "through"},
            {"DOCKER_HOST": relay.url, "DOCKER_CONTEXT": "dead"},
        ):
            before = len(relay.requests)
            docker("ps", **variables)
            assert len(relay.requests) > before
            with monkeypatch.context() as patch:
                for name, value in variables.items():
                    patch.setenv(name, value)
                assert reached(None, relay)

    def test_is_the_context_where_docker_host_is_empty(
        self, docker: Docker, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # To docker commands of 20.10 an empty text is the default socket, to newer ones it is none.
        docker("context", "use", "dead")
        monkeypatch.setenv("DOCKER_HOST", "")
        monkeypatch.setenv("DOCKER_CONTEXT", "through")
        assert reached(None, relay)

    @pytest.mark.parametrize("name", ["nosuch", "../dead", "tcp:", "x" * 300])
    def test_does_not_fall_back_from_a_context_that_is_not_there(
        self, name: str, docker: Docker, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        docker("context", "use", "through")
        monkeypatch.setenv("DOCKER_CONTEXT", name)
        assert refusal().startswith(f"there is no docker context '{name[:100]}")

    def test_does_not_fall_back_from_a_current_context_that_is_not_there(
        self, docker: Docker, config: Path, refusal: Refusal
    ) -> None:
        docker("context", "use", "through")
        meta = _meta(config, "through")
        meta.unlink()
        line = refusal()
        assert line.startswith("the current docker context does not exist: 'through'")
        assert "docker context ls" in line

    @pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"Endpoints": {"docker": []}}'])
    def test_does_not_fall_back_from_a_context_that_can_not_be_read(
        self, text: str, docker: Docker, config: Path, refusal: Refusal
    ) -> None:
        docker("context", "use", "through")
        _meta(config, "through").write_text(text)
        assert refusal().startswith("the docker context 'through' can't be read: ")


def _meta(config: Path, name: str) -> Path:
    identity = sha256(name.encode()).hexdigest()
    return config / "contexts" / "meta" / identity / "meta.json"


class TestTls:
    def create(self, docker: Docker, name: str, engine: PrivateEngine, *files: str) -> None:
        """Create a context with some of the client's files, and further words."""
        words = [f"{x}={engine.certificates / x}.pem" if "=" not in x else x for x in files]
        docker("context", "create", name, "--docker", ",".join([f"host={engine.tls_url}", *words]))

    def test_files_of_a_context_are_used(self, docker: Docker, private: PrivateEngine) -> None:
        self.create(docker, "prod", private, "ca", "cert", "key")
        with Engine("prod") as engine:
            assert (engine.label, engine.host) == ("prod", private.tls_url)
            assert engine.observer.running() == []

    def test_before_those_of_the_environment(
        self,
        docker: Docker,
        private: PrivateEngine,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        self.create(docker, "prod", private, "ca", "cert", "key")
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "nowhere"))
        with Engine("prod") as engine:
            assert engine.observer.running() == []

    def test_without_an_authority_where_it_is_not_to_be_verified(
        self, docker: Docker, private: PrivateEngine
    ) -> None:
        self.create(docker, "prod", private, "cert", "key", "skip-tls-verify=true")
        docker("--context", "prod", "ps")
        with Engine("prod") as engine:
            assert engine.observer.running() == []

    def test_without_a_certificate_the_engine_refuses(
        self, docker: Docker, private: PrivateEngine, refusal: Refusal
    ) -> None:
        self.create(docker, "prod", private, "ca")
        line = refusal("--docker-host", "prod")
        assert line.startswith(f"{private.tls_url}: ")
        assert "TLS failed: " in line or "another certificate" in line

    def test_of_another_authority(
        self, docker: Docker, private: PrivateEngine, refusal: Refusal, tmp_path: Path
    ) -> None:
        other = trustme.CA()
        folder = write_certificates(tmp_path / "c", other, other.issue_cert("a@b.org"))
        self.create(
            docker, "prod", private, *(f"{x}={folder / x}.pem" for x in ("ca", "cert", "key"))
        )
        line = refusal("--docker-host", "prod")
        assert line.startswith(f"{private.tls_url}: TLS failed: ")
        assert "certificate verify failed" in line
