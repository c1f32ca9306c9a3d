"""The results as a picture: bars of the ways, and lines of the audit's growth, both logarithmic."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from math import ceil, floor, log10

from benchmarks.measured import Results

_WIDTH, _LABELS, _BAR, _GAP = 900, 380, 18, 26
_FONT = 'font-family="sans-serif" font-size="13"'
_COLOURS = {"netlink": "#1a7f37", "procfs": "#0969da", "helper": "#9a6700", "exec": "#cf222e"}


def svg(results: Results) -> str:
    """Return the picture."""
    ways = [x for x in results.ways if x.seconds is not None]
    top = _GAP * (len(ways) + 2)
    height = top + 300
    parts = [*_bars(results), *_lines(results, top + 40, 220)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" {_FONT}>',
            f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _bars(results: Results) -> Iterator[str]:
    """Yield a bar for each way, its length the logarithm of its milliseconds."""
    yield _text(8, 18, "ms a container (logarithmic)", weight="bold")
    found = [(x.name.replace("`", ""), 1000 * x.seconds) for x in results.ways if x.seconds]
    low = floor(log10(min(x for _, x in found)) - 0.5)
    high = log10(max(x for _, x in found))
    room = _WIDTH - _LABELS - 90
    for number, (name, value) in enumerate(found):
        y = _GAP * (number + 1) + 8
        length = room * (log10(value) - low) / (high - low)
        colour = _COLOURS["netlink"] if number == 0 else "#8c959f"
        yield _text(8, y + 14, name)
        yield (
            f'<rect x="{_LABELS}" y="{y}" width="{length:.0f}" height="{_BAR}" fill="{colour}"/>'
        )
        yield _text(_LABELS + length + 6, y + 14, f"{value:.2g}" if value < 10 else f"{value:,.0f}")


def _lines(results: Results, top: int, height: int) -> Iterator[str]:
    """Yield a line for each source: milliseconds a container over the number of containers."""
    yield _text(
        8,
        top - 14,
        "an audit's ms a container (logarithmic), by the number of containers",
        weight="bold",
    )
    points = [(x.source, x.containers, 1000 * x.whole / x.containers) for x in results.audits]
    positive = [x for _, _, x in points if x > 0]
    low, high = floor(log10(min(positive))), ceil(log10(max(positive)))
    most = max(x for _, x, _ in points)
    left, room = 60, _WIDTH - 180

    def place(containers: int, value: float) -> tuple[float, float]:
        share = (log10(max(value, 10**low)) - low) / (high - low)
        return left + room * containers / most, top + height * (1 - share)

    for power in range(low, high + 1):
        _, y = place(0, 10**power)
        yield f'<path d="M{left} {y:.0f}H{left + room}" stroke="#d0d7de"/>'
        yield _text(8, y + 4, f"{10**power:g}")
    for size in sorted({x for _, x, _ in points}):
        x, y = place(size, 10**low)
        yield _text(x - 8, y + 18, str(size))
    for source, colour in _COLOURS.items():
        own = [place(n, value) for name, n, value in points if name == source]
        if own:
            path = "L".join(f"{x:.0f} {y:.0f}" for x, y in own)
            yield f'<path d="M{path}" stroke="{colour}" fill="none" stroke-width="2"/>'
            yield _text(own[-1][0] + 8, own[-1][1] + 4, source, colour=colour)


def _text(x: float, y: float, text: str, *, weight: str = "normal", colour: str = "#1f2328") -> str:
    place = f'x="{x:.0f}" y="{y:.0f}"'
    return f'<text {place} font-weight="{weight}" fill="{colour}">{escape(text)}</text>'
