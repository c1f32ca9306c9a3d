"""Feed a parser, or each for a while, with what atheris comes up with: `python -m fuzz [SECONDS]`.

Input that a parser has no answer to is written to a file `crash-…` in the current folder.
"""

from __future__ import annotations

import subprocess
import sys

import atheris

with atheris.instrument_imports(include=["pytest_exposed"]):
    from fuzz.targets import TARGETS, run

_SECONDS = 20


def _fuzz(name: str, seconds: int) -> None:
    limits = [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=5", "-rss_limit_mb=1024"]
    atheris.Setup([sys.argv[0], *limits], lambda data: run(name, data))
    atheris.Fuzz()


def main() -> int:
    """Fuzz the target that is named, or each target in a process of its own."""
    if len(sys.argv) > 2:
        _fuzz(sys.argv[1], int(sys.argv[2]))
        return 0
    seconds = sys.argv[1] if len(sys.argv) > 1 else str(_SECONDS)
    failed = []
    for name in TARGETS:
        command = [sys.executable, "-m", "fuzz", name, seconds]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout[-4000:], done.stderr[-4000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
