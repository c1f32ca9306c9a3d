"""A file for each table of /proc that is read, called as the kernel calls it."""
