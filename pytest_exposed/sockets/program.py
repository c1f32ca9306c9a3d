"""What an interpreter runs, by its command line: a main class, a module, a script. Pure.

Names such as java or python3 don't identify a service. No other argument is shown, and no value of
an unknown option: they can be passwords and tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_exposed.values import dataclass

LIMIT = 4096
"""Bytes of a command line that are read: the program of an interpreter comes early."""

_COMM = 15
"""Characters of a name that the kernel keeps: TASK_COMM_LEN of linux/sched.h minus the zero."""

_INTERPRETER = re.compile(
    r"(java|python|pypy|node|nodejs|ruby|perl|php|dotnet|beam\.smp|sh|bash|dash|ash)[\d.]*"
)


@dataclass(frozen=True, slots=True)
class _Options:
    """Options of an interpreter before its program, from its manual, such as java(1).

    The search ends at any other option: its value or an argument can be a secret.
    """

    flags: str
    """Options without a value, or with an attached one."""
    valued: str = r"(?!)"
    """Options with a value in the next word."""
    names: str = r"(?!)"
    """Options with the program in the next word."""
    attached: str = ""
    """The option to which the program's name can be attached."""
    program: str = r"\S+"
    """The form of any other word that is the program."""


_SHELL = _Options(
    flags=r"[-+][abefhiklmnprtuvxBCDEHPT]+"
    r"|--(debugger|dump-strings|login|noediting|noprofile|norc|posix|restricted|verbose|)",
    valued=r"[-+][a-bd-np-rt-zA-Z]*[oO]|--(rcfile|init-file)",
)
_OPTIONS = {
    # Other options can stand between -jar and the file.
    "java": _Options(
        flags=r"-(D|X|ea|da|enable|disable|agent|javaagent|verbose|splash:)\S*"
        r"|-(server|client|esa|dsa|jar)|-?-(enable-preview|show-version|showversion)|@\S+",
        valued=r"-cp|-classpath|--class-path|-p|--module-path|--upgrade-module-path|--source"
        r"|--(add-(modules|exports|opens|reads)|limit-modules|patch-module|enable-native-access)",
        names=r"-m|--module",
    ),
    "python": _Options(
        flags=r"-[bBdEiIOPqRsStuvx3]+|-[WX]\S+|--",
        valued=r"-[WX]|--check-hash-based-pycs",
        names=r"-[bBdEiIOPqRsStuvx3]*m",
        attached="-m",
    ),
    # Many of its options have a value: behind one, only a script's file name is the program.
    "node": _Options(
        flags=r"inspect|--\S+",
        valued=r"-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file",
    ),
    "ruby": _Options(
        flags=r"-[alnpswvSUy]+|-[0CEFIKTWirx]\S+|--((en|dis)able-|y?jit)[a-z-]*",
        valued=r"-[CEIr]|--((ex|in)ternal-)?encoding|--(en|dis)able",
    ),
    "perl": _Options(flags=r"-[aflnpsStTuUwWX]+|-[CDFIMVdimx]\S+|-[0l][0-7]*|--", valued=r"-I"),
    "php": _Options(
        flags=r"-[aCeHhilnqsvw]+|-[cdz]\S+|--(no-php-ini|no-header|interactive|syntax-check)",
        valued=r"-[cdzSt]|--(define|php-ini|zend-extension|server|docroot)",
        names=r"-f|--file",
    ),
    "dotnet": _Options(flags=r"-\S+|[^-]\S*(?<!\.dll)", program=r"\S+\.dll"),
}
_SCRIPT = re.compile(r"\.(js|mjs|cjs|ts)$")
_NAME = re.compile(r"[\w.$@+/-]+")
_COMMON = ("__main__", "index", "main", "server", "app", "start", "run")
"""Names of scripts that say as little as the interpreter's."""


def full_name(comm: str, words: Sequence[str]) -> str:
    """Return the name of a process; its words complete a name that the kernel has cut off."""
    name = PurePosixPath(words[0]).name if words else ""
    is_cut = (
        len(comm.encode()) >= _COMM and name.startswith(comm) and re.fullmatch(r"[\w.+-]+", name)
    )
    return name if is_cut else comm


def program_of(words: Sequence[str]) -> str:
    """Return the program that an interpreter's command line runs; empty for other command lines."""
    match = _INTERPRETER.fullmatch(PurePosixPath(words[0]).name) if words else None
    if match is None:
        return ""
    kind, rest = match[1], [x for x in words[1:] if x]
    kind = {"pypy": "python", "nodejs": "node"}.get(kind, kind)
    found = _of_beam(rest) if kind == "beam.smp" else _of_interpreter(kind, rest)
    return found if _NAME.fullmatch(found) else ""


def _of_interpreter(kind: str, words: Sequence[str]) -> str:
    options = _OPTIONS.get(kind, _SHELL)
    unsure = False
    rest = iter(words)
    for word in rest:
        if options.attached and word.startswith(options.attached) and word != options.attached:
            return word.removeprefix(options.attached)
        if re.fullmatch(options.names, word):
            return _shown(next(rest, ""))
        if re.fullmatch(options.valued, word):
            next(rest, "")
        elif re.fullmatch(options.flags, word) or (word.startswith("--") and "=" in word):
            alone = "=" in word or word.startswith("--no-")
            unsure = unsure or (kind == "node" and not alone and word.startswith("-"))
        elif not word.startswith("-") and re.fullmatch(options.program, word):
            return _shown(word) if not unsure or _SCRIPT.search(word) else ""
        elif not unsure:
            return ""
    return ""


def _shown(name: str) -> str:
    """Return the name of a class, module or script, with its folder if the name says little."""
    if name.startswith("-"):
        return ""
    found = PurePosixPath(name)
    parent = found.parent.name
    return f"{parent}/{found.name}" if found.stem in _COMMON and parent else found.name


def _of_beam(words: Sequence[str]) -> str:
    """Return the module that Erlang starts first: erl(1)."""
    words = words[: words.index("-extra")] if "-extra" in words else words
    for option in ("-s", "-run"):
        if option in words[:-1]:
            return words[words.index(option) + 1]
    return ""
