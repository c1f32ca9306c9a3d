"""The settings of a run, checked alike for options and ini files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_exposed import report
from pytest_exposed.engine.expansion import expand
from pytest_exposed.engine.hosts import Given, from_plain, without_user
from pytest_exposed.errors import ConfigurationError
from pytest_exposed.observation import Engine
from pytest_exposed.observation.observe import DOCUMENTED
from pytest_exposed.rules import selection
from pytest_exposed.rules.acceptance import Acceptance, waivers_of
from pytest_exposed.rules.baseline import Entry, may_be_replaced, read
from pytest_exposed.sockets.chain import SOURCES
from pytest_exposed.values import dataclass

if TYPE_CHECKING:
    from pytest_exposed.audit.running.plan import Words
    from pytest_exposed.report.dockerfile import Dockerfile

GRACE = 10.0
"""How many seconds after its start a container may take to match, unless configured."""

GRACE_OF_RUNS = 60.0
"""The same for containers that the run starts."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run observes, how, and what it reports; every value is valid."""

    hosts: tuple[Given, ...] = field(repr=False)  # they can hold passwords
    filters: Mapping[str, tuple[str, ...]]
    select: tuple[str, ...]
    ignore: tuple[str, ...]
    warn: tuple[str, ...]
    documented: str
    """Whose word counts as documentation: image or run."""
    grace: float
    source: str
    helper_image: str | None
    acceptance: Acceptance
    baseline: Path | None
    """Where the baseline of the acceptance was read."""
    new_baseline: Path | None
    new_tests: Path | None
    reports: tuple[Path, ...]
    json_to_stdout: bool = False
    """Whether the JSON report is written to standard output."""
    tables: bool = False
    """Whether the tables of all containers are shown."""
    ansible_inventory: str | None = None
    """The inventory of ansible:// hosts; None for Ansible's default."""
    runs: tuple[Words, ...] = field(default=(), repr=False)  # they can hold passwords
    """The words of each `docker run` that is to be judged."""
    audits_running: bool = True
    """Whether the running containers are judged, and not just those that the run starts."""
    grace_of_runs: float = GRACE_OF_RUNS
    dockerfile: Dockerfile | None = None
    """That of the image that is run."""
    watch: float = 0
    """For how many seconds containers are looked at again and again; 0 for one look."""
    left_out: tuple[str, ...] = ()
    """A line for each engine of a list that is not looked at."""

    @property
    def shows_all(self) -> bool:
        """Whether all listeners are shown somewhere, with the processes that hold them."""
        return self.tables or self.json_to_stdout or bool(self.reports)

    @property
    def accepts(self) -> bool:
        """Whether waivers or a baseline accept findings."""
        return bool(self.acceptance.waivers) or self.baseline is not None

    @property
    def writes(self) -> bool:
        """Whether something is written that only an audit can fill."""
        return bool(self.reports or self.json_to_stdout or self.new_baseline or self.new_tests)

    @classmethod
    def parse(
        cls,
        *,
        hosts: Sequence[str] = (),
        filters: Sequence[str] = (),
        select: str | Sequence[str] = (),
        ignore: str | Sequence[str] = (),
        warn: str | Sequence[str] = (),
        documented: str = "",
        grace: str | float | None = None,
        source: str = "",
        helper_image: str = "",
        allow: Sequence[str] = (),
        allow_labels: bool = False,
        baseline: str = "",
        new_baseline: str = "",
        new_tests: str = "",
        reports: Sequence[str] = (),
        tables: bool = False,
        ansible_inventory: str = "",
        runs: Sequence[str] = (),
        audits_running: bool = True,
        watch: str | float | None = None,
        dockerfile: str = "",
    ) -> Settings:
        """Return the checked settings; ConfigurationError names a wrong one."""
        chosen, ignored = selection.split(select), selection.split(ignore)
        for place, names in (("select", chosen), ("ignore", ignored)):
            with _at(place):
                selection.expand(names)
        selection.select(chosen, ignored)
        warned = selection.split(warn)
        with _at("warn"):
            selection.warned(warned)
        with _at("documented"):
            if documented and documented not in DOCUMENTED:
                raise ConfigurationError(f"{documented!r} is neither 'image' nor 'run'")
        with _at("source"):
            if source and source not in SOURCES:
                raise ConfigurationError(
                    f"{source!r} is not a source of sockets: choose one of {', '.join(SOURCES)}"
                )
        with _at("filter"):
            chosen_by = _filters(filters)
        with _at("grace"):
            seconds = _seconds(grace, GRACE)
        with _at("watch"):
            watched = _seconds(watch, 0)
        with _at("run"):
            started = _runs(runs, hosts)
        if dockerfile and not started:
            raise ConfigurationError("--exposed-dockerfile needs --exposed-run: add that")
        if new_tests and started and not audits_running:
            raise ConfigurationError(
                "--exposed-write-tests writes assertions of running containers, and none of those "
                "that --exposed-run starts is there later: start it yourself and add --exposed"
            )
        with _at("allow"):
            waivers = waivers_of(allow)
        accepted = _read(baseline, new_baseline)
        return cls(
            hosts=tuple(dict.fromkeys(x.strip() for x in hosts)) or (None,),
            filters=chosen_by,
            select=chosen,
            ignore=ignored,
            warn=warned,
            documented=documented or "image",
            grace=seconds,
            source=source or "auto",
            helper_image=helper_image or None,
            acceptance=Acceptance(waivers, allow_labels, accepted),
            baseline=Path(baseline) if baseline else None,
            new_baseline=_new_baseline(new_baseline),
            new_tests=_new_tests(new_tests),
            reports=tuple(report.check(x) for x in reports if x != report.STANDARD_OUTPUT),
            json_to_stdout=report.STANDARD_OUTPUT in reports,
            tables=tables,
            ansible_inventory=ansible_inventory or None,
            runs=started,
            audits_running=audits_running,
            watch=watched,
            dockerfile=_dockerfile(dockerfile),
            grace_of_runs=GRACE_OF_RUNS if grace in (None, "") else seconds,
        )

    def expanded(self, found: Sequence[object] | None = None) -> Settings:
        """Return the settings with single engines as hosts; ConfigurationError names a bad list.

        found are the engines that another process has listed, as engine.hosts.plain gives them.
        """
        if found is not None:
            return replace(self, hosts=tuple(map(from_plain, found)))
        hosts, left_out = expand(self.hosts, self.ansible_inventory)
        if self.new_tests is not None and len(hosts) > 1:
            raise ConfigurationError(
                "--exposed-write-tests writes the tests of one engine, and each test of a suite "
                f"runs on all: name one of the {len(hosts)} with --docker-host"
            )
        return replace(self, hosts=hosts, left_out=left_out)

    def connect(self, host: Given) -> Engine:
        """Return the engine of a host, to be looked at as set; raises EngineError."""
        engine = Engine(
            host,
            source=self.source,
            select=self.select,
            ignore=self.ignore,
            warn=self.warn,
            documented=self.documented,
            helper_image=self.helper_image,
        )
        engine.observer.acceptance = self.acceptance
        return engine


