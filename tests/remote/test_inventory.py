"""`--docker-host ansible://GROUP`: engines of a real inventory, as Ansible reaches its hosts."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from demo.packages import NotInstalled, install, which
from remote.common import listener_with_cat, pytest_process, refusing_port
from remote.test_ssh import USER, Server, make_key, ssh_server
from stage import wait_until

from pytest_exposed import ConfigurationError
from pytest_exposed.engine.hosts import Member
from pytest_exposed.engine.inventory import _member, members

if TYPE_CHECKING:
    from stage import Stage

Run = Callable[..., pytest.RunResult]
Write = Callable[[str], str]


# The inventory is named by an option of testinfra's.
pytestmark = pytest.mark.usefixtures("all_plugins")


@pytest.fixture(scope="module")
def server(engine_url: str) -> Iterator[Server]:
    """An ssh server whose docker command speaks to the engine."""
    folder = Path(tempfile.mkdtemp(prefix="pe-ssh-"))
    try:
        if which("ssh") is None:
            install("openssh-client")
        with ssh_server(folder, DOCKER_HOST=engine_url) as server:
            yield server
    except NotInstalled as error:
        pytest.fail(f"these tests need an ssh server. {error}", pytrace=False)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def _ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's Ansible and its ssh agent out of the tests."""
    for name in [x for x in os.environ if x.startswith("ANSIBLE_")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "ansible"))
    (tmp_path / "ansible.cfg").touch()
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an inventory, and return its path."""

    def write(text: str, name: str = "hosts.ini") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.fixture
def reached(server: Server) -> dict[str, str]:
    """The variables with which Ansible reaches the server."""
    known = server.folder / "known_hosts"
    kind, public, _ = (server.folder / "host.pub").read_text().split()
    known.write_text(f"[127.0.0.1]:{server.port} {kind} {public}\n")
    return {
        "ansible_host": "127.0.0.1",
        "ansible_port": str(server.port),
        "ansible_user": USER,
        "ansible_ssh_private_key_file": f"{server.folder}/client",
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={known}",
    }


def words(variables: dict[str, str]) -> str:
    return " ".join(f"{k}={shlex.quote(v)}" for k, v in variables.items())


@pytest.fixture
def audit(run_pytest: Run, write: Write, matching: Stage) -> Run:
    """Audit the matching container at the hosts of a group, by default of the default inventory."""

    def audit(group: str, inventory: str | None, *arguments: str) -> pytest.RunResult:
        given = [f"--ansible-inventory={write(inventory)}"] if inventory is not None else []
        given += [f"--docker-host=ansible://{group}", f"--exposed-filter={matching.filter}", "-v"]
        return run_pytest(*given, *arguments)

    return audit


@pytest.fixture(scope="module")
def matching(shared_stage: Stage) -> Stage:
    """One container that matches its image, which has a cat."""
    image = listener_with_cat(shared_stage.images, exposes=("80", "53/udp"))
    shared_stage.run("tcp:0.0.0.0:80", "udp:0.0.0.0:53", image=image)
    return shared_stage


class TestReached:
    def test_by_ssh(self, audit: Run, reached: dict[str, str]) -> None:
        result = audit("web", f"[web]\nweb-1 {words(reached)}\n")
        result.assert_outcomes(passed=1)
        port = reached["ansible_port"]
        result.stdout.fnmatch_lines(
            [f"exposed: web-1 (ssh://127.0.0.1:{port}), 1 running container that matches *"]
        )
        assert not [x for x in result.errlines if x]

    def test_all_of_groups_of_groups(
        self,
        audit: Run,
        reached: dict[str, str],
        engine_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", engine_url)
        with refusing_port() as port:
            result = audit(
                "prod",
                f"[web]\nweb-1 {words(reached)}\n"
                f"dead-1 {words(reached | {'ansible_port': str(port)})}\n"
                "[db]\ndb-1 ansible_connection=local\n"
                "[prod:children]\nweb\ndb\n",
            )
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines_random(
            [
                "*exposed[[]web-1[]]::* PASSED *",
                "*exposed[[]db-1[]]::* PASSED *",
                "*exposed[[]dead-1[]] FAILED *",
                f"dead-1 (ssh://127.0.0.1:{port}): ssh ended with status 255: * refused; *",
                "exposed: 2 containers on 3 hosts, 2 match, 1 host not reached",
            ]
        )

    def test_from_yaml_and_the_default_inventory(
        self,
        audit: Run,
        write: Write,
        reached: dict[str, str],
        engine_url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        hosts = "".join(f"            {k}: {v}\n" for k, v in reached.items())
        yaml = (
            "all:\n  children:\n    prod:\n      children:\n        web:\n          hosts:\n"
            f"            web-1:\n{hosts.replace('            ', '              ')}"
            f"            own-1:\n              ansible_host: 192.0.2.1\n"
            f"              exposed_docker_host: {engine_url}\n"
        )
        monkeypatch.setenv("ANSIBLE_INVENTORY", write(yaml, "hosts.yml"))
        result = audit("prod", None)
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines_random(
            ["exposed[[]web-1[]]::* PASSED *", "*[[]own-1[]]::* PASSED *"]
        )

    def test_through_a_jump_host(self, audit: Run, server: Server, reached: dict[str, str]) -> None:
        known = reached["ansible_ssh_common_args"]
        jump = f"ssh {known} -i {server.folder}/client -W 127.0.0.1:{server.port} -p {server.port}"
        beyond = reached | {
            "ansible_host": "192.0.2.1",  # nobody gets there
            "ansible_ssh_common_args": f"{known} -o HostKeyAlias=[127.0.0.1]:{server.port} "
            f"-o ProxyCommand='{jump} {USER}@127.0.0.1'",
        }
        audit("web", f"[web]\nweb-1 {words(beyond)}\n").assert_outcomes(passed=1)

    @pytest.mark.parametrize("source", ["helper", "exec"])
    def test_with_sources_that_read_streams(
        self,
        source: str,
        audit: Run,
        reached: dict[str, str],
        helper_image: str,
    ) -> None:
        result = audit(
            "web",
            f"[web]\nweb-1 {words(reached)}\n",
            f"--exposed-source={source}",
            f"--exposed-helper-image={helper_image}",
        )
        result.assert_outcomes(passed=1)

    def test_by_workers_of_one_list(
        self, audit: Run, reached: dict[str, str], pytester: pytest.Pytester
    ) -> None:
        pytester.makepyfile(
            """
            def test_each(exposed):
                assert exposed.label in ("web-1", "web-2")
            """
        )
        both = f"web-1 {words(reached)}\nweb-2 {words(reached | {'ansible_ssh_args': '-4'})}"
        result = audit("web", f"[web]\n{both}\n", "-n", "2", "test_by_workers_of_one_list.py")
        result.assert_outcomes(passed=4)


class TestEnginesOfTheManagedHosts:
    """Addresses and sockets that several hosts have in common are those of different engines."""

    def test_docker_host_of_a_group(
        self, audit: Run, reached: dict[str, str], engine_url: str
    ) -> None:
        with refusing_port() as port:
            dead = words(reached | {"ansible_port": str(port)})
            result = audit(
                "web",
                f"[web]\nweb-1 {words(reached)}\nweb-2 {dead}\n"
                f"[web:vars]\ndocker_host={engine_url}\n",
            )
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines_random(
            ["*exposed[[]web-1[]]::* PASSED *", "*exposed[[]web-2[]] FAILED *"]
        )

    def test_its_engine_is_not_this_machines(
        self, refusal: Callable[..., str], write: Write, reached: dict[str, str], tmp_path: Path
    ) -> None:
        inventory = write(f"[web]\nweb-1 {words(reached)} docker_host='unix://{tmp_path}/none'\n")
        line = refusal("--docker-host=ansible://web", f"--ansible-inventory={inventory}")
        assert line.startswith(
            f"web-1 (ssh://127.0.0.1:{reached['ansible_port']} unix://{tmp_path}/"
        )
        assert "ssh ended with status 1" in line

    def test_each_of_two_local_ones_is_named(
        self, audit: Run, engine_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", engine_url)
        result = audit("web", "[web]\na\nb\n[web:vars]\nansible_connection=local\n")
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines_random(["*exposed[[]a[]]::* PASSED*", "*[[]b[]]::* PASSED*"])

    def test_what_is_not_used_is_said_where_ssh_fails(
        self, refusal: Callable[..., str], write: Write, tmp_path: Path
    ) -> None:
        program = tmp_path / "myssh"
        program.write_text("#!/bin/sh\necho 'Permission denied (password).' >&2; exit 255\n")
        program.chmod(0o755)
        inventory = write(
            f"[web]\nweb-1 ansible_ssh_executable={program} ansible_password=secret "
            "ansible_become=yes\n"
        )
        line = refusal("--docker-host=ansible://web", f"--ansible-inventory={inventory}")
        assert "Permission denied (password).; ssh must get there without asking" in line
        assert "its ansible_password is not used: ssh has to log in without a password" in line
        assert "its ansible_become is not used: the user who logs in needs the right" in line
        assert "secret" not in line


class TestInFixtures:
    def test_a_run_for_each_host(
        self,
        pytester: pytest.Pytester,
        write: Write,
        engine_url: str,
    ) -> None:
        inventory = write(
            f"[web]\nweb-1 exposed_docker_host={engine_url}\n"
            f"web-2 exposed_docker_host={engine_url}\n"
        )
        pytester.makepyfile("def test_it(exposed): assert exposed.observer.running() is not None")
        result = pytester.runpytest(
            "--docker-host=ansible://web", f"--ansible-inventory={inventory}", "-v"
        )
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["*::test_it[[]web-1[]] PASSED *"])

    @pytest.mark.parametrize("workers", [(), ("-n", "1")])
    def test_a_group_that_is_none_is_told_by_the_test(
        self, pytester: pytest.Pytester, write: Write, workers: tuple[str, ...]
    ) -> None:
        pytester.makepyfile(
            "def test_it(exposed): pass\ndef test_each(running_container): pass\n"
            "def test_without(): pass"
        )
        inventory = write("[web]\nweb-1\n")
        result = pytester.runpytest(
            "--docker-host=ansible://wub", f"--ansible-inventory={inventory}", *workers
        )
        result.assert_outcomes(passed=1, errors=2)
        result.stdout.fnmatch_lines(["*pytest-exposed: ansible://wub: *: did you mean web?"])

    def test_all_but_those_that_can_not_be(self, audit: Run, engine_url: str) -> None:
        result = audit(
            "web",
            f"[web]\nweb-1 exposed_docker_host={engine_url}\nweb-2 ansible_connection=winrm\n"
            "web-3 docker_host=ftp://x\n",
        )
        result.assert_outcomes(passed=1, failed=2)
        result.stdout.fnmatch_lines_random(
            [
                "exposed[[]web-2[]] FAILED *",
                "exposed[[]web-3[]] FAILED *",
                "web-2: an engine can't be reached by its ansible_connection winrm: *",
                "web-3: 'ftp://x' is not a docker host: *",
            ]
        )


class TestRefused:
    @pytest.fixture
    def refused(self, refusal: Callable[..., str], write: Write) -> Callable[..., str]:
        def refused(text: str, host: str = "ansible://web") -> str:
            return refusal(f"--docker-host={host}", f"--ansible-inventory={write(text)}")

        return refused

    def test_an_unknown_group(self, refused: Callable[..., str], tmp_path: Path) -> None:
        assert refused("[web]\nweb-1\n", "ansible://wbe") == (
            f"ansible://wbe: Ansible's inventory {tmp_path}/hosts.ini has no such group: "
            "did you mean web?"
        )
        assert refused("[web]\nweb-1\n[db]\n", "ansible://x").endswith(
            "has no such group: it has db, web"
        )
        for pattern in ("web,db", "web:!db", "w*"):
            said = refused("[web]\nweb-1\n[db]\n", f"ansible://{pattern}")
            assert said.endswith("no pattern: give --docker-host once for each")

    def test_an_empty_group(self, refused: Callable[..., str]) -> None:
        assert refused("[web]\n[db]\ndb-1\n") == (
            "ansible://web: the group has no hosts in the inventory"
        )

    def test_no_group(self, refused: Callable[..., str]) -> None:
        assert refused("[web]\nweb-1\n", "ansible://") == (
            "'ansible://' names no group: write ansible://GROUP"
        )

    def test_no_inventory(self, refusal: Callable[..., str], tmp_path: Path) -> None:
        host = "--docker-host=ansible://web"
        line = refusal(host, "--ansible-inventory=/nonexistent/hosts")
        assert line == "there is no inventory /nonexistent/hosts"
        (tmp_path / "empty").mkdir()
        line = refusal(host, f"--ansible-inventory={tmp_path / 'empty'}")
        assert f"inventory {tmp_path / 'empty'} has no such group, and no host at all" in line
        assert f"Unable to parse {tmp_path / 'empty'} as an inventory source" in line

    def test_a_broken_inventory(self, refused: Callable[..., str], tmp_path: Path) -> None:
        line = refused("[web\nweb-1 x\n")
        assert line.startswith(
            f"ansible://web: Ansible's inventory {tmp_path}/hosts.ini has no such"
        )
        assert "ansible-inventory says: " in line

    def test_why_an_inventory_can_not_be_parsed(
        self,
        refusal: Callable[..., str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        bad = tmp_path / "bad.yml"
        bad.write_text("a:\n b: [\n")
        host = "--docker-host=ansible://web"
        line = refusal(host, f"--ansible-inventory={bad}")
        assert f"ansible-inventory says: Unable to parse {bad} as an inventory source; " in line
        assert line.count("Failed to parse") == 1
        assert "yaml" in line
        monkeypatch.setenv("ANSIBLE_INVENTORY", str(tmp_path / "none.yml"))
        assert f"Unable to parse {tmp_path / 'none.yml'} as an inventory source" in refusal(host)

    @pytest.mark.parametrize(
        ("name", "script", "says"),
        [
            ("x.sh", 'echo "boom: x" >&2; exit 3', "non-zero exit code 3"),
            ("x", 'echo "boom: x" >&2; exit 3', " ansible-inventory says: Skipping 'echo "),
            ("x", """echo '{"web": "x"}'""", "Failed to parse inventory with 'script' plugin: "),
            ("x", "echo {}", None),
        ],
    )
    def test_a_script_that_gives_none(
        self, name: str, script: str, says: str | None, refusal: Callable[..., str], tmp_path: Path
    ) -> None:
        given = tmp_path / name
        given.write_text(f"#!/bin/sh\n{script}\n")
        given.chmod(0o755)
        line = refusal("--docker-host=ansible://web", f"--ansible-inventory={given}")
        assert "has no such group, and no host at all" in line
        assert line.endswith("at all") if says is None else says in line
        assert "key=value" not in line

    def test_a_file_that_can_not_be_parsed_beside_one_that_can(
        self, refusal: Callable[..., str], tmp_path: Path
    ) -> None:
        folder = tmp_path / "hosts"
        folder.mkdir()
        (folder / "bad.yml").write_text("web:\n hosts: [\n")
        (folder / "fine").write_text("[db]\ndb-1\n")
        line = refusal("--docker-host=ansible://web", f"--ansible-inventory={folder}")
        assert ": it has db; ansible-inventory says: Unable to parse " in line
        assert "bad.yml" in line

    def test_another_connection(self, refused: Callable[..., str]) -> None:
        assert refused("[web]\nweb-1 ansible_connection=ansible.builtin.winrm\n") == (
            "web-1: an engine can't be reached by its ansible_connection winrm: give it a variable "
            "exposed_docker_host, an address as this machine sees it"
        )

    def test_a_template(self, refused: Callable[..., str]) -> None:
        assert refused('[web]\nweb-1 ansible_host="{{ x }}"\n') == (
            "web-1: its ansible_host can't be used as written, '{{ x }}': ansible-inventory fills "
            "no templates in; give it a variable exposed_docker_host"
        )

    def test_a_docker_host_that_is_none(self, refused: Callable[..., str]) -> None:
        assert refused("[web]\nweb-1 docker_host=ftp://x\n").startswith(
            "web-1: 'ftp://x' is not a docker host"
        )

    def test_without_ansible(
        self, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
        assert refusal("--docker-host=ansible://web") == (
            "ansible:// needs ansible-inventory, which is neither on the PATH nor beside Python: "
            "pip install ansible-core"
        )

    def test_a_key_that_is_not_let_in(
        self, refused: Callable[..., str], reached: dict[str, str], tmp_path: Path
    ) -> None:
        make_key(tmp_path / "other")
        other = reached | {"ansible_ssh_private_key_file": str(tmp_path / "other")}
        other["ansible_ssh_extra_args"] = "-o IdentitiesOnly=yes"
        line = refused(f"[web]\nweb-1 {words(other)}\n")
        assert line.startswith(
            f"web-1 (ssh://127.0.0.1:{reached['ansible_port']}): ssh ended with "
            "status 255: 127.0.0.1: Permission denied"
        )
        assert line.endswith(
            "Permission denied (publickey).; ssh must get there without asking for anything"
        )

    def test_a_host_that_is_down(
        self, refused: Callable[..., str], reached: dict[str, str]
    ) -> None:
        line = refused(f"[web]\nweb-1 {words(reached | {'ansible_port': '9'})}\n")
        assert line.endswith("Connection refused; is the host up, and its address right?")

    def test_an_interrupt_ends_an_ssh_that_does_not_get_there(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "ssh").write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
        (folder / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        inventory = write("[web]\nweb-1 ansible_host=192.0.2.1\n")
        given = ["--docker-host=ansible://web", f"--ansible-inventory={inventory}"]
        run = pytest_process(tmp_path, *given)
        pid = tmp_path / "pid"
        number = wait_until(lambda: pid.exists() and pid.read_text().strip(), "ssh runs")
        run.send_signal(signal.SIGINT)
        output, _ = run.communicate(timeout=20)
        assert run.returncode == pytest.ExitCode.INTERRUPTED, output
        wait_until(lambda: not Path("/proc", str(number)).exists(), "ssh has ended")


class TestWhatAnsibleSays:
    """A program in its place: what goes wrong with it ends, and is told."""

    @pytest.fixture
    def program(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
        def program(script: str) -> None:
            path = tmp_path / "ansible-inventory"
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
            monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

        return program

    @pytest.mark.parametrize(
        ("script", "why"),
        [
            ("echo first >&2; echo '[ERROR]: vault' >&2; exit 4", "status 4: [ERROR]: vault"),
            ("echo '[]'", "wrote no inventory"),
            ("echo '{'", "wrote no inventory"),
            ("head -c 200000000 /dev/zero", "more than 64 MB"),
            ("exec sleep 60", "did not end within 1 s"),
            ("sleep 60 & sleep 60", "did not end within 1 s"),
            ("echo '{}'; exec >&-; sleep 60", "did not end within 1 s"),
        ],
    )
    def test_that_is_no_inventory(
        self,
        program: Callable[[str], None],
        monkeypatch: pytest.MonkeyPatch,
        script: str,
        why: str,
    ) -> None:
        monkeypatch.setattr("pytest_exposed.engine.inventory._SECONDS", 1.0)
        program(script)
        with pytest.raises(ConfigurationError) as caught:
            members("ansible://web", None)
        assert why in str(caught.value)

    @pytest.mark.parametrize(
        "tree",
        [
            '{"web": {"hosts": ["a"], "children": ["web", "up"]}, "up": {"children": ["web"]}}',
            '{"web": {"hosts": ["a", 7, "a"], "children": 1}, "_meta": {"hostvars": {"a": 3}}}',
            '{"web": {"hosts": ["a"]}, "_meta": []}',
        ],
    )
    def test_that_is_an_odd_one(self, program: Callable[[str], None], tree: str) -> None:
        program(f"echo '{tree}'")
        assert members("ansible://web", None) == [Member("a", "ssh://a", ("a",))]


@pytest.mark.parametrize(
    ("variables", "address", "ssh"),
    [
        ({}, "ssh://a", ("a",)),
        ({"ansible_connection": "local"}, None, ()),
        ({"ansible_connection": "local", "docker_host": "tcp://x:1"}, "tcp://x:1", ()),
        ({"ansible_host": "10.0.0.5", "ansible_port": 22}, "ssh://10.0.0.5:22",
         ("-o", "Port=22", "10.0.0.5")),
        ({"ansible_host": "fe80::1"}, "ssh://[fe80::1]", ("fe80::1",)),
        ({"ansible_user": "ops", "ansible_connection": "ansible.builtin.ssh"}, "ssh://a",
         ("-o", "User=ops", "a")),
        ({"ansible_ssh_args": "-C", "ansible_ssh_extra_args": "-J 'x y'"}, "ssh://a",
         ("-C", "-J", "x y", "a")),
        *(
            ({f"ansible_{x}host_key_checking": no}, "ssh://a",
             ("-o", "StrictHostKeyChecking=no", "a"))
            for x in ("", "ssh_") for no in (False, 0, "False", "no", "off", "n", "F", "maybe")
        ),
        *(({"ansible_ssh_host_key_checking": x}, "ssh://a", ("a",)) for x in (True, "yes", 1, "t")),
        # Of two names Ansible takes the one of ssh.
        ({"ansible_host_key_checking": False, "ansible_ssh_host_key_checking": True}, "ssh://a",
         ("a",)),
        ({"ansible_port": 1, "ansible_ssh_port": 2}, "ssh://a:2", ("-o", "Port=2", "a")),
        ({"ansible_ssh_timeout": 7}, "ssh://a", ("-o", "ConnectTimeout=7", "a")),
    ],
)  # fmt: skip
def test_how_a_host_is_reached(
    variables: dict[str, Any], address: str | None, ssh: tuple[str, ...]
) -> None:
    assert _member("a", variables) == Member("a", address, ssh)


def test_docker_host_is_an_address_of_the_managed_host() -> None:
    socket = {"docker_host": "unix:///run/user/1000/docker.sock"}
    found = _member("a", socket)
    assert (found.address, found.ssh, found.docker_host) == ("ssh://a", ("a",), *socket.values())
    assert _member("a", socket | {"ansible_connection": "local"}).address == socket["docker_host"]
    here = _member("a", socket | {"exposed_docker_host": "unix:///x"})
    assert (here.address, here.ssh, here.docker_host) == ("unix:///x", (), "")


@pytest.mark.parametrize("address", ["prod", "ftp://x", "tcp://x:y", "unix://relative"])
def test_a_docker_host_that_the_managed_host_can_not_have(address: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^a: "):
        _member("a", {"docker_host": address})


class TestConfiguration:
    """What stands in the environment and in ansible.cfg, which Ansible follows."""

    @pytest.mark.parametrize("name", ["ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_HOST_KEY_CHECKING"])
    def test_the_environment(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "False")
        monkeypatch.setenv("ANSIBLE_REMOTE_USER", "ops")
        given = ("-o", "StrictHostKeyChecking=no", "-o", "User=ops", "a")
        assert _member("a", {}).ssh == given
        assert _member("a", {"ansible_host_key_checking": True}).ssh == given[2:]

    def test_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "ansible.cfg").write_text(
            "[defaults]\nhost_key_checking = no ; in the laboratory\nremote_port = 2222\n"
            "[ssh_connection]\nssh_args = -4\n"
        )
        assert _member("a", {}) == Member(
            "a",
            "ssh://a:2222",
            ("-4", "-o", "StrictHostKeyChecking=no", "-o", "Port=2222", "a"),
        )

    @pytest.mark.parametrize("text", ["no section", "[defaults]\n%x = %(y)s\n", "\xff"])
    def test_a_file_that_is_none(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "ansible.cfg").write_text(text, encoding="latin-1")
        assert _member("a", {}).ssh == ("a",)
