"""What the docker command accepts, we accept: both are led to the same engine, or to none."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme
from demo.packages import PATH, NotInstalled, install, which
from remote.doors import Door
from remote.private import write_certificates

from pytest_exposed import Engine, ExposedError

if TYPE_CHECKING:
    import docker

FAILED = "an error"
OWN = "the platform's socket"

VARIABLES = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_API_VERSION", "DOCKER_TLS"),
    *("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CUSTOM_HEADERS", "REQUEST_METHOD"),
    *(f"{x}_proxy" for x in ("http", "https", "all", "no")),
    *(f"{x}_PROXY" for x in ("HTTP", "HTTPS", "ALL", "NO")),
)


@dataclass(frozen=True)
class Places:
    """Doors to the engine, and what names them."""

    doors: Mapping[str, Door]
    words: Mapping[str, str]
    """What stands for {words} in the rows below."""
    folder: Path

    def which_opened(self, before: Mapping[str, int]) -> str | None:
        """Return through which door somebody came since."""
        opened = [name for name, door in self.doors.items() if door.came > before[name]]
        assert len(opened) <= 1, opened
        return opened[0] if opened else None

    def came(self) -> dict[str, int]:
        return {name: door.came for name, door in self.doors.items()}


def address_in(subnet: str) -> str:
    """Return this machine's address in a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.connect((str(ip_network(subnet)[-2]), 9))
        address: str = found.getsockname()[0]
    return address


