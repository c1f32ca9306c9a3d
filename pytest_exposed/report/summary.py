"""The summary of an audit in one line, the same in the terminal and in reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_exposed.report.record import NOT_RUN, HostRecord, fails, is_accepted, warns
from pytest_exposed.report.service_groups import findings
from pytest_exposed.text import plural


def summary(hosts: Sequence[HostRecord]) -> str:
    """Return the summary of hosts: "12 containers on 1 host, 10 match, 2 do not (…)".

    Each container counts; the findings of a Swarm service count once for all its tasks.
    """
    containers = [x for host in hosts for x in host["containers"]]
    left = sum(x["error"] == NOT_RUN for x in containers)
    unseen = sum(x["error"] is not None for x in containers) - left
    found = list(findings(hosts))
    broken = Counter(x["rule"] for x in found if fails(x))
    warnings = sum(map(warns, found))
    differ = sum(any(map(fails, x["findings"] or ())) for x in containers)
    accepted = sum(is_accepted(x) for x in containers)
    parts = [
        f"{plural(len(containers), 'container')} on {plural(len(hosts), 'host')}",
        f"{len(containers) - unseen - left - differ - accepted} match",
    ]
    if differ:
        # Sorted, because tests report in any order.
        most = sorted(broken.items(), key=lambda x: (-x[1], x[0]))
        parts.append(f"{differ} do not ({', '.join(f'{rule} {n}' for rule, n in most)})")
    parts += [f"{accepted} accepted"] if accepted else []
    parts += [f"{unseen} could not be judged"] if unseen else []
    tests = "its test" if left == 1 else "their tests"
    parts += [f"{left} not judged, as {tests} did not finish"] if left else []
    parts += [plural(warnings, "warning")] if warnings else []
    dead = sum(x["error"] is not None for x in hosts)
    parts += [f"{plural(dead, 'host')} not reached"] if dead else []
    stopped = sum(len(x.get("not_running", ())) for x in hosts)
    parts += [f"{stopped} not running"] if stopped else []
    return ", ".join(parts)
