"""The docker SDK's connections to an engine, bounded in time and size; failures in plain words."""
