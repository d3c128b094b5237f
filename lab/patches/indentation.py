# SPDX-License-Identifier: GPL-2.0-only
"""The white space that code implies: what a line has before it, seen from those above.

The rules are those of Documentation/process/coding-style.rst, "Indentation" and
"Breaking long lines and strings".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

TAB = 8
#: Lines above that are looked at for an open brace: the longest functions have some more.
_FURTHEST = 1500
_LONGEST_LINE = 1000
#: Lines of a statement, or of a comment.
_STATEMENT = 40
_CONTROL = re.compile(
    r"(?:\} *)?(?:else\b|do\b|(?:else )?if\b|for\b|while\b|switch\b|\w*for_each\w*)"
)
_LABEL = re.compile(r"[A-Za-z_]\w*:(?!:)")
_CASE = re.compile(r"(?:case\b.*|default *):")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_COMMENT = re.compile(r"/\*.*?\*/|//.*")
_GOES_ON = re.compile(r"(?:[=&|+?\\]|(?<!-)-|(?<!\*/)(?<!\*)(?<=\s)\*)$")

#: An indentation, and how unlikely it is: 0 is what the rules say.
Choice = tuple[str, float]


def white(line: str) -> str:
    """What a line has before its first character."""
    return line[: len(line) - len(line.lstrip())]


def width(text: str) -> int:
    """The columns that a text takes up."""
    return len(text.expandtabs(TAB))


def tabbed(columns: int) -> str:
    """So many columns in as many tabs as fit, as the kernel's files have them."""
    return "\t" * (columns // TAB) + " " * (columns % TAB)


def choices(above: Sequence[str], text: str, below: str | None, *, c: bool = True) -> list[Choice]:
    """What may stand before ``text`` (stripped), the likeliest first.

    Args:
        above: The lines of the file above it, as they are after the patch.
        below: The first line below it that is known.
        c: Whether the file is C: others have no rules, but neighbours.
    """
    last = next((line for line in reversed(above[-_STATEMENT:]) if line.strip()), "")
    found = _of_c(above, text) if c else []
    found.append((white(last), 1.0 if c else 0.0))
    if below is not None:
        found.append((white(below), 1.2 if c else 0.5))
    level = tabbed(width(found[0][0]) // TAB * TAB)
    found += [(level + "\t", 1.6), (level[:-1], 1.8), ("", 3.0)]
    return _first_of_each(found)


def _first_of_each(found: Sequence[Choice]) -> list[Choice]:
    cheapest: dict[str, float] = {}
    for indent, cost in found:
        cheapest[indent] = min(cost, cheapest.get(indent, cost))
    return sorted(cheapest.items(), key=lambda choice: choice[1])


def _of_c(above: Sequence[str], text: str) -> list[Choice]:
    if (comment := _open_comment(above)) is not None:
        return _in_comment(comment, above[-1], text)
    if text.startswith("#"):
        return [("", 0.0)]
    if _LABEL.fullmatch(text) and text != "default:":
        return [("", 0.0), (" ", 0.8)]
    if (bracket := _open_bracket(above)) is not None:
        return _continued(above, *bracket)
    return [(_level(above, text), 0.0)]


def _open_comment(above: Sequence[str]) -> str | None:
    """The line that a comment begins in which is not closed yet."""
    for line in reversed(above[-_STATEMENT:]):
        opens, closes = line.rfind("/*"), line.rfind("*/")
        if closes > opens:
            return None
        if opens >= 0:
            return line
    return None


def _in_comment(begin: str, last: str, text: str) -> list[Choice]:
    start = white(begin)
    if not begin.lstrip().startswith("/*"):
        start = tabbed(width(begin[: begin.rfind("/*")]))
    found = [(start + " ", 0.0)] if text.startswith("*") else [(start + "   ", 0.0)]
    return [*found, (white(last), 0.5)]


@lru_cache(maxsize=50_000)
def bare(line: str) -> str:
    """A line of C with its strings and comments blanked out, as long as before."""
    blanked = line
    if len(line) > _LONGEST_LINE:
        # A table of numbers; the patterns would take a time that grows with its square.
        return line.rstrip()
    for pattern in (_STRING, _COMMENT):
        blanked = pattern.sub(lambda found: "_" * len(found[0]), blanked)
    # What is left of a blanked comment at the end is no code.
    return blanked.rstrip("_").rstrip() if _COMMENT.search(line) else blanked.rstrip()


def _ends_statement(code: str) -> bool:
    return code.endswith((";", "{", "}", ":"))


def _open_bracket(above: Sequence[str]) -> tuple[int, int] | None:
    """Index and column of the innermost parenthesis that is open."""
    depth = 0
    for at in range(len(above) - 1, max(len(above) - 1 - _STATEMENT, -1), -1):
        code = bare(above[at])
        if at < len(above) - 1 and (_ends_statement(code) or above[at].startswith("#")):
            return None
        for column in range(len(code) - 1, -1, -1):
            if code[column] == ")":
                depth += 1
            elif code[column] == "(":
                if not depth:
                    return at, column
                depth -= 1
    return None


def _continued(above: Sequence[str], at: int, column: int) -> list[Choice]:
    start = white(above[_statement(above, at)])
    code = bare(above[at])
    aligned = tabbed(width(above[at][: column + 1]))
    ends_open = column == len(code) - 1
    tabs = [(start + "\t", 0.6), (start + "\t\t", 0.7), (start + "    ", 0.9)]
    found = [(aligned, 1.2 if ends_open else 0.0), *tabs]
    # As the line above, where that goes on too.
    if at < len(above) - 1:
        found.append((white(above[-1]), 0.0 if white(above[-1]) == aligned else 0.3))
    return [*found, (" " * width(aligned), 1.5)]


def _statement(above: Sequence[str], at: int) -> int:
    """The index of the first line of the statement that the line at ``at`` is in."""
    depth = 0
    for index in range(at, max(at - _STATEMENT, -1), -1):
        code = bare(above[index])
        depth += code.count(")") - code.count("(")
        before = bare(above[index - 1]).rstrip() if index else ""
        if depth <= 0 and not _GOES_ON.search(before):
            return index
    return at


def _level(above: Sequence[str], text: str) -> str:
    last = _last_code(above)
    if last is None:
        return ""
    code = bare(above[last])
    begin = _statement(above, last)
    start = white(above[begin])
    if _GOES_ON.search(code):
        return start if code.endswith("\\") else start + "\t"
    brace = _open_brace(above)
    if text.startswith("}"):
        return "" if brace is None else white(above[_statement(above, brace)])
    if _is_control(above, begin, last):
        return start if text.startswith("{") else start + "\t"
    if brace is None:
        return ""
    opened = white(above[_statement(above, brace)])
    if _CASE.match(text) and not _CASE.match(above[last].strip()):
        return opened if "switch" in above[brace] else start
    if text.startswith("else") and code.endswith(";"):
        return _owner(above, begin, start)
    return opened + "\t"


def _last_code(above: Sequence[str]) -> int | None:
    """The index of the last line that is code, and not a comment."""
    inside = False
    for at in range(len(above) - 1, max(len(above) - 1 - 2 * _STATEMENT, -1), -1):
        line = above[at].strip()
        if inside:
            inside = "/*" not in line
        elif line.endswith("*/") and "/*" not in line:
            inside = True
        elif line and not line.startswith(("/*", "//", "#")):
            return at
    return None


def _is_control(above: Sequence[str], begin: int, last: int) -> bool:
    """Whether the next statement is the body of this one, which has no brace."""
    code = bare(above[last])
    if not _CONTROL.match(above[begin].strip()) or code.endswith((";", "{", "}", ":")):
        return False
    return code.endswith(")") or bool(re.search(r"(?:else|do)$", code))


def _owner(above: Sequence[str], begin: int, start: str) -> str:
    """The indentation of the ``if`` whose body without braces has just ended."""
    for at in range(begin - 1, max(begin - _STATEMENT, -1), -1):
        if above[at].strip() and width(white(above[at])) < width(start):
            return white(above[_statement(above, at)])
    return start


def _open_brace(above: Sequence[str]) -> int | None:
    """The index of the line whose brace is the innermost that is open."""
    depth = 0
    for at in range(len(above) - 1, max(len(above) - 1 - _FURTHEST, -1), -1):
        line = above[at]
        if "{" not in line and "}" not in line:
            continue
        depth, opened = _braces(bare(line), depth)
        if opened:
            return at
        if line.startswith("}") and depth == 1:
            # A function ends here: nothing above it is open.
            return None
    return None


def _braces(code: str, depth: int) -> tuple[int, bool]:
    """How many braces have to be opened above the line, and whether one is open in it."""
    for char in reversed(code):
        if char == "}":
            depth += 1
        elif char == "{":
            if not depth:
                return depth, True
            depth -= 1
    return depth, False


def aligned(text: str, neighbour: str) -> str | None:
    """``text`` with tabs where ``neighbour`` has them between its words, or None."""
    head, tabs, _ = _split_at_tabs(neighbour.strip())
    words = text.split(" ")
    count = len(head.split())
    if not tabs or len(words) <= count:
        return None
    begin = " ".join(words[:count])
    indent = width(white(neighbour))
    goal = width(white(neighbour) + head + tabs) - indent
    used = width(begin)
    missing = max(-(-(goal - used // TAB * TAB) // TAB), 1)
    return begin + "\t" * missing + " ".join(words[count:])


def _split_at_tabs(text: str) -> tuple[str, str, str]:
    match = re.match(r"([^\t]*)(\t+)(.*)", text)
    return (match[1].rstrip(), match[2], match[3]) if match else (text, "", "")
