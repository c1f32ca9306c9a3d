"""A plugin of pytest for measured runs: imports what an audit needs before the clock starts."""

import pytest_exposed.engine.transport.client
import pytest_exposed.plugin.hooks  # noqa: F401
