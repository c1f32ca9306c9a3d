"""What an interpreter runs, by its command line: a main class, a module, a script. Pure.

A name such as java or python3 tells nobody whose port it is. All other arguments are left out: they
hold passwords and tokens. What may be the value of an unknown option is left out, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

LIMIT = 4096
"""Bytes of a command line that are read: what an interpreter runs comes early."""

_COMM = 15
"""Characters of a name that the kernel keeps: TASK_COMM_LEN of linux/sched.h, less the zero."""

_INTERPRETER = re.compile(
    r"(java|python|pypy|node|nodejs|ruby|perl|php|dotnet|beam\.smp|sh|bash|dash|ash)[\d.]*"
)


@dataclass(frozen=True, slots=True)
class _Options:
    """Options of an interpreter that come before what it runs: its manual, java(1) or the like."""

    names: re.Pattern[str] = re.compile(r"(?!)")
    """The next word is what it runs."""
    code: re.Pattern[str] = re.compile(r"(?!)")
    """The next word is a program's text."""
    valued: frozenset[str] = frozenset()
    """The next word is a value."""


_SHELL = _Options(code=re.compile("-[a-z]*c[a-z]*"))
_JAVA_PATHS = ("-cp", "-classpath", "--class-path", "-p", "--module-path", "--upgrade-module-path")
_JAVA_MODULES = ("--add-modules", "--add-exports", "--add-opens", "--add-reads", "--patch-module")
_OPTIONS = {
    "java": _Options(
        re.compile("-jar|-m|--module"), valued=frozenset((*_JAVA_PATHS, *_JAVA_MODULES))
    ),
    "python": _Options(
        re.compile("-[a-zA-Z]*m"),
        re.compile("-[a-zA-Z]*c"),
        frozenset({"-W", "-X", "--check-hash-based-pycs"}),
    ),
    "node": _Options(code=re.compile("-e|-p|-pe|--eval|--print")),
    "ruby": _Options(code=re.compile("-[a-z0-9]*e"), valued=frozenset({"-I", "-r", "-C", "-E"})),
    "perl": _Options(code=re.compile("-[a-zA-Z0-9]*[eE]"), valued=frozenset({"-I"})),
    "php": _Options(re.compile("-f"), re.compile("-r"), frozenset({"-d", "-c", "-z", "-S", "-t"})),
}
_SCRIPT = re.compile(r"\.(js|mjs|cjs|ts)$")
_NAME = re.compile(r"[\w.$@+/-]+")
_COMMON = ("__main__", "index", "main", "server", "app", "start", "run")
"""Names of scripts that tell as little as the interpreter's does."""


def full_name(comm: str, words: Sequence[str]) -> str:
    """Return the name of a process, with what the kernel has cut off where the words have it."""
    name = PurePosixPath(words[0]).name if words else ""
    is_cut = len(comm.encode()) >= _COMM and name.startswith(comm) and _NAME.fullmatch(name)
    return name if is_cut else comm


def program_of(words: Sequence[str]) -> str:
    """Return what the words of a command line run; empty where that is no interpreter's."""
    match = _INTERPRETER.fullmatch(PurePosixPath(words[0]).name) if words else None
    if match is None:
        return ""
    kind, rest = match[1], [x for x in words[1:] if x]
    kind = {"pypy": "python", "nodejs": "node"}.get(kind, kind)
    found = _of_beam(rest) if kind == "beam.smp" else _of_interpreter(kind, rest)
    return found if _NAME.fullmatch(found) else ""


def _of_interpreter(kind: str, words: Sequence[str]) -> str:
    options = _OPTIONS.get(kind, _SHELL)
    # Node has many options with a value: behind one, only what is called a script is one.
    unsure = False
    rest = iter(words)
    for word in rest:
        if options.names.fullmatch(word):
            return _shown(next(rest, ""))
        if options.code.fullmatch(word):
            break
        if word in options.valued:
            next(rest, "")
        elif word.startswith(("-", "@")):
            unsure = unsure or (kind == "node" and "=" not in word)
        elif not unsure or _SCRIPT.search(word):
            return _shown(word)
    return ""


def _shown(name: str) -> str:
    """Return a class, a module or a script's name, with its folder where that tells more."""
    if name.startswith("-"):
        return ""
    found = PurePosixPath(name)
    parent = found.parent.name
    return f"{parent}/{found.name}" if found.stem in _COMMON and parent else found.name


def _of_beam(words: Sequence[str]) -> str:
    """Return the module that Erlang starts with: erl(1)."""
    for option in ("-s", "-run"):
        if option in words[:-1]:
            return words[words.index(option) + 1]
    return ""
