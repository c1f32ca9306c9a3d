"""The results as Markdown: costs, and how many times those of an audit they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.measured import Results
from benchmarks.ours import PARTS

_AUDIT = (
    "The audit is all of `pytest --exposed` of its fleet, less what pytest takes for as many tests "
    "of nothing. The last column compares with the audit in the first row; that of fewer "
    "containers costs more a container, as below."
)

_INSPECTED = (
    "By netlink, as root. For what the engine's list leaves out of those that listen on nothing, "
    "or have no network of their own, each one is inspected."
)


def markdown(results: Results) -> str:
    """Return the whole page."""
    return "\n".join(
        [
            "# What an audit costs",
            "",
            "Written by `tox run -e benchmarks`: medians of one run, everything in turns.",
            f"{results.machine}.",
            "",
            "![the costs, drawn](results.svg)",
            "",
            "## The same question, asked in other ways",
            "",
            f"What each of {results.asked} containers listens on. {_AUDIT}",
            "",
            *_table(
                ("way", "ms a container", "times the audit"),
                [
                    (x.name, _ms(x.seconds), _times(x.seconds / results.audit))
                    if x.seconds is not None
                    else (x.name, f"not measured: {x.obstacle}", "")
                    for x in results.ways
                ],
            ),
            "",
            "## An audit, by source and size",
            "",
            "In milliseconds a container: the whole as above, and its parts, each measured alone.",
            "",
            *_table(
                ("source", "containers", "whole", *PARTS),
                [
                    (
                        x.source,
                        str(x.containers),
                        _ms(x.whole / x.containers),
                        *(_ms(x.parts[y] / x.containers) if x.parts[y] else "-" for y in PARTS),
                    )
                    for x in results.audits
                ],
            ),
            "",
            *_once_and_each(results),
            "## An audit of containers of other kinds",
            "",
            _INSPECTED,
            "",
            *_table(
                ("a container that", "how many", "ms each"),
                [(x.kind, str(x.containers), _ms(x.whole / x.containers)) for x in results.kinds],
            ),
            "",
            "## One container that has much of something",
            "",
            "Milliseconds to list it, look at it and judge it, alone on the engine.",
            "",
            *_table(
                ("much of", "how many", "netlink", "procfs"),
                [
                    (x.what, f"{x.count:,}", _ms(x.seconds["netlink"]), _ms(x.seconds["procfs"]))
                    for x in results.growths
                ],
            ),
            "",
            "## The whole command",
            "",
            "`pytest --exposed` of the smallest fleet by netlink, beside as many tests of nothing.",
            "What the first is made of is processor time, the least of all rounds.",
            *(
                f"Each container more, up to {size}, adds {_ms(seconds)} ms beyond a test's."
                for size, seconds in results.more
            ),
            "",
            *_table(
                ("", "tests of nothing, ms", "audit, ms", "ratio"),
                [
                    (
                        x.what,
                        f"{1000 * x.nothing:.0f}",
                        f"{1000 * x.audit:.0f}",
                        f"{x.audit / x.nothing:.2f}" if x.nothing > 0.02 else "",
                    )
                    for x in results.commands
                ],
            ),
            "",
            "## Starting up",
            "",
            "A run of pytest from the start to the end of its process, with no other plugin and",
            "without the garbage collection at pytest's end.",
            f"Importing the plugin takes {_ms(results.import_seconds)} ms where it isn't used.",
            "",
            *_table(
                ("run", "ms", "times the first", "peak memory"),
                [
                    (
                        x.what,
                        f"{1000 * x.seconds:.0f}",
                        f"{x.seconds / results.start_ups[0].seconds:.2f}",
                        f"{x.memory / (1 << 20):.0f} MB",
                    )
                    for x in results.start_ups
                ],
            ),
            "",
        ]
    )


def _once_and_each(results: Results) -> list[str]:
    """Return what of an audit's cost is the same for any fleet."""
    found = results.once_and_each("netlink")
    if found is None:
        return []
    text = "So an audit by netlink takes {} ms for any fleet, and {} ms for each container of it."
    lines = [text.format(*map(_ms, found))]
    if results.answers is not None:
        lines.append(
            f"The engine alone, over a bare connection, takes {_ms(results.answers)} ms to answer "
            f"a ping, the list of {results.audits[0].containers}, and one image."
        )
    return [*lines, ""]


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    right = ["---", *["---:"] * (len(heading) - 1)]
    return [f"| {' | '.join(x)} |" for x in (heading, right, *rows)]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2g}" if seconds < 0.01 else f"{1000 * seconds:,.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"
