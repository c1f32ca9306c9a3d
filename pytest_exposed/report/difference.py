"""How two sets of ports differ, in lines for a failed assertion."""

from __future__ import annotations

from pytest_exposed.errors import PortError
from pytest_exposed.model.ports import Ports


def difference(op: str, left: object, right: object) -> list[str] | None:
    """Return why `left op right` does not hold, None where that is no matter of ports."""
    try:
        if op in ("in", "not in") and isinstance(right, Ports):
            asked = Ports.parse(left)  # type: ignore[arg-type]  # it has been asked already
            first = f"{asked} {op} {right!r}"
            missing = asked - right
            return [first, f"not among them: {missing}" if missing else "all of it is among them"]
        one, other = Ports.parse(left), Ports.parse(right)  # type: ignore[arg-type]  # as compared
    except PortError:
        return None
    lines = [f"{one!r} {op} {other!r}"]
    if one - other:
        lines.append(f"only left:  {one - other}")
    if other - one:
        lines.append(f"only right: {other - one}")
    if one == other:
        lines.append("both are the same")
    return lines
