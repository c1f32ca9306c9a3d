"""An engine: where it is, what it is asked, and what its answers say, checked. Reads only."""
