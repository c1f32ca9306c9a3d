"""What stands for a container: objects of testcontainers, and any with an id."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pytest_exposed import ConfigurationError, container_listens_on, container_matches_image

if TYPE_CHECKING:
    from stage import Images, Stage

    from pytest_exposed import Engine


def test_testcontainers(
    engine: Engine, engine_url: str, images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    monkeypatch.setenv("DOCKER_HOST", engine_url)
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  # it reads these

    web = DockerContainer(images.build(exposes=("80",))).with_command("tcp:0.0.0.0:80")
    with pytest.raises(ConfigurationError, match="has no container yet: start it first"):
        container_listens_on(engine, web, 80)
    try:
        web.start()
        assert container_listens_on(engine, web, 80, within=10)
        assert container_listens_on(engine, web.get_wrapped_container(), 80)
        assert container_matches_image(engine, web)
    finally:
        web.stop()
        web.get_docker_client().client.close()


def test_anything_with_an_id(engine: Engine, stage: Stage) -> None:
    staged = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    assert container_listens_on(engine, SimpleNamespace(id=staged.id), 80)


@pytest.mark.parametrize("identity", ["", None, 7, "sha256:" + 64 * "0"])
def test_an_id_that_is_none(engine: Engine, identity: object) -> None:
    with pytest.raises(ConfigurationError, match="is not a container"):
        container_listens_on(engine, SimpleNamespace(id=identity), 80)
