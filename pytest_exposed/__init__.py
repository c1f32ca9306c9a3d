"""pytest-exposed tells the truth about container ports."""

__version__ = "0.1.0"
