"""What a run was given: options and settings."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_exposed.plugin import ids
from pytest_exposed.plugin.options import OPTIONS

if TYPE_CHECKING:
    from pytest_exposed.audit.settings import Settings

EXPANDED: pytest.StashKey[Settings | ValueError] = pytest.StashKey()
"""The settings with single engines as hosts, or why there are none."""

REFUSAL = "exposed_refusal"
"""Where a worker of pytest-xdist gives its controller what it refuses."""

AUDITS_RUNNING = "exposed_audits_running"
"""Where pytest-xdist's workers, who don't know what was typed, get whether containers that run are
audited."""

HOSTS = "exposed_hosts"
"""Where pytest-xdist's workers get the single engines that lists of them have."""


def runs_no_tests(config: pytest.Config) -> bool:
    """Return whether pytest only shows something, such as its help or the fixtures."""
    shows = ("help", "version", "markers", "showfixtures", "show_fixtures_per_test", "cacheshow")
    return any(config.getoption(x, False) for x in shows)


def audits(config: pytest.Config) -> bool:
    """Return whether the run has an audit; raises ConfigurationError for a wrong setting."""
    return audits_running(config) or runs_images(config)


def audits_running(config: pytest.Config) -> bool:
    """Return whether running containers are audited; raises ConfigurationError.

    Where --exposed-run is typed, --exposed has to be as well: a job for an image has the same
    configuration as the suite that joins an audit.
    """
    given = getattr(config, "workerinput", {})
    if AUDITS_RUNNING in given:
        return bool(given[AUDITS_RUNNING])
    words = _words(config)
    if "--exposed-run" in words and "--exposed" not in words:
        return False
    return bool(config.getoption("exposed", False)) or bool(_setting(config, "exposed"))


def runs_images(config: pytest.Config) -> bool:
    """Return whether the run starts containers itself; raises ConfigurationError."""
    return bool(config.getoption("exposed_run", None) or _setting(config, "exposed_run"))


def refuse_bare_run(known: object) -> None:
    """Raise UsageError for --exposed-run without a value, before pytest looks at what follows."""
    if None in (getattr(known, "exposed_run", None) or ()):
        raise pytest.UsageError(
            "pytest-exposed: --exposed-run has no value: write = behind it, as pytest takes words "
            'that begin with - for its own options: --exposed-run="[OPTIONS] IMAGE [COMMAND]"'
        )


def typed(config: pytest.Config) -> dict[str, Any]:
    """Return the options given on the command line or in addopts, by their names in OPTIONS.

    Paths are of the folder in which pytest was started, which a conftest may have left. Raises
    UsageError for an empty value: a variable of a CI job is not set.
    """
    given: dict[str, Any] = {}
    for row in OPTIONS:
        value = config.getoption(row.dest, None) if row.help else None
        if value is None:
            continue
        texts = value if isinstance(value, list) else [value]
        if not all(str(x).strip(", ") for x in texts):
            form = f"{row.flag}={row.metavar}"
            raise pytest.UsageError(f"pytest-exposed: {row.flag} is empty: write {form}")
        if row.is_path:
            texts = [_in(config.invocation_params.dir, x) for x in texts]
        given[row.name] = texts if isinstance(value, list) else texts[0]
    return given


def refuse_without_audit(config: pytest.Config, names: Collection[str]) -> None:
    """Raise UsageError for an option or an id that means something to an audit alone.

    names are those of the options that were given. Where -o turns the audit off, those in addopts
    are for other runs.
    """
    words = _words(config)
    off = any(str(x).startswith("exposed=") for x in config.getoption("override_ini", None) or ())
    rows = (x for x in OPTIONS if x.of_audit and x.name in names)
    if vain := [x.flag for x in rows if not off or x.flag in words]:
        what = f"only an audit uses {', '.join(vain)}"
    elif own := ids.named(config):
        what = f"{own[0]} is a test of the audit"
    else:
        return
    raise pytest.UsageError(f"pytest-exposed: {what}{_remedy(config)}")


def _remedy(config: pytest.Config, *, of_running: bool = False) -> str:
    """Return what to do about an audit that there is not, of_running containers or any."""
    if audits_running(config) or (not of_running and runs_images(config)):
        return ", and this run leaves the audit out, by -m or by ids of other tests"
    return ": add --exposed" if of_running else ": add --exposed, or --exposed-run"


def refuse_unused(config: pytest.Config, items: list[pytest.Item], *, audit: bool) -> None:
    """Raise UsageError for options that were typed on the command line and do nothing.

    An audit uses all of them, except the filter if no running container is audited. Those in
    addopts are there for the runs that use them; any run may name an engine. A worker of
    pytest-xdist can't end the run: its items are taken away, and its controller is given the text.
    """
    words = _words(config)
    rows = [x for x in OPTIONS if x.flag in words and x.name != "docker_host"]
    if audit:
        rows = [x for x in rows if x.name == "filter" and not audits_running(config)]
    if not rows:
        return
    fixtures = {y for x in items for y in getattr(x, "fixturenames", ())}
    vain = [x for x in rows if x.fixture not in fixtures]
    if not vain:
        return
    flags = ", ".join(x.flag for x in vain)
    remedy = _remedy(config, of_running=any(x.name == "filter" for x in vain))
    text = f"pytest-exposed: no test uses {flags}{remedy}"
    if not hasattr(config, "workeroutput"):
        raise pytest.UsageError(text)
    config.workeroutput[REFUSAL] = text
    items.clear()


