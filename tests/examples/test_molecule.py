"""The role with Molecule: `molecule test` passes, and fails where the service is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from examples.common import EXAMPLES, Command, build, copy, replaced
from stage import remove_containers

if TYPE_CHECKING:
    import docker
    from stage import Images

PAGE = EXAMPLES.parent / "docs" / "how-to" / "molecule.md"
SHORT_TEST = ("molecule", "test", "-s", "audit", "--destroy", "never")
LOOPS = "it runs Molecule's sleep loop instead of its image's httpd (override_command)"


@pytest.fixture(scope="module")
def image(client: docker.DockerClient, images: Images) -> str:
    return build(client, images, "molecule/webserver")


@pytest.fixture
def role(tmp_path: Path, images: Images, image: str) -> Path:
    names = {"webserver:molecule": image, "webserver-": f"{images.run}-"}
    return copy("molecule/webserver", tmp_path, names)


@pytest.fixture
def instances(client: docker.DockerClient, images: Images) -> Iterator[None]:
    """Remove what a test leaves of its scenario: Molecule's own destroy takes five seconds."""
    yield
    remove_containers(client, {"label": "owner=molecule", "name": f"^/{images.run}-"})


@pytest.fixture
def short_role(role: Path, instances: None) -> Path:  # noqa: ARG001  # removed later
    """The role, with less to a test than Molecule's own: no second converge, no syntax check."""
    return _tested_by(role, "create, converge, verify")


@pytest.fixture
def unconverged_role(role: Path, instances: None) -> Path:  # noqa: ARG001  # removed later
    """The role, whose tests don't converge: nothing starts its service."""
    return _tested_by(role, "create, verify")


def _tested_by(role: Path, steps: str) -> Path:
    for scenario in role.glob("molecule/*/molecule.yml"):
        with scenario.open("a", encoding="utf-8") as file:
            file.write(f"scenario:\n  test_sequence: [{steps}]\n")
    return role


def test_the_scenario_with_testinfra(role: Path, command: Command) -> None:
    result = command("molecule", "test", cwd=role)
    assert result.returncode == 0, result.stdout
    assert "Executing Testinfra tests" in result.stdout
    assert " 2 passed in " in result.stdout


@pytest.mark.usefixtures("instances")
def test_the_scenario_with_testinfra_fails_but_for_settings(
    role: Path, command: Command, images: Images
) -> None:
    def verify(status: int) -> str:
        result = command("molecule", "verify", cwd=role)
        assert (result.returncode != 0) is (status != 0), result.stdout
        return result.stdout

    replaced(role / "defaults/main.yml", "webserver_state: started", "webserver_state: stopped")
    name = f"{images.run}-default"
    made = command("molecule", "converge", cwd=role)
    assert made.returncode == 0, made.stdout
    shown = verify(1)
    assert f"{name}: nothing listens on 80/tcp (it listens on nothing)" in shown
    assert f"{name} does not match " in shown
    assert ": silent 80/tcp\n" in shown
    assert f"Ports of {name}" in shown
    assert f"note: {LOOPS}" in shown

    (role / "molecule/default/tests/test_ports.py").write_text(
        "def test_ports(host, container_matches_image): assert container_matches_image(host)\n",
        encoding="utf-8",
    )
    settings = role / "pytest.ini"
    settings.write_text("[pytest]\nexposed_ignore = silent\n", encoding="ascii")
    assert " 1 passed in " in verify(0)
    settings.unlink()
    scenario = role / "molecule/default/molecule.yml"
    options = "  options:\n    exposed-ignore: silent\n"
    scenario.write_text(scenario.read_text(encoding="utf-8") + options, encoding="utf-8")
    assert " 1 passed in " in verify(0)


def test_the_scenario_with_the_audit(short_role: Path, command: Command) -> None:
    result = command(*SHORT_TEST, cwd=short_role)
    assert result.returncode == 0, result.stdout
    assert " 2 passed in " in result.stdout
    assert "exposed: 2 containers on 1 host, 2 match" in result.stdout


def finding_of(page: Path) -> list[str]:
    """Return the two lines of the finding that a page shows."""
    lines = page.read_text(encoding="utf-8").splitlines()
    (first,) = (x for x, line in enumerate(lines) if LOOPS in line)
    return [" ".join(x.split()) for x in lines[first : first + 2]]


def test_the_scenario_with_the_audit_fails(
    unconverged_role: Path, command: Command, images: Images, image: str
) -> None:
    result = command(*SHORT_TEST, cwd=unconverged_role)
    assert result.returncode != 0, result.stdout
    for line in finding_of(PAGE):
        shown = line.replace("webserver:molecule", image).replace("webserver-", f"{images.run}-")
        assert shown in " ".join(result.stdout.split())
    assert f"FAILED exposed::{images.run}-audit - silent 80/tcp" in result.stdout
    assert "exposed: 2 containers on 1 host, 1 match, 1 do not (silent 1)" in result.stdout


@pytest.mark.usefixtures("instances")
def test_what_the_scenario_declares(role: Path, command: Command) -> None:
    scenario = role / "molecule/audit/molecule.yml"
    settings = yaml.safe_load(scenario.read_text(encoding="utf-8"))
    other, declaring = settings["platforms"]
    for platform in (other, declaring):
        platform |= {"override_command": True, "command": "httpd -f -p 8081"}
    declaring["exposed_ports"] = ["8081/tcp"]
    scenario.write_text(yaml.safe_dump(settings), encoding="utf-8")
    own_settings, ini = role / "pytest.ini", "[pytest]\nexposed_ignore = silent\n"
    own_settings.write_text(ini, encoding="ascii")
    made = command("molecule", "create", "-s", "audit", cwd=role)
    assert made.returncode == 0, made.stdout

    result = command("molecule", "verify", "-s", "audit", cwd=role)
    assert result.returncode != 0, result.stdout
    assert "undocumented 8081/tcp" in result.stdout
    assert "exposed: 2 containers on 1 host, 0 match, 2 do not (undocumented 2)" in result.stdout
    setting = f'add "8081/tcp" to `exposed_ports` of platform {other["name"]} in molecule.yml'
    assert (
        f"EXPOSE 8081/tcp; or {setting}, and set `exposed_documented = run` in pytest.ini"
        in result.stdout
    )
    of_platform = f"platform {declaring['name']} in molecule.yml"
    advice = f"set `exposed_documented = run` in pytest.ini to count what {of_platform} declares"
    assert advice in result.stdout

    waiver = f"exposed_allow = {other['name']}: 8081  # known\n"
    own_settings.write_text(f"{ini}exposed_documented = run\n{waiver}", encoding="ascii")
    result = command("molecule", "verify", "-s", "audit", cwd=role)
    assert result.returncode == 0, result.stdout
    assert "exposed: 2 containers on 1 host, 1 match, 1 accepted" in result.stdout


def test_an_instance_that_ended_is_no_pass(
    unconverged_role: Path, command: Command, images: Images
) -> None:
    # It ends at once.
    scenario = unconverged_role / "molecule/audit/molecule.yml"
    settings = yaml.safe_load(scenario.read_text(encoding="utf-8"))
    settings["platforms"][1] |= {"override_command": True, "command": "true"}
    scenario.write_text(yaml.safe_dump(settings), encoding="utf-8")
    result = command(*SHORT_TEST, cwd=unconverged_role)
    assert result.returncode != 0, result.stdout
    assert f"not found: exposed::{images.run}-audit-image" in result.stdout
    assert "has exited with code 0" in result.stdout
