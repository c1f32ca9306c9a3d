"""No password of an address, of a registry or of a proxy is in any output, however talkative."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_exposed.audit import Audit
from pytest_exposed.audit.settings import Settings
from pytest_exposed.engine.hosts import resolve

if TYPE_CHECKING:
    from stage import Stage

SECRET = "s3cr3t-of-the-tests"  # noqa: S105  # it is none
ENCODED = base64.b64encode(f"me:{SECRET}".encode()).decode()

TALKATIVE = ("-vv", "--tb=long", "--showlocals", "-rA", "--log-level=DEBUG", "--junitxml=junit.xml")


SECRET_URL = f"http://me:{SECRET}@127.0.0.1:1"
"""Engines know no users: this one is refused, in a line."""


@pytest.fixture(autouse=True)
def _configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords wherever docker's configuration may have some."""
    config = {
        "auths": {"127.0.0.1:1": {"auth": ENCODED}},
        "HttpHeaders": {"X-Secret": SECRET},
        "proxies": {"default": {"httpProxy": f"http://me:{SECRET}@127.0.0.1:1"}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "*")


def assert_silent(result: pytest.RunResult) -> None:
    """Assert that nothing that a run has written holds a secret."""
    files = [x for x in Path.cwd().iterdir() if x.is_file() and x.suffix != ".py"]
    assert len(files) >= 1
    for text in (str(result.stdout), str(result.stderr), *(x.read_text() for x in files)):
        assert SECRET not in text
        assert ENCODED not in text


SUITE = """
    import os
    import pytest
    from pytest_exposed import Engine

    def test_check(container_listens_on):
        assert container_listens_on("{name}", 81)

    def test_unknown(container_listens_on):
        assert container_listens_on("nosuch", 81)

    def test_bad_argument(container_listens_on):
        assert container_listens_on(object(), 81)

    def test_engine(exposed):
        exposed.container("nosuch")

    def test_a_bug(exposed, container_matches_image):
        exposed.containers(label=1)

    def test_of_its_own():
        Engine(os.environ["SECRET_URL"])

    def test_of_no_port():
        Engine(os.environ["SECRET_URL"] + "00000")

    def test_of_another_form():
        Engine(os.environ["SECRET_URL"].replace("http", "ftp"))

    def test_helper():
        with Engine(source="helper", helper_image="127.0.0.1:1/nosuch") as engine:
            engine.container("{name}")

    def test_running(running_container):
        assert running_container.listening == {"1/tcp"}
"""


def test_of_a_suite(
    engine_url: str, stage: Stage, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = stage.run("tcp:0.0.0.0:80").name
    monkeypatch.setenv("SECRET_URL", SECRET_URL)
    monkeypatch.setenv("DOCKER_HOST", engine_url)
    pytester.makepyfile(SUITE.replace("{name}", name))
    arguments = [f"--exposed-filter=name={name}", *TALKATIVE]
    result = pytester.runpytest(*arguments)
    assert result.parseoutcomes() == {"failed": 10}
    assert_silent(result)


def test_of_fixtures_without_an_engine(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_check(container_listens_on): pass
        def test_engine(exposed): pass
        def test_running(running_container): pass
        """
    )
    arguments = ["--docker-host", SECRET_URL, *TALKATIVE]
    result = pytester.runpytest(*arguments)
    assert result.parseoutcomes() == {"errors": 3}
    assert_silent(result)


def test_of_an_audit(engine_url: str, stage: Stage, pytester: pytest.Pytester) -> None:
    stage.run("tcp:0.0.0.0:80")
    reports = [f"--exposed-report=report.{x}" for x in ("json", "html", "sarif", "md")]
    hosts = ["--docker-host", engine_url, "--docker-host", SECRET_URL]
    arguments = ["--exposed", "--exposed-filter", stage.filter, *hosts, *reports, *TALKATIVE]
    result = pytester.runpytest(*arguments)
    result.assert_outcomes(failed=2)
    assert_silent(result)


def test_of_representations(engine_url: str) -> None:
    assert SECRET not in repr(resolve(SECRET_URL))
    settings = Settings.parse(hosts=[SECRET_URL, engine_url])
    audit = Audit.reach(settings)
    engine = audit.hosts[1].engine()
    objects = [settings, audit, engine, vars(engine.observer._api)]
    assert SECRET not in repr(objects)
    audit.close()
