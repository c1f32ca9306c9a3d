"""Containers that a run starts itself: the docker command, one container's life, when to judge."""
