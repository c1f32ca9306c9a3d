"""What holds of the demo's containers: every test passes."""


def test_web_serves_what_its_image_documents(container_listens_on, image_exposes):
    assert image_exposes("webapp:expose", 80, only=True)
    assert container_listens_on("demo-expose", 80, within=10, only=True)


def test_httpd_matches_its_image(container_matches_image):
    assert container_matches_image("demo-httpd")


def test_admin_port_stays_inside(container_listens_on):
    assert container_listens_on("demo-loopback", "127.0.0.1:8000/tcp", within=10)
    assert not container_listens_on("demo-loopback", 8000)


def test_ports_are_sets(exposed):
    web = exposed.container("demo-expose")
    assert web.listening == exposed.image("webapp:expose").documented == {"80/tcp"}
    assert 8080 not in web.listening


def test_nothing_is_reachable_by_ssh(running_container):
    assert 22 not in running_container.listening
