"""What does not hold of the demo's containers: each test fails, and says what to look at."""


def test_web_listens_on_8080(container_listens_on):
    assert container_listens_on("demo-expose", 8080)


def test_web_exposes_80(image_exposes):
    assert image_exposes("webapp:noexpose", 80)


def test_misrouted_publication(container_publishes):
    assert container_publishes("demo-misrouted", 81)


def test_loopback_matches_its_image(container_matches_image):
    assert container_matches_image("demo-loopback")


def test_ports_are_those_documented(exposed):
    web = exposed.container("demo-noexpose")
    assert web.listening == web.documented


def test_typing_error(container_listens_on):
    assert container_listens_on("demo-expoes", 80)