def parsed(config: pytest.Config, values: Mapping[str, Any]) -> Settings:
    """Return the checked settings of some values; raises ConfigurationError."""
    from pytest_exposed.audit.settings import Settings  # noqa: PLC0415

    inventory = config.getoption("ansible_inventory", None)  # testinfra's, or pytest-ansible's
    return Settings.parse(
        ansible_inventory=inventory if isinstance(inventory, str) else "",
        tables=config.getoption("verbose", 0) > 0,
        audits_running=audits_running(config) or not runs_images(config),
        **{x.argument: values[x.name] for x in OPTIONS if x.name in values},
    )


def expanded(config: pytest.Config) -> Settings:
    """Return the settings with single engines as hosts; raises ConfigurationError (a ValueError).

    Lists of engines are read when first used, once, for all of pytest-xdist's workers.
    """
    if EXPANDED not in config.stash:
        hosts = getattr(config, "workerinput", {}).get(HOSTS)
        try:
            config.stash[EXPANDED] = parsed(config, given(config)).expanded(hosts)
        except ValueError as error:
            config.stash[EXPANDED] = error
    found = config.stash[EXPANDED]
    if isinstance(found, ValueError):
        raise found
    return found


def names_hosts(config: pytest.Config) -> bool:
    """Return whether engines are named; raises ConfigurationError for a wrong setting."""
    return bool(config.getoption("docker_host", None) or _setting(config, "exposed_docker_host"))


def given(config: pytest.Config) -> dict[str, Any]:
    """Return the options as given, else the settings; raises ConfigurationError for a wrong one."""
    options = typed(config)
    settings = {
        x.name: _setting(config, f"exposed_{x.name}")
        for x in OPTIONS
        if x.setting and (x.adds or x.name not in options)
    }
    if "baseline" in settings:
        folder = config.inipath.parent if config.inipath is not None else Path()  # as pytest's own
        settings["baseline"] = _in(folder, settings["baseline"])
    both = {
        x.name: [*settings[x.name], *options[x.name]]
        for x in OPTIONS
        if x.adds and x.name in options
    }
    return settings | options | both


def _setting(config: pytest.Config, name: str) -> Any:
    row = next((x for x in OPTIONS if f"exposed_{x.name}" == name), None)
    try:
        return _checked(config.getini(name), row.type if row is not None else "bool")
    # Of a list for a text pytest warns, which filterwarnings can make an error.
    except (TypeError, ValueError, pytest.UsageError, pytest.PytestWarning) as error:
        from pytest_exposed.errors import ConfigurationError  # noqa: PLC0415  # for such runs alone

        form = row.toml if row is not None else "true"
        hint = f"; an example is {name} = {form}" if form else ""
        why = str(error).partition("\n")[0].rstrip(".")
        raise ConfigurationError(f"the setting {name} is wrong: {why}{hint}") from None


def _checked(value: object, kind: str) -> object:
    """Return a setting's value; TypeError for what pytest takes from ini_options as it is."""
    if kind == "linelist":
        values = value if isinstance(value, list) else [value]
        for one in (x for x in values if not isinstance(x, str)):
            raise TypeError(f"{one!r} is no text")
    elif kind == "string" and not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    elif kind == "float" and isinstance(value, list):
        raise TypeError(f"{value!r} is no number")
    return value


def _in(folder: Path, name: str) -> str:
    """Return a path below a folder; as it is where that is the current one, and for json:-."""
    with suppress(OSError):  # the current one has been removed
        if folder == Path.cwd():
            return name
    return str(folder / name) if name and not name.startswith("json:") else name


def is_alone(config: pytest.Config) -> bool:
    """Return whether nothing but the audit is asked for: --exposed or --exposed-run, no path.

    In addopts, PYTEST_ADDOPTS or as the setting it joins the tests that pytest would run.
    """
    return _is_typed(config) and config.args_source is not pytest.Config.ArgsSource.ARGS


def _is_typed(config: pytest.Config) -> bool:
    """Return whether --exposed or --exposed-run is on the command line."""
    return not _words(config).isdisjoint(("--exposed", "--exposed-run"))


def _words(config: pytest.Config) -> set[str]:
    """Return the words of the command line, options without their values."""
    return {str(x).partition("=")[0] for x in config.invocation_params.args}


def leaves_out(config: pytest.Config) -> bool:
    """Return whether an audit that would join other tests is left out.

    That is so where addopts or a setting asks for it, and -m leaves out all of it, or the arguments
    are ids, none of which is the audit's. Raises UsageError if something typed needs the audit.
    """
    if _is_typed(config):
        return False
    others = config.args_source is pytest.Config.ArgsSource.ARGS and not ids.named(config)
    if not is_unmarked(config) and not (others and all("::" in x for x in config.args)):
        return False
    refuse_without_audit(config, {x.name for x in OPTIONS if x.flag in _words(config)})
    return True


def is_unmarked(config: pytest.Config) -> bool:
    """Return whether -m leaves out all tests of the audit, whatever other markers these have."""
    chosen = str(config.getoption("markexpr", ""))
    # Of a plain conjunction: one false term makes it false.
    terms = [] if re.search(r"\bor\b|[()]", chosen) else re.split(r"\band\b", chosen)
    return any(x.split() == ["not", "exposed"] for x in terms)
