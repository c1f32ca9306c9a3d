"""The docker SDK's client of one engine, with what it leaves to chance settled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from importlib import import_module
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import docker
import requests
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import InvalidVersion, TLSParameterError
from docker.utils import kwargs_from_env, version_lt

from pytest_exposed.engine.transport import ssh, unix
from pytest_exposed.engine.transport.answer import Bounds, check_head, read_body
from pytest_exposed.engine.transport.cause import chain
from pytest_exposed.engine.transport.connections import FIND, Pool
from pytest_exposed.errors import EngineError
from pytest_exposed.text import printable
from pytest_exposed.unpatched import monotonic

if TYPE_CHECKING:
    from pytest_exposed.engine.hosts import Host


PULL_SECONDS = 600.0
"""How long a pull may take, which tells of its progress in the meantime."""


def connect(host: Host, timeout: float) -> Client:
    """Return a client of an engine, to agree with it on a version; timeout is for each answer."""
    settings: dict[str, Any] = {"timeout": timeout, "version": MINIMUM_DOCKER_API_VERSION}
    if host.ssh:
        # No host is looked up by that name.
        return Client(ssh.Adapter(host, timeout), base_url="http://localhost:2375", **settings)
    if host.url:
        settings["base_url"] = _with_ssh_port(host) if host.url.startswith("ssh://") else host.url
    if host.tls is not None:
        settings["tls"] = host.tls
    elif host.url.startswith(("tcp://", "https://")):
        settings |= _tls_of_environment(host)
    return Client(**settings)


class Client(docker.APIClient):
    """The SDK's client, whose answers are bounded as wholes; only its connections are requests'.

    A session of requests looks for proxies in the environment, for passwords in ~/.netrc and for
    cookies with every call, which costs more than an engine takes to answer.
    """

    def __init__(self, carrier: ssh.Adapter | None = None, /, **settings: Any) -> None:
        """Connect, by a carrier of requests or as the SDK does; timeout is for a whole answer."""
        self._bounds = Bounds()
        self._carrier = carrier
        self._settings: dict[str, Any] | None = None
        self._plain_headers: tuple[Mapping[str, str] | None, Mapping[str, Any]] | None = None
        self._one_by_one = False
        self.is_podman = False
        """Whether the engine said that it is podman, as it does with every answer."""
        self.server = ""
        """What the engine calls itself, the header Server of its answer to a ping."""
        try:
            super().__init__(**settings)
        except BaseException:
            self.close()  # or what answered stays connected until the garbage is collected
            raise

    def request(  # type: ignore[override]  # of all that requests' takes, what the SDK uses
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stream: bool = False,
        allow_redirects: bool = False,  # noqa: ARG002  # requests' get asks for it
        **content: Any,
    ) -> Any:
        """Return an answer that came whole and in time; with stream, its head.

        Raises AnswerError for one that is not taken, and whatever requests does.
        """
        prepared: Any
        if self._is_unix and method == "GET" and not stream and not any(content.values()):
            prepared = self._plain(url, headers)
        else:
            sent = self._sent(headers)
            prepared = requests.Request(method, url, sent, **content).prepare()
        bounds = self._bounds
        # The SDK forgets it for some calls.
        bounds.wait = seconds = self.timeout if timeout is None else timeout
        if url.endswith("/images/create"):
            seconds = max(seconds, PULL_SECONDS)
        bounds.deadline = monotonic() + seconds
        response = self._send(prepared, stream=stream)
        answer, bounds.answer = bounds.answer, None
        assert answer is not None
        goes_on = False
        try:
            check_head(response)
            self.is_podman = self.is_podman or "Libpod-Api-Version" in response.headers
            # Or it is guessed from the text, which takes long where that is long.
            response.encoding = "utf-8"
            goes_on = stream and response.status_code < 400
            if not goes_on:
                read_body(response, answer)
        finally:
            if not goes_on:
                response.close()
        response.answer = answer
        return response

    def read(self, path: str, names: Iterable[str]) -> Iterator[Any]:
        """Yield the JSON of the GET of each name, or None where it has to be asked for alone.

        path has {0} for the name. Over a unix socket they come sooner than one by one. It ends
        where the rest has to be asked for alone.
        """
        if not self._is_unix or self._one_by_one:
            return
        sdk: Any = self
        headers = sdk._general_configs.get("HttpHeaders")  # noqa: SLF001
        urls = (sdk._url(path, x) for x in names)  # noqa: SLF001
        wanted = [self._plain(x, headers) for x in urls]
        left = len(wanted)
        for found in unix.read(self._pool(), wanted, self._bounds, self.timeout):
            left -= 1
            yield found
        # There are proxies that serve one connection at a time.
        self._one_by_one = left > 0

    def get_json(self, path: str, name: str) -> Any:
        """Return the JSON that a GET answers; path has {0} for the name."""
        sdk: Any = self  # its types tell only what is for users
        return sdk._result(sdk._get(sdk._url(path, name)), json=True)  # noqa: SLF001

    def libpod_containers(self, filters: str) -> Any:
        """Return podman's own list of all containers; its API has versions of its own."""
        sdk: Any = self
        params = {"all": "true", "filters": filters}
        answer = sdk._get(f"{self.base_url}/v4.0.0/libpod/containers/json", params=params)  # noqa: SLF001
        return sdk._result(answer, json=True)  # noqa: SLF001

    def agree_by_ping(self) -> bool:
        """Speak the newest version of the API that the engine tells with a ping; false for none.

        Docker's own client asks so (client/ping.go of moby). For GET /version, which the SDK asks,
        an engine starts `runc --version` and `docker-init --version`: that takes longer than all
        else that an audit asks.
        """
        sdk: Any = self
        response = sdk._get(f"{self.base_url}/_ping")  # noqa: SLF001
        version = str(response.headers.get("Api-Version"))
        self.server = str(response.headers.get("Server") or "")
        told = response.ok and re.fullmatch(r"1\.[0-9]{1,4}", version, re.ASCII) is not None
        if not told or version_lt(version, MINIMUM_DOCKER_API_VERSION):
            return False
        self._version = version
        return True

    def agree(self) -> None:
        """Speak the newest version of the API that the engine tells where it is asked for it."""
        sdk: Any = self
        version = sdk._retrieve_server_version()  # noqa: SLF001
        if not isinstance(version, str) or version_lt(version, MINIMUM_DOCKER_API_VERSION):
            raise InvalidVersion(
                f"it speaks version {printable(str(version), 40)} of the API; "
                f"{MINIMUM_DOCKER_API_VERSION} is the oldest that the docker SDK knows"
            )
        self._version = version

    def _sent(self, headers: Mapping[str, str] | None) -> dict[str, Any]:
        return {**self.headers, "Accept-Encoding": "identity", **(headers or {})}

    def _plain(self, url: str, headers: Mapping[str, str] | None) -> unix.Plain:
        if self._plain_headers is None or self._plain_headers[0] != headers:
            prepared = requests.Request("GET", self.base_url, self._sent(headers)).prepare()
            self._plain_headers = (headers, prepared.headers)
        return unix.Plain("GET", url, url.removeprefix(self.base_url), self._plain_headers[1])

    def _pool(self) -> Any:
        """Return the connections to a unix socket."""
        return getattr(self._adapter(self.base_url), FIND)()

    @property
    def _is_unix(self) -> bool:
        return hasattr(self.get_adapter(self.base_url), "socket_path")

    def _send(self, prepared: requests.PreparedRequest | unix.Plain, *, stream: bool) -> Any:
        """Return the head of the answer; ask again what changes nothing where a connection ended.

        That is one at rest, which the engine, or a proxy before it, was about to end.
        """
        if self._is_unix and not stream:
            send = partial(unix.send, self._pool())
        else:
            adapter = self._adapter(str(prepared.url))
            send = partial(adapter.send, **self._settings_of(str(prepared.url)))
        while True:
            self._bounds.is_new = False
            try:
                return send(prepared, timeout=self._bounds.wait)
            except (requests.ConnectionError, ConnectionError) as error:
                ended = any(isinstance(x, ConnectionError) for x in chain(error))
                repeatable = prepared.method in ("GET", "HEAD", "DELETE")
                late = monotonic() > self._bounds.deadline
                if self._bounds.is_new or late or not ended or not repeatable:
                    raise

    def _settings_of(self, url: str) -> dict[str, Any]:
        """Return what the environment says of connections: read once, as that takes long."""
        if self._settings is None:
            found: Any = self.merge_environment_settings(url, {}, True, None, None)
            self._settings = {**found}
            if _is_here(urlsplit(url).hostname or ""):  # as the docker command, and Go's own client
                self._settings["proxies"] = {}
            if self.verify is not True:
                # REQUESTS_CA_BUNDLE, which is for the web, must not replace the engine's own CA.
                self._settings["verify"] = self.verify
        return self._settings

    def upgrade(self, path: str, identity: str, **content: Any) -> Any:
        """Return the answer to a POST that becomes a stream; path has {0} for the id.

        The SDK's own calls of this kind return a socket that differs with the connection's kind.
        """
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        sdk: Any = self  # its types tell only what is for users
        url = sdk._url(path, identity)  # noqa: SLF001
        response = sdk._post(url, headers=headers, stream=True, **content)  # noqa: SLF001
        sdk._raise_for_status(response)  # noqa: SLF001
        return response

    def get_adapter(self, url: str) -> Any:
        """Return what carries a request."""
        return self._carrier or super().get_adapter(url)

    def close(self) -> None:
        """Close all connections."""
        super().close()
        if self._carrier is not None:
            self._carrier.close()

    def _adapter(self, url: str) -> Any:
        """Return what makes and keeps the connections, which give answers that are bounded."""
        adapter: Any = self.get_adapter(url)
        find = getattr(adapter, FIND)
        if not isinstance(find, Pool):
            if hasattr(adapter, "pools"):
                # The SDK's own keep a pool, and so a connection, for every single URL.
                own = type(adapter).get_connection
                find = lambda *_, **__: own(adapter, self.base_url)  # noqa: E731
            setattr(adapter, FIND, Pool(find, self._bounds))
        return adapter


