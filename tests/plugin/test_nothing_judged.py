"""A run in which nothing was judged is no pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Audit = Callable[..., pytest.RunResult]

# The container ends when all has been listed, as one with --rm does.
CONFTEST = """
    import docker

    def pytest_collection_finish(session):
        if hasattr(session.config, "workerinput"):
            return
        client = docker.DockerClient(base_url={url!r})
        client.containers.get({goes!r}).remove(force=True)
        client.close()
"""


@pytest.fixture(params=[(), ("-n", "1")], ids=["alone", "worker"])
def workers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return tuple(request.param)


def test_the_only_container_went(
    audit: Audit, stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    goes = stage.run("tcp:0.0.0.0:80", name="goes")
    pytester.makeconftest(CONFTEST.format(url=engine_url, goes=goes.id))
    result = audit(stage)
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["exposed: 0 containers on 1 host, 0 match, 1 gone since *"])


def test_every_container_is_left_out(
    audit: Audit, stage: Stage, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    stage.run("tcp:0.0.0.0:80", name="skipped")
    pytester.makeconftest(
        """
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.skip(reason="not today"))
        """
    )
    result = audit(stage, *workers)
    result.assert_outcomes(skipped=1)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_suite_that_ran_is_a_run(
    audit: Audit, stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    goes = stage.run("tcp:0.0.0.0:80", name="goes")
    pytester.makeconftest(CONFTEST.format(url=engine_url, goes=goes.id))
    pytester.makepyfile("def test_own(): pass")
    result = audit(stage, ".")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == pytest.ExitCode.OK


def test_an_expected_failure_is_judged(
    audit: Audit, stage: Stage, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    stage.run("tcp:0.0.0.0:80", name="known")
    pytester.makeconftest(
        """
        import pytest
        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.xfail(reason="known", strict=True))
        """
    )
    result = audit(stage, *workers)
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK
