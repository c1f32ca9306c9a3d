"""A client of an engine's HTTP API, bounded in time and size; failures in plain words."""
