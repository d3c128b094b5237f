# SPDX-License-Identifier: GPL-2.0-only
"""What an added line may have been before its white space was eaten."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lab.patches.alignment import Added
from lab.patches.damaged import DamagedLine
from lab.patches.indentation import TAB, aligned, choices, tabbed, white, width
from lab.patches.layout import Layout

#: Options of a line, the likeliest.
_MOST = 12


@dataclass(frozen=True)
class Option:
    """A line as it may have been, how unlikely that is, and what was guessed."""

    text: str
    cost: float
    said: str


@dataclass(frozen=True)
class Style:
    """How the text of a hunk shows the indentation that its file has.

    ``tab`` is how many spaces a tab has become, 0 where indentation is lost, None
    where tabs are tabs.  ``sign`` is 1 where the sign of the line took up a column
    of the first one.
    """

    tab: int | None
    sign: int = 0
    c: bool = True

    def shown(self, indent: str) -> int:
        """The columns that an indentation of the file has in the text."""
        if self.tab == TAB:
            return width(indent) - (self.sign if indent.startswith("\t") else 0)
        return indent.count("\t") * (self.tab or 1) + indent.count(" ")

    def indent(self, given: str) -> str | None:
        """The likeliest indentation of a line of the text that has ``given``; None if lost."""
        if self.tab is None:
            return white(given)
        if not self.tab:
            return None
        columns = width(white(given))
        if self.tab == TAB:
            return tabbed(columns + (self.sign if columns >= TAB - 1 else 0))
        return "\t" * (columns // self.tab) + " " * (columns % self.tab)

    def allows(self, indent: str, given: str) -> bool:
        """Whether the text would show ``indent`` as ``given``."""
        if self.tab is None:
            return indent == white(given)
        return not self.tab or self.shown(indent) == width(white(given))

    def tabs(self, given: str, begin: int, end: int) -> int:
        """How many tabs the spaces between two columns of the text may have been."""
        if self.tab != TAB:
            return max((end - begin) // (self.tab or TAB), 1)
        start = width(white(given)) + self.sign
        return max((start + end) // TAB - (start + begin) // TAB, 1)


_STYLES = (Style(None), Style(TAB), Style(TAB, 1), Style(4), Style(2), Style(1))


def style_of(layout: Layout, lines: Sequence[str], *, c: bool) -> Style:
    """How the hunk has its indentation, told by the lines that its file has too."""
    parts = [part for part in layout.alignment.parts if part.given and part.given[0].text.strip()]
    added = [white(part.given[0].text) for part in parts if isinstance(part, Added)]
    pairs = [
        (part.given[0].text, white(lines[part.at])) for part in parts if not isinstance(part, Added)
    ]
    told = any(width(given) > 1 for given in added) or any(width(white(g)) > 1 for g, _ in pairs)
    if told and any(had for _, had in pairs):
        for style in _STYLES:
            if all(style.allows(had, given) for given, had in pairs):
                return replace(style, c=c)
    return Style(0, c=c)


def options(part: Added, style: Style, above: Sequence[str], below: str | None) -> list[Option]:
    """What an added line may have been, the likeliest first.

    Args:
        above: The lines of the file above it, as they are after the patch.
        below: The first line below it that the file has too.
    """
    if not any(given.text.strip() for given in part.given):
        return [Option("", 0.0, "")]
    found: dict[str, Option] = {}
    for body, cost, said in _bodies(part, style, above[-1] if above else ""):
        for indent, more, how in _indents(part, style, above, body.rstrip(), below):
            option = Option(indent + body, cost + more, "; ".join(filter(None, (how, said))))
            if option.text not in found or found[option.text].cost > option.cost:
                found[option.text] = option
    return sorted(found.values(), key=lambda option: option.cost)[:_MOST]


def _indents(
    part: Added, style: Style, above: Sequence[str], body: str, below: str | None
) -> Iterator[tuple[str, float, str]]:
    given = part.given[0].text
    told = style.indent(given)
    if told is not None:
        said = "" if style.tab is None else f"indented by {_told(told)}, as the text has it"
        yield told, 0.1, said
    for indent, cost in choices(above, body, below, c=style.c):
        if style.tab is None and indent == told:
            continue
        more = 0.0 if style.allows(indent, given) else 2.0
        yield indent, cost + more, f"indented by {_told(indent)}, as the lines around it imply"


def _told(indent: str) -> str:
    tabs, spaces = indent.count("\t"), indent.count(" ")
    said = [f"{n} {name}{'s' * (n > 1)}" for n, name in ((tabs, "tab"), (spaces, "space")) if n]
    return " and ".join(said) or "nothing"


def _bodies(part: Added, style: Style, neighbour: str) -> Iterator[tuple[str, float, str]]:
    """What the line may have behind its indentation."""
    pieces = [given.text.strip() for given in part.given]
    said = "joined with the line below, where it was wrapped" if len(pieces) > 1 else ""
    said = "; ".join(filter(None, (said, _read(part.given))))
    body = " ".join(pieces)
    yield body, 0.0, said
    if len(pieces) > 1:
        yield "".join(pieces), 1.0, f"{said}, without a space"
    for other, cost, how in _respaced(body, part.given[0].text, style, neighbour):
        yield other, cost, "; ".join(filter(None, (said, how)))
    kept = part.given[-1].text.lstrip()
    if len(pieces) == 1 and kept != body:
        yield kept, 2.5, "; ".join(filter(None, (said, "with the white space at its end")))


def _read(given: Sequence[DamagedLine]) -> str:
    said = []
    if any(line.decoded for line in given):
        said.append("HTML characters read as what they stand for")
    if any(re.search(r"@x{3,}", line.text) for line in given):
        said.append("the address is blotted out, and stays so")
    return "; ".join(said)


def _respaced(
    body: str, given: str, style: Style, neighbour: str
) -> Iterator[tuple[str, float, str]]:
    if style.tab is None:
        return
    if "  " in body:
        yield _with_tabs(body, given, style), -0.4, "tabs for the spaces between its words"
    if (lined := aligned(body, neighbour)) is not None:
        alike = body.split(" ")[0] == neighbour.split()[0]
        cost = -0.3 if alike else 0.5
        yield lined, cost, "tabs between its words, as the line above has them"
    if body.startswith(("*", "/*")) and ". " in body:
        yield re.sub(r"\. +(?=\S)", ".  ", body), 1.5, "two spaces after a full stop"


def _with_tabs(body: str, given: str, style: Style) -> str:
    return re.sub(r" {2,}", lambda run: "\t" * style.tabs(given, run.start(), run.end()), body)
