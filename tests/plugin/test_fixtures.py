"""The fixtures in a suite: what passes, and what a failure shows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from remote.relay import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stage import Stage, Staged

    Run = Callable[..., pytest.RunResult]
    Suite = Callable[..., pytest.RunResult]

NO_SOCKET = "unix:///nonexistent/docker.sock"


@pytest.fixture(scope="module")
def web(shared_stage: Stage) -> Staged:
    """A container with drift: 9000 on loopback, 8080 undocumented, 81 documented but silent."""
    return shared_stage.run(
        "tcp:0.0.0.0:80",
        "tcp:0.0.0.0:8080",
        "tcp:127.0.0.1:9000",
        name="web",
        exposes=("80", "81"),
        ports={"80/tcp": ("127.0.0.1",)},
    )


@pytest.fixture(scope="module")
def good(shared_stage: Stage) -> Staged:
    return shared_stage.run("tcp:0.0.0.0:80", name="good", exposes=("80",))


@pytest.fixture
def suite(run_on_engine: Run, web: Staged, good: Staged, pytester: pytest.Pytester) -> Suite:
    """Run a suite that knows the two containers and their images."""
    pytester.makeini("[pytest]\nexposed_grace = 0\n")

    def run(source: str, *arguments: str) -> pytest.RunResult:
        names = f"""
            WEB, GOOD = {web.name!r}, {good.name!r}
            IMAGE, GOOD_IMAGE = {web.image!r}, {good.image!r}
            HOST_PORT = {web.host_port("80/tcp")}
        """
        pytester.makepyfile(f"{dedent(names)}\n{dedent(source)}")
        return run_on_engine(*arguments)

    return run


def test_what_passes(suite: Suite) -> None:
    suite(
        """
        def test_listens(container_listens_on):
            assert container_listens_on(WEB, 80)
            assert container_listens_on(WEB, "80/tcp", "127.0.0.1:9000", within=1)
            assert container_listens_on(GOOD, 80, only=True)
            assert not container_listens_on(WEB, 81)

        def test_publishes(container_publishes):
            assert container_publishes(WEB, "80")
            assert container_publishes(WEB, f"127.0.0.1:{HOST_PORT}:80/tcp")
            assert not container_publishes(GOOD, 80)

        def test_matches(container_matches_image):
            assert container_matches_image(GOOD)
            assert container_matches_image(WEB, ignore="silent", allow=8080)
            assert not container_matches_image(WEB)

        def test_exposes(image_exposes):
            assert image_exposes(GOOD_IMAGE, 80, only=True)
            assert not image_exposes(IMAGE, 8080)

        def test_engine(exposed):
            web = exposed.container(WEB)
            assert web.listening == {80, "8080/tcp"}
            assert web.documented == exposed.image(IMAGE).documented
            assert web.listening - web.documented == {8080}
            assert WEB in {x.name for x in exposed.containers(name=WEB)}

        def test_as_booleans(container_listens_on):
            yes, no = container_listens_on(WEB, 80), container_listens_on(WEB, 81)
            assert yes and not no
            assert yes or no
            assert any([no, yes]) and not all([no, yes])
            assert (yes and no) is no and (yes or no) is yes
        """
    ).assert_outcomes(passed=6)


TABLE = (
    "PORT      DOCUMENTED  PUBLISHED        LISTENING                  PROCESS",
    "80/tcp    yes         127.0.0.1:*  0.0.0.0:80                 listener (pid 1)",
    "81/tcp    yes         -                -                          -",
    "8080/tcp  -           -                0.0.0.0:8080               listener (pid 1)",
    "9000/tcp  -           -                127.0.0.1:9000 (loopback)  listener (pid 1)",
)


@pytest.mark.parametrize(
    ("assertion", "said"),
    [
        (
            "assert container_listens_on(WEB, 81)",
            "WEB: nothing listens on 81/tcp (it listens on *)",
        ),
        (
            "assert container_listens_on(WEB, 80) and container_listens_on(WEB, 81)",
            "(WEB * and WEB: nothing *",
        ),
        (
            "assert not container_listens_on(WEB, 80)",
            "WEB listens on 0.0.0.0:80/tcp (listener (pid 1)), and should not",
        ),
        (
            "assert container_listens_on(WEB, 81, 9000)",
            "WEB: nothing listens on 81/tcp; nothing reachable listens on 9000/tcp, only on 127.*",
        ),
        (
            "assert not container_listens_on(WEB, 80, 8080, only=True)",
            "WEB listens on 0.0.0.0:80/tcp *, and nothing else that can be reached, and should not",
        ),
        (
            "found = container_listens_on(WEB, 81)\n    assert found",
            "WEB: nothing listens on 81/tcp (it listens on *)",
        ),
        (
            "assert container_listens_on(WEB, 80, only=True)",
            "WEB also listens on 0.0.0.0:8080/tcp *",
        ),
        ("assert container_listens_on(WEB, 81, within=0.1)", "WEB: nothing listens on 81/tcp *"),
        ("assert container_publishes(WEB, '81')", "WEB does not publish 81/tcp (it publishes *)"),
        (
            "assert container_matches_image(WEB)",
            "WEB does not match IMAGE: silent 81/tcp, undocumented 8080/tcp",
        ),
    ],
)
def test_a_failure_says_why_and_shows_the_ports(
    assertion: str, said: str, suite: Suite, web: Staged
) -> None:
    fixtures = "container_listens_on, container_publishes, container_matches_image"
    result = suite(f"def test_x({fixtures}):\n    {assertion}")
    result.assert_outcomes(failed=1)
    said = said.replace("WEB", web.name).replace("IMAGE", web.image)
    result.stdout.fnmatch_lines([f"E * {said}", f"*- Ports of {web.name} -*", *TABLE])
    if " and " not in assertion:
        # It is said once, in the failure and in pytest's summary.
        result.stdout.no_fnmatch_line("*where*")
        result.stdout.no_fnmatch_line("*AssertionError: assert*")


def test_a_container_that_was_waited_for(suite: Suite, stage: Stage) -> None:
    young = stage.run("tcp:0.0.0.0:81", name="young", exposes=("80",))
    result = suite(
        f"def test_x(container_matches_image): assert container_matches_image({young.name!r})",
        "-o=exposed_grace=2",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *: silent 80/tcp, undocumented 81/tcp; waited 2 s *"])


def test_a_failure_keeps_the_words_of_the_suite(suite: Suite, web: Staged) -> None:
    result = suite(
        """
        def test_x(container_listens_on):
            assert container_listens_on(WEB, 81), "the words"

        def test_y(container_listens_on):
            assert container_listens_on(WEB, 80) == 5
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E * AssertionError: the words",
            f"E * {web.name}: nothing listens on 81/tcp *",
            f"E * assert {web.name} listens on * == 5",
        ]
    )


