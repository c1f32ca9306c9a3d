"""An audit: all engines of a run, what was seen of their containers, and what is written of it."""

from pytest_exposed.audit.audit import Audit, labels_of

__all__ = ["Audit", "labels_of"]