def _with_ssh_port(host: Host) -> str:
    """Return an ssh:// address with its port: the SDK takes 22, whatever ~/.ssh/config says."""
    try:
        paramiko = import_module("paramiko")  # slow to import, and without types
    except ImportError:
        raise EngineError(
            f"{host.shown}: ssh:// needs paramiko: pip install 'pytest-exposed[ssh]'"
        ) from None
    parts = urlsplit(host.url)
    path = os.path.expanduser("~/.ssh/config")
    if parts.port is None and os.path.isfile(path):
        port = paramiko.SSHConfig.from_path(path).lookup(parts.hostname or "").get("port")
        return f"{host.url.rstrip('/')}:{port}" if port else host.url
    return host.url


def _is_here(host: str) -> bool:
    """Return whether a host is this machine's loopback, to which no proxy leads."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls_of_environment(host: Host) -> dict[str, Any]:
    try:
        return {k: v for k, v in kwargs_from_env().items() if k == "tls"}
    except TLSParameterError:
        home = os.path.join(os.path.expanduser("~"), ".docker")
        folder = os.environ.get("DOCKER_CERT_PATH") or home
        names = [f"{x}.pem" for x in ("ca", "cert", "key")]
        missing = [x for x in names if not os.path.isfile(os.path.join(folder, x))]
        raise EngineError(
            f"{host.shown}: TLS failed: there is no {' and no '.join(missing)} in "
            f"{printable(folder)} (DOCKER_TLS_VERIFY, DOCKER_CERT_PATH)"
        ) from None
