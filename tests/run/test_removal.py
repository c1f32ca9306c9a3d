"""What a run starts is removed in every case."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from run.conftest import BUSY
from stage import wait_until

if TYPE_CHECKING:
    import docker
    from stage import Images

    Started = Any

Run = Callable[..., pytest.RunResult]
Begin = Callable[..., subprocess.Popen[str]]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def silent(images: Images) -> str:
    """Return the option that starts a container which never settles."""
    return f"--exposed-run={images.build(exposes=('80',))}"


@pytest.mark.parametrize("number", _SIGNALS, ids=lambda x: x.name)
def test_a_signal(begin: Begin, images: Images, started: Started, number: int) -> None:
    process = begin(silent(images))
    process.send_signal(number)
    output, _ = process.communicate(timeout=BUSY)
    assert process.returncode == 2, output
    assert "Interrupted" in output or "KeyboardInterrupt" in output
    assert not started.all()


@pytest.mark.parametrize("moment", range(6))
def test_ctrl_c_at_any_moment(images: Images, begin: Begin, started: Started, moment: int) -> None:
    """While pytest starts, the container does, it is looked at, or removed."""
    chance = random.Random(moment)  # noqa: S311  # moments, no secrets
    image = images.build(exposes=("80",))
    process = begin(f"--exposed-run={image} tcp:0.0.0.0:80", started_something=False)
    time.sleep(chance.uniform(0, 5))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=BUSY)
    assert not started.all()


def test_a_container_with_other_words_of_the_users(
    run: Run, begin: Begin, images: Images, started: Started
) -> None:
    """A name of the user's, and a label in the place of ours."""
    image = images.build(exposes=("81",))
    run(f"--exposed-run=--label pytest-exposed.run=x {image} tcp:0.0.0.0:81").assert_outcomes(
        passed=1
    )
    name = f"{images.run}-named"
    line = f"--exposed-run=--name {name} {image}"
    run(f"{line} tcp:0.0.0.0:81").assert_outcomes(passed=1)
    process = begin(line)
    process.kill()
    process.communicate()
    assert [x["Names"] for x in started.all()] == [[f"/{name}"]]
    run(f"{line} tcp:0.0.0.0:81").assert_outcomes(passed=1)


def test_a_container_that_removes_itself(run: Run, images: Images) -> None:
    image = images.build(exposes=("81",))
    run(f"--exposed-run=--rm {image} tcp:0.0.0.0:81").assert_outcomes(passed=1)


def test_a_port_of_the_host_that_is_taken(run: Run, images: Images) -> None:
    """The docker command has created a container when it fails."""
    image = images.build(exposes=("81",))
    taken = f"--exposed-run=-p 127.0.0.1:47184:81 -p 127.0.0.1:47184:82 {image} tcp:0.0.0.0:81"
    result = run(taken)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*could not be started: *port is already allocated*"])


def test_a_signal_to_workers_too(begin: Begin, images: Images, started: Started) -> None:
    process = begin(silent(images), silent(images), "-n2")
    wait_until(lambda: len(started.all()) == 2, "each worker has started one", BUSY)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=BUSY)
    wait_until(lambda: not started.all(), "the workers remove theirs", BUSY)


def test_a_killed_run(run: Run, begin: Begin, images: Images, started: Started) -> None:
    """The next run that starts something removes what the killed one has left."""
    process = begin(silent(images))
    process.kill()
    process.communicate()
    assert started.all()
    image = images.build(exposes=("81",))
    run(f"--exposed-run={image} tcp:0.0.0.0:81").assert_outcomes(passed=1)


def test_a_run_beside_it(run_beside: Run, begin: Begin, images: Images, started: Started) -> None:
    """What another run has started is its own while that lives."""
    process = begin(silent(images))
    before = {x["Id"] for x in started.all()}
    image = images.build(exposes=("81",))
    run_beside(f"--exposed-run={image} tcp:0.0.0.0:81").assert_outcomes(passed=1)
    assert {x["Id"] for x in started.all()} == before
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=BUSY)


def test_an_image_that_was_committed_from_one(
    run: Run, begin: Begin, images: Images, client: docker.DockerClient, started: Started
) -> None:
    """It hands the label down to containers of others, which are not to be removed."""
    process = begin(silent(images))
    tag = images.new_tag()
    name, _, version = tag.partition(":")
    client.containers.get(started.all()[0]["Id"]).commit(name, version)
    process.kill()
    process.communicate()
    other = client.containers.run(tag, detach=True)
    image = images.build(exposes=("81",))
    try:
        line = f"--exposed-run={image} tcp:0.0.0.0:81"
        with pytest.raises(AssertionError):  # it has the label, and so it is left
            run(line).assert_outcomes(passed=1)
        # Another worker's run may be at removing what the killed one has left.
        wait_until(lambda: [x["Id"] for x in started.all()] == [other.id], "no more is left")
    finally:
        other.remove(force=True)


def test_volumes(
    begin: Begin, images: Images, client: docker.DockerClient, started: Started
) -> None:
    image = images.build(exposes=("80",), instructions=["VOLUME /data"])
    process = begin(f"--exposed-run={image}")
    mounts = wait_until(lambda: started.all()[0]["Mounts"], "it has its volume")
    (volume,) = (x["Name"] for x in mounts)
    assert volume in {x.id for x in client.volumes.list()}
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=BUSY)
    assert volume not in {x.id for x in client.volumes.list()}
