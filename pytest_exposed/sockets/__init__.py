"""How sockets are seen: one module per source, the kernel's tables, and proven processes."""
