"""Runs once for each instance of the scenario: `host` is the instance."""


def test_serves_port_80_and_no_other(host, container_listens_on):
    assert container_listens_on(host, 80, within=10, only=True)


def test_matches_its_image(host, container_matches_image):
    assert container_matches_image(host)
