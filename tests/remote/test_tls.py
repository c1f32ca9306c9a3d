"""`tcp://` with mutual TLS: what works, and one clear line for what does not."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from remote.common import helper_of, listener_with_cat, refusing_port
from remote.private import PrivateEngine, write_certificates

from pytest_exposed import Engine

if TYPE_CHECKING:
    from stage import Stage

PAST = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Set the variables of the docker CLI to a folder of certificates."""

    def use(folder: Path) -> None:
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(folder))

    return use


Use = Callable[[Path], None]
Refusal = Callable[..., str]


class TestGoodCertificates:
    @pytest.mark.parametrize("scheme", ["tcp", "https"])
    def test_let_in(self, scheme: str, private: PrivateEngine, use: Use) -> None:
        use(private.certificates)
        url = private.tls_url.replace("tcp", scheme)
        with Engine(url) as engine:
            assert (engine.host, engine.label) == (url, "127.0.0.1")
            assert engine.observer.running() == []

    def test_and_each_source_works(
        self, private: PrivateEngine, private_stage: Stage, use: Use
    ) -> None:
        use(private.certificates)
        images = private_stage.images
        container = private_stage.run(
            "tcp:0.0.0.0:80", image=listener_with_cat(images, exposes=("80",))
        )
        for source in ("netlink", "procfs", "helper", "exec"):
            with Engine(private.tls_url, source=source, helper_image=helper_of(images)) as look:
                seen = look.container(container.name)
                assert (seen.source, seen.findings) == (source, ())
                assert seen.listening == {"80/tcp"}

    def test_and_an_audit_passes(
        self,
        private: PrivateEngine,
        private_stage: Stage,
        use: Use,
        run_pytest: Callable[..., pytest.RunResult],
    ) -> None:
        use(private.certificates)
        private_stage.run("tcp:0.0.0.0:80", exposes=("80",))
        result = run_pytest("--docker-host", private.tls_url, "-v")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([f"exposed: {private.tls_url}, 1 running container"])

    def test_of_the_environment_come_with_docker_host(
        self, private: PrivateEngine, use: Use, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use(private.certificates)
        monkeypatch.setenv("DOCKER_HOST", private.tls_url)
        with Engine() as engine:
            assert engine.observer.running() == []

    def test_of_the_webs_authorities_do_not_take_their_place(
        self, private: PrivateEngine, use: Use, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        # requests prefers these to the authority that it was given.
        trustme.CA().cert_pem.write_to_path(str(tmp_path / "web.pem"))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, str(tmp_path / "web.pem"))
        use(private.certificates)
        with Engine(private.tls_url) as engine:
            assert engine.observer.running() == []

    def test_do_not_keep_from_a_socket(self, private: PrivateEngine, use: Use) -> None:
        use(private.certificates)
        with Engine(private.url) as engine:
            assert engine.observer.running() == []


class TestBadCertificates:
    def test_of_the_engine_by_another_authority(
        self, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        other = trustme.CA()
        use(write_certificates(tmp_path / "c", other, private.authority.issue_cert("a@b.org")))
        line = refusal("--docker-host", private.tls_url)
        assert line.startswith(f"{private.tls_url}: TLS failed: ")
        assert "certificate verify failed: unable to get local issuer certificate" in line
        assert line.endswith(" (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)")

    def test_of_the_client_by_another_authority(
        self, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        other = trustme.CA().issue_cert("a@b.org")
        use(write_certificates(tmp_path / "c", private.authority, other))
        assert _refused_by_the_engine(refusal("--docker-host", private.tls_url))

    def test_of_the_client_that_expired(
        self, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        old = private.authority.issue_cert("a@b.org", not_after=PAST)
        use(write_certificates(tmp_path / "c", private.authority, old))
        assert _refused_by_the_engine(refusal("--docker-host", private.tls_url))

    @pytest.mark.parametrize(
        ("name", "not_after", "why"),
        [
            ("127.0.0.1", PAST, "certificate has expired"),
            ("engine.example", None, "IP address mismatch, certificate is not valid for"),
        ],
        ids=["expired", "of another name"],
    )
    def test_of_the_engine(  # noqa: PLR0917  # what a certificate is made of
        self,
        name: str,
        not_after: dt.datetime | None,
        why: str,
        use: Use,
        refusal: Refusal,
        tmp_path: Path,
    ) -> None:
        authority = trustme.CA()
        use(write_certificates(tmp_path / "c", authority, authority.issue_cert("a@b.org")))
        certificate = authority.issue_cert(name, not_after=not_after)
        with tls_server(certificate) as url:
            line = refusal("--docker-host", url)
        assert line.startswith(f"{url}: TLS failed: ")
        assert why in line

    def test_without_the_authority(
        self, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        certificate = private.authority.issue_cert("a@b.org")
        folder = tmp_path / "c"
        use(write_certificates(folder, private.authority, certificate, without="ca.pem"))
        assert refusal("--docker-host", private.tls_url) == (
            f"{private.tls_url}: TLS failed: there is no ca.pem in {folder} "
            "(DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
        )

    @pytest.mark.parametrize("missing", ["cert.pem", "key.pem"])
    def test_of_the_client_that_are_not_there(
        self, missing: str, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        certificate = private.authority.issue_cert("a@b.org")
        folder = tmp_path / "c"
        use(write_certificates(folder, private.authority, certificate, without=missing))
        line = refusal("--docker-host", private.tls_url)
        assert line.startswith(f"{private.tls_url}: ")
        assert f"there is no {missing} in {folder}; " in line
        assert "(DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)" in line

    def test_of_the_client_that_nobody_asks_for(
        self, use: Use, engine_url: str, tmp_path: Path, stage: Stage
    ) -> None:
        """As the docker command, which leaves out those that are not there."""
        app = stage.run()
        authority = trustme.CA()
        client = authority.issue_cert("a@b.org")
        use(write_certificates(tmp_path / "c", authority, client, without="key.pem"))
        with (
            tls_server(authority.issue_cert("127.0.0.1"), passing_on_to=engine_url) as url,
            Engine(url) as engine,
        ):
            assert engine.container(app.name).listeners == ()

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "secret nonsense",
            "-----BEGIN PRIVATE KEY-----\nc2VjcmV0IG5vbnNlbnNl\n-----END PRIVATE KEY-----\n",
        ],
    )
    def test_with_a_key_that_is_none(
        self, key: str, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        certificate = private.authority.issue_cert("a@b.org")
        folder = write_certificates(tmp_path / "c", private.authority, certificate)
        (folder / "key.pem").write_text(key)
        use(folder)
        line = refusal("--docker-host", private.tls_url)
        assert line.startswith(f"{private.tls_url}: TLS failed: ")
        assert "secret" not in line
        assert "c2VjcmV0" not in line

    def test_with_the_key_of_another(
        self, private: PrivateEngine, use: Use, refusal: Refusal, tmp_path: Path
    ) -> None:
        certificate = private.authority.issue_cert("a@b.org")
        folder = write_certificates(tmp_path / "c", private.authority, certificate)
        private.authority.issue_cert("b@b.org").private_key_pem.write_to_path(
            str(folder / "key.pem")
        )
        use(folder)
        assert "key values mismatch" in refusal("--docker-host", private.tls_url)


def _refused_by_the_engine(line: str) -> bool:
    # It tells with an alert; at times the end of the connection comes first.
    return "TLS failed: " in line or "does the engine want TLS, or another certificate" in line


class TestTheWrongProtocol:
    def test_http_to_a_port_of_tls(self, private: PrivateEngine, refusal: Refusal) -> None:
        assert refusal("--docker-host", private.tls_url) == (
            f"{private.tls_url}: GET /version: TLS failed: Client sent an HTTP request to an HTTPS "
            "server. (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
        )

    def test_tls_to_a_port_of_something_else(
        self, private: PrivateEngine, use: Use, refusal: Refusal
    ) -> None:
        use(private.certificates)
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            thread = threading.Thread(target=_greet, args=(server,))
            thread.start()
            line = refusal("--docker-host", url)
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
        assert line.startswith(f"{url}: TLS failed: ")

    def test_tls_to_a_port_where_nothing_is(
        self, private: PrivateEngine, use: Use, refusal: Refusal
    ) -> None:
        use(private.certificates)
        with refusing_port() as port:
            url = f"tcp://127.0.0.1:{port}"
            line = refusal("--docker-host", url)
        assert line == (
            f"{url}: nothing answers there: is the engine running, and is this its address?"
        )

    def test_no_password_of_an_address_is_told(
        self, private: PrivateEngine, use: Use, refusal: Refusal
    ) -> None:
        use(private.certificates)
        port = private.tls_url.rpartition(":")[2]
        line = refusal("--docker-host", f"https://ops:hunter2@127.0.0.1:{port}/x")
        assert "hunter2" not in line
        assert "ops" not in line
        with Engine(f"tcp://ops:hunter2@127.0.0.1:{port}") as engine:
            assert engine.host == private.tls_url


def _greet(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 smtp.example ESMTP\r\n")
                connection.recv(4096)


@contextmanager
def tls_server(certificate: trustme.LeafCert, passing_on_to: str = "") -> Iterator[str]:
    """Yield the address of something that shakes hands with this certificate.

    It ends the connection then, or passes on to an engine at a socket.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)

    def serve(server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                wrapped = context.wrap_socket(connection, server_side=True)
                wrapped.settimeout(60)  # or, by Python 3.13, who receives keeps others from sending
                if passing_on_to:
                    _pass_on(wrapped, passing_on_to.removeprefix("unix://"))
                wrapped.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _pass_on(client: ssl.SSLSocket, path: str) -> None:
    """Pass on one request after the other, and all of its answer, until the client ends."""
    with socket.socket(socket.AF_UNIX) as engine:
        engine.connect(path)
        back = threading.Thread(target=_copy, args=(engine, client))
        back.start()
        _copy(client, engine)
        engine.shutdown(socket.SHUT_RDWR)
        back.join()


def _copy(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while text := one.recv(65536):
            other.sendall(text)
