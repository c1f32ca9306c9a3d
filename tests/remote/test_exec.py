"""Source `exec`: what a `cat` in the container claims, within bounds."""

from __future__ import annotations

import io
import secrets
import tarfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from engine.test_addresses import in_two_networks
from engine.test_identity import POWERS
from remote.common import in_background, listener_with_cat
from stage import wait_until

from pytest_exposed import Container, Engine, NotRunningError, ObservationError
from pytest_exposed.engine import remote
from pytest_exposed.engine.transport import frames
from pytest_exposed.sockets.cgroups import pids_of

if TYPE_CHECKING:
    from remote.relay import Relay
    from stage import Images, Stage, Staged

REAL = '/bin/busybox cat "$@"'
"""What the container's cat would have done."""

TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode"
)
UDP = f"{TCP} ref pointer drops"


@pytest.fixture(scope="module")
def look(engine_url: str) -> Iterator[Engine]:
    with Engine(engine_url, source="exec") as engine:
        yield engine


class TestWhatItFinds:
    def test_ipv6_only_as_if_it_were_dual_stack(
        self, look: Engine, images: Images, stage: Stage
    ) -> None:
        # /proc shows both alike. To netlink this one is unreachable: there is no IPv6 address.
        image = listener_with_cat(images, exposes=("80",))
        container = stage.run("tcp6only:[::]:80", image=image)
        seen = look.container(container.name)
        assert [(str(x), x.kind) for x in seen.listeners] == [("[::]:80/tcp", "reachable")]
        assert seen.findings == ()

    def test_in_a_shared_namespace_nothing_is_attributed(
        self, look: Engine, images: Images, stage: Stage
    ) -> None:
        image = listener_with_cat(images)
        owner = stage.run("tcp:0.0.0.0:80", name="owner", image=image)
        joiner = stage.run(
            "tcp:0.0.0.0:81", name="joiner", image=image, network_mode=f"container:{owner.id}"
        )
        for name in (owner.name, joiner.name):
            container = look.container(name)
            assert {(str(x), x.kind) for x in container.listeners} == {
                ("0.0.0.0:80/tcp", "unattributed"),
                ("0.0.0.0:81/tcp", "unattributed"),
            }
            with pytest.raises(ObservationError, match="is unknown"):
                _ = container.findings


class TestAddresses:
    """What the network has: `cat` reads the kernel's table of routes, too."""

    def test_without_a_network_nothing_is_reachable(
        self, look: Engine, images: Images, stage: Stage
    ) -> None:
        image = listener_with_cat(images, exposes=("80",))
        container = stage.run("tcp:0.0.0.0:80", image=image, network_mode="none")
        seen = look.container(container.name)
        assert [(str(x), x.kind) for x in seen.listeners] == [("0.0.0.0:80/tcp", "unreachable")]
        assert [str(x) for x in seen.findings] == ["unreachable 80/tcp"]
        assert seen.notes == (
            "its network has no address but loopback: nothing outside can reach it",
        )

    @pytest.mark.parametrize("place", [0, 1])
    def test_a_publication_leads_to_one_of_two_networks(
        self, place: int, look: Engine, images: Images, stage: Stage
    ) -> None:
        prefixes = [f"10.{x}.{secrets.randbelow(256)}" for x in (219, 220)]
        container = in_two_networks(
            stage,
            prefixes,
            f"tcp:{prefixes[place]}.9:80",
            "ready",
            image=listener_with_cat(images, exposes=("80",)),
            ports={"80/tcp": ("127.0.0.1",)},
        )
        found = [str(x) for x in look.container(container.name).findings]
        assert found == ([] if place == 0 else ["unreachable 80/tcp"])

    def test_a_container_that_left_its_network_is_not_taken_for_it(
        self, look: Engine, stage: Stage
    ) -> None:
        container = stage.script(
            "exec unshare -n sh -c 'ip link set lo up; exec listener tcp:0.0.0.0:80 ready'",
            exposes=("80",),
            **{**POWERS, "cap_add": ["SYS_ADMIN", "NET_ADMIN"]},
        )
        assert "they have left it, or changed its address" in reason(look, container)


