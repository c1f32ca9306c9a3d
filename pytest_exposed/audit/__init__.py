"""An audit: a run's engines, what was seen of their containers, and what is written."""

from pytest_exposed.audit.audit import Audit, labels_of

__all__ = ["Audit", "labels_of"]
