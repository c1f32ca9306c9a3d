"""With testcontainers: its object is the container."""

import pytest
from testcontainers.core.container import DockerContainer


@pytest.fixture(scope="module")
def web():
    with DockerContainer("shop-web") as container:
        yield container


def test_web_serves_what_its_image_documents(web, container_listens_on, container_matches_image):
    assert container_listens_on(web, 80, only=True, within=10)
    assert container_matches_image(web)
