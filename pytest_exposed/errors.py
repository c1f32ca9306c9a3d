"""Every error of pytest-exposed. A message says what happened, why, and what to do."""

from __future__ import annotations


class ExposedError(Exception):
    """Base of every error that this package raises on purpose."""


class UnassertedWarning(UserWarning):
    """A check that stands alone, without `assert`: it asserts nothing."""


class HelperLeftWarning(UserWarning):
    """A helper container that may be left on an engine, as that was lost before it was removed."""


class PortError(ExposedError, ValueError):
    """A text or value that is not a port, a range of ports or a publication."""


class ConfigurationError(ExposedError, ValueError):
    """An option, a setting or an argument that can't be used as written."""


class EngineError(ExposedError):
    """An engine that can't be reached, refuses, or answers what no engine answers."""


class NotFoundError(ExposedError, LookupError):
    """No container or image of that name, or several that it could mean."""


class ObservationError(ExposedError):
    """A container whose sockets could not be seen, or only in part: never to be read as "none"."""


class PublicationsUnknownError(ObservationError):
    """An answer that depends on what a Swarm service publishes, which no manager could be asked."""


class NotRunningError(ObservationError):
    """A container without running processes: created, exited, dead or between two restarts."""


class GoneError(ObservationError):
    """A container that has been removed since it was listed."""


class StrandedError(ExposedError):
    """A process that is in a container's network namespace, and can't be brought back."""


def ends_run(error: BaseException) -> bool:
    """Return whether an error is to end a run, and is nobody's failure.

    pytest.exit raises an Exception, out of a signal's handler too: wherever the run is then.
    """
    modules = (x.__module__.partition(".")[0] for x in type(error).__mro__)
    return not isinstance(error, Exception) or not {"pytest", "_pytest"}.isdisjoint(modules)


# As users import them: pytest shows where a class is from in front of its message.
for _kind in (
    *(ExposedError, PortError, ConfigurationError, EngineError, NotFoundError),
    *(ObservationError, NotRunningError, GoneError, UnassertedWarning, HelperLeftWarning),
):
    _kind.__module__ = "pytest_exposed"
