"""Fixes for containers that a Compose file or Molecule's defines: the line that its reader owns."""

from __future__ import annotations

from typing import Any

import pytest
from make import container, image, listener, publication

from pytest_exposed.model import Container
from pytest_exposed.model.ports import Ports
from pytest_exposed.rules.judge import findings
from pytest_exposed.rules.selection import select

DIGESTS = ("docker.io/library/webapp@sha256:" + "1" * 64,)
COMPOSE = {
    "com.docker.compose.project": "shop",
    "com.docker.compose.service": "web",
    "com.docker.compose.project.config_files": "/srv/shop/compose.yaml,/srv/shop/prod.yaml",
}
MOLECULE = {"owner": "molecule"}
LINE = "add to its Dockerfile: EXPOSE 8081/tcp"
WAIVE = "waive it (`{}: {} 8081/tcp  # reason`), or "
COUNTED = ", and set `exposed_documented = run` in pytest.ini"
EXPOSE = f'add "8081/tcp" to `expose` of service web in compose.yaml{COUNTED}'
EXPOSED_PORTS = f'add "8081/tcp" to `exposed_ports` of platform web in molecule.yml{COUNTED}'
_DECLARED = "what service web in compose.yaml declares"
COUNT = f"set `exposed_documented = run` in pytest.ini to count {_DECLARED}"


def fix(one: Container, *select_: str) -> str:
    """Return the only fix that a container needs."""
    (finding,) = findings(one, select(select_))
    return finding.fix


def undocumented(labels: dict[str, str], **rest: Any) -> Container:
    return container(listener(8081), labels=labels, **rest)


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (undocumented(COMPOSE), f"{LINE}; or {EXPOSE}"),
        (undocumented(COMPOSE, image=image(digests=DIGESTS)),
         WAIVE.format("shop/web", "undocumented") + EXPOSE),
        (undocumented(COMPOSE, declared=[8081]), f"{LINE}; or {COUNT}"),
        (undocumented(COMPOSE, published=[publication(8081)]), f"{LINE}; or {COUNT}"),
        (undocumented(COMPOSE, image=image(digests=DIGESTS), published=[publication(8081)]),
         WAIVE.format("shop/web", "published-undocumented") + COUNT),
        # It joined the network of another, where docker refuses --expose.
        (undocumented(COMPOSE, network_mode="container:" + "1" * 64), LINE),
        (undocumented(MOLECULE), f"{LINE}; or {EXPOSED_PORTS}"),
        (undocumented(MOLECULE, image=image(digests=DIGESTS)),
         WAIVE.format("web", "undocumented") + EXPOSED_PORTS),
        (undocumented(MOLECULE, image=image(name="molecule_local/debian:13")),
         WAIVE.format("web", "undocumented") + EXPOSED_PORTS),
        (undocumented(MOLECULE, image=image(name="localhost/molecule_local/debian:13")),
         WAIVE.format("web", "undocumented") + EXPOSED_PORTS),
    ],
)  # fmt: skip
def test_what_is_not_documented(one: Container, expected: str) -> None:
    assert fix(one) == expected


def test_where_the_run_documents() -> None:
    """The setting comes first, and needs no option."""
    one = undocumented(COMPOSE, documented_at_run=Ports())
    assert fix(one) == f'add "8081/tcp" to `expose` of service web in compose.yaml, or {LINE}'
    silent = container(declared=[8081], labels=COMPOSE, documented_at_run=Ports.parse(8081))
    there = "(`expose` of service web in compose.yaml)"
    assert fix(silent) == f"start its service, or don't declare it {there}"


@pytest.mark.parametrize(
    ("files", "shown"),
    [
        ("/srv/shop/docker-compose.yml", "docker-compose.yml"),
        (r"C:\shop\compose.yaml", "compose.yaml"),
        ("compose.yaml", "compose.yaml"),
        ("-", "its Compose file"),  # standard input
        ("", "its Compose file"),
        (None, "its Compose file"),
        ("/srv/\x1b[31mred", r"\x1b[31mred"),
    ],
)
def test_the_name_of_the_file(files: str | None, shown: str) -> None:
    labels = {**COMPOSE, "com.docker.compose.project.config_files": files}
    given = {x: y for x, y in labels.items() if y is not None}
    assert f"of service web in {shown}, and set" in fix(undocumented(given))


@pytest.mark.parametrize(
    "labels",
    [
        {**COMPOSE, "com.docker.compose.oneoff": "True"},
        {**COMPOSE, "com.docker.swarm.service.name": "web", "com.docker.swarm.service.id": "1",
         "com.docker.swarm.task.name": "web"},
        {"com.docker.compose.service": "web"},
        {"owner": "platform-team"},
    ],
)  # fmt: skip
def test_what_no_file_defines(labels: dict[str, str]) -> None:
    assert fix(undocumented(labels)) == LINE


WRITTEN = [
    (COMPOSE, "`ports:` of service web in compose.yaml"),
    (MOLECULE, "`published_ports:` of platform web in molecule.yml"),
]


@pytest.mark.parametrize(("labels", "written"), WRITTEN)
def test_what_is_published(labels: dict[str, str], written: str) -> None:
    silent = container(listener(81), documented=[81], published=[publication(80)], labels=labels)
    expected = f"start its service, or publish a port that answers ({written}), such as 81/tcp"
    assert fix(silent) == expected
    control = container(
        listener(9222, "127.0.0.1", "loopback"), published=[publication(9222)], labels=labels
    )
    assert fix(control).startswith(f"don't publish it ({written}); or, if others are to reach it,")
    low = container(
        listener(80), documented=[80], published=[publication(80, 80, "10.0.0.1")], labels=labels
    )
    assert fix(low, "cis") == f"publish it on a port from 1024 on ({written})"


@pytest.mark.parametrize(("labels", "written"), WRITTEN)
def test_what_is_published_everywhere(labels: dict[str, str], written: str) -> None:
    everywhere = container(
        listener(80), documented=[80], published=[publication(80, 8080)], labels=labels
    )
    key, _, of = written.partition(":` ")
    expected = f'publish it on one: "ADDRESS:8080:80/tcp" in {key}` {of}'
    assert fix(everywhere, "cis") == expected
    assert fix(
        container(listener(80), documented=[80], published=[publication(80, 8080)]), "cis"
    ) == ("publish it on one: -p ADDRESS:8080:80/tcp")


@pytest.mark.parametrize("labels", [MOLECULE])
def test_a_port_of_molecules_image_can_not_be_removed(labels: dict[str, str]) -> None:
    one = container(documented=[8081], labels=labels, image_name="molecule_local/debian:13")
    assert fix(one).startswith(WAIVE.format("web", "silent") + "start its service")
