"""A page read as a browser reads it, as far as these tests ask: elements, attributes, texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

Record = dict[str, Any]
"""A record as a test makes one: with what it is about, and anything in the other fields."""

VOID = {"meta", "link", "col", "input", "br", "wbr", "hr", "img"}
# What ends where another one begins: HTML lets a page leave out the end of a cell.
CELLS = {"td", "th"}
BLOCKS = {"table", "tr", "tbody"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    """Its own and its children's, in order."""

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()

    def walk(self) -> Iterator[Element]:
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str, kind: str = "") -> list[Element]:
        """Return the elements within of a tag, and of a class."""
        return [x for x in self.walk() if x.tag == tag and (not kind or kind in x.classes)]

    def one(self, tag: str, kind: str = "") -> Element:
        (found,) = self.all(tag, kind)
        return found

    def by_id(self, name: str) -> Element:
        (found,) = (x for x in self.walk() if x.attributes.get("id") == name)
        return found

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the tags and the names of attributes: what no text may change."""
        return [(x.tag, tuple(x.attributes)) for x in self.walk()]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in CELLS and self._open[-1].tag in CELLS:
            self._open.pop()
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {tag} {attrs}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._open[-1].tag in CELLS:
            self._open.pop()
        assert self._open[-1].tag == tag, f"</{tag}> ends <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")


def read(text: str) -> Element:
    """Return a page's root; AssertionError where its elements don't nest."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert reader._open == [reader.root], "what is open at the end"
    return reader.root
