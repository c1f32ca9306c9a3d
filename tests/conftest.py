"""The engine of the tests, and what they put on it."""

from __future__ import annotations

import fcntl
import gc
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

import pytest
from demo.engine import engine as a_docker_engine
from demo.packages import NotInstalled
from demo.throwaway import EngineMissing, connect
from engines import started
from hypothesis import HealthCheck, settings
from remains import alive, remove_remains
from schema import problems_below
from stage import Images, Stage, leftovers

import pytest_exposed
from pytest_exposed import Engine

if TYPE_CHECKING:
    import docker
    from remote.private import PrivateEngine

collect_ignore = ["examples", "newer"]
"""Run where they are named, by `tox -e examples` and `-e engines`: they need what others don't."""

# No example of a property fails for the time it takes: other tests keep the machine busy.
settings.register_profile(
    "tests",
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# What a property finds, it finds with one Python: with the others, that it runs at all is enough.
settings.register_profile("few", settings.get_profile("tests"), max_examples=5)
settings.load_profile("tests")

UNIT = Path(__file__).with_name("unit")
_TURNS = {UNIT.with_name("watch"): 0, UNIT.with_name("run"): 0, UNIT: 2}

WITHOUT_SLOW_PLUGINS = "-p no:hypothesispytest -p no:fakefs"
"""They are imported for longer than all else in a run of pytest that is a process of its own."""

_ENGINE: pytest.StashKey[dict[str, str]] = pytest.StashKey()
_GIVEN = "engine_of_the_tests"


def _start(stack: ExitStack) -> dict[str, str]:
    """Return the engine's url, or why there is none."""
    try:
        return {"url": stack.enter_context(a_docker_engine())}
    except (EngineMissing, NotInstalled) as error:
        return {"error": str(error)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that wait long first, and the units last: these fill the gaps between workers."""
    items.sort(key=lambda item: next((y for x, y in _TURNS.items() if x in item.path.parents), 1))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Start the engine in the process that hands tests out: it outlives each of the workers."""
    config = node.config
    paths = [Path(config.invocation_params.dir, x.partition("::")[0]) for x in config.args]
    if paths and all(x.resolve().is_relative_to(UNIT) for x in paths):
        return
    if _ENGINE not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        config.stash[_ENGINE] = _start(stack)
    node.workerinput[_GIVEN] = config.stash[_ENGINE]


@pytest.fixture(scope="session")
def engine_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """A docker engine: the one that answers, or a throwaway one."""
    given = getattr(pytestconfig, "workerinput", {}).get(_GIVEN)
    with ExitStack() as stack:
        answer = given or _start(stack)
        if "error" in answer:
            pytest.fail(f"these tests need a docker engine. {answer['error']}", pytrace=False)
        yield answer["url"]


@pytest.fixture(scope="session")
def client(engine_url: str) -> Iterator[docker.DockerClient]:
    """The docker SDK's client of the engine, to arrange what the tests look at."""
    client = connect(engine_url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def images(client: docker.DockerClient) -> Iterator[Images]:
    """Images of the run, removed at its end, when nothing of the run may be left."""
    remove_remains(client)
    images = Images(client, f"t{secrets.token_hex(3)}")
    with alive(client, images.run):
        yield images
        # The helper container of another process's audit may be about to go.
        deadline = time.monotonic() + 10
        while (left := leftovers(images)) and time.monotonic() < deadline:
            time.sleep(0.1)
        images.remove()
        left += [f"image {x['Id']} {x['RepoTags']}" for x in images.left()]
    assert not left, "the tests left on the engine: " + ", ".join(left)


@pytest.fixture
def stage(images: Images) -> Iterator[Stage]:
    """Containers and networks of one test."""
    with Stage(images) as stage:
        yield stage


@pytest.fixture(scope="module")
def shared_stage(images: Images) -> Iterator[Stage]:
    """Containers and networks that the tests of a module only look at."""
    with Stage(images) as stage:
        yield stage


@pytest.fixture(scope="module")
def demo_alone() -> Iterator[None]:
    """Wait until no other test has the demo's containers, which have names for all to read."""
    path = Path(tempfile.gettempdir()) / f"pytest-exposed-demo-{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def private() -> Iterator[PrivateEngine]:
    """A second engine, at a unix socket and over TLS."""
    from remote.private import private_engine  # noqa: PLC0415  # it needs what few tests do

    with started(private_engine()) as private:
        yield private


@pytest.fixture(scope="session")
def private_client(private: PrivateEngine) -> Iterator[docker.DockerClient]:
    """The SDK's client of the second engine."""
    client = connect(private.url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def private_images(private_client: docker.DockerClient) -> Images:
    """Images on the second engine, with which they end."""
    return Images(private_client, "private")


@pytest.fixture
def private_stage(private_images: Images) -> Iterator[Stage]:
    """Containers of one test on the second engine."""
    with Stage(private_images) as stage:
        yield stage


@pytest.fixture(scope="session")
def engine(engine_url: str) -> Iterator[Engine]:
    """The engine, seen as it is by default."""
    with Engine(engine_url) as engine:
        yield engine


@pytest.fixture(scope="session")
def netlink(engine_url: str) -> Iterator[Engine]:
    """The engine, with sockets read by netlink."""
    with Engine(engine_url, source="netlink") as engine:
        yield engine


@pytest.fixture(scope="session")
def procfs(engine_url: str) -> Iterator[Engine]:
    """The engine, its sockets read from /proc."""
    with Engine(engine_url, source="procfs") as engine:
        yield engine


@pytest.fixture(scope="session")
def helper_image(images: Images) -> str:
    """The tag of an image that a helper can be made of."""
    from remote.common import helper_of  # noqa: PLC0415  # it needs what few tests do

    return helper_of(images)


@pytest.fixture(scope="module")
def helper(engine_url: str, helper_image: str) -> Iterator[Engine]:
    """The engine, its sockets read from /proc by a helper container."""
    with Engine(engine_url, source="helper", helper_image=helper_image) as engine:
        yield engine


@pytest.fixture(params=["netlink", "procfs"], scope="module")
def look(request: pytest.FixtureRequest) -> Engine:
    """The engine, seen by each source that sees the kernel."""
    engine: Engine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture(scope="module")
def looks(netlink: Engine, procfs: Engine) -> list[Engine]:
    """The same, for a test whose containers each source looks at in turn: they are started once."""
    return [netlink, procfs]


@pytest.fixture(autouse=True)
def _reports_meet_their_schema(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that has written a JSON report that the documented schema refuses."""
    folders = {"tmp_path", "pytester"} & set(request.fixturenames)
    found = [request.getfixturevalue(x) for x in sorted(folders)]
    yield
    assert [y for x in found for y in problems_below(getattr(x, "path", x))] == []


@pytest.fixture(autouse=True)
def _little_to_collect(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep what is there from the garbage collections of pytest: each run ends with five."""
    if "pytester" in request.fixturenames:
        gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep from the pytest runs inside of tests that this one is a worker's, or a job's.

    In a job (CI, BUILD_NUMBER) pytest does not shorten the lines of its summary. Of the plugins
    that are installed they have this one and xdist: loading all takes a third of a run.
    """
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it clears the variable
        _import_all()
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "pytest_exposed.plugin,xdist.plugin")
    for name in [x for x in os.environ if x.startswith("PYTEST_XDIST_")]:
        monkeypatch.delenv(name)
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)


@cache
def _import_all() -> None:
    """Import all of the package: what a run inside of a test imports goes with it, each time."""
    for module in walk_packages(pytest_exposed.__path__, "pytest_exposed."):
        import_module(module.name)


@pytest.fixture
def all_plugins(_alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all plugins that are installed in the pytest runs inside of a test, as users have."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_SLOW_PLUGINS)
