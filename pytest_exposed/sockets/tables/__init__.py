"""A module for each table of /proc, named as the kernel names it."""
