"""Where an engine is: addresses, environments and docker contexts, and no secret in any text."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_exposed import Engine
from pytest_exposed.engine.docker_config import Tls
from pytest_exposed.engine.hosts import Host, Member, resolve
from pytest_exposed.errors import ConfigurationError, EngineError

SECRET = "hunter2"  # noqa: S105  # what must not be shown


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of the docker CLI's configuration, without any context."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def context(config: Path, name: str, host: Any, **endpoint: Any) -> Path:
    """Make a docker context as `docker context create` does; return its file."""
    folder = config / "contexts" / "meta" / sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    docker = {"Host": host, "SkipTLSVerify": False, **endpoint}
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": docker}}
    (folder / "meta.json").write_text(json.dumps(meta))
    return folder / "meta.json"


def use(config: Path, name: object) -> None:
    """Make a context the current one, as `docker context use` does."""
    (config / "config.json").write_text(json.dumps({"currentContext": name}))


# Addresses


@pytest.mark.parametrize(
    ("host", "shown", "label"),
    [
        ("unix:///var/run/docker.sock", None, "unix:/var/run/docker.sock"),
        ("unix:///run/user/1000/podman.sock", None, "unix:/run/user/1000/podman.sock"),
        ("npipe:////./pipe/docker_engine", None, "npipe://./pipe/docker_engine"),
        ("tcp://10.0.0.1:2376", None, "10.0.0.1"),
        ("tcp://engine", "tcp://engine:2375", "engine"),
        (" tcp://engine\n", "tcp://engine:2375", "engine"),
        ("tcp://:1", "tcp://localhost:1", "localhost"),
        ("tcp://", "tcp://localhost:2375", "localhost"),
        ("tcp://engine:1/path/", "tcp://engine:1/path", "engine"),
        ("unix:///run/a b.sock", None, "unix:/run/a b.sock"),
        ("unix://", "unix:///var/run/docker.sock", "unix:/var/run/docker.sock"),
        ("tcp://[2001:db8::1]:2375", None, "2001:db8::1"),
        ("http://localhost:2375", None, "localhost"),
        ("https://engine.example:2376/path", None, "engine.example"),
        ("ssh://prod-1", None, "prod-1"),
        ("ssh://deploy@prod-1", "ssh://prod-1", "prod-1"),
        ("ssh://deploy@prod-1:2222", "ssh://prod-1:2222", "prod-1"),
        (f"ssh://deploy:{SECRET}@prod-1", "ssh://prod-1", "prod-1"),
        (f"tcp://me:{SECRET}@[::1]:2375", "tcp://[::1]:2375", "::1"),
        (f"tcp://engine:1?x={SECRET}", "tcp://engine:1", "engine"),
        (f"https://me:{SECRET}@e@engine:1/x", "https://engine:1/x", "engine"),
        (f"https://engine:1/x?token={SECRET}", "https://engine:1/x", "engine"),
        (f"https://engine:1/x#{SECRET}", "https://engine:1/x", "engine"),
    ],
)
def test_an_address_is_shown_without_its_user(host: str, shown: str | None, label: str) -> None:
    found = resolve(host, {})
    assert (found.shown, found.label) == (shown or host, label)
    # As the docker command's: it leaves out the user of tcp:// and ends with a port.
    assert found.url == (found.shown if host.strip().startswith(("tcp", "unix")) else host)
    assert (found.tls is not None) is host.startswith("https")
    assert SECRET not in repr(found)


def test_the_path_of_a_socket_may_be_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = resolve("unix://run/docker.sock", {})
    assert found.url == f"unix://{tmp_path}/run/docker.sock"
    assert (found.trouble or "").endswith("; with three slashes it is unix:///run/docker.sock")
    (tmp_path / "docker.sock").touch()
    assert resolve("unix://docker.sock", {}).trouble is None


@pytest.mark.parametrize(
    "host",
    [
        "npipe+tcp://engine",
        "tcp://engine:port",
        "tcp://engine:70000",
        "tcp://engine:-1",
        "tcp://[::1",
        "tcp://[nonsense]:1",
        "ssh://",
        "ssh://user@",
        "://engine",
        "ftp://engine",
        "docker://engine",
        "TCP://engine",
        "tcp:// engine",
        "tcp://eng ine",
        "tcp://engine\x1b[2J",
        "unix:///run/\x1b[2J",
        "tcp://eng\u202eine",
        "tcp://\ud800",
    ],
)
def test_what_is_no_address_is_refused_in_one_line(host: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a docker host") as caught:
        resolve(host, {})
    assert str(caught.value).isprintable()
    with pytest.raises(ConfigurationError):
        resolve(None, {"DOCKER_HOST": host})


def test_a_misspelt_scheme_has_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'tpc://x' is not a docker host: did you mean t"):
        resolve("tpc://x", {})
    with pytest.raises(ConfigurationError, match=r"^DOCKER_HOST: 'ssh://' is not a docker host"):
        resolve(None, {"DOCKER_HOST": "ssh://"})


def test_a_scheme_alone_is_told_that_its_address_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="an address stands after ssh://"):
        resolve("ssh://", {})


@pytest.mark.parametrize(
    "host",
    [
        f"foo://me:{SECRET}@engine",
        f"tcp://me:{SECRET}@engine:port",
        f"ssh://me:{SECRET}@eng ine",
        f"https://me:{SECRET}@engine\n1",
        # What ends the host early in a password that nobody escaped.
        f"tcp://me:1/{SECRET}@engine",
        f"tcp://me:1?{SECRET}@engine",
        f"tcp://me:1#{SECRET}@engine",
        f"tcp://me:{SECRET}/2@engine",
        f"tcp://me:{SECRET}?2@engine",
    ],
)
def test_no_error_shows_a_password(host: str, config: Path) -> None:
    context(config, "prod", host)
    for wrong in (host, "prod", f"http+{host}"):
        with pytest.raises(ConfigurationError) as caught:
            resolve(wrong, {})
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ("http://me@engine:1", "http://engine:1: an engine knows no user at http://: leave the"),
        ("https://@engine:1", "https://engine:1: an engine knows no user at https://: leave the"),
        (f"ssh://me:{SECRET}@engine", "ssh://engine: ssh takes no password from an address: leave"),
        ("https://engine:0/x", "https://engine:0/x: the address has no port: write https://HOST"),
        (f"ssh://engine#{SECRET}", 'ssh://engine: the address has a "?" or "#", and an engine'),
    ],
)
def test_an_address_that_no_engine_is_reached_at_says_what_to_do(
    config: Path, host: str, line: str
) -> None:
    context(config, "prod", host)
    for form in (host, "prod", Member("node", host)):
        found = resolve(form, {})
        assert found.trouble is not None
        assert found.trouble.startswith(line)
        assert SECRET not in found.trouble
        with pytest.raises(EngineError) as caught:
            Engine(form)
        assert str(caught.value) == found.trouble


WORDS = st.text("abcXYZ019-._~!$&'()*+,;=%", min_size=1, max_size=12)


@given(
    st.sampled_from(["tcp", "ssh", "http", "https"]),
    WORDS.map(lambda x: f"user{x}"),
    WORDS.map(lambda x: f"secret{x}"),
    st.sampled_from(["engine", "10.0.0.1", "[::1]", "a.b-c.example"]),
    st.sampled_from(["", ":1", ":2376", ":65535"]),
    st.sampled_from(["", "/", "/path"]),
)
def test_no_text_of_a_host_shows_its_user(  # noqa: PLR0917  # the parts of an address
    scheme: str, user: str, password: str, name: str, port: str, path: str
) -> None:
    found = resolve(f"{scheme}://{user}:{password}@{name}{port}{path}", {})
    if scheme == "tcp":
        assert found.url == f"tcp://{name}{port or ':2375'}{path.rstrip('/')}"
        assert found.shown == found.url
    else:
        assert found.url == f"{scheme}://{user}:{password}@{name}{port}{path}"
        assert found.shown == f"{scheme}://{name}{port}{path}"
    for text in (found.shown, found.label, repr(found), str(found)):
        assert user not in text
        assert password not in text


@given(st.text(max_size=20), st.sampled_from(["tcp://", "ssh://", "unix://", "://", "x://"]))
def test_any_address_is_one_or_refused(text: str, scheme: str) -> None:
    try:
        found = resolve(scheme + text, {})
        texts = [found.shown, found.label]
    except ConfigurationError as error:
        texts = [str(error)]
    assert all(x and x.isprintable() for x in texts)


# The order of the docker CLI


def test_the_order_is_argument_docker_host_docker_context_current_context(config: Path) -> None:
    for name in ("given", "named", "current"):
        context(config, name, f"tcp://{name}:1")
    use(config, "current")
    everything = {"DOCKER_HOST": "tcp://environment:1", "DOCKER_CONTEXT": "named"}
    assert resolve("tcp://argument:1", everything).label == "argument"
    assert resolve("given", everything).url == "tcp://given:1"
    assert resolve(None, everything).label == "environment"
    assert resolve(None, {"DOCKER_CONTEXT": "named"}).url == "tcp://named:1"
    assert resolve(None, {}).url == "tcp://current:1"
    use(config, "default")
    assert resolve(None, {}).url == "unix:///var/run/docker.sock"


def test_empty_variables_are_none(config: Path) -> None:
    context(config, "prod", "tcp://prod:1")
    use(config, "prod")
    assert resolve(None, {"DOCKER_HOST": "", "DOCKER_CONTEXT": ""}).label == "prod"


def test_docker_host_is_no_name_of_a_context(config: Path) -> None:
    """As for the docker command, to which it is a host."""
    context(config, "prod", "tcp://elsewhere:1")
    assert resolve(None, {"DOCKER_HOST": "prod"}).url == "tcp://prod:2375"
    with pytest.raises(ConfigurationError, match=r"write unix:///run/docker\.sock"):
        resolve(None, {"DOCKER_HOST": "/run/docker.sock"})


def test_the_context_default_is_the_engine_of_docker_host(config: Path) -> None:
    use(config, "gone")
    environment = {"DOCKER_HOST": "tcp://engine:1"}
    assert resolve("default", environment).url == "tcp://engine:1"
    assert resolve(None, {"DOCKER_HOST": " "}).url == "unix:///var/run/docker.sock"


@pytest.mark.parametrize("short", ["10.0.0.1:2375", "engine:2375", "[2001:db8::1]:2375"])
@pytest.mark.usefixtures("config")
def test_an_address_without_a_scheme_is_of_tcp(short: str) -> None:
    """As the docker command reads DOCKER_HOST and -H; no name of a context has a colon."""
    assert resolve(short, {}) == resolve(None, {"DOCKER_HOST": short}) == resolve(f"tcp://{short}")
    with pytest.raises(ConfigurationError, match="no docker context"):
        resolve(None, {"DOCKER_CONTEXT": short})


def test_a_password_in_an_address_without_a_scheme_is_not_shown() -> None:
    found = resolve(f"me:{SECRET}@engine:2376", {})
    assert found.url == "tcp://engine:2376"
    assert SECRET not in repr(found)


@pytest.mark.parametrize("several", ["ansible://web", "swarm://manager"])
def test_a_list_of_engines_is_not_one(several: str) -> None:
    with pytest.raises(ConfigurationError, match="is a list of engines"):
        resolve(several, {})


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is a string, and not bytes"):
        resolve(f"tcp://me:{SECRET}@engine:1".encode(), {})  # type: ignore[arg-type]


def test_without_anything_it_is_the_platform_s_socket(config: Path) -> None:
    (config / "config.json").unlink()
    socket = "unix:///var/run/docker.sock"
    expected = Host(socket, socket, "unix:/var/run/docker.sock")
    assert resolve(None, {}) == expected
    assert resolve("default", {}) == expected
    assert resolve(None, {"DOCKER_CONTEXT": "default"}) == expected
    assert resolve(None, {}).tls is None


def test_an_empty_host_is_no_host(config: Path) -> None:
    context(config, "prod", "tcp://prod:1")
    use(config, "prod")
    with pytest.raises(ConfigurationError):
        resolve("", {})


# Contexts


def test_a_context_is_called_by_its_name(config: Path) -> None:
    context(config, "prod", f"ssh://me:{SECRET}@engine")
    found = resolve("prod", {})
    assert (found.label, found.shown) == ("prod", "ssh://engine")
    assert found.url == f"ssh://me:{SECRET}@engine"
    assert SECRET not in repr(found)


def test_the_tls_files_of_a_context_are_its_own(config: Path) -> None:
    context(config, "prod", "tcp://prod:2376")
    assert resolve("prod", {}).tls is None
    folder = config / "contexts" / "tls" / sha256(b"prod").hexdigest() / "docker"
    folder.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (folder / name).touch()
    found = resolve("prod", {})
    paths = [str(folder / f"{x}.pem") for x in ("ca", "cert", "key")]
    assert found.tls == Tls(*paths, verify=True)
    assert "Tls" not in repr(found)


def test_a_context_may_trust_any_certificate(config: Path) -> None:
    context(config, "prod", "tcp://prod:2376", SkipTLSVerify=True)
    assert resolve("prod", {}).tls == Tls("", "", "", verify=False, missing=ANY)


def test_a_certificate_without_its_key_is_none(config: Path) -> None:
    context(config, "prod", "tcp://prod:2376")
    folder = config / "contexts" / "tls" / sha256(b"prod").hexdigest() / "docker"
    folder.mkdir(parents=True)
    for name in ("ca.pem", "cert.pem"):
        (folder / name).touch()
    found = resolve("prod", {})
    assert found.tls is not None
    assert (found.tls.key, found.tls.missing) == ("", f"there is no key.pem in {folder}")


@pytest.mark.parametrize("name", ["nosuch", "prod-1.example", "/run/docker.sock"])
def test_an_unknown_context_is_refused_by_name(config: Path, name: str) -> None:
    context(config, "prod", "tcp://prod:1")
    for host, environment in (
        (name, {}),
        (None, {"DOCKER_CONTEXT": name}),
    ):
        with pytest.raises(ConfigurationError, match=f"no docker context '{name}'") as caught:
            resolve(host, environment)
        assert "docker context ls" in str(caught.value)


def test_a_current_context_that_is_gone_is_refused(config: Path) -> None:
    use(config, "gone")
    with pytest.raises(ConfigurationError, match="current docker context does not exist"):
        resolve(None, {})
    assert resolve(None, {"DOCKER_CONTEXT": "default"}).label == "unix:/var/run/docker.sock"
    assert resolve(None, {"DOCKER_HOST": "tcp://engine"}).label == "engine"


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "7", "null", "{}", '{"Name": "prod"}', "\\xff", "[" * 99999),
        *(
            '{"Endpoints": 7}',
            '{"Endpoints": {"docker": 7}}',
            '{"Endpoints": {"docker": {"Host": 7}}}',
        ),
    ],
    ids=lambda x: x[:40],
)
def test_a_context_that_can_not_be_read_is_an_error_of_ours(config: Path, text: str) -> None:
    context(config, "prod", "tcp://prod:1").write_text(text)
    with pytest.raises(ConfigurationError, match="context"):
        resolve("prod", {})


@pytest.mark.parametrize("host", ["", None])
def test_a_context_without_an_address_is_of_the_platforms_socket(config: Path, host: Any) -> None:
    context(config, "prod", host)
    found = resolve("prod", {"DOCKER_HOST": "tcp://engine:1"})
    assert (found.url, found.label) == ("unix:///var/run/docker.sock", "prod")


@pytest.mark.parametrize("host", ["engine", "engine:1", "ftp://engine", "unix://", "tcp://"])
def test_a_context_without_an_address_is_refused(config: Path, host: Any) -> None:
    context(config, "prod", host)
    with pytest.raises(ConfigurationError):
        resolve("prod", {})
