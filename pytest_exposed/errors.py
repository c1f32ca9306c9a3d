"""The errors of pytest-exposed. A message says what happened, why, and what to do."""

from __future__ import annotations


class ExposedError(Exception):
    """The base class of all errors that this package raises on purpose."""


class UnassertedWarning(UserWarning):
    """A check has no `assert`, so that it asserts nothing."""


class HelperLeftWarning(UserWarning):
    """A helper container may be left on an engine that was lost before its removal."""


class PortError(ExposedError, ValueError):
    """A text or value is not a port, a range of ports or a publication."""


class ConfigurationError(ExposedError, ValueError):
    """An option, a setting or an argument can't be used as written."""


class EngineError(ExposedError):
    """An engine can't be reached, refuses a request, or answers what no engine answers."""


class NotFoundError(ExposedError, LookupError):
    """No container or image has the name, or it is ambiguous."""


class ObservationError(ExposedError):
    """A container's sockets could not be seen, or only in part. This never means "none"."""


class PublicationsUnknownError(ObservationError):
    """The answer depends on a Swarm service's published ports, and no manager could be asked."""


class NotRunningError(ObservationError):
    """A container has no running processes: created, exited, dead or between two restarts."""


class GoneError(ObservationError):
    """A container has been removed since it was listed."""


class StrandedError(ExposedError):
    """This process is in a container's network namespace and can't return."""


def ends_run(error: BaseException) -> bool:
    """Return whether an error must end the run, rather than fail one observation.

    pytest.exit raises an Exception, even from a signal handler, wherever the run is then.
    """
    modules = (x.__module__.partition(".")[0] for x in type(error).__mro__)
    return not isinstance(error, Exception) or not {"pytest", "_pytest"}.isdisjoint(modules)


# Named as users import them: pytest shows a class's module in front of its message.
for _kind in (
    *(ExposedError, PortError, ConfigurationError, EngineError, NotFoundError),
    *(ObservationError, NotRunningError, GoneError, UnassertedWarning, HelperLeftWarning),
):
    _kind.__module__ = "pytest_exposed"
