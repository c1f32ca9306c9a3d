"""What holds of the demo's containers: every test passes, once for each host.

The engine is that of DOCKER_HOST, for these checks as for testinfra's own modules; `--docker-host`
would choose another one for these checks alone.
"""

testinfra_hosts = ["docker://demo-expose", "docker://demo-httpd"]


def test_serves_port_80_and_no_other(host, container_listens_on):
    # The image has neither a shell nor ss: nothing is run in the container.
    assert container_listens_on(host, 80, within=10, only=True)


def test_matches_its_image(host, container_matches_image):
    assert container_matches_image(host)


def test_image_documents_port_80(host, exposed, image_exposes):
    assert image_exposes(exposed.container(host).image, 80, only=True)
