"""Services of a real swarm: what they publish is their tasks', and findings are theirs once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from remote.relay import Relay

from pytest_exposed import (
    Engine,
    NotFoundError,
    ObservationError,
    Port,
    container_listens_on,
    container_matches_image,
    container_publishes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from stage import Stage
    from swarm.nodes import Machine
    from swarm.services import Services

    from pytest_exposed import Container

Run = Callable[..., pytest.RunResult]

PAIR = """
if [ "$SLOT" = 1 ]; then exec /bin/listener tcp:0.0.0.0:80 ready; else exec /bin/listener ready; fi
"""


@pytest.fixture(scope="module")
def scene(shared_services: Services) -> Services:
    """Services of all kinds, called as what is wrong with them."""
    run = shared_services.run
    run("fine", "tcp:0.0.0.0:80", exposes=("80",), publishes={18080: 80}, replicas=2)
    run("inner", "tcp:0.0.0.0:80", exposes=("80",))
    run("host", "tcp:0.0.0.0:80", exposes=("80",), publishes={18081: (80, "tcp", "host")})
    run("wrong", "tcp:0.0.0.0:80", exposes=("80",), publishes={18082: 81}, replicas=2)
    run("secret", "tcp:0.0.0.0:9000", publishes={18083: 9000}, replicas=None)
    run("closed", "tcp:127.0.0.1:80", exposes=("80",), publishes={18084: 80})
    run("high", "udp:0.0.0.0:40000", publishes={18085: (40000, "udp")})
    image = shared_services.images.with_shell()
    slot = ["SLOT={{.Task.Slot}}"]
    run("half", PAIR, image=image, publishes={18086: 80}, replicas=2, env=slot)
    return shared_services


@pytest.fixture(scope="module")
def engine(manager: Machine, scene: Services) -> Iterator[Engine]:
    assert scene
    with Engine(manager.url) as engine:
        yield engine


@pytest.fixture
def audit(run_pytest: Run, manager: Machine, scene: Services) -> Run:
    assert scene
    return lambda *arguments: run_pytest("--docker-host", manager.url, *arguments)


def tasks(engine: Engine, service: str) -> list[Container]:
    return engine.containers(label=f"com.docker.swarm.service.name={service}")


def published(engine: Engine, service: str) -> list[list[str]]:
    return [[str(y) for y in x.published] for x in tasks(engine, service)]


def found(engine: Engine, service: str) -> list[list[str]]:
    return [[str(y) for y in x.findings] for x in tasks(engine, service)]


class TestWhatIsPublished:
    def test_by_ingress_on_every_task(self, engine: Engine) -> None:
        assert published(engine, "fine") == [["0.0.0.0:18080->80/tcp"]] * 2
        assert all(y.ingress for x in tasks(engine, "fine") for y in x.published)

    def test_in_host_mode_as_the_container_says(self, engine: Engine, scene: Services) -> None:
        (task,) = tasks(engine, "host")
        (record,) = [x for x in scene.api.containers() if x["Id"] == task.id]
        said = {(x["IP"], x["PublicPort"]) for x in record["Ports"] if "PublicPort" in x}
        assert {(x.host_ip, x.host_port) for x in task.published} == said
        assert said
        assert not any(x.ingress for x in task.published)

    def test_nothing(self, engine: Engine) -> None:
        assert published(engine, "inner") == [[]]

    def test_declared_are_the_containers_own_ports(self, engine: Engine) -> None:
        assert [set(x.declared) for x in tasks(engine, "wrong")] == [{Port(80)}] * 2


class TestWhatIsFound:
    @pytest.mark.parametrize(
        ("service", "findings"),
        [
            ("fine", [[], []]),
            ("inner", [[]]),
            ("host", [[]]),
            ("wrong", [["published-silent 81/tcp"]] * 2),
            ("secret", [["published-undocumented 9000/tcp"]]),
            ("closed", [["unreachable 80/tcp"]]),
            # Of the range of clients, and yet no client.
            ("high", [["published-undocumented 40000/udp"]]),
        ],
    )
    def test_by_default(self, engine: Engine, service: str, findings: list[list[str]]) -> None:
        assert found(engine, service) == findings

    def test_a_port_of_the_range_of_clients_that_is_published_is_a_server_s(
        self, engine: Engine
    ) -> None:
        ((listener,),) = [x.listeners for x in tasks(engine, "high")]
        assert (listener.port, listener.kind) == (Port(40000, "udp"), "reachable")

    def test_in_one_task_of_two(self, engine: Engine) -> None:
        both = {
            x.listening == {"80/tcp"}: [y.rule for y in x.findings] for x in tasks(engine, "half")
        }
        assert both == {True: ["published-undocumented"], False: ["published-silent"]}

    def test_the_service_is_named_and_replicas_say_the_same(self, engine: Engine) -> None:
        one, other = [y for x in tasks(engine, "wrong") for y in x.findings]
        assert one == other
        assert one.message == (
            "published as 0.0.0.0:18082 (ingress), and nothing in a task of service wrong listens "
            "on 81/tcp"
        )
        ((undocumented,),) = [x.findings for x in tasks(engine, "secret")]
        assert undocumented.message.startswith(
            "published by service secret as 0.0.0.0:18083 (ingress), and "
        )

    @pytest.mark.parametrize(
        ("service", "where"),
        [
            ("fine", "every interface of every node of the swarm"),
            ("host", "every interface of the"),
        ],
    )
    def test_published_everywhere(self, manager: Machine, service: str, where: str) -> None:
        with Engine(manager.url, select=["published-everywhere"]) as engine:
            findings = [y for x in tasks(engine, service) for y in x.findings]
        assert {(x.rule, str(x.port)) for x in findings} == {("published-everywhere", "80/tcp")}
        assert f"published by service {service} on {where}" in findings[0].message
        assert "-p ADDRESS" not in findings[0].fix


class TestAnAudit:
    @pytest.mark.parametrize("workers", [(), ("-n", "2")])
    def test_has_a_test_a_container_and_counts_findings_a_service(
        self, audit: Run, workers: tuple[str, ...]
    ) -> None:
        result = audit("--exposed-filter", "label=com.docker.swarm.service.name=wrong", *workers)
        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(
            [
                "*published-silent  81/tcp  published as 0.0.0.0:18082 (ingress), and nothing in*",
                "81/tcp  -           0.0.0.0:18082 (ingress)  *",
                "exposed: 2 containers on 1 host, 0 match, 2 do not (published-silent 1)",
            ]
        )

    def test_in_reports(self, audit: Run, tmp_path: Path) -> None:
        reports = [tmp_path / f"report.{x}" for x in ("json", "md", "sarif")]
        audit(*(y for x in reports for y in ("--exposed-report", str(x))))
        (host,) = json.loads(reports[0].read_text())["hosts"]
        of_wrong = [x for x in host["containers"] if x["service"] == "wrong"]
        assert len(of_wrong) == 2
        assert len({x["service_id"] for x in of_wrong}) == 1
        assert all(len(x["findings"]) == 1 for x in of_wrong)
        rows = [x for x in reports[1].read_text().splitlines() if "published-silent | 81/tcp" in x]
        assert len(rows) == 1
        assert rows[0].startswith("| service wrong (2 tasks) |")
        (run,) = json.loads(reports[2].read_text())["runs"]
        results = [x for x in run["results"] if "service wrong (2 tasks)" in x["message"]["text"]]
        assert len(results) == 1
        assert results[0]["locations"][0]["logicalLocations"][0]["name"] == "wrong"


class TestChecks:
    def test_every_task_listens(self, engine: Engine) -> None:
        check = container_listens_on(engine, "fine", 80)
        assert check
        assert repr(check).startswith("service fine, all 2 tasks: fine.1.")
        assert len(check.containers) == 2
        assert not container_listens_on(engine, "fine", 80, 81)
        assert container_listens_on(engine, "inner", 80)

    def test_those_that_do_not_are_named(self, engine: Engine) -> None:
        check = container_listens_on(engine, "half", 80, within=0.2)
        (deaf,) = [x.name for x in tasks(engine, "half") if not x.listening]
        assert not check
        nothing = "nothing listens on 80/tcp (it listens on nothing)"
        assert repr(check) == f"service half, 1 of 2 tasks: {deaf}: {nothing}; waited 0.2 s"

    def test_only(self, engine: Engine) -> None:
        assert container_listens_on(engine, "wrong", 80, only=True)
        assert not container_listens_on(engine, "wrong", only=True)

    def test_every_task_publishes(self, engine: Engine) -> None:
        assert container_publishes(engine, "fine", "18080:80", "80")
        check = container_publishes(engine, "fine", "18080:81")
        assert not check
        assert "service fine, 2 of 2 tasks (" in repr(check)
        assert "does not publish 18080->81/tcp (it publishes 0.0.0.0:18080->80/tcp)" in str(check)
        assert repr(container_publishes(engine, "fine", 80)).startswith("service fine, all 2 tasks")

    def test_every_task_matches(self, engine: Engine) -> None:
        check = container_matches_image(engine, "fine")
        assert check
        assert repr(check).startswith("service fine, all 2 tasks: fine.1.")
        assert "half, 2 of 2 tasks (half.1" in str(container_matches_image(engine, "half"))
        left_out = ("undocumented", "published-undocumented")
        check = container_matches_image(engine, "half", ignore=left_out)
        (deaf,) = [x.name for x in tasks(engine, "half") if not x.listening]
        assert not check
        assert repr(check).startswith(f"service half, 1 of 2 tasks: {deaf} does not match ")
        assert check.containers[0].name == deaf
        assert [x.rule for x in check.findings] == ["published-silent"]

    def test_a_snapshot_is_of_one(self, engine: Engine) -> None:
        with pytest.raises(NotFoundError, match=r"'fine' could be 2 containers: fine\.1\."):
            engine.container("fine")
        assert engine.container("inner").service is not None

    def test_a_failure_has_the_tables_of_all_tasks(
        self, pytester: pytest.Pytester, manager: Machine, scene: Services
    ) -> None:
        assert scene
        pytester.makepyfile(
            "def test_it(container_listens_on): assert container_listens_on('fine', 81)"
        )
        result = pytester.runpytest("--docker-host", manager.url)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*Ports of fine.1.*", "*Ports of fine.2.*"])


class TestTheList:
    def test_of_services_is_asked_for_once(self, manager: Machine, scene: Services) -> None:
        assert scene
        with Relay(manager.url) as relay, Engine(relay.url) as engine:
            relay.requests.clear()
            assert len(engine.observer.running()) >= 10
            calls = [x for x in relay.requests if "/services" in x]
        assert len(calls) == 1

    def test_is_not_asked_for_where_no_container_is_a_task(
        self, engine_url: str, stage: Stage
    ) -> None:
        container = stage.run("ready")
        with Relay(engine_url) as relay, Engine(relay.url) as engine:
            (listed,) = [x for x in engine.observer.running() if x.id == container.id]
            assert listed.publications_unknown is None
            assert not [x for x in relay.requests if "/services" in x]


def refusing(relay: Relay, *paths: str) -> Relay:
    """Return a relay that refuses these calls, as an engine whose swarm has no leader does."""
    body = b'{"message": "The swarm does not have a leader."}'
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
    text = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    relay.meddle = lambda x: relay.answer(text) if x.endswith(paths) else None
    return relay


HANGING = ("published-silent", "published-undocumented")
"""The rules of the default group that hang on publications, for whom binds no loopback."""
IGNORED = f"--exposed-ignore={','.join(HANGING)}"


class TestServicesThatNobodyTells:
    @pytest.fixture
    def untold(self, manager: Machine, scene: Services) -> Iterator[Relay]:
        assert scene
        with Relay(manager.url) as relay:
            yield refusing(relay, "/services")

    @pytest.fixture
    def engine(self, untold: Relay) -> Iterator[Engine]:
        with Engine(untold.url) as engine:
            yield engine

    @pytest.fixture
    def audit(self, untold: Relay, run_pytest: Run) -> Run:
        def run(service: str, *arguments: str) -> pytest.RunResult:
            name = f"label=com.docker.swarm.service.name={service}"
            return run_pytest("--docker-host", untold.url, "--exposed-filter", name, *arguments)

        return run

    @pytest.mark.parametrize("service", ["fine", "wrong", "inner", "host", "high"])
    def test_are_no_pass(self, audit: Run, engine: Engine, service: str) -> None:
        result = audit(service)
        result.assert_outcomes(failed=len(tasks(engine, service)))
        why = (
            f"what its service {service} publishes by ingress is unknown, and only a manager of "
            f"the swarm knows it: {engine.host}: GET /services failed: "
            "The swarm does not have a leader"
        )
        todo = (
            "so that published-silent, published-undocumented can't be judged: audit the swarm "
            "through a manager that answers, with --docker-host swarm://MANAGER, or leave that "
            "out: --exposed-ignore=published-silent,published-undocumented"
        )
        assert f"{why}.\n{todo}\n" in result.stdout.str()
        result.stdout.fnmatch_lines(["exposed: * 0 match, ? could not be judged"])

    def test_are_a_pass_for_whom_accepts_not_to_know(self, audit: Run) -> None:
        result = audit("fine", IGNORED, "-v")
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(
            ["note: what its service fine publishes by ingress is unknown*"]
        )

    def test_do_not_hide_what_is_found(self, audit: Run) -> None:
        result = audit("secret")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "*undocumented  9000/tcp  * listens on 0.0.0.0:9000, and*",
                "note: what its service secret publishes by ingress is unknown*",
                "exposed: 1 container on 1 host, 0 match, 1 do not (undocumented 1)",
            ]
        )

    def test_are_no_pass_where_what_is_found_is_accepted(
        self, audit: Run, pytester: pytest.Pytester
    ) -> None:
        pytester.makeini("[pytest]\nexposed_allow = secret.*: undocumented  # known\n")
        result = audit("secret")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["what its service secret publishes by ingress is unknown*"])
        result.stdout.no_fnmatch_line("*waiver not used*")
        audit("secret", IGNORED).assert_outcomes(passed=1)

    def test_are_not_waited_for(self, audit: Run, untold: Relay) -> None:
        audit("fine", "--exposed-grace=3600").assert_outcomes(failed=2)
        assert len([x for x in untold.requests if x.endswith("/services")]) <= 2

    def test_are_no_match(self, engine: Engine) -> None:
        with pytest.raises(ObservationError, match="only a manager of the swarm knows it"):
            container_matches_image(engine, "inner")
        assert container_matches_image(engine, "inner", ignore=HANGING)
        with pytest.raises(ObservationError, match="so that published-silent can't be judged: "):
            container_matches_image(engine, "inner", ignore=HANGING[1:])

    def test_are_no_match_without_what_is_found(self, engine: Engine) -> None:
        check = container_matches_image(engine, "secret")
        assert "does not match" in repr(check)
        assert repr(check).endswith("undocumented 9000/tcp")
        with pytest.raises(ObservationError, match="published-undocumented"):
            container_matches_image(engine, "secret", ignore="undocumented")
        assert container_matches_image(engine, "secret", ignore=(*HANGING, "undocumented"))

    def test_leave_publications_unknown(self, engine: Engine) -> None:
        (task,) = tasks(engine, "secret")
        assert task.published == ()
        assert [str(x) for x in task.findings] == ["undocumented 9000/tcp"]
        with pytest.raises(ObservationError, match=r"leader\.\naudit the swarm through a manager"):
            container_publishes(engine, "secret", "18083:9000")
        assert container_publishes(engine, "host", "18081:80")

    def test_of_an_engine_that_is_in_no_swarm_are_none(self, engine_url: str, stage: Stage) -> None:
        labels = {
            "com.docker.swarm.service.name": "forged",
            "com.docker.swarm.service.id": "s1",
        }
        web = stage.run("tcp:0.0.0.0:80", exposes=("80",), labels=labels)
        with Relay(engine_url) as relay, Engine(relay.url) as engine:
            relay.requests.clear()
            assert container_matches_image(engine, web.name)
            assert not container_publishes(engine, web.name, 80)
            asked = [x.rpartition("/")[2] for x in relay.requests]
            assert asked.count("info") == asked.count("services")
            # One that does not tell may be in a swarm.
            refusing(relay, "/services", "/info")
            with pytest.raises(ObservationError, match="only a manager of the swarm knows it"):
                container_matches_image(engine, web.name)
