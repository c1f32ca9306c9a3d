"""Real services, audited, and scored against what is known of them: `python -m corpus`.

The first run builds a Debian root of all servers (as root, with debootstrap, node and npm: some 10
minutes, 6 GB), then an image for each service. A run takes about 90 seconds a service, two at once.
It needs root on the engine's host, docker's command, and ss and nsenter.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from corpus import score, trial
from corpus.root import BASE, build_base, build_images, build_root
from corpus.table import read

_TABLE = Path(__file__).with_name("services.toml")
_CACHE = Path.home() / ".cache" / "pytest-exposed-corpus"


def main() -> int:
    """Build what is missing, try the services, and return 1 where the score has a fault."""
    args = _arguments()
    services, packages = read(_TABLE)
    if unknown := set(args.names) - set(services):
        sys.exit(f"no such service: {', '.join(sorted(unknown))}")
    chosen = [x for name, x in services.items() if not args.names or name in args.names]
    if not args.score:
        docker = ("docker", "-H", args.host)
        bench = trial.Bench(
            docker,
            (*shlex.split(args.pytest), "--docker-host", args.host),
            tuple(shlex.split(args.at_start)),
            args.out.resolve(),
            args.restart,
        )
        base = args.base or BASE
        if args.base is None and not bench.run("images", "-q", BASE):
            build_root(args.root, packages)
            build_base(docker, args.root)
        build_images(docker, chosen, base)
        trial.run(bench, chosen, args.at_once)
    return 1 if score.show(args.out, chosen) else 0


def _arguments() -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("corpus", description=__doc__, formatter_class=form)
    option = parser.add_argument
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    option("names", nargs="*", help="services to try; all by default")
    option("--score", action="store_true", help="score the records in --out again")
    option("--out", type=Path, default=_CACHE / "records", help="where the records are written")
    option("--root", type=Path, default=_CACHE / "root", help="where the Debian root is built")
    option("--base", help="an image that has all servers, instead of one made from the root")
    option("--host", default=host, help="the engine's address")
    option("--pytest", default=f"{sys.executable} -m pytest", help="a pytest with the plugin")
    option("--at-start", default="", help="options of the audit at the start")
    option("--at-once", type=int, default=2, help="services that run at once")
    option("--restart", action="store_true", help="restart each, against a fresh baseline")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    sys.exit(main())
