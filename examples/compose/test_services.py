"""What holds of the services of compose.yaml: every test passes."""

import pytest


def test_web_is_published(container_listens_on, container_publishes):
    assert container_listens_on("shop/web", 80, within=10, only=True)
    assert container_publishes("shop/web", 80)


@pytest.mark.parametrize("replica", ["shop/catalog-1", "shop/catalog-2"])
def test_catalog_is_internal(container_listens_on, container_publishes, replica):
    assert container_listens_on(replica, 80, within=10)
    assert not container_publishes(replica, 80)


def test_admin_serves_what_its_image_does_not_document(exposed):
    admin = exposed.container("shop/admin")
    assert admin.listening == {8080}
    assert admin.documented == {80}
