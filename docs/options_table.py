"""The table of options and settings in reference/options.md, from the plugin's own table.

`python docs/options_table.py` writes it; a test says when that is due.
"""

from __future__ import annotations

from pathlib import Path

from pytest_exposed.plugin.options import OPTIONS, Option

PAGE = Path(__file__).parent / "reference" / "options.md"
_BEGIN, _END = "<!-- generated: -->\n\n", "\n<!-- :generated -->"


def table() -> str:
    """Return the rows of all options, in the order of `pytest --help`."""
    rows = [
        "| option | setting | meaning |",
        "|---|---|---|",
        "| `--exposed` | `exposed` | audit every running container: one test for each |",
        *map(_row, OPTIONS),
        "| `--exposed-rules` | | print the rules, why they matter and what to do, and exit |",
    ]
    return "".join(f"{x}\n" for x in rows)


def page(text: str) -> str:
    """Return the page with the table in its place."""
    before, _, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    return before + _BEGIN + table() + end + after


def _row(row: Option) -> str:
    # A value in quotation marks may begin with "-", as `docker run`'s do: after "=" alone.
    between = "=" if row.metavar.startswith('"') else " "
    option = f"`{row.flag}{between}{row.metavar}`".replace("|", "\\|") if row.help else ""
    if row.repeatable:
        option += ", repeatable"
    setting = f"`exposed_{row.name}`" if row.setting else ""
    meaning = (row.help or row.setting).replace("; repeatable", "").replace("|", "\\|")
    return f"| {option} | {setting} | {_literal(meaning)} |"


def _literal(words: str) -> str:
    """Return a help text for Markdown: a `#` or `*` in it is none of Markdown's."""
    return words.replace("*", "\\*").replace("<", "\\<")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
