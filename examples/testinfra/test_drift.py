"""What does not hold of the demo's containers: each test fails, and says what to look at."""

testinfra_hosts = ["docker://demo-loopback", "docker://demo-noexpose"]


def test_serves_port_8080(host, container_listens_on):
    assert container_listens_on(host, 8080)


def test_matches_its_image(host, container_matches_image):
    assert container_matches_image(host)