@contextmanager
def _at(setting: str) -> Iterator[None]:
    """Begin an error's message with the setting that it is about."""
    try:
        yield
    except ConfigurationError as error:
        names = f"--exposed-{setting}, exposed_{setting}"
        raise ConfigurationError(f"{names}: {error}") from None


def _dockerfile(name: str) -> Dockerfile | None:
    if not name:
        return None
    from pytest_exposed.report.dockerfile import Dockerfile  # noqa: PLC0415  # rarely given

    return Dockerfile.read(name)


def _runs(lines: Sequence[str], hosts: Sequence[str]) -> tuple[Words, ...]:
    """Return the words of each `docker run`; ConfigurationError where a host is a list of hosts."""
    if not lines:
        return ()
    from pytest_exposed.audit.running.plan import split  # noqa: PLC0415  # rarely given

    started = split(lines)
    for host in hosts:
        scheme, separator, _ = host.partition("://")
        if separator and scheme in ("ansible", "swarm"):
            raise ConfigurationError(
                f"{without_user(host)} is a list of engines, and an image runs on one: name one "
                "with --docker-host"
            )
    return started


def _read(baseline: str, new: str) -> frozenset[Entry]:
    """Return what a baseline accepts; none where it is missing, and to be written."""
    if not baseline or (new and not Path(baseline).exists() and Path(new) == Path(baseline)):
        return frozenset()
    return read(Path(baseline))


def _new_baseline(name: str) -> Path | None:
    if not name:
        return None
    path = report.in_folder(name)
    if not may_be_replaced(path):
        raise ConfigurationError(
            f"{name!r} can't be written: it exists and is no baseline: remove it, or name another"
        )
    return path


def _new_tests(name: str) -> Path | None:
    if not name:
        return None
    path = report.in_folder(name)
    if path.suffix != ".py":
        raise ConfigurationError(f"{name!r} can't be written: its name must end in .py")
    if path.exists():
        raise ConfigurationError(
            f"{name!r} can't be written: it exists already: remove it, or name another"
        )
    return path


def _filters(lines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        key, equals, value = line.strip().partition("=")
        if not key or not equals or not value:
            raise ConfigurationError(
                f"{line!r} is not a filter: write KEY=VALUE, such as name=web or label=tier=front"
            )
        found[key] = (*found.get(key, ()), value)
    return found


def _seconds(text: str | float | None, default: float) -> float:
    if text is None or text == "":
        return default
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86400:
        raise ConfigurationError(f"{text!r} is not a number of seconds from 0 to 86400")
    return seconds
