"""A demonstration of pytest-exposed on an engine of its own: run ``python -m demo``."""
