"""A client of an engine's HTTP API: bounded in time and size, with failures in plain words."""