def reason(look: Engine, container: Staged) -> str:
    """Return why nothing is seen of a container."""
    with pytest.raises(ObservationError) as caught:
        look.container(container.name)
    first, line = str(caught.value).splitlines()
    assert first == f"no source can see the sockets of {container.name}:"
    assert line.isprintable()
    return line.removeprefix("exec: ")


class TestContainersThatCanNotBeAsked:
    def test_an_image_without_cat(self, look: Engine, stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80")
        assert reason(look, container) == "there is no cat in the image"

    def test_a_paused_container(self, look: Engine, images: Images, stage: Stage) -> None:
        container = stage.run("tcp:0.0.0.0:80", image=listener_with_cat(images))
        container.sdk.pause()
        assert "is paused" in reason(look, container)

    def test_a_restarting_container(self, look: Engine, images: Images, stage: Stage) -> None:
        container = stage.create(
            "exit:3", image=listener_with_cat(images), restart_policy={"Name": "always"}
        )
        container.sdk.start()

        def rests() -> bool:
            # The engine doubles its pause with each restart, from 0.1 s on.
            return container.state() == "restarting" and container.sdk.attrs["RestartCount"] >= 4

        wait_until(rests, "it is between two starts")
        with pytest.raises(NotRunningError, match="is restarting: it exited with code 3"):
            look.container(container.name)

    def test_one_that_restarts_meanwhile(self, look: Engine, images: Images, stage: Stage) -> None:
        image = listener_with_cat(images, f"{REAL}", "exec /bin/busybox sleep 1000")
        container = stage.run("tcp:0.0.0.0:80", image=image)
        with in_background(lambda: look.container(container.name)) as came_to:
            wait_until(lambda: _runs(container, "sleep"), "cat has written all")
            container.sdk.restart(timeout=0)
        # Its tables were whole, and are of a namespace that is no more.
        _no_answer(came_to)

    def test_one_that_ends_meanwhile(self, look: Engine, images: Images, stage: Stage) -> None:
        image = listener_with_cat(images, "exec /bin/busybox sleep 1000")
        container = stage.run("tcp:0.0.0.0:80", image=image)
        with in_background(lambda: look.container(container.name)) as came_to:
            wait_until(lambda: _runs(container, "sleep"), "cat is at work")
            container.sdk.kill()
        _no_answer(came_to)


def _no_answer(came_to: list[object]) -> None:
    # Which of these it is hangs on when the engine comes to know of the end.
    assert isinstance(came_to[0], ObservationError)
    known = ("ended with code 137", "has exited with code", "was started again meanwhile")
    assert any(x in str(came_to[0]) for x in known)


def _runs(container: Staged, command: str) -> bool:
    # The engine's own list of processes needs a `ps` on its machine.
    for pid in pids_of([container.id])[container.id]:
        with suppress(OSError):
            if command.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                return True
    return False


@pytest.fixture(scope="module")
def asked(images: Images, shared_stage: Stage) -> Staged:
    """A container whose cat the tests replace."""
    return shared_stage.run("tcp:0.0.0.0:80", image=listener_with_cat(images))


def put_cat(container: Staged, *lines: str) -> None:
    """Make a container's cat a script of these lines."""
    script = "\n".join(["#!/bin/busybox sh", *lines, ""]).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("cat")
        entry.size, entry.mode = len(script), 0o755
        tar.addfile(entry, io.BytesIO(script))
    container.sdk.put_archive("/bin", packed.getvalue())


class TestHostileCats:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(frames, "LIMIT", 1 << 20)

    @pytest.mark.parametrize(
        ("lines", "found"),
        [
            ([":"], "the text has no table tcp"),
            (["exit 1"], "the text has no table tcp"),
            ([REAL, "exit 2"], "cat in it ended with code 2"),
            ([REAL, "exit 126"], "there is no cat in the image"),
            ([REAL, "exit 127"], "there is no cat in the image"),
            ([REAL, "kill -9 $$"], "cat in it ended with code 137"),
            (["echo nonsense"], "the text begins with b'nonsense', which is no table of sockets"),
            ([f"echo nonsense; {REAL}"], "the text begins with b'nonsense', which is no table"),
            ([f"{REAL}; echo nonsense"], "route has a line that is not a route"),
            ([f"{REAL} | head -c 200"], "the text ends in the middle of a line"),
            ([f"{REAL} | head -n 2"], "the text has no table udp"),
            ([f"{REAL}; {REAL}"], "the text has two tables tcp"),
            ([f"{REAL} >&2"], "the text has no table tcp"),
            ([f"{REAL} | sed 's/:0050 /:0000 /'"], "tcp has a socket on port 0"),
            ([f"{REAL} | sed 's/:0050 /:50 /'"], "line 2 of tcp is not a row of a table"),
            ([f"{REAL} | sed 's/0A/\\x1b[2J/'"], "line 2 of tcp is not a row of a table"),
            (["head -c 50000 /dev/urandom"], "the text "),
            (["printf '\\033]0;x\\007\\n'"], r"the text begins with b'\x1b]0;x\x07', which is no"),
        ],
    )
    def test_are_not_believed(
        self, lines: list[str], found: str, look: Engine, asked: Staged
    ) -> None:
        put_cat(asked, *lines)
        assert found in reason(look, asked)

    @pytest.mark.parametrize(
        ("line", "found"),
        [
            ("exec /bin/busybox sleep 1000", "cat in it took too long, and may still run there"),
            ("exec >&-; exec /bin/busybox sleep 1000", "cat in it took too long, and may still"),
            ("while :; do echo -n x; sleep 0.1; done", "cat in it took too long, and may still"),
            ("exec /bin/busybox yes >&2", "cat in it took too long, and may still run there"),
            ("exec /bin/busybox yes", "cat in it wrote over 1048576 bytes"),
            ("exec /bin/busybox cat /dev/zero", "cat in it wrote over 1048576 bytes"),
        ],
        ids=["hangs", "hangs silently", "drips", "floods its errors", "floods", "one long line"],
    )
    def test_do_not_last_or_fill_the_memory(
        self,
        line: str,
        found: str,
        look: Engine,
        stage: Stage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(remote, "EXEC_SECONDS", 1.5 if "took too long" in found else 60.0)
        container = stage.run("tcp:0.0.0.0:80", image=listener_with_cat(stage.images, line))
        tracemalloc.start()
        began = time.monotonic()
        try:
            assert found in reason(look, container)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert time.monotonic() - began < 30
        assert peak < 4 << 20

    def test_lies_in_good_form_are_the_images_claim(
        self, look: Engine, images: Images, stage: Stage
    ) -> None:
        # Nothing tells them from the truth. That is why it is the last source, and named.
        row = "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1"
        image = listener_with_cat(images, f"echo '{TCP}'", f"echo '{row}'", f"echo '{UDP}'")
        container = look.container(stage.run("tcp:0.0.0.0:80", image=image).name)
        assert container.source == "exec"
        assert container.listening == {"8080/tcp"}


def test_one_that_is_late_does_not_hide_the_others(
    look: Engine, images: Images, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "EXEC_SECONDS", 5.0)  # the good one's, too
    late = stage.run(name="late", image=listener_with_cat(images, "exec /bin/busybox sleep 1000"))
    good = stage.run("tcp:0.0.0.0:80", name="good", image=listener_with_cat(images))
    everyone = look.observer.running()
    answers = look.observer.observe([x for x in everyone if x.id in (late.id, good.id)], everyone)
    seen = answers[good.id]
    assert isinstance(seen, Container)
    assert seen.listening == {"80/tcp"}
    assert isinstance(answers[late.id], ObservationError)


def test_output_that_comes_along_with_the_answers_head_is_not_lost(
    relay: Relay, images: Images, stage: Stage
) -> None:
    container = stage.run("tcp:0.0.0.0:80", image=listener_with_cat(images))
    relay.gathering = 0.2
    with Engine(relay.url, source="exec") as look:
        assert look.container(container.name).listening == {"80/tcp"}
