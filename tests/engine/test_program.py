"""Names that tell: what an interpreter runs, from the command line of a real process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workload import listener

from pytest_exposed.report.text import failure_text

if TYPE_CHECKING:
    from stage import Stage

    from pytest_exposed import Engine


def test_an_interpreter_says_what_it_runs_and_nothing_else(
    looks: list[Engine], stage: Stage
) -> None:
    image = stage.images.build(
        files={"/bin/beam.smp": listener()}, instructions=['ENTRYPOINT ["/bin/beam.smp"]']
    )
    words = ("tcp:0.0.0.0:80", "ready", "delay:3600", "-setcookie", "hunter2", "-s", "ejabberd")
    container = stage.create(*words, image=image)
    container.start()
    for look in looks:
        seen = look.container(container.name)
        (heard,) = seen.listeners
        assert (heard.process, heard.program) == ("beam.smp", "ejabberd")
        (finding,) = seen.findings
        assert finding.message.startswith("beam.smp ejabberd (pid 1) listens on 0.0.0.0:80, and ")
        assert "hunter2" not in failure_text(seen, seen.findings)


def test_a_name_that_the_kernel_cuts_is_whole(looks: list[Engine], stage: Stage) -> None:
    image = stage.images.build(
        files={"/bin/prometheus-node-exporter": listener()},
        instructions=['ENTRYPOINT ["/bin/prometheus-node-exporter"]'],
    )
    container = stage.run("tcp:0.0.0.0:80", image=image)
    for look in looks:
        (heard,) = look.container(container.name).listeners
        assert heard.process == "prometheus-node-exporter"
