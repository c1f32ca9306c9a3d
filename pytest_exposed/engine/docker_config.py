"""The docker command's configuration, contexts and TLS files, in its own order.

Source: cli/command/cli.go, cli/config, cli/flags and cli/context/store of docker/cli. The docker
command goes on without a configuration that it can't read, and so do we.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_exposed.engine.transport.wire import AnswerError
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.text import printable

if TYPE_CHECKING:
    import ssl


class Tls(NamedTuple):
    """The TLS of a connection: paths of files, each empty if there is none."""

    ca: str
    cert: str
    key: str
    verify: bool
    missing: str = ""
    """A line that names the user's missing file; empty if all are there."""

    def context(self) -> ssl.SSLContext:
        """Return the context for connections; raises AnswerError and ssl.SSLError."""
        import ssl  # noqa: PLC0415  # slow to import

        found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if not self.verify:
            found.check_hostname = False
            found.verify_mode = ssl.CERT_NONE
        try:
            if self.ca:
                found.load_verify_locations(self.ca)
            elif self.verify:
                found.load_default_certs()
            if self.cert and self.key:
                # Without this password, openssl would ask for one at the terminal.
                found.load_cert_chain(self.cert, self.key, password="")
        except ssl.SSLError:
            raise
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise AnswerError(f"TLS failed: its files can't be used: {why}") from None
        return found


def folder() -> str:
    """Return the folder of the docker command's configuration."""
    return os.environ.get("DOCKER_CONFIG") or os.path.join(os.path.expanduser("~"), ".docker")


def _at_once(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to would be waited for."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def configuration() -> Mapping[str, Any]:
    """Return config.json; empty if it can't be read, as for the docker command."""
    try:
        with open(os.path.join(folder(), "config.json"), "rb", opener=_at_once) as file:
            text = file.read().decode("utf-8", "replace")
        # The docker command ignores what follows the first value.
        found, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def field(record: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a field of a type, or None. As in Go, case is ignored and the last match counts.

    Source: the documentation of Unmarshal, encoding/json.
    """
    own = [x for key, x in record.items() if key.lower() == name.lower() and isinstance(x, kind)]
    return own[-1] if own else None


def current_context() -> str:
    """Return the name of the current context; "default" if none was chosen."""
    return field(configuration(), "currentContext", str) or "default"


def headers() -> dict[str, str]:
    """Return the headers that the docker command sends with each request."""
    own = field(configuration(), "HttpHeaders", dict) or {}
    found = {str(k): v for k, v in own.items() if isinstance(v, str)}
    if given := os.environ.get("DOCKER_CUSTOM_HEADERS"):
        import csv  # noqa: PLC0415  # rarely used

        pairs = (x.partition("=") for x in next(csv.reader([given]), []))
        found |= {name.strip(): value for name, sign, value in pairs if sign and name.strip()}
    return found


def tls_of_environment(environment: Mapping[str, str]) -> Tls | None:
    """Return the TLS of DOCKER_TLS and the like; None for a plain connection."""
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    if not verify and not environment.get("DOCKER_TLS"):
        return None
    return tls_in(environment.get("DOCKER_CERT_PATH") or folder(), verify=verify)


def tls_in(where: str, *, verify: bool) -> Tls:
    """Return the TLS of a folder, which has ca.pem, cert.pem, key.pem or some of them."""
    paths = {x: os.path.join(where, f"{x}.pem") for x in ("ca", "cert", "key")}
    missing = [f"{x}.pem" for x, path in paths.items() if not os.path.exists(path)]
    line = f"there is no {' and no '.join(missing)} in {printable(where)}" if missing else ""
    there = {x: path if os.path.exists(path) else "" for x, path in paths.items()}
    return Tls(there["ca"], there["cert"], there["key"], verify, line)


def context(name: str, *, is_given: bool) -> tuple[str, Tls | None]:
    """Return the address of a docker context, empty for the platform's own socket, and its TLS.

    is_given says that the user named it, rather than `docker context use`. Raises
    ConfigurationError.
    """
    identity = sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    contexts = os.path.join(folder(), "contexts")
    what = f"the docker context {printable(name)!r}"
    meta = _read(os.path.join(contexts, "meta", identity, "meta.json"), what)
    if meta is None:
        shown = printable(name.rpartition("@")[2])
        raise ConfigurationError(
            f"there is no docker context {shown!r}: `docker context ls` shows those "
            "there are; an address has a scheme, such as unix://, tcp:// or ssh://"
            if is_given
            else f"the current docker context does not exist: {printable(name)!r}; `docker context "
            "ls` shows those there are, `docker context use NAME` chooses one"
        )
    endpoint = (field(meta, "Endpoints", dict) or {}).get("docker")
    if not isinstance(endpoint, dict):
        raise ConfigurationError(f"{what} can't be read: it names no docker engine")
    address = field(endpoint, "Host", str)
    if not address and field(endpoint, "Host", object) not in (None, ""):
        raise ConfigurationError(f"{what} can't be read: its engine's address is not a string")
    found = tls_in(
        os.path.join(contexts, "tls", identity, "docker"),
        verify=field(endpoint, "SkipTLSVerify", bool) is not True,
    )
    is_plain = found.verify and not (found.ca or found.cert or found.key)
    return address or "", None if is_plain else found


def _read(path: str, what: str) -> Mapping[str, Any] | None:
    """Return the object in a JSON file, or None if there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else f"it is not JSON ({error})"
        raise ConfigurationError(f"{what} can't be read: {path}: {printable(str(why))}") from None
    if not isinstance(record, dict):
        raise ConfigurationError(f"{what} can't be read: {path}: it is not a JSON object")
    return record