@pytest.fixture(scope="module")
def places(socket_url: str, client: docker.DockerClient) -> Iterator[Places]:
    """Doors of each kind, and folders of certificates."""
    outside = address_in(client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Subnet"])
    folder = Path(tempfile.mkdtemp(prefix="pe-doors-"))
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    (folder / "a b").mkdir()
    files = authority.issue_cert("a@b.org")
    write_certificates(folder / "whole", authority, files)
    write_certificates(folder / "no-key", authority, files, without="key.pem")
    write_certificates(folder / "no-ca", authority, files, without="ca.pem")
    loopback = ("127.0.0.1", 0)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        doors = {
            name: stack.enter_context(door)
            for name, door in {
                "unix": Door(socket_url, folder / "d.sock"),
                "spaced": Door(socket_url, folder / "a b" / "d.sock"),
                "tcp": Door(socket_url, loopback),
                "tls": Door(socket_url, loopback, tls=context),
                "outside": Door(socket_url, (outside, 0)),
                "proxy": Door(socket_url, loopback),
                "socks": Door(socket_url, loopback, socks=True),
            }.items()
        }
        words = {name: str(door.port) for name, door in doors.items() if door.port}
        words |= {"folder": str(folder), "ip": outside}
        yield Places(doors, words, folder)


@pytest.fixture(scope="module")
def program() -> str:
    """The docker command."""
    if which("docker") is None:
        try:
            install("docker-cli")
        except NotInstalled as error:
            pytest.fail(f"these tests need the docker command. {error}", pytrace=False)
    return str(which("docker"))


@dataclass(frozen=True)
class Row:
    """What a user has, and where it leads."""

    leads_to: str
    environment: Mapping[str, str] = field(default_factory=dict)
    config: str | None = None
    context: Mapping[str, object] | None = None
    """The engine of the context "through"."""
    ours_alone: str = ""
    """Why it is an error for the docker command, and none for us."""


def host(address: str, **environment: str) -> dict[str, str]:
    return {"DOCKER_HOST": address, **environment}


TCP, UNIX = "tcp://127.0.0.1:{tcp}", "unix://{folder}/d.sock"
OUTSIDE = "tcp://{ip}:{outside}"
VIA = "http://127.0.0.1:{proxy}"
THROUGH = {"Host": UNIX, "SkipTLSVerify": False}
CURRENT = '"currentContext": "through"'
FILES = {f"{x}_files": f"{{folder}}/{x}" for x in ("whole", "no-key", "no-ca")}


def config(text: str, leads_to: str = "unix", **environment: str) -> Row:
    return Row(leads_to, environment, text, THROUGH)


ROWS = {
    # Addresses
    "nothing": Row(OWN),
    "a socket": Row("unix", host(UNIX)),
    "a socket with blanks": Row("spaced", host("unix://{folder}/a b/d.sock")),
    "a socket with dots": Row("unix", host("unix://{folder}/a b/../d.sock")),
    "a relative socket": Row("unix", host("unix://d.sock")),
    "a socket that is not there": Row(FAILED, host("unix://{folder}/none.sock")),
    "a socket with an escape": Row(FAILED, host("unix://{folder}/%64.sock")),
    "a socket without a scheme": Row(FAILED, host("{folder}/d.sock")),
    "a scheme alone": Row(OWN, host("unix://")),
    "blanks around": Row("tcp", host(f" {TCP} ")),
    "blanks alone": Row(OWN, host("  ")),
    "no scheme": Row("tcp", host("127.0.0.1:{tcp}")),
    "no host": Row("tcp", host("tcp://:{tcp}")),
    "neither": Row("tcp", host(":{tcp}")),
    "a name": Row("tcp", host("tcp://localhost:{tcp}")),
    "a user": Row("tcp", host("tcp://me:secret@127.0.0.1:{tcp}")),
    "a slash": Row("tcp", host(f"{TCP}/")),
    "a path": Row(FAILED, host(f"{TCP}/nowhere")),
    "a query": Row("tcp", host(f"{TCP}?x=1")),
    "a fragment": Row("tcp", host(f"{TCP}#x")),
    "a scheme in capitals": Row(FAILED, host("TCP://127.0.0.1:{tcp}")),
    "http": Row("tcp", host("http://127.0.0.1:{tcp}"), ours_alone="the docker SDK takes it"),
    "an unknown scheme": Row(FAILED, host("ftp://127.0.0.1:{tcp}")),
    # Versions
    "an old version": Row("tcp", host(TCP, DOCKER_API_VERSION="1.30")),
    "a version with a v": Row("tcp", host(TCP, DOCKER_API_VERSION="v1.30")),
    "a version that is none": Row(
        "tcp", host(TCP, DOCKER_API_VERSION="x"), ours_alone="the engine tells its version"
    ),
    # TLS
    "tls": Row(
        "tls",
        host("tcp://127.0.0.1:{tls}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="{folder}/whole"),
    ),
    "tls, by any text": Row(
        "tls",
        host("tcp://127.0.0.1:{tls}", DOCKER_TLS_VERIFY="0", DOCKER_CERT_PATH="{folder}/whole"),
    ),
    "tls, without a key": Row(
        "tls",
        host("tcp://127.0.0.1:{tls}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="{folder}/no-key"),
    ),
    "tls, without an authority": Row(
        FAILED,
        host("tcp://127.0.0.1:{tls}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="{folder}/no-ca"),
    ),
    "tls, of another authority's": Row(
        FAILED,
        host("tcp://127.0.0.1:{tls}", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="{folder}/nowhere"),
    ),
    "tls that is not verified": Row(
        "tls", host("tcp://127.0.0.1:{tls}", DOCKER_TLS="1", DOCKER_CERT_PATH="{folder}/whole")
    ),
    "tls to a plain engine": Row(
        FAILED, host(TCP, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="{folder}/whole")
    ),
    "a plain client to tls": Row(
        FAILED, host("tcp://127.0.0.1:{tls}", DOCKER_CERT_PATH="{folder}/whole")
    ),
    "certificates and no tls": Row("tcp", host(TCP, DOCKER_CERT_PATH="{folder}/whole")),
    "certificates that are not there, and no tls": Row(
        "tcp", host(TCP, DOCKER_CERT_PATH="/nowhere")
    ),
    "an empty tls": Row("tcp", host(TCP, DOCKER_TLS_VERIFY="", DOCKER_TLS="")),
    "tls and a socket": Row(
        "unix", host(UNIX, DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH="{folder}/whole")
    ),
    "tls and a socket, without files": Row(
        "unix", host(UNIX, DOCKER_TLS_VERIFY="1"), ours_alone="a socket has no TLS"
    ),
    "tls and a context": config("{" + CURRENT + "}", DOCKER_TLS_VERIFY="1"),
    # Contexts
    "the current context": config("{" + CURRENT + "}"),
    "a context of the environment": config("{}", DOCKER_CONTEXT="through"),
    "a context and an address": config(
        "{" + CURRENT + "}", "tcp", DOCKER_HOST=TCP, DOCKER_CONTEXT="through"
    ),
    "an empty address": config("{" + CURRENT + "}", DOCKER_HOST=""),
    "an address of blanks": config("{" + CURRENT + "}", OWN, DOCKER_HOST=" "),
    "the default context": config("{" + CURRENT + "}", OWN, DOCKER_CONTEXT="default"),
    "the default context and an address": config(
        "{}", "tcp", DOCKER_CONTEXT="default", DOCKER_HOST=TCP
    ),
    "a missing context and an address": config(
        "{}", "tcp", DOCKER_CONTEXT="nosuch", DOCKER_HOST=TCP
    ),
    "a missing context": config("{}", FAILED, DOCKER_CONTEXT="nosuch"),
    "a name with a blank": config("{}", FAILED, DOCKER_CONTEXT=" through"),
    "a missing current context": config('{"currentContext": "nosuch"}', FAILED),
    "a context without a host": Row(OWN, {}, "{" + CURRENT + "}", {}),
    "a context with an empty host": Row(OWN, {}, "{" + CURRENT + "}", {"Host": ""}),
    "a context of another case": Row("unix", {}, "{" + CURRENT + "}", {"host": UNIX}),
    "a context of a number": Row(FAILED, {}, "{" + CURRENT + "}", {"Host": 7}),
    "a context with blanks": Row(
        "spaced", {}, "{" + CURRENT + "}", {"Host": "unix://{folder}/a b/d.sock"}
    ),
    "a context of a relative socket": Row(
        "unix", {}, "{" + CURRENT + "}", {"Host": "unix://d.sock"}
    ),
    "a context of tcp": Row("tcp", {}, "{" + CURRENT + "}", {"Host": TCP}),
    "a context with a user": Row(
        "tcp", {}, "{" + CURRENT + "}", {"Host": "tcp://me:x@127.0.0.1:{tcp}"}
    ),
    "a context of http": Row("tcp", {}, "{" + CURRENT + "}", {"Host": "http://127.0.0.1:{tcp}"}),
    "a context without a scheme": Row(FAILED, {}, "{" + CURRENT + "}", {"Host": "127.0.0.1:{tcp}"}),
    "a context with a scheme alone": Row(FAILED, {}, "{" + CURRENT + "}", {"Host": "unix://"}),
    "a context of tls": Row(
        "tls", {}, "{" + CURRENT + "}", {"Host": "tcp://127.0.0.1:{tls}", "SkipTLSVerify": True}
    ),
    "a context of a socket, without verification": Row(
        "unix", {}, "{" + CURRENT + "}", {"Host": UNIX, "SkipTLSVerify": True}
    ),
    # config.json
    "an empty file": config("", OWN),
    "half a file": config("{" + CURRENT, OWN),
    "a list": config("[]", OWN),
    "null": config("null", OWN),
    "a mark of the order of bytes": config("\ufeff{" + CURRENT + "}", OWN),
    "more behind it": config("{" + CURRENT + "} more"),
    "another case": config('{"CURRENTCONTEXT": "through"}'),
    "a context of no text": config('{"currentContext": 7}', OWN),
    "an empty one of it": config('{"currentContext": ""}', OWN),
    "auths of no object": config('{"auths": 7, ' + CURRENT + "}"),
    "an empty auth": config(
        '{"auths": {"r.io": {"username": "u", "password": "p", "auth": ""}}, ' + CURRENT + "}"
    ),
    "an auth of no base64": config('{"auths": {"r.io": {"auth": "!!"}}, ' + CURRENT + "}"),
    "an auth of no colon": config('{"auths": {"r.io": {"auth": "eHh4"}}, ' + CURRENT + "}"),
    "an auth of a number": config('{"auths": {"r.io": 7}, ' + CURRENT + "}"),
    "a missing credential program": config('{"credsStore": "nosuch", ' + CURRENT + "}"),
    "headers": config('{"HttpHeaders": {"X-A": "b"}, ' + CURRENT + "}"),
    "headers of no object": config('{"HttpHeaders": 7, ' + CURRENT + "}"),
    "proxies for containers": config(
        '{"proxies": {"default": {"httpProxy": "http://127.0.0.1:9"}}, ' + CURRENT + "}"
    ),
    "proxies for containers, and tcp": config(
        '{"proxies": {"default": {"httpProxy": "http://127.0.0.1:9"}}}',
        "outside",
        DOCKER_HOST=OUTSIDE,
    ),
    # Proxies
    "no proxy": Row("outside", host(OUTSIDE)),
    "a proxy": Row("proxy", host(OUTSIDE, HTTP_PROXY=VIA)),
    "a proxy in small letters": Row("proxy", host(OUTSIDE, http_proxy=VIA)),
    "a proxy without a scheme": Row("proxy", host(OUTSIDE, HTTP_PROXY="127.0.0.1:{proxy}")),
    "a proxy with a user": Row(
        "proxy", host(OUTSIDE, HTTP_PROXY="http://u:p%40@127.0.0.1:{proxy}")
    ),
    "a proxy of an unknown scheme": Row(
        "proxy", host(OUTSIDE, HTTP_PROXY="ftp://127.0.0.1:{proxy}")
    ),
    "a proxy that is none": Row("outside", host(OUTSIDE, HTTP_PROXY=":::x")),
    "a proxy of socks": Row("socks", host(OUTSIDE, HTTP_PROXY="socks5://127.0.0.1:{socks}")),
    "a proxy for all": Row(
        "outside", host(OUTSIDE, ALL_PROXY="socks5://127.0.0.1:9", all_proxy="http://127.0.0.1:9")
    ),
    "a proxy for tls": Row("outside", host(OUTSIDE, HTTPS_PROXY="http://127.0.0.1:9")),
    "a proxy and a socket": Row("unix", host(UNIX, HTTP_PROXY="http://127.0.0.1:9")),
    "a proxy and loopback": Row("tcp", host(TCP, HTTP_PROXY="http://127.0.0.1:9")),
    "a proxy and localhost": Row(
        "tcp", host("tcp://localhost:{tcp}", HTTP_PROXY="http://127.0.0.1:9")
    ),
    "a proxy, not for an address": Row("outside", host(OUTSIDE, HTTP_PROXY=VIA, NO_PROXY="{ip}")),
    "a proxy, not for a port": Row(
        "outside", host(OUTSIDE, HTTP_PROXY=VIA, NO_PROXY="{ip}:{outside}")
    ),
    "a proxy, not for another port": Row("proxy", host(OUTSIDE, HTTP_PROXY=VIA, NO_PROXY="{ip}:1")),
    "a proxy, not for a network": Row(
        "outside", host(OUTSIDE, HTTP_PROXY=VIA, no_proxy="x, {ip}/8")
    ),
    "a proxy, not for anything": Row("outside", host(OUTSIDE, HTTP_PROXY=VIA, NO_PROXY="x, *")),
    "a proxy, not for others": Row(
        "proxy", host(OUTSIDE, HTTP_PROXY=VIA, NO_PROXY="10.9.8.7,.example")
    ),
    "a proxy of a web server": Row(
        "proxy", host(OUTSIDE, HTTP_PROXY=VIA, REQUEST_METHOD="GET"), ours_alone="we are no CGI"
    ),
    "headers of the environment": Row("tcp", host(TCP, DOCKER_CUSTOM_HEADERS="X-A=b,X-C=d")),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_both_are_led_to_the_same_engine(
    row: Row, places: Places, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in row.environment.items():
        monkeypatch.setenv(name, value.format(**places.words))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.chdir(places.folder)
    if row.config is not None:
        (tmp_path / "config.json").write_text(row.config, encoding="utf-8")
    if row.context is not None:
        write_context(tmp_path, row.context, places)

    assert ours(places) == row.leads_to
    if row.ours_alone:
        assert by_docker(program, places) == FAILED
    else:
        assert by_docker(program, places) == row.leads_to


def write_context(folder: Path, endpoint: Mapping[str, object], places: Places) -> None:
    """Write the context "through", as `docker context create` does."""
    meta = folder / "contexts" / "meta" / sha256(b"through").hexdigest()
    meta.mkdir(parents=True)
    own = {k: v.format(**places.words) if isinstance(v, str) else v for k, v in endpoint.items()}
    record = {"Name": "through", "Metadata": {}, "Endpoints": {"docker": own}}
    (meta / "meta.json").write_text(json.dumps(record))


def ours(places: Places) -> str:
    """Return where an engine of ours is led to."""
    before = places.came()
    try:
        with Engine(timeout=5) as engine:
            engine.observer.running()
            where = engine.host
    except ExposedError as error:
        return OWN if "unix:///var/run/docker.sock: there is no" in str(error) else FAILED
    opened = places.which_opened(before)
    if opened is None:
        assert where == "unix:///var/run/docker.sock"
    return opened or OWN


def by_docker(program: str, places: Places) -> str:
    """Return where the docker command is led to."""
    before = places.came()
    done = subprocess.run(
        [program, "ps", "--quiet"],
        env={**os.environ, "PATH": PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if done.returncode:
        return OWN if "daemon at unix:///var/run/docker.sock" in done.stderr else FAILED
    return places.which_opened(before) or OWN


def test_a_configuration_that_can_not_be_read(
    places: Places, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is another user's; this is so for root, too."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", UNIX.format(**places.words))
    (tmp_path / "config.json").mkdir()
    assert ours(places) == by_docker(program, places) == "unix"
    monkeypatch.delenv("DOCKER_HOST")
    assert ours(places) == by_docker(program, places) == OWN
