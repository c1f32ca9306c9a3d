"""Feed a parser, or each for a while, with what atheris comes up with: `python -m fuzz [SECONDS]`.

Input that a parser has no answer to is written to a file `crash-…` in the current folder.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["pytest_exposed"]):
    from fuzz.targets import TARGETS, run

from fuzz.seeds import SEEDS

_SECONDS = 20


def _fuzz(name: str, seconds: str, corpus: str) -> None:
    limits = [f"-max_total_time={seconds}", "-max_len=16384", "-timeout=5", "-rss_limit_mb=1024"]
    for number, seed in enumerate(SEEDS[name]):
        Path(corpus, str(number)).write_bytes(seed)
    atheris.Setup([sys.argv[0], *limits, corpus], lambda data: run(name, data))
    atheris.Fuzz()


def main() -> int:
    """Fuzz each target in a process of its own, to which the arguments are its name and more."""
    if len(sys.argv) > 2:
        _fuzz(*sys.argv[1:])
        return 0
    seconds = sys.argv[1] if len(sys.argv) > 1 else str(_SECONDS)
    failed = []
    for name in TARGETS:
        # Atheris ends its process in its own way, without cleaning up: the folder is ours.
        with TemporaryDirectory(prefix="pe-corpus-") as corpus:
            command = [sys.executable, "-m", "fuzz", name, seconds, corpus]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        # A target of which little is covered stops early: it needs better seeds.
        reached = re.findall(r"cov: [0-9]+ ft: [0-9]+|exec/s: [0-9]+|rss: [0-9]+Mb", done.stderr)
        outcome = "ok" if done.returncode == 0 else "FAILED"
        print(f"{name}: {outcome} {', '.join(reached[-3:])}", flush=True)
        if done.returncode != 0:
            failed.append(name)
            print(done.stdout[-4000:], done.stderr[-4000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
