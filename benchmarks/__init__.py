"""What an audit costs, beside other ways to ask the same: `tox run -e benchmarks`."""
