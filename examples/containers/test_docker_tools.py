"""With pytest-docker-tools: its fixture is the container."""

from pytest_docker_tools import container

web = container(image="shop-web")


def test_web_matches_its_image(web, container_matches_image):
    assert container_matches_image(web)