class TestACheckThatIsNotAsserted:
    SOURCE = """
        import pytest, unittest

        def test_of_a_container(container_listens_on):
            assert container_listens_on(WEB, 80)
            container_listens_on(WEB, 80)

        def test_of_an_image(image_exposes):
            image_exposes(
                IMAGE,
                443,
            )

        @pytest.fixture
        def late(container_publishes):
            yield
            container_publishes(WEB, 80)

        def test_at_the_end(late): pass

        class TestOfClass(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _match(self, container_matches_image): self.matches = container_matches_image
            def test_matching(self): self.matches(GOOD)
    """

    def test_is_warned_of_where_it_is(self, suite: Suite, web: Staged, good: Staged) -> None:
        result = suite(self.SOURCE, "-W", "default::pytest_exposed.UnassertedWarning")
        result.assert_outcomes(passed=4, warnings=4)
        line = "  */test_*.py:{}: UnassertedWarning: a check is not asserted, write `assert`: "
        result.stdout.fnmatch_lines(
            [
                line.format(10) + f"{web.name} listens on 0.0.0.0:80/tcp*",
                "    container_listens_on(WEB, 80)",
                line.format(13) + f"{web.image} does not EXPOSE 443/tcp (it exposes 80-81/tcp)",
                line.format(21) + f"{web.name} publishes *",
                line.format(28) + f"{good.name} matches *",
            ],
        )

    def test_fails_where_warnings_are_errors(self, suite: Suite) -> None:
        result = suite(self.SOURCE, "-W", "error::pytest_exposed.UnassertedWarning")
        result.assert_outcomes(passed=1, failed=3, errors=1)
        result.stdout.fnmatch_lines(
            [
                ">       container_listens_on(WEB, 80)",
                "E *UnassertedWarning: a check is not asserted, write `assert`: * listens on *",
            ]
        )

    def test_is_fine_where_something_is_done_with_it(self, suite: Suite) -> None:
        result = suite(
            """
            import pytest

            @pytest.fixture
            def verify():
                found = []
                yield found.append
                assert all(found)

            @pytest.fixture(scope="module")
            def is_up(container_listens_on):
                return container_listens_on(WEB, 80)

            @pytest.mark.usefixtures("is_up")
            def test_before(): pass

            def test_of_one(is_up): assert is_up

            def test_of_some(container_listens_on, verify):
                assert not container_listens_on(WEB, 22)
                assert any([container_listens_on(WEB, x) for x in (80, 22)])
                verify(container_listens_on(WEB, 8080))
                first, second = container_listens_on(WEB, 80), container_listens_on(WEB, 81)
                assert first or second
                print(container_listens_on(WEB, 80))

            def test_that_can_not_be(container_listens_on):
                with pytest.raises(ValueError):
                    container_listens_on(WEB, "http")
            """
        )
        result.assert_outcomes(passed=4, warnings=0)


