"""With pytest-docker: what Compose starts for the session, by the names of its services."""

import pytest


@pytest.fixture(scope="session")
def docker_compose_file(pytestconfig):
    return pytestconfig.rootpath / "compose.yaml"


@pytest.mark.usefixtures("docker_services")
def test_web_matches_its_image(docker_compose_project_name, container_matches_image):
    assert container_matches_image(f"{docker_compose_project_name}/web")
