"""How sockets are seen: a file for each source, the kernel's tables, the process that is proven."""