def test_an_image_has_no_table(suite: Suite, web: Staged) -> None:
    result = suite("def test_x(image_exposes):\n    assert image_exposes(IMAGE, 53)")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E * {web.image} does not EXPOSE 53/tcp (it exposes 80-81/tcp)"])
    result.stdout.no_fnmatch_line("*- Ports of *")


class TestSection:
    """Ports of NAME: of the containers that a failed test looked at."""

    def test_a_failure_of_another_kind_has_it_too(self, suite: Suite, good: Staged) -> None:
        result = suite(
            """
            def test_x(container_listens_on):
                assert container_listens_on(GOOD, 80)
                raise RuntimeError("something else")
            """
        )
        result.stdout.fnmatch_lines([f"*- Ports of {good.name} -*", "80/tcp  yes *"])

    @pytest.mark.parametrize(
        "body",
        [
            "web = exposed.container(WEB); assert web.listening == {80}",
            "assert exposed.container(WEB).listening == {80}",
            "web = exposed.container(WEB); container_listens_on('nosuch', 80)",
            "container_listens_on(WEB, 80) and None; assert exposed.container(WEB).published == ()",
        ],
    )
    def test_of_a_snapshot(self, body: str, suite: Suite, web: Staged) -> None:
        result = suite(f"def test_x(exposed, container_listens_on):\n    {body}")
        assert result.stdout.str().count("- Ports of ") == 1
        result.stdout.fnmatch_lines([f"*- Ports of {web.name} -*", *TABLE])

    def test_beside_an_object_that_stands_for_another(self, suite: Suite) -> None:
        result = suite(
            """
            class Lazy:
                @property
                def __class__(self):
                    raise RuntimeError("not in a request")

            def test_x(container_listens_on):
                lazy = Lazy()
                assert container_listens_on(GOOD, 81)
            """
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["E * nothing listens on 81/tcp *"])

    def test_of_a_snapshot_that_differs_from_the_check_s(self, suite: Suite, web: Staged) -> None:
        result = suite(
            """
            from dataclasses import replace

            def test_x(exposed, container_listens_on):
                assert container_listens_on(WEB, 80)
                before = exposed.container(WEB)
                after = replace(before, listeners=())  # as if its service had ended
                assert 80 in after.listening
            """
        )
        result.assert_outcomes(failed=1)
        tables = [x.strip("-") for x in result.outlines if "- Ports of " in x]
        assert tables == [f" Ports of {web.name} ", f" Ports of {web.name}, in after "]

    @pytest.mark.parametrize(
        "body",
        [
            "unittest.TestCase().assertEqual(web.listening, {5})",
            "json.loads('{')",
            "pytest.fail('no', pytrace=False)",
            "(lambda n: n(n))(lambda n: n(n))",
        ],
    )
    def test_of_a_snapshot_where_the_failure_is_further_in(
        self, body: str, suite: Suite, web: Staged
    ) -> None:
        result = suite(
            "import json, unittest, pytest\n"
            f"def test_x(exposed):\n    web = exposed.container(WEB)\n    {body}"
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"*- Ports of {web.name} -*", *TABLE])

    @pytest.mark.parametrize(
        "body", ["exec('1/0', {}, Any())", "made = object.__new__(Container); assert 0"]
    )
    def test_beside_what_a_suite_makes(self, body: str, suite: Suite) -> None:
        result = suite(
            f"""
            from pytest_exposed import Container

            class Any:
                def __getitem__(self, key):
                    raise KeyError(key)

            def test_x(container_listens_on):
                {body}
            """
        )
        result.assert_outcomes(failed=1)

    @pytest.mark.parametrize(
        "error", ["Odd()", "AssertionError(Odd())", "AssertionError(Text('x'))", "AssertionError()"]
    )
    def test_beside_an_assertion_of_the_suite_s_own(self, error: str, suite: Suite) -> None:
        result = suite(
            f"""
            class Odd(AssertionError):
                args = property(lambda self: 1 / 0)
                def __str__(self):
                    raise RuntimeError("no text")

            class Text(str):
                def partition(self, sep):
                    raise RuntimeError("no parts")

            def test_x(container_listens_on):
                assert container_listens_on(GOOD, 80)
                raise {error}
            """
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*- Ports of *"])

    def test_each_container_once(self, suite: Suite, web: Staged, good: Staged) -> None:
        result = suite(
            """
            def test_x(container_listens_on):
                for name in (GOOD, WEB, GOOD):
                    assert container_listens_on(name, 80)
                assert False
            """
        )
        headings = [x.strip("-") for x in result.outlines if "- Ports of " in x]
        assert headings == [f" Ports of {good.name} ", f" Ports of {web.name} "]

    def test_not_of_what_another_test_looked_at(self, suite: Suite) -> None:
        result = suite(
            """
            def test_1(container_listens_on):
                assert container_listens_on(GOOD, 80)

            def test_2():
                assert False
            """
        )
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.no_fnmatch_line("*- Ports of *")

    def test_not_of_a_test_that_passes(self, suite: Suite) -> None:
        result = suite(
            "def test_1(container_listens_on): assert container_listens_on(GOOD, 80)", "-rA", "-v"
        )
        result.assert_outcomes(passed=1)
        result.stdout.no_fnmatch_line("*Ports of *")


class TestErrors:
    """What can't be looked at is an error with its own text, not an answer, nor a traceback."""

    @pytest.mark.parametrize(
        ("expression", "said"),
        [
            ("container_listens_on('nosuch', 80)", "* no container 'nosuch'*"),
            ("container_publishes('nosuch', 80)", "* no container 'nosuch'*"),
            ("container_matches_image('nosuch')", "* no container 'nosuch'*"),
            ("image_exposes('nosuch', 80)", "* no image 'nosuch'*"),
            ("container_listens_on(WEB, 'http')", "* 'http' is not a port: *"),
            ("container_listens_on(WEB)", "* no port is named: *"),
            ("container_matches_image(WEB, ignore='x')", "* 'x' is not a rule or a group *"),
        ],
    )
    @pytest.mark.parametrize("form", ["assert {}", "assert not {}", "assert {} or True"])
    def test_they_fail_every_form(
        self, form: str, expression: str, said: str, suite: Suite
    ) -> None:
        names = expression.partition("(")[0]
        result = suite(f"def test_x({names}):\n    {form.format(expression)}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E  {said}"])

    @pytest.mark.parametrize(
        "expression",
        [
            "exposed.container('nosuch')",
            "exposed.image('nosuch')",
            "exposed.containers(nosuch='x')",
            "'http' in exposed.container(GOOD).listening",
        ],
    )
    def test_of_the_engine_end_where_the_suite_asks(self, expression: str, suite: Suite) -> None:
        result = suite(f"def test_x(exposed):\n    assert {expression}")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["test_*.py:*: *Error"])
        result.stdout.no_fnmatch_line("*raise *")

    def test_the_engine(self, run_pytest: Run, pytester: pytest.Pytester) -> None:
        fixtures = (
            *("exposed", "container_listens_on", "container_publishes"),
            *("container_matches_image", "image_exposes", "running_container"),
        )
        tests = "\n".join(f"def test_{x}({x}): pass" for x in fixtures)
        pytester.makepyfile(tests)
        result = run_pytest("--docker-host", NO_SOCKET)
        result.assert_outcomes(errors=len(fixtures))
        lines = [x for x in result.outlines if x.startswith(f"pytest-exposed: {NO_SOCKET}: there ")]
        assert len(lines) == len(fixtures)
        assert "During handling" not in result.stdout.str()


