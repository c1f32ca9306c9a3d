"""Silent ports that are advice: what a service that is up opens only where it is set up for it."""

from __future__ import annotations

from typing import Any

import pytest
from make import container, image, listener, publication

from pytest_exposed.errors import ConfigurationError
from pytest_exposed.model import Finding
from pytest_exposed.model.ports import Ports
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import NO_WARNING, select

DIGEST = "docker.io/library/webapp@sha256:" + "1" * 64


def judged(
    *documented: int | str, listening: Any = (), digests: Any = (), warn: Any = (), **rest: Any
) -> dict[str, bool]:
    """Return the findings in a container, and whether each fails."""
    one = container(
        *(x if not isinstance(x, (int, str)) else listener(x) for x in listening),
        image=image(*documented, digests=digests),
        documented=documented,
        **rest,
    )
    return {str(x): x.fails for x in findings(one, select(warn=warn))}


@pytest.mark.parametrize(
    ("documented", "listening", "optional"),
    [
        ((80, 443), (80,), "443/tcp"),
        ((8080, 8443), (8080,), "8443/tcp"),
        ((5672, 5671), (5672,), "5671/tcp"),
        (("3478/udp", "5349/udp"), ("3478/udp",), "5349/udp"),
        ((2181, 2888), (2181,), "2888/tcp"),
        ((445, "137/udp"), (445,), "137/udp"),
        # The same number under two protocols, one of which is served.
        ((8125, "8125/udp"), ("8125/udp",), "8125/tcp"),
        ((443, "443/udp"), (443,), "443/udp"),
    ],
)
def test_an_optional_port_of_a_service_that_is_up(
    documented: tuple[int | str, ...], listening: tuple[int | str, ...], optional: str
) -> None:
    assert judged(*documented, listening=listening) == {f"silent {optional}": False}
    # The image that is served nothing of is down.
    assert all(judged(*documented).values())
    # Whether it answers its own container alone, is another thing.
    inside = [listener(x, "127.0.0.1", "loopback") for x in listening]
    assert all(judged(*documented, listening=inside).values())
    # What opens it is not what is served.
    assert judged(9000, *documented, listening=[9000]) == {
        "silent " + str(x): True
        for x in sorted((y if isinstance(y, str) else f"{y}/tcp" for y in documented), key=key)
    }


def key(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return int(number), protocol


@pytest.mark.parametrize(
    ("documented", "listening"),
    [
        ((80, 81), (80,)),
        ((21, 20), (21,)),
        ((143, 110, 990), (143, 110)),
        # TLS of another service.
        ((80, 993), (80,)),
        # Listening, but not what the image documents.
        ((443,), (8080,)),
        # A slip: the other protocol is not documented.
        ((80, 53), (80, "53/udp")),
    ],
)
def test_any_other_silent_port_fails(
    documented: tuple[int, ...], listening: tuple[int | str, ...]
) -> None:
    found = judged(*documented, listening=listening)
    assert [fails for x, fails in found.items() if x.startswith("silent")] == [True]


def test_what_the_container_alone_declares_fails() -> None:
    image_of_one = image(80, digests=(DIGEST,))
    both = Ports.parse(80, 443)
    ran = {"documented_at_run": both, "documented": both, "declared": both}
    one = container(listener(80), image=image_of_one, **ran)
    assert [x.fails for x in findings(one, select())] == [True]


def test_what_is_published_fails() -> None:
    found = judged(80, 443, listening=[80], published=[publication(443)])
    assert found == {"published-silent 443/tcp": True}


def test_an_image_of_a_registry() -> None:
    # Its reader can't edit the Dockerfile: it is told, where the service is up.
    assert judged(80, 81, listening=[80], digests=(DIGEST,)) == {"silent 81/tcp": False}
    assert judged(80, 81, digests=(DIGEST,)) == {"silent 80/tcp": True, "silent 81/tcp": True}
    slip = judged(80, 53, listening=[80, "53/udp"], digests=(DIGEST,))
    assert slip == {"silent 53/tcp": True, "undocumented 53/udp": True}
    others = judged(80, listening=[80, 81, listener(40000, dynamic=True)], digests=(DIGEST,))
    assert others == {"undocumented 81/tcp": True, "dynamic 40000/tcp": True}


def test_its_message_says_what_opens_it() -> None:
    def message(*documented: int | str, listening: int) -> str:
        one = container(listener(listening), documented=documented)
        (found,) = findings(one, select())
        return found.message

    assert message(80, 443, listening=80).endswith("; its service may open it with a certificate")
    assert message(8089, 5557, listening=8089).endswith("; its service may open it with a cluster")
    assert "its service opens" not in message(80, 81, listening=80)


# --exposed-warn


def test_rules_that_warn() -> None:
    broken = {"silent 81/tcp": True, "undocumented 82/tcp": True}
    assert judged(80, 81, listening=[80, 82]) == broken
    some = judged(80, 81, listening=[80, 82], warn=["silent"])
    assert some == broken | {"silent 81/tcp": False}
    assert not any(judged(80, 81, listening=[80, 82], warn=["default"]).values())
    dynamic = judged(listening=[listener(40000, dynamic=True)], warn=["dynamic"])
    assert dynamic == {"dynamic 40000/tcp": False}


def test_a_rule_of_the_container_that_warns() -> None:
    one = container(listener(80), documented=[80], network_mode="host")
    (found,) = findings(one, select(["host-network"], warn=["cis"]))
    assert found.rule == "host-network"
    assert not found.fails


def test_no_warning_at_all() -> None:
    found = judged(80, 443, listening=[80], digests=(DIGEST,), warn=[NO_WARNING])
    assert found == {"silent 443/tcp": True}


def test_no_warning_beside_a_rule() -> None:
    with pytest.raises(ConfigurationError, match="silent, none: 'none' means that no finding is"):
        select(warn=["silent", NO_WARNING])
    with pytest.raises(ConfigurationError, match="'nosuch' is not a rule"):
        select(warn=["nosuch"])


def test_what_is_waived_is_no_warning() -> None:
    finding = Finding("silent", None, "m", "f", waived="why", warning=True)
    assert not finding.warns
    assert not finding.fails
    assert repr(finding) == "<warning silent, waived: m>"
