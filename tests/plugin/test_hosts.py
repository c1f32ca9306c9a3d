"""`--docker-host`: which engine is looked at, and what is said of one that can't be."""

from __future__ import annotations

import json
import socket
import tempfile
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from refusal import refusal
from remote.relay import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

WRONG = ("ftp://x", "nosuch", "tcp://me:s3cr3t@:x")
NO_SOCKET = "unix:///nonexistent/docker.sock"


@pytest.fixture(scope="module")
def place(shared_stage: Stage) -> Stage:
    """A stage with one container that matches its image."""
    shared_stage.run("tcp:0.0.0.0:80", exposes=("80",))
    return shared_stage


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.fixture
def second_url(engine_url: str) -> Iterator[str]:
    """Another address of the same engine."""
    with tempfile.TemporaryDirectory(prefix="pe") as folder:
        link = Path(folder, "s")
        link.symlink_to(engine_url.removeprefix("unix://"))
        yield f"unix://{link}"


class TestWhichEngine:
    @pytest.fixture
    def run(self, run_pytest: Run, place: Stage) -> Run:
        return lambda *arguments: run_pytest(
            "--exposed", "--exposed-filter", place.filter, *arguments
        )

    def test_the_option(self, run: Run, engine_url: str) -> None:
        run("--docker-host", engine_url).assert_outcomes(passed=1)

    def test_the_variable(self, run: Run, engine_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", engine_url)
        run().assert_outcomes(passed=1)

    def test_the_setting(self, run: Run, engine_url: str, pytester: pytest.Pytester) -> None:
        pytester.makeini(f"[pytest]\nexposed_docker_host = {engine_url}")
        run().assert_outcomes(passed=1)

    def test_the_option_comes_before_setting_and_variable(
        self,
        run: Run,
        engine_url: str,
        pytester: pytest.Pytester,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        pytester.makeini(f"[pytest]\nexposed_docker_host = {NO_SOCKET}")
        monkeypatch.setenv("DOCKER_HOST", NO_SOCKET)
        run("--docker-host", engine_url).assert_outcomes(passed=1)
        assert NO_SOCKET in refusal(run())


class TestContexts:
    """Docker's contexts: files below DOCKER_CONFIG."""

    @pytest.fixture(autouse=True)
    def _contexts(self, engine_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "contexts" / "meta" / sha256(b"staging").hexdigest()
        folder.mkdir(parents=True)
        endpoint = {"Host": engine_url, "SkipTLSVerify": False}
        meta = {"Name": "staging", "Metadata": {}, "Endpoints": {"docker": endpoint}}
        (folder / "meta.json").write_text(json.dumps(meta))
        (tmp_path / "config.json").write_text(json.dumps({"currentContext": "staging"}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    @pytest.fixture
    def run(self, run_pytest: Run, place: Stage) -> Run:
        return lambda *arguments: run_pytest(
            "--exposed", "--exposed-filter", place.filter, *arguments
        )

    def test_by_name(self, run: Run) -> None:
        run("--docker-host", "staging").assert_outcomes(passed=1)

    def test_the_current_one(self, run: Run) -> None:
        run().assert_outcomes(passed=1)

    def test_of_the_variable(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_CONTEXT", "nosuch")
        assert "there is no docker context 'nosuch'" in refusal(run())
        monkeypatch.setenv("DOCKER_CONTEXT", "staging")
        run().assert_outcomes(passed=1)

    def test_the_name_is_in_the_ids_of_several(self, run: Run) -> None:
        result = run("--docker-host", "staging", "--docker-host", NO_SOCKET, "-v")
        result.stdout.fnmatch_lines(["exposed[[]staging[]]::* PASSED *"])

    def test_an_unknown_one(self, run: Run) -> None:
        assert refusal(run("--docker-host", "nosuch")).startswith(
            "there is no docker context 'nosuch': `docker context ls` shows those there are"
        )


class TestOneThatCannotBeReached:
    @pytest.fixture
    def refused(self, run_pytest: Run) -> Callable[..., str]:
        return lambda *hosts: refusal(
            run_pytest("--exposed", *(x for host in hosts for x in ("--docker-host", host)))
        )

    def test_no_socket(self, refused: Callable[..., str]) -> None:
        assert refused(NO_SOCKET) == (
            f"{NO_SOCKET}: there is no such socket: is the engine running, and is this its address?"
        )

    def test_nothing_answers(self, refused: Callable[..., str], closed_port: int) -> None:
        assert refused(f"tcp://127.0.0.1:{closed_port}") == (
            f"tcp://127.0.0.1:{closed_port}: nothing answers there: is the engine "
            "running, and is this its address?"
        )

    @pytest.mark.parametrize(
        "host",
        ["ftp://engine", "tcp://engine:port", "tcp://a b"],
    )
    def test_no_address(self, host: str, refused: Callable[..., str]) -> None:
        text = refused(host)
        assert repr(host) in text
        assert "is not a docker host" in text

    def test_in_a_fixture_it_is_the_error(self, run_pytest: Run, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_x(exposed): pass")
        result = run_pytest("--docker-host", NO_SOCKET)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"pytest-exposed: {NO_SOCKET}: there is no such socket: *"])

    def test_unused_it_does_not_matter(self, run_pytest: Run, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_x(): pass")
        run_pytest("--docker-host", NO_SOCKET).assert_outcomes(passed=1)


class TestSeveral:
    @pytest.fixture
    def run(self, run_pytest: Run, place: Stage) -> Run:
        def run(*hosts: str) -> pytest.RunResult:
            options = [x for host in hosts for x in ("--docker-host", host)]
            return run_pytest("--exposed", "--exposed-filter", place.filter, "-v", *options)

        return run

    def test_each_has_its_tests(self, run: Run, engine_url: str, second_url: str) -> None:
        result = run(engine_url, second_url)
        result.assert_outcomes(passed=2)
        ids = [x.partition(" ")[0] for x in result.outlines if " PASSED " in x]
        assert [x.partition("::")[0] for x in ids] == [
            f"exposed[{shown(engine_url)}]",
            f"exposed[{shown(second_url)}]",
        ]
        result.stdout.fnmatch_lines(["exposed: 2 containers on 2 hosts, 2 match"])

    def test_one_that_is_dead_fails_and_the_others_are_audited(
        self, run: Run, engine_url: str
    ) -> None:
        result = run(NO_SOCKET, engine_url)
        dead = shown(NO_SOCKET)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.re_match_lines(
            [
                r"collecting \.\.\. collected 2 items",
                rf"exposed\[{shown(engine_url)}\]::\S+ PASSED ",
                rf"exposed\[{dead}\] FAILED ",
                rf"{NO_SOCKET}: there is no such socket: ",
                r"exposed: 1 container on 2 hosts, 1 match, 1 host not reached$",
                rf"FAILED exposed\[{dead}\] - unix://",
            ]
        )

    @pytest.mark.parametrize("options", [["-k", "nothing"], ["-m", "slow"], ["-k", "app", "-n2"]])
    def test_what_chooses_containers_does_not_leave_it_out(
        self, options: list[str], run_pytest: Run, place: Stage, engine_url: str
    ) -> None:
        hosts = [f"--docker-host={x}" for x in (NO_SOCKET, engine_url)]
        result = run_pytest("--exposed", "--exposed-filter", place.filter, *hosts, *options)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(failed=1, passed=int("-n2" in options), deselected=None)
        result.stdout.fnmatch_lines([f"FAILED exposed[[]{shown(NO_SOCKET)}[]] - unix://*"])

    def test_an_id_without_a_host_is_told_how_they_look(
        self, run_pytest: Run, engine_url: str
    ) -> None:
        hosts = [f"--docker-host={x}" for x in (NO_SOCKET, engine_url)]
        result = run_pytest("--exposed", *hosts, "exposed::web")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        such_as = f"an id names its host here, such as exposed[{shown(NO_SOCKET)}]::web"
        assert such_as in result.stderr.str()

    def test_it_is_left_out_by_its_own_id(
        self, run_pytest: Run, place: Stage, engine_url: str
    ) -> None:
        hosts = [f"--docker-host={x}" for x in (NO_SOCKET, engine_url)]
        own = f"--deselect=exposed[{shown(NO_SOCKET)}]"
        result = run_pytest("--exposed", "--exposed-filter", place.filter, *hosts, own)
        result.assert_outcomes(passed=1, deselected=1)
        result.stdout.fnmatch_lines(
            [
                "collected 2 items / 1 deselected / 1 selected",
                "exposed: 1 container on 2 hosts, 1 match, 1 host not reached",
            ]
        )

    def test_all_dead(self, run: Run, closed_port: int) -> None:
        result = run(NO_SOCKET, f"tcp://127.0.0.1:{closed_port}")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.assert_outcomes(failed=2)

    def test_one_given_twice_is_one(self, run: Run, engine_url: str) -> None:
        run(engine_url, engine_url).assert_outcomes(passed=1)

    @pytest.mark.parametrize("wrong", WRONG)
    def test_one_that_is_no_address_fails_and_the_others_are_audited(
        self, wrong: str, run: Run, engine_url: str
    ) -> None:
        result = run(wrong, engine_url)
        result.assert_outcomes(passed=1, failed=1)
        assert "s3cr3t" not in result.stdout.str()
        name = wrong.replace("://", ":").replace("me:s3cr3t@", "")
        result.stdout.fnmatch_lines(
            [f"exposed[[]{name}[]] FAILED *", "exposed: 1 container on 2 hosts, *"]
        )


@pytest.fixture(autouse=True)
def _proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a proxy of the web, where nothing answers: this machine itself is reached without."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


class TestSecrets:
    """User info in an address is shown nowhere."""

    @pytest.mark.parametrize("scheme", ["tcp", "http", "https", "ssh", "ftp"])
    def test_of_an_engine(self, scheme: str, run_pytest: Run, closed_port: int) -> None:
        url = f"{scheme}://me:s3cr3t@127.0.0.1:{closed_port}"
        result = run_pytest("--exposed", "--docker-host", url)
        text = refusal(result)
        assert f"{scheme}://127.0.0.1:{closed_port}" in text
        for secret in ("s3cr3t", "me:"):
            assert secret not in text
        assert "s3cr3t" not in str(result.stdout)

    def test_of_one_of_several(
        self,
        run_pytest: Run,
        engine_url: str,
        place: Stage,
        closed_port: int,
        pytester: pytest.Pytester,
    ) -> None:
        hosts = [engine_url, f"tcp://me:s3cr3t@127.0.0.1:{closed_port}"]
        options = [x for host in hosts for x in ("--docker-host", host)]
        files = ["--exposed-report=report.json", "--junitxml=junit.xml", "-vv", "--showlocals"]
        result = run_pytest("--exposed", "--exposed-filter", place.filter, *options, *files)
        result.assert_outcomes(passed=1, failed=1)
        texts = [str(result.stdout), str(result.stderr)]
        texts += [(pytester.path / x).read_text() for x in ("report.json", "junit.xml")]
        assert not any("s3cr3t" in x for x in texts)
        assert "127.0.0.1" in texts[2]

    def test_in_a_fixture(
        self, run_pytest: Run, closed_port: int, pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile("def test_x(exposed): pass")
        url = f"tcp://me:s3cr3t@127.0.0.1:{closed_port}"
        result = run_pytest("--docker-host", url, "--showlocals", "-vv")
        result.assert_outcomes(errors=1)
        assert "s3cr3t" not in str(result.stdout)


@contextmanager
def a_server(answers: Mapping[str, bytes | None]) -> Iterator[str]:
    """Yield the url of a server; what it does not know it closes the connection on.

    Where an answer is None it is late: it comes when the server ends.
    """
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/v1.41")
            body = answers.get(path, b"")
            if body is None:
                over.wait(30)
            elif body:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


ANSWERS = {
    "/_ping": b"OK",  # without a version in its head
    "/version": json.dumps({"ApiVersion": "1.41", "Version": "20.10"}).encode(),
}
ONE = json.dumps(
    [
        {
            "Id": "ab" * 32,
            "Names": ["/web"],
            "Image": "web:1",
            "ImageID": "sha256:" + "cd" * 32,
            "State": "running",
            "Status": "Up 3 hours",
            "HostConfig": {"NetworkMode": "default"},
            "Ports": [],
        }
    ]
).encode()


class TestOneThatMisbehaves:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", "1")

    @pytest.mark.parametrize(
        ("answers", "said"),
        [
            ({"/_ping": None}, "no answer in time"),
            ({}, "the connection was closed without an answer"),
            ({"/_ping": b"OK", "/version": None}, "GET /version: no answer in time"),
            ({"/_ping": b"<html>", "/version": b"<html>"}, "GET /version: "),
            ({"/_ping": b"OK", "/version": b"[]"}, "GET /version"),
            ({**ANSWERS, "/containers/json": None}, "/containers/json: no answer in time"),
            ({**ANSWERS, "/containers/json": b"{}"}, "answered what no engine "),
            ({**ANSWERS, "/containers/json": b"[1]"}, "answered what no engine "),
            ({**ANSWERS, "/containers/json": b'[{"Id": 1}]'}, "answered what no engine "),
            ({**ANSWERS, "/containers/json": b"["}, "GET /containers/json: "),
        ],
        ids=[
            "late",
            "nothing",
            "a late version",
            "a page",
            "a list",
            "a late list",
            "an object for a list",
            "a list of numbers",
            "a list of something",
            "half a list",
        ],
    )
    def test_before_the_run(
        self, answers: Mapping[str, bytes | None], said: str, run_pytest: Run
    ) -> None:
        with a_server(answers) as url:
            text = refusal(run_pytest("--exposed", "--docker-host", url))
        assert text.startswith(url)
        assert said in text

    def test_in_the_middle_of_it(self, run_pytest: Run, engine_url: str, place: Stage) -> None:
        with a_server({**ANSWERS, "/containers/json": ONE}) as url:
            result = run_pytest(
                *("--exposed", "--exposed-filter", place.filter, "-v"),
                *("--docker-host", url, "--docker-host", engine_url),
            )
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["exposed[[]127.0.0.1[]]::web FAILED *"])
        result.stdout.re_match_lines([rf"{url}: GET /\S+: "])


@pytest.mark.parametrize("host", WRONG)
def test_tests_of_running_containers_say_what_is_wrong(
    host: str, run_pytest: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    pytester.makepyfile("def test_each(running_container): pass\ndef test_it(exposed): pass")
    result = run_pytest()
    result.assert_outcomes(errors=2)
    lines = [x for x in result.outlines if x.startswith("pytest-exposed: ")]
    assert len(lines) == 2
    assert "s3cr3t" not in result.stdout.str()


def test_tests_of_running_containers_say_what_filter_is_refused(
    engine_url: str, run_pytest: Run, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_each(running_container): pass")
    result = run_pytest("--docker-host", engine_url, "--exposed-filter=colour=red")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["pytest-exposed: * refuses the filter colour=red: *: for a label, write label=colour=red"]
    )