def test_each_running_container_is_looked_at_by_one_engine(
    suite: Suite, shared_stage: Stage
) -> None:
    result = suite(
        """
        engines = set()

        def test_each(running_container, exposed, container_listens_on):
            engines.add(exposed)

        def test_once(exposed):
            assert engines == {exposed}
        """,
        f"--exposed-filter={shared_stage.filter}",
    )
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] >= 3  # two containers at least, and test_once
    assert outcomes.keys() == {"passed"}


def test_a_failed_match_shows_its_findings_with_what_to_do(suite: Suite) -> None:
    result = suite("def test_it(container_matches_image): assert container_matches_image(WEB)")
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: * does not match *: silent 81/tcp, undocumented 8080/tcp*",
            "* Ports of * *",
            "  silent        81/tcp    * documents it, and nothing in *",
            "                          start its service, or remove EXPOSE 81/tcp *",
            "PORT *DOCUMENTED *",
        ]
    )


def test_a_function_s_error_ends_where_the_test_calls_it(suite: Suite, engine_url: str) -> None:
    result = suite(
        f"""
        from pytest_exposed import Engine, container_listens_on

        def test_it():
            with Engine({engine_url!r}) as engine:
                container_listens_on(engine, "nosuch", 80)
        """
    )
    result.assert_outcomes(failed=1)
    assert "checks.py" not in result.stdout.str()
    result.stdout.fnmatch_lines(["E * no container 'nosuch'*"])


