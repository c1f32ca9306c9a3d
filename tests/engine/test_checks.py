"""The checks as functions of an engine: what they answer, how they say it, what they raise."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from stage import wait_until

from pytest_exposed import (
    Check,
    ConfigurationError,
    Engine,
    ExposedError,
    NotFoundError,
    NotRunningError,
    ObservationError,
    Port,
    PortError,
    Ports,
    container_listens_on,
    container_matches_image,
    container_publishes,
    image_exposes,
)

if TYPE_CHECKING:
    from stage import Stage, Staged


@dataclass(frozen=True)
class Scene:
    """A container with a listener of each kind, and one with many."""

    web: Staged
    many: Staged

    @property
    def host_port(self) -> int:
        return self.web.host_port("80/tcp")


@pytest.fixture(scope="module")
def scene(shared_stage: Stage) -> Scene:
    web = shared_stage.run(
        "tcp:0.0.0.0:80",
        "udp:0.0.0.0:53",
        "tcp:127.0.0.1:9000",
        "tcp:[::]:8080",
        "tcp:0.0.0.0:7000-7003",
        "udpclient:127.0.0.1:5",
        name="web",
        exposes=("80", "53/udp", "7000-7003"),
        ports={"80/tcp": ("127.0.0.1",)},
    )
    words = [f"tcp:0.0.0.0:{x}" for x in range(1001, 1200, 2)]
    return Scene(web, shared_stage.run(*words, name="many"))


LISTENS = (
    ((80,), True),
    (("80",), True),
    (("80/tcp",), True),
    ((Port(80),), True),
    ((80, "53/udp"), True),
    (("7000-7003",), True),
    ((Ports.parse("7000-7003", 80),), True),
    (("8080",), True),
    (("80/udp",), False),
    (("53",), False),
    ((80, 81), False),
    (("7000-7004",), False),
    ((9000,), False),
    (("127.0.0.1:9000",), True),
    (("127.0.0.1:9000/tcp",), True),
    (("0.0.0.0:80",), True),
    (("[::]:8080",), True),
    (("0.0.0.0:8080",), False),
    (("[::]:80",), False),
    (("127.0.0.1:80",), False),
    (("0.0.0.0:7000-7003",), True),
    (("0.0.0.0:53/udp",), True),
)


@pytest.mark.parametrize(("ports", "answer"), LISTENS, ids=str)
def test_listens_on(ports: tuple[Any, ...], answer: bool, engine: Engine, scene: Scene) -> None:
    assert bool(container_listens_on(engine, scene.web.name, *ports)) is answer


def test_listens_on_only(engine: Engine, scene: Scene) -> None:
    name = scene.web.name
    # The resolver's socket and what is on loopback are no listening ports.
    everything = ("80", "53/udp", "8080", "7000-7003")
    assert container_listens_on(engine, name, *everything, only=True)
    assert not container_listens_on(engine, name, 80, only=True)
    assert not container_listens_on(engine, name, *everything, 81, only=True)


def test_listens_on_nothing(engine: Engine, scene: Scene, stage: Stage) -> None:
    assert container_listens_on(engine, stage.run().name, only=True)
    assert not container_listens_on(engine, scene.web.name, only=True)


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("80", True),
        (80, True),
        ("HOST:80", True),
        ("HOST:80/tcp", True),
        ("127.0.0.1:HOST:80", True),
        ("127.0.0.1::80", True),
        ("1:80", False),
        ("0.0.0.0:HOST:80", False),
        ("[::1]:HOST:80", False),
        ("HOST:80/udp", False),
        ("53/udp", False),
        ("80-81", False),
    ],
)
def test_publishes(form: str, answer: bool, engine: Engine, scene: Scene) -> None:
    if isinstance(form, str):
        form = form.replace("HOST", str(scene.host_port))
    assert bool(container_publishes(engine, scene.web.name, form)) is answer


def test_what_is_allowed_is_not_waited_for(engine: Engine, stage: Stage) -> None:
    drift = stage.run("tcp:0.0.0.0:80")
    began = time.monotonic()
    assert container_matches_image(engine, drift.name, allow=80, grace=600)
    assert time.monotonic() - began < 300


def test_matches_image(engine: Engine, scene: Scene, stage: Stage) -> None:
    name = scene.web.name
    assert not container_matches_image(engine, name)
    assert container_matches_image(engine, name, ignore="undocumented")
    assert container_matches_image(engine, name, ignore=["undocumented", "silent"])
    assert container_matches_image(engine, name, allow=8080)
    assert container_matches_image(engine, name, allow=("8000-9000/tcp",))
    assert container_matches_image(engine, name, allow="undocumented")
    assert container_matches_image(engine, name, allow="silent, 8080")
    assert container_matches_image(engine, name, allow=["silent", [8080]])
    assert container_matches_image(engine, name, allow="undocumented 8080")
    assert not container_matches_image(engine, name, allow=["silent 8080", "undocumented 80"])
    with pytest.raises(PortError, match="has a reason: write it as a comment of Python's"):
        container_matches_image(engine, name, allow="8080  # metrics")
    with pytest.raises(PortError, match="names a container, which is given: write 'silent 80'"):
        container_matches_image(engine, name, allow="api: silent 80")
    with pytest.raises(PortError, match="is neither ports nor rules"):
        container_matches_image(engine, name, allow=b"P")
    assert not container_matches_image(engine, name, ignore="silent")
    assert not container_matches_image(engine, name, allow="8080/udp")
    with pytest.raises(
        PortError, match="'slient' is neither a port nor a rule: did you mean silent"
    ):
        container_matches_image(engine, name, allow="slient")
    with pytest.raises(PortError, match="'80 silent' is not a port; write 'silent 80'"):
        container_matches_image(engine, name, allow="80 silent")
    # As with the engine's own: of a port that breaks two rules, the next one speaks.
    published = stage.run(name="published", exposes=("80",), ports={"80/tcp": None})
    for ignore, rule in (((), "published-silent"), ("published-silent", "silent")):
        (finding,) = container_matches_image(engine, published.name, ignore).findings
        assert (finding.rule, finding.port) == (rule, 80)
    assert container_matches_image(engine, stage.run("tcp:0.0.0.0:80", exposes=("80",)).name)


def test_image_exposes(engine: Engine, scene: Scene) -> None:
    image = scene.web.image
    assert image_exposes(engine, image, 80)
    assert image_exposes(engine, image, 80, "53/udp", "7000-7003", only=True)
    assert not image_exposes(engine, image, 80, only=True)
    assert not image_exposes(engine, image, 53)
    assert not image_exposes(engine, image, 8080)
    assert image_exposes(engine, scene.many.image, only=True)


class TestOneLine:
    """What pytest shows of a failed `assert check(…)`, which it cuts at 240 characters."""

    def checks(self, engine: Engine, scene: Scene) -> list[Check]:
        web, many = scene.web.name, scene.many.name
        return [
            container_listens_on(engine, web, 80),
            container_listens_on(engine, web, 81),
            container_listens_on(engine, web, 80, only=True),
            container_listens_on(engine, many, "1-1000"),
            container_listens_on(engine, many, only=True),
            container_listens_on(engine, many, "1001"),
            container_publishes(engine, web, 80),
            container_publishes(engine, web, "1-1000"),
            container_matches_image(engine, web),
            container_matches_image(engine, many),
            image_exposes(engine, scene.web.image, 80),
            image_exposes(engine, scene.many.image, *range(1, 1000, 2)),
        ]

    def test_is_short_enough(self, engine: Engine, scene: Scene) -> None:
        for check in self.checks(engine, scene):
            assert 0 < len(repr(check)) < 240
            assert "\n" not in repr(check)

    def test_says_why(self, engine: Engine, scene: Scene) -> None:
        web = scene.web.name
        said = repr(container_listens_on(engine, web, 81, "82/udp"))
        assert said.startswith(f"{web}: nothing listens on 81/tcp, 82/udp (it listens on ")
        assert "80/tcp" in said
        assert "5/" not in said  # the ephemeral one
        said = repr(container_listens_on(engine, web, 9000))
        assert said == (
            f"{web}: nothing reachable listens on 9000/tcp, "
            "only on 127.0.0.1:9000/tcp (listener (pid 1), loopback)"
        )
        said = repr(container_publishes(engine, web, 81))
        assert said == (
            f"{web} does not publish 81/tcp (it publishes 127.0.0.1:{scene.host_port}->80/tcp)"
        )
        said = repr(container_publishes(engine, web, 81, scene.host_port))
        form = f"{scene.host_port}:80/tcp"
        assert said.endswith(
            f"; a number alone is the container's port: \"{form}\" has the host's)"
        )
        said = repr(container_matches_image(engine, web))
        assert said == f"{web} does not match {scene.web.image}: undocumented 8080/tcp"
        said = repr(image_exposes(engine, scene.web.image, 53))
        assert said.startswith(f"{scene.web.image} does not EXPOSE 53/tcp (it exposes 53/udp, 80")

    def test_of_what_holds(self, engine: Engine, scene: Scene) -> None:
        web = scene.web.name
        said = repr(container_listens_on(engine, web, 80))
        assert said == f"{web} listens on 0.0.0.0:80/tcp (listener (pid 1))"
        assert repr(container_publishes(engine, web, 80)).startswith(f"{web} publishes ")

    def test_names_what_was_asked_for(self, engine: Engine, stage: Stage) -> None:
        two = stage.run(ports={"80/tcp": ("127.0.0.1",), "81/tcp": ("127.0.0.1",)})
        said = repr(container_publishes(engine, two.name, 80))
        assert said == f"{two.name} publishes 127.0.0.1:{two.host_port('80/tcp')}->80/tcp"


BAD_PORTS = (0, 70000, -1, 80.5, True, None, "", "80/icmp", "90-80", "http", "0", "70000", b"80")


class TestWhatIsNoPort:
    @pytest.mark.parametrize("port", BAD_PORTS, ids=repr)
    def test_every_check_names_it(self, port: Any, engine: Engine, scene: Scene) -> None:
        questions: list[Any] = [
            lambda: container_listens_on(engine, scene.web.name, port),
            lambda: container_listens_on(engine, scene.web.name, 80, port),
            lambda: container_publishes(engine, scene.web.name, port),
            lambda: image_exposes(engine, scene.web.image, port),
            lambda: container_matches_image(engine, scene.web.name, allow=[port]),
        ]
        for question in questions:
            with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is looked at
                question()
            assert isinstance(caught.value, PortError)
            assert repr(port) in str(caught.value)

    @pytest.mark.parametrize(
        "form", ["127.0.0.1:http", "1.2.3:80", "[::1:80", "[127.0.0.1]:80", "::1:80", "127.0.0.1:"]
    )
    def test_with_an_address(self, form: str, engine: Engine, scene: Scene) -> None:
        with pytest.raises(PortError, match=re.escape(repr(form))):
            container_listens_on(engine, scene.web.name, form)

    @pytest.mark.parametrize(
        "form", ["8080:80:90:1", "http:80", "8080/tcp:80", "8080-8081:80-82", "1.2.3:80:80", ":80"]
    )
    def test_publications(self, form: str, engine: Engine, scene: Scene) -> None:
        with pytest.raises(PortError, match=re.escape(repr(form))):
            container_publishes(engine, scene.web.name, form)

    def test_none_at_all(self, engine: Engine, scene: Scene) -> None:
        questions: list[Any] = [
            lambda: container_listens_on(engine, scene.web.name),
            lambda: container_publishes(engine, scene.web.name),
            lambda: image_exposes(engine, scene.web.image),
        ]
        for question in questions:
            with pytest.raises(ConfigurationError, match="no port is named"):
                question()

    def test_an_unknown_rule(self, engine: Engine, scene: Scene) -> None:
        with pytest.raises(ConfigurationError, match="'nosuch' is not a rule"):
            container_matches_image(engine, scene.web.name, ignore="nosuch")

    @pytest.mark.parametrize("ignore", [53, None, [53]])
    def test_what_names_no_rule(self, ignore: Any, engine: Engine, scene: Scene) -> None:
        with pytest.raises(ConfigurationError, match="names no rules: give a name or a list"):
            container_matches_image(engine, scene.web.name, ignore)

    @pytest.mark.parametrize("within", [-1, float("nan"), "3", None])
    def test_within(self, within: Any, engine: Engine, scene: Scene) -> None:
        with pytest.raises(ConfigurationError, match="within="):
            container_listens_on(engine, scene.web.name, 80, within=within)


def ask_everything(engine: Engine, container: object) -> list[ExposedError]:
    """Return what each check of a container raises."""
    errors = []
    questions: list[Any] = [
        lambda: container_listens_on(engine, container, 80),
        lambda: container_listens_on(engine, container, 80, within=5),
        lambda: container_publishes(engine, container, 80),
        lambda: container_matches_image(engine, container),
    ]
    for question in questions:
        with pytest.raises(ExposedError) as caught:
            question()
        errors.append(caught.value)
    return errors


class TestWhatCannotBeLookedAt:
    """It always raises: a check is never false because nothing could be seen."""

    def test_unknown(self, engine: Engine, scene: Scene) -> None:
        name = scene.web.name
        for error in ask_everything(engine, f"{name}b"):
            assert isinstance(error, NotFoundError)
            assert f"no container '{name}b': did you mean {name}" in str(error)

    def test_created(self, engine: Engine, stage: Stage) -> None:
        container = stage.create("tcp:0.0.0.0:80")
        for error in ask_everything(engine, container.name):
            assert isinstance(error, NotRunningError)
            assert str(error) == f"{container.name} was created and never started"

    def test_exited(self, engine: Engine, stage: Stage) -> None:
        container = stage.create("ready", "exit:7")
        container.sdk.start()
        wait_until(lambda: container.state() == "exited", "its end")
        for error in ask_everything(engine, container.name):
            assert isinstance(error, NotRunningError)
            assert str(error).splitlines() == [
                f"{container.name} has exited with code 7; the last lines of its log:",
                "  ready",
            ]

    def test_removed(self, engine: Engine, stage: Stage) -> None:
        container = stage.run()
        container.sdk.remove(force=True)
        for handle in (container.name, container.id, container.sdk):
            for error in ask_everything(engine, handle):
                assert isinstance(error, NotFoundError)

    @pytest.mark.parametrize("container", [None, 80, "", ["web"]], ids=repr)
    def test_no_container(self, container: object, engine: Engine) -> None:
        for error in ask_everything(engine, container):
            assert isinstance(error, ConfigurationError)
            assert "is not a container" in str(error)

    def test_an_unknown_image(self, engine: Engine) -> None:
        with pytest.raises(NotFoundError, match="no image 'nosuch:1'"):
            image_exposes(engine, "nosuch:1", 80)

    def test_a_container_for_an_image_and_an_image_for_a_container(
        self, engine: Engine, scene: Scene
    ) -> None:
        image = engine.container(scene.web.name).image.name
        has = re.escape(
            f"no image '{scene.web.name}'; a container has that name, of the image {image} (on"
        )
        with pytest.raises(NotFoundError, match=has):
            image_exposes(engine, scene.web.name, 80)
        its = f"no container '{image}'; an image has that name, and its containers are "
        with pytest.raises(NotFoundError, match=f"{re.escape(its)}.*{scene.web.name}"):
            container_listens_on(engine, image, 80)


class TestWithin:
    """It gives up at once when the container ends."""

    def test_a_container_that_exits(self, engine: Engine, stage: Stage) -> None:
        container = stage.create("ready", "delay:1", "exit:7")
        container.start()
        began = time.monotonic()
        with pytest.raises(NotRunningError) as caught:
            container_listens_on(engine, container.name, 80, within=60)
        assert time.monotonic() - began < 20
        assert str(caught.value).splitlines() == [
            f"{container.name} has exited with code 7; the last lines of its log:",
            "  ready",
        ]

    def test_a_container_that_loops(self, engine: Engine, stage: Stage) -> None:
        container = stage.create("ready", "delay:1", "exit:7", restart_policy={"Name": "always"})
        container.start()
        began = time.monotonic()
        with pytest.raises(NotRunningError) as caught:
            container_listens_on(engine, container.name, 80, within=60)
        assert time.monotonic() - began < 20
        assert container.name in str(caught.value)
        assert "  ready" in str(caught.value)

    def test_what_never_comes(self, engine: Engine, scene: Scene) -> None:
        began = time.monotonic()
        check = container_listens_on(engine, scene.web.name, 81, within=0.5)
        assert 0.5 <= time.monotonic() - began < 20
        assert not check
        assert str(check).endswith("); waited 0.5 s")

    def test_what_is_there(self, engine: Engine, scene: Scene) -> None:
        assert container_listens_on(engine, scene.web.name, 80, within=60)


COMPOSE, SWARM = "com.docker.compose", "com.docker.swarm.service.name"


@pytest.fixture(scope="module")
def services(shared_stage: Stage) -> dict[str, str]:
    """Containers of services, by what is special about them."""
    prefix = shared_stage.name

    def service(project: str, name: str, number: int, **more: str) -> dict[str, str]:
        labels = {"project": f"{prefix}{project}", "service": f"{prefix}{name}"}
        labels |= {"container-number": str(number)} | more
        return {f"{COMPOSE}.{key}": value for key, value in labels.items()}

    labels = {
        "db": service("one", "db", 1),
        "api-1": service("one", "api", 1),
        "api-2": service("one", "api", 2),
        "task": service("one", "task", 1, oneoff="True"),
        "here": service("one", "both", 1),
        "there": service("two", "both", 1),
        "swarm": {SWARM: f"{prefix}-swarmed"},
    }
    return {x: shared_stage.run(name=f"c-{x}", labels=y).name for x, y in labels.items()}


class TestNames:
    """By what a container is known."""

    def test_every_kind(self, engine: Engine, scene: Scene) -> None:
        web = scene.web
        snapshot = engine.container(web.name)
        for handle in (web.name, f"/{web.name}", web.id, web.id[:12], web.sdk, snapshot):
            assert engine.container(handle).id == web.id

    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("db", "db"),
            ("db-1", "db"),
            ("one/db", "db"),
            ("one/db-1", "db"),
            ("api-2", "api-2"),
            ("one/api-2", "api-2"),
            ("one/both", "here"),
            ("two/both", "there"),
            ("-swarmed", "swarm"),
        ],
    )
    def test_a_service(
        self, name: str, found: str, engine: Engine, services: dict[str, str], shared_stage: Stage
    ) -> None:
        prefix = shared_stage.name
        name = prefix + name.replace("/", f"/{prefix}")
        assert engine.container(name).name == services[found]

    @pytest.mark.parametrize(
        ("name", "candidates"), [("api", ("api-1", "api-2")), ("both", ("here", "there"))]
    )
    def test_an_ambiguous_one(
        self,
        name: str,
        candidates: tuple[str, str],
        engine: Engine,
        services: dict[str, str],
        shared_stage: Stage,
    ) -> None:
        with pytest.raises(NotFoundError) as caught:
            engine.container(shared_stage.name + name)
        assert "could be 2 containers: " in str(caught.value)
        for candidate in candidates:
            assert services[candidate] in str(caught.value)

    def test_a_command_run_once_is_not_the_service(
        self, engine: Engine, services: dict[str, str], shared_stage: Stage
    ) -> None:
        assert "task" in services
        with pytest.raises(NotFoundError, match="no container"):
            engine.container(f"{shared_stage.name}task")

    def test_the_replica_that_runs(self, engine: Engine, stage: Stage) -> None:
        labels = {f"{COMPOSE}.service": f"{stage.name}old"}
        running = stage.run(name="a", labels=labels)
        stopped = stage.run(name="b", labels=labels)
        stopped.sdk.kill()
        stopped.sdk.wait()
        assert engine.container(f"{stage.name}old").name == running.name


@pytest.fixture(scope="module")
def both(shared_stage: Stage) -> str:
    """A container with a port on loopback and on its own address, and one on loopback alone."""
    script = "exec listener tcp:127.0.0.1:9000 tcp:$(hostname -i):9000 tcp:127.0.0.1:9001 ready"
    return shared_stage.script(script, name="both").name


class TestOnlyThere:
    """With only, a port that carries an address is that address alone."""

    def test_another_address_of_the_port_is_another(self, engine: Engine, both: str) -> None:
        check = container_listens_on(engine, both, "127.0.0.1:9000", only=True)
        assert not check
        assert ":9000/tcp (listener (pid 1))" in str(check).partition("also listens on ")[2]

    def test_without_an_address_all_of_the_port_are_meant(self, engine: Engine, both: str) -> None:
        assert container_listens_on(engine, both, 9000, only=True)
        assert container_listens_on(engine, both, 9000, "127.0.0.1:9001", only=True)


def test_udp_on_a_port_of_the_range_for_clients_is_a_server_s_where_it_is_named(
    engine: Engine, stage: Stage
) -> None:
    name = stage.run("udp:0.0.0.0:40000", "udp:0.0.0.0:40001", "udp:127.0.0.1:40002").name
    check = container_listens_on(engine, name, "40000/udp", only=True)
    assert check
    assert "listens on 0.0.0.0:40000/udp (listener (pid 1))" in str(check)
    assert container_listens_on(engine, name, "40000-40001/udp")
    assert not container_listens_on(engine, name, "40003/udp")
    inside = container_listens_on(engine, name, "40002/udp")
    assert not inside
    assert "only on 127.0.0.1:40002/udp (" in str(inside)
    said = "(it listens on nothing but ephemeral UDP)"
    assert str(container_listens_on(engine, name, 80)).endswith(said)
    said = "(it listens on 0.0.0.0:40000/udp (listener (pid 1), ephemeral))"
    assert str(container_listens_on(engine, name, 40000)).endswith(said)
    assert [x.kind for x in check.containers[0].listeners] == ["ephemeral"] * 3
    assert not engine.container(name).listening
    alone = stage.run("udp:0.0.0.0:40000", name="alone", network_mode="none")
    assert not container_listens_on(engine, alone.name, "40000/udp")
    with_it = stage.run("udp:0.0.0.0:41000", name="w", network_mode=f"container:{alone.id}").name
    assert not container_listens_on(engine, with_it, "41000/udp")
    cut_off = stage.run("udp:0.0.0.0:40000", name="cut")
    stage.client.networks.get("bridge").disconnect(cut_off.id)
    assert not container_listens_on(engine, cut_off.name, "40000/udp")


def test_an_allowed_port_of_another_protocol_is_told(engine: Engine, stage: Stage) -> None:
    name = stage.run("udp:0.0.0.0:5514").name
    for allow in (5514, "undocumented 5514"):
        check = container_matches_image(engine, name, allow=allow)
        assert str(check).endswith(" 5514/udp; allow= is for 5514/tcp, and this is 5514/udp")
    assert container_matches_image(engine, name, allow="5514/udp")
    assert "allow" not in str(container_matches_image(engine, name, allow=5515))


def test_udp_in_a_shared_network_is_known_or_an_error(
    engine: Engine, helper: Engine, stage: Stage
) -> None:
    owner = stage.run("tcp:0.0.0.0:80", name="owner")
    joiner = stage.run("udp:0.0.0.0:41000", name="joiner", network_mode=f"container:{owner.id}")
    assert container_listens_on(engine, joiner.name, "41000/udp", only=True)
    assert not container_listens_on(engine, owner.name, "41000/udp")
    for one in (owner, joiner):
        with pytest.raises(ObservationError, match="41000/udp"):
            container_listens_on(helper, one.name, "41000/udp")


def test_an_answer_compares_as_true_and_false_do(engine: Engine, scene: Scene) -> None:
    yes, no = (container_listens_on(engine, scene.web.name, x) for x in (80, 81))
    assert (yes == True, no == False, yes != True, no != False) == (True, True, False, False)  # noqa: E712
    assert False in [yes, no]
    assert yes != no
    assert yes != 1.5


def test_text_is_whole_and_its_repr_as_long_as_pytest_shows(engine: Engine, scene: Scene) -> None:
    check = container_listens_on(engine, scene.many.name, 80)
    assert len(repr(check)) <= 240
    assert "1199/tcp" in str(check)


class TestNoEngine:
    """The functions take an engine first, the fixtures of the same names have one."""

    @pytest.mark.parametrize(
        "function",
        [container_listens_on, container_publishes, container_matches_image, image_exposes],
    )
    @pytest.mark.parametrize("first", ["web", None, Engine])
    def test_is_told(self, function: Any, first: Any) -> None:
        with pytest.raises(ConfigurationError, match="is not an Engine, which"):
            function(first, 80)


class TestNoRuleLeft:
    def test_for_the_check(self, engine: Engine, scene: Scene) -> None:
        with pytest.raises(ConfigurationError, match="no rule is left"):
            container_matches_image(engine, scene.web.name, ignore="all")
        ignored = container_matches_image(engine, scene.web.name, ignore="undocumented")
        assert str(ignored).endswith(", undocumented ignored")

    def test_for_the_engine(self, engine_url: str) -> None:
        with pytest.raises(ConfigurationError, match="no rule is left"):
            Engine(engine_url, ignore="default")


class TestTextsForSeveral:
    """A list may be written as a text, as in the ini file."""

    def test_of_rules_and_waivers(self, engine_url: str) -> None:
        waivers = "web: 80  # one\n\n db: silent  # two"
        with Engine(engine_url, select="cis, silent", ignore="ssh", allow=waivers) as engine:
            assert [x.name for x in engine.observer.rules] == [
                *(
                    "silent",
                    "undocumented",
                    "dynamic",
                    "published-everywhere",
                    "published-privileged",
                ),
                "host-network",
            ]
            assert [x.glob for x in engine.observer.acceptance.waivers] == ["web", "db"]


@pytest.mark.parametrize("text", ["x", "0", "-1", "nan", "inf", "1e9"])
def test_what_is_no_timeout_in_the_environment(
    engine_url: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CLIENT_TIMEOUT", text)
    with pytest.raises(ConfigurationError, match=f"DOCKER_CLIENT_TIMEOUT='{text}' is not a number"):
        Engine(engine_url)


@pytest.mark.parametrize("grace", ["x", None, -1, float("nan")])
def test_what_is_no_grace(engine: Engine, grace: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"grace=.* is not a number of seconds"):
        container_matches_image(engine, "web", grace=grace)


@pytest.mark.parametrize("timeout", ["x", 0, -1, float("nan"), float("inf"), 1e9])
def test_what_is_no_timeout(engine_url: str, timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a number of seconds"):
        Engine(engine_url, timeout=timeout)


@pytest.mark.parametrize("value", [True, None, 3, [], ["web", 3]])
def test_what_is_no_filter(engine: Engine, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a filter"):
        engine.containers(name=value)
