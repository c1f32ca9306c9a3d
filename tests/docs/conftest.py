"""What the tests of the documentation share: the surroundings of a reader's commands."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from remote.private import PrivateEngine


@pytest.fixture(scope="module")
def environment(private: PrivateEngine) -> Mapping[str, str]:
    """What the commands find: our pytest, and an engine of their own. The containers are young."""
    quiet = "-p no:cacheprovider -p no:hypothesispytest -p no:fakefs -p no:xdist --exposed-grace=0"
    programs = os.path.dirname(sys.executable)
    # In a job (CI, BUILD_NUMBER) pytest does not shorten the lines of its summary.
    foreign = re.compile(r"(PYTEST|DOCKER|TOX)_|(CI|BUILD_NUMBER)$")
    kept = {x: y for x, y in os.environ.items() if not foreign.match(x)}
    return kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin",
        "DOCKER_HOST": private.url,
        "PYTEST_ADDOPTS": quiet,
        "COLUMNS": "80",
        "NO_COLOR": "1",
    }