class TestComparingPorts:
    def test_differences_are_told_line_by_line(self, suite: Suite) -> None:
        result = suite(
            """
            def test_x(exposed):
                assert exposed.container(WEB).listening == exposed.image(IMAGE).documented
            """
        )
        result.stdout.fnmatch_lines(
            [
                "E * assert Ports('80/tcp', '8080/tcp') == Ports('80-81/tcp')",
                "E * only left:  8080/tcp",
                "E * only right: 81/tcp",
            ]
        )

    @pytest.mark.parametrize(
        ("expression", "lines"),
        [
            ("== {80, 8080, 53}", ["only right: 53/tcp"]),
            ("== '80/tcp'", ["only left:  8080/tcp"]),
            ("== [8080, '80-81']", ["only right: 81/tcp"]),
            ("== ()", ["only left:  80/tcp, 8080/tcp"]),
            ("!= [80, 8080]", ["both are the same"]),
            ("<= {80}", ["only left:  8080/tcp"]),
            (">= {80, 81}", ["only left:  8080/tcp", "only right: 81/tcp"]),
            ("!= {80, 8080}", ["both are the same"]),
        ],
    )
    def test_operators(self, expression: str, lines: list[str], suite: Suite) -> None:
        result = suite(
            f"def test_x(exposed):\n    assert exposed.container(WEB).listening {expression}"
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E * {x}" for x in lines])

    @pytest.mark.parametrize(
        ("expression", "line"),
        [
            ("81 in", "not among them: 81/tcp"),
            ("'80-81' in", "not among them: 81/tcp"),
            ("'80/udp' in", "not among them: 80/udp"),
            ("80 not in", "all of it is among them"),
        ],
    )
    def test_membership(self, expression: str, line: str, suite: Suite) -> None:
        result = suite(
            f"def test_x(exposed):\n    assert {expression} exposed.container(WEB).listening"
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E * {line}"])


class TestWithin:
    def test_a_container_that_ends(self, suite: Suite, stage: Stage) -> None:
        container = stage.create("ready", "delay:1", "exit:7")
        container.start()
        result = suite(
            f"""
            def test_x(container_listens_on):
                assert container_listens_on({container.name!r}, 80, within=60)
            """
        )
        result.assert_outcomes(failed=1)
        assert result.duration < 20
        result.stdout.fnmatch_lines(
            [
                f"E * {container.name} has exited with code 7; the last lines of its log:",
                "E *   ready",
            ]
        )

    def test_a_service_that_is_late(self, suite: Suite, stage: Stage) -> None:
        container = stage.create("delay:1", "tcp:0.0.0.0:80")
        container.sdk.start()
        suite(
            f"""
            def test_x(container_listens_on):
                assert container_listens_on({container.name!r}, 80, within=30)
            """
        ).assert_outcomes(passed=1)


class TestRunningContainer:
    SOURCE = """
        def test_each(running_container):
            assert running_container.name.endswith(("web", "good"))
            assert running_container.listening >= {80}
    """

    @pytest.fixture
    def only(self, shared_stage: Stage) -> str:
        return f"--exposed-filter={shared_stage.filter}"

    def test_one_test_each(self, suite: Suite, web: Staged, good: Staged, only: str) -> None:
        result = suite(self.SOURCE, "-v", only)
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines([f"*::test_each[[]{x.name}[]] PASSED *" for x in (good, web)])

    def test_a_failure_shows_its_ports(self, suite: Suite, web: Staged, only: str) -> None:
        result = suite(
            """
            def test_each(running_container, container_matches_image):
                assert container_matches_image(running_container)
            """,
            only,
        )
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines([f"*- Ports of {web.name} -*"])

    def test_with_an_audit(self, suite: Suite, only: str, pytester: pytest.Pytester) -> None:
        result = suite(self.SOURCE, only, "--exposed", str(pytester.path))
        result.assert_outcomes(passed=3, failed=1)

    def test_one_that_is_gone(self, suite: Suite, stage: Stage, engine_url: str) -> None:
        stays, goes = stage.run(name="a"), stage.run(name="b")
        result = suite(
            f"""
            import docker

            def test_each(running_container):
                client = docker.DockerClient(base_url={engine_url!r})
                client.containers.get({goes.id!r}).remove(force=True)
                client.close()
            """,
            "-rs",
            f"--exposed-filter={stage.filter}",
        )
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines([f"SKIPPED * {goes.name} is gone since the run began"])
        assert stays.state() == "running"

    def test_one_that_was_started_again_since_it_was_listed(
        self, suite: Suite, stage: Stage, engine_url: str
    ) -> None:
        """The engine chose another port of the host: the old one would be a wrong answer."""
        for name in "ab":
            stage.run("tcp:0.0.0.0:80", name=name, ports={"80/tcp": ("127.0.0.1",)})
        suite(
            f"""
            import docker

            def test_each(running_container):
                client = docker.DockerClient(base_url={engine_url!r})
                for other in client.containers.list(filters={{"label": {stage.label!r}}}):
                    if other.id == running_container.id:
                        (now,) = other.ports["80/tcp"]
                    else:
                        other.restart(timeout=0)
                client.close()
                (published,) = running_container.published
                assert published.host_port == int(now["HostPort"])
            """,
            f"--exposed-filter={stage.filter}",
        ).assert_outcomes(passed=2)

    def test_none(self, suite: Suite, stage: Stage) -> None:
        result = suite(self.SOURCE, "-rs", f"--exposed-filter={stage.filter}")
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(["SKIPPED * no container to test: *0 running containers*"])


class TestSeveralHosts:
    """Every test that asks for a fixture runs once for each, with the host in its id."""

    @pytest.fixture
    def second(self, engine_url: str) -> Iterator[str]:
        """Another address of the same engine."""
        with tempfile.TemporaryDirectory(prefix="pe") as folder:
            link = Path(folder, "s")
            link.symlink_to(engine_url.removeprefix("unix://"))
            yield f"unix://{link}"

    SOURCE = """
        def test_listens(container_listens_on):
            assert container_listens_on(WEB, 80)

        def test_other():
            pass
    """

    def test_each_has_its_own(self, suite: Suite, engine_url: str, second: str) -> None:
        result = suite(self.SOURCE, "-v", "--docker-host", second)
        result.assert_outcomes(passed=3)
        result.stdout.fnmatch_lines_random(
            [f"*::test_listens[[]{shown(x)}[]] PASSED *" for x in (engine_url, second)]
        )

    def test_one_that_is_dead(self, suite: Suite) -> None:
        result = suite(self.SOURCE, "--docker-host", NO_SOCKET)
        result.assert_outcomes(passed=2, errors=1)
        result.stdout.fnmatch_lines([f"pytest-exposed: {NO_SOCKET}: *"])

    def test_running_containers_of_all(
        self, suite: Suite, engine_url: str, second: str, shared_stage: Stage, web: Staged
    ) -> None:
        options = ["--docker-host", second, "--exposed-filter", shared_stage.filter]
        result = suite("def test_each(running_container): pass", "-v", *options)
        result.assert_outcomes(passed=4)
        result.stdout.fnmatch_lines_random(
            [f"*::test_each[[]{shown(x)}-{web.name}[]] PASSED *" for x in (engine_url, second)]
        )

    def test_by_getfixturevalue_they_cannot(self, suite: Suite, second: str) -> None:
        result = suite(
            "def test_x(request): request.getfixturevalue('exposed')", "--docker-host", second
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["pytest-exposed: several docker hosts are given, *"])


def test_a_session_fixture_of_a_suite(suite: Suite) -> None:
    suite(
        """
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def _up(container_listens_on):
            assert container_listens_on(WEB, 80, within=30)

        def test_x():
            pass
        """
    ).assert_outcomes(passed=1)
