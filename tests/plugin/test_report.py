"""`--exposed-report FILE.json`: version 1 of the report. conftest.py checks it by its schema."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from refusal import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stage import Stage

    Run = Callable[..., pytest.RunResult]

NO_SOCKET = "unix:///nonexistent/docker.sock"

ANYWHERE = "0.0.0.0"  # noqa: S104  # what a listener is bound to
PORT = re.compile(r"([1-9][0-9]*)/(tcp|udp|sctp)")


@pytest.fixture
def report(audit: Run, pytester: pytest.Pytester) -> Callable[..., Any]:
    """Return the document of an audit of a stage."""

    def run(stage: Stage, *options: str) -> Any:
        audit(stage, "--exposed-report=report.json", *options)
        return json.loads((pytester.path / "report.json").read_bytes())

    return run


@pytest.fixture(scope="module")
def four(shared_stage: Stage) -> Stage:
    """Four containers, each with a finding."""
    for number in range(4):
        shared_stage.run("tcp:0.0.0.0:80", name=f"drift-{number}")
    return shared_stage


def check_container(container: Any) -> None:
    """Fail where a container was not seen, or its ports are not sorted by number, then protocol.

    All else is the schema's, which every report is checked against.
    """
    assert container["error"] is None
    for key in ("documented", "declared", "listening"):
        parsed = [PORT.fullmatch(x) for x in container[key]]
        keys = [(int(x[1]), x[2]) for x in parsed if x]
        assert keys == sorted(keys)


def test_a_container(report: Callable[..., Any], stage: Stage, engine_url: str) -> None:
    container = stage.run(
        "tcp:0.0.0.0:80",
        "tcp:127.0.0.1:9000",
        ports={"80/tcp": ("127.0.0.1",)},
    )
    host_port = container.host_port("80/tcp")
    image = stage.client.images.get(container.image)
    document = report(stage)
    assert document == {
        "version": 1,
        "hosts": [
            {
                "host": engine_url,
                "error": None,
                "containers": [
                    {
                        "id": container.id,
                        "name": container.name,
                        "service": None,
                        "service_id": None,
                        "image": container.image,
                        "image_id": image.id,
                        "network_mode": document["hosts"][0]["containers"][0]["network_mode"],
                        "source": "netlink",
                        "documented": [],
                        "declared": ["80/tcp"],
                        "listening": ["80/tcp"],
                        "published": [
                            {"port": "80/tcp", "host_ip": "127.0.0.1", "host_port": host_port}
                        ],
                        "listeners": [
                            {
                                "port": "80/tcp",
                                "address": ANYWHERE,
                                "kind": "reachable",
                                "process": "listener",
                                "pid": 1,
                            },
                            {
                                "port": "9000/tcp",
                                "address": "127.0.0.1",
                                "kind": "loopback",
                                "process": "listener",
                                "pid": 1,
                            },
                        ],
                        "findings": [
                            {
                                "rule": "published-undocumented",
                                "port": "80/tcp",
                                "message": f"published as 127.0.0.1:{host_port}, and "
                                f"{container.image} does not EXPOSE it",
                                "fix": "add to its Dockerfile: EXPOSE 80/tcp",
                                "waived": None,
                            }
                        ],
                        "error": None,
                    }
                ],
                "not_running": [],
            }
        ],
    }
    check_container(document["hosts"][0]["containers"][0])


def test_every_kind_of_container(report: Callable[..., Any], stage: Stage) -> None:
    many = ("443", "80", "53/udp", "53", "9/sctp", "7000-7003")
    owner = stage.run(
        "tcp:0.0.0.0:443",
        "udp:0.0.0.0:53",
        "udpclient:127.0.0.1:5",
        "tcp6only:[::]:9001",
        name="owner",
        exposes=many,
        ports={"443/tcp": 0, "53/udp": ("127.0.0.1",)},
    )
    stage.run("tcp:0.0.0.0:81", name="member", network_mode=f"container:{owner.id}")
    stage.run(name="host", network_mode="host")
    stage.run(name="none", network_mode="none")
    stage.run(name="idle")
    document = report(stage, "--exposed-select=all")
    (host,) = document["hosts"]
    names = [x["name"].removeprefix(f"{stage.name}-") for x in host["containers"]]
    assert names == ["host", "idle", "member", "none", "owner"]
    for container in host["containers"]:
        check_container(container)
    by_name = dict(zip(names, host["containers"], strict=True))
    assert by_name["owner"]["documented"] == [
        *("9/sctp", "53/tcp", "53/udp", "80/tcp", "443/tcp"),
        *("7000/tcp", "7001/tcp", "7002/tcp", "7003/tcp"),
    ]
    assert {x["kind"] for x in by_name["owner"]["listeners"]} == {
        "reachable",
        "ephemeral",
        "unreachable",
    }
    assert by_name["member"]["network_mode"] == f"container:{owner.id}"
    assert [(x["rule"], x["port"]) for x in by_name["host"]["findings"]] == [("host-network", None)]


def test_a_waived_finding(
    report: Callable[..., Any], stage: Stage, pytester: pytest.Pytester
) -> None:
    stage.run("tcp:0.0.0.0:80-81")
    lines = "\n    *: 80/tcp  # it is old\n    *: 81/tcp"
    pytester.makeini(f"[pytest]\nexposed_allow ={lines}\n")
    (container,) = report(stage)["hosts"][0]["containers"]
    check_container(container)
    waived = {x["port"]: x["waived"] for x in container["findings"]}
    assert waived == {"80/tcp": "it is old", "81/tcp": ""}


def test_a_container_that_could_not_be_observed(report: Callable[..., Any], stage: Stage) -> None:
    container = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    (record,) = report(stage, "--exposed-source=exec")["hosts"][0]["containers"]
    assert record["id"] == container.id
    assert "no source can see the sockets of" in record["error"]
    for key in ("source", "documented", "listening", "listeners", "findings"):
        assert record[key] is None
    assert record["declared"] == ["80/tcp"]


def test_a_host_that_could_not_be_reached(
    report: Callable[..., Any], four: Stage, engine_url: str
) -> None:
    hosts = report(four, "--docker-host", NO_SOCKET)["hosts"]
    assert [x["host"] for x in hosts] == [engine_url, NO_SOCKET]
    assert [x["error"] is None for x in hosts] == [True, False]
    assert hosts[1]["error"].startswith(f"{NO_SOCKET}: ")
    assert [len(x["containers"]) for x in hosts] == [4, 0]


def test_what_did_not_run_is_not_in_it(report: Callable[..., Any], four: Stage) -> None:
    (record,) = report(four, "-k", "drift-2")["hosts"][0]["containers"]
    assert record["name"] == f"{four.name}-drift-2"


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["", "xdist"])
def test_what_was_to_run_and_did_not_was_not_observed(
    workers: tuple[str, ...], report: Callable[..., Any], four: Stage
) -> None:
    records = report(four, "-x", *workers)["hosts"][0]["containers"]
    assert {x["name"] for x in records} == {f"{four.name}-drift-{x}" for x in range(4)}
    left = [x for x in records if x["error"] is not None]
    assert {x["error"] for x in left} == {"its test did not finish"}
    assert {x["findings"] for x in left} == {None}


def test_nor_what_an_error_of_the_suite_kept_from_running(
    report: Callable[..., Any], four: Stage, pytester: pytest.Pytester
) -> None:
    wrong = pytester.makepyfile("import nosuch")
    records = report(four, str(wrong))["hosts"][0]["containers"]
    assert [x["error"] for x in records] == ["its test did not finish"] * 4


@pytest.mark.parametrize("option", ["--collect-only", "--setup-plan"])
def test_where_no_test_runs_nothing_is_written(
    option: str, audit: Run, four: Stage, pytester: pytest.Pytester
) -> None:
    written = ("--exposed-report=report.json", "--exposed-write-baseline=baseline.txt")
    audit(four, option, *written)
    assert not list(pytester.path.glob("report.json"))
    assert not list(pytester.path.glob("baseline.txt"))


def test_of_a_test_that_runs_again_the_last_look_counts(
    report: Callable[..., Any], stage: Stage, engine_url: str, pytester: pytest.Pytester
) -> None:
    container = stage.run("tcp:0.0.0.0:80", name="drift")
    pytester.makeconftest(
        f"""
        import docker

        def pytest_runtest_protocol(item, nextitem):
            from _pytest.runner import runtestprotocol

            runtestprotocol(item, nextitem=nextitem)
            client = docker.DockerClient({engine_url!r})
            client.containers.get({container.id!r}).remove(force=True)
            client.close()
            runtestprotocol(item, nextitem=nextitem)
            return True
        """
    )
    assert report(stage)["hosts"][0]["containers"] == []


def test_nothing_matched(report: Callable[..., Any], stage: Stage, engine_url: str) -> None:
    assert report(stage) == {
        "version": 1,
        "hosts": [{"host": engine_url, "error": None, "containers": [], "not_running": []}],
    }


def test_several(audit: Run, four: Stage, pytester: pytest.Pytester) -> None:
    pytester.mkdir("sub")
    audit(four, "--exposed-report=one.json", "--exposed-report", "sub/two.json")
    one, two = ((pytester.path / x).read_bytes() for x in ("one.json", "sub/two.json"))
    assert one == two
    assert json.loads(one)["version"] == 1


@pytest.mark.parametrize("name", ["report.txt", "report", "report.json.bak", "json"])
def test_another_ending(name: str, audit: Run, stage: Stage) -> None:
    said = refusal(audit(stage, f"--exposed-report={name}"))
    assert repr(name) in said
    assert ".json" in said


def test_a_missing_folder_is_made(audit: Run, four: Stage, pytester: pytest.Pytester) -> None:
    audit(four, "--exposed-report=new/folder/report.json")
    assert json.loads((pytester.path / "new/folder/report.json").read_text())["version"] == 1


def test_one_that_can_not_be_made(audit: Run, four: Stage, pytester: pytest.Pytester) -> None:
    (pytester.path / "file").write_text("")
    result = audit(four, "--exposed-report=file/report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["exposed: file/report.json can't be written: *"])


def test_a_folder_in_its_place(audit: Run, four: Stage, pytester: pytest.Pytester) -> None:
    pytester.mkdir("report.json")
    said = refusal(audit(four, "--exposed-report=report.json"))
    assert "'report.json' can't be written: it is a folder" in said


def test_a_wrong_option_of_pytest_replaces_none(
    audit: Run, four: Stage, pytester: pytest.Pytester
) -> None:
    (pytester.path / "report.json").write_text("{}")
    result = audit(four, "--exposed-report=report.json", "-k", "web or")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert (pytester.path / "report.json").read_text() == "{}"


@pytest.mark.parametrize(
    "left_out", [("-k", "nosuch"), ("-m", "not exposed"), ("--deselect", "exposed::")]
)
def test_where_all_containers_are_left_out_the_one_before_stays(
    left_out: tuple[str, str], audit: Run, four: Stage, pytester: pytest.Pytester
) -> None:
    before = pytester.path / "report.json"
    before.write_text("{}")
    result = audit(four, "--exposed-report=report.json", *left_out)
    assert before.read_text() == "{}"
    said = "exposed: no container was judged, and report.json is not written"
    result.stdout.fnmatch_lines([said])


def test_without_an_audit(run_on_engine: Run) -> None:
    said = refusal(run_on_engine("--exposed-report=report.json"))
    assert said.endswith(": add --exposed, or --exposed-run")
