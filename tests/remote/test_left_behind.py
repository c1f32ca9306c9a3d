"""What a run that was killed left on an engine, and what a proxy before it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from remote.common import helper_of, helpers, listener_with_cat, pytest_process
from stage import wait_until

from pytest_exposed import Engine, ObservationError
from pytest_exposed.engine.owner import has_ended, this_process

if TYPE_CHECKING:
    from pathlib import Path

    from remote.relay import Meddle, Relay
    from stage import Stage

PAGE = b"<html><body><h1>403 Forbidden</h1>\nNot by these rules.\n</body></html>"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (
    len(PAGE),
    PAGE,
)


@pytest.mark.parametrize("source", ["netlink", "procfs"])
def test_a_helper_that_was_never_started_goes_with_any_later_run(
    source: str, relay: Relay, engine_url: str, stage: Stage, tmp_path: Path
) -> None:
    stage.run("tcp:0.0.0.0:80", exposes=("80",))
    image = stage.images.build(parent=helper_of(stage.images), instructions=[f"LABEL of={source}"])
    relay.meddle = lambda line: relay.hold if line.endswith("/start") else None
    given = ["--docker-host", relay.url, "--exposed-filter", stage.filter, "--exposed-grace=0"]
    given += ["--exposed-source=helper", "--exposed-helper-image", image]

    def look() -> None:
        later = ["--docker-host", engine_url, "--exposed-filter", stage.filter]
        output, _ = pytest_process(tmp_path, *later, f"--exposed-source={source}").communicate()
        assert "1 passed" in output

    run = pytest_process(tmp_path, *given)
    try:
        wait_until(lambda: any(x.endswith("/start") for x in relay.requests), "it is started")
        (made,) = helpers(stage.client, image)
        assert made["State"] == "created"
        look()
        assert helpers(stage.client, image), "its run is at work"
    finally:
        run.kill()
        run.communicate()
    wait_until(lambda: helpers(stage.client, image), "it is left")
    look()
    assert not helpers(stage.client, image)


def test_this_process_has_not_ended() -> None:
    own = this_process()
    boot, namespace, pid, started = own.split()
    assert not has_ended(own)
    assert has_ended(f"{boot} {namespace} {pid} {int(started) - 1}"), "another had its pid"
    assert has_ended(f"{boot} {namespace} 4194304 {started}"), "above the highest pid"
    assert not has_ended(f"{boot} pid:[1] {pid} 1"), "another pid namespace"
    assert not has_ended(f"x {namespace} {pid} 1"), "another machine, or before it was started"
    assert not has_ended("")


@pytest.mark.parametrize(("source", "call"), [("helper", "create"), ("exec", "exec")])
def test_a_proxy_that_lets_only_get_through(
    source: str, call: str, relay: Relay, stage: Stage, helper_image: str
) -> None:
    web = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    read = ("GET ", "HEAD ")
    relay.meddle = lambda line: None if line.startswith(read) else relay.answer_and_hold(REFUSED)
    with (
        Engine(relay.url, source=source, helper_image=helper_image) as engine,
        pytest.raises(ObservationError) as caught,
    ):
        engine.container(web.name)
    message = str(caught.value)
    assert f"/{call} is not allowed" in message
    assert "403 Forbidden Not by these rules." in message
    assert "docker rm" not in message
    assert not any(x.startswith("DELETE") for x in relay.requests)


@pytest.mark.parametrize("source", ["helper", "exec", "netlink"])
def test_a_rule_that_judges_by_processes_says_where_it_saw_none(
    source: str, engine_url: str, stage: Stage, helper_image: str
) -> None:
    image = listener_with_cat(stage.images, exposes=("80",))
    web = stage.run("tcp:0.0.0.0:80", image=image)
    given = {"source": source, "helper_image": helper_image, "select": "cis"}
    with Engine(engine_url, **given) as engine:
        notes = engine.container(web.name).notes
    shown = f"ssh is judged by port numbers alone: {source} shows no processes"
    assert notes == ((shown,) if source != "netlink" else ())


def test_an_engine_without_a_controller_for_its_limits_runs_it_without(
    relay: Relay, stage: Stage, helper_image: str
) -> None:
    # As podman answers where crun can't set the limit of memory.
    said = b'{"message": "crun: the requested cgroup controller `memory` is not available"}'
    head = b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    refusal = relay.answer_and_hold(head % len(said) + said)

    def first_start(line: str) -> Meddle | None:
        starts = [x for x in relay.requests if x.endswith("/start")]
        return refusal if line.endswith("/start") and len(starts) == 1 else None

    relay.meddle = first_start
    web = stage.run("tcp:0.0.0.0:80", exposes=("80",))
    with Engine(relay.url, source="helper", helper_image=helper_image) as engine:
        assert engine.container(web.name).listening == {"80/tcp"}
        helper = engine.observer.remote._helper
        assert helper is not None
        limits = stage.client.api.inspect_container(helper._name)["HostConfig"]
        assert (limits["Memory"], limits["PidsLimit"]) == (0, None)
    assert sum("/containers/create" in x for x in relay.requests) == 2
    assert not helpers(stage.client, helper_image)
