# SPDX-License-Identifier: GPL-2.0-only
"""What the lines of a C file are, told from its text alone: no compiler keeps what it dropped.

No preprocessor runs: a macro's call is taken for a function's, or for a loop where a block
follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<comment>/\*.*?(?:\*/|\Z)|//[^\n]*)
  | (?P<directive>^[ \t]*\#(?:[^\n\\]|\\\n|\\)*)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
  | (?P<word>\w+)
  | (?P<sign>[^\s\w])
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_TYPES = frozenset(
    (
        "auto", "bool", "char", "const", "double", "enum", "extern", "float", "int", "long",
        "register", "short", "signed", "static", "struct", "typedef", "union", "unsigned",
        "void", "volatile", "typeof", "__typeof__",
    )
)  # fmt: skip
_HEADS = frozenset(("if", "while", "for", "switch"))
_JUMPS = frozenset(("goto", "return", "break", "continue"))
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


class Token(NamedTuple):
    """A word or sign, and the line that it is on."""

    text: str
    line: int


@dataclass
class Statement:
    """A statement of a function.

    Attributes:
        kind: "if", "loop", "switch", "block", "label", "jump", "declaration", or "simple".
        first, last: Its lines; of what has a body, of its head.
        arms: What its body is: of an ``if`` also what is behind ``else``, if there is that.
        target: Of a ``goto``, the label; of a label, its name.
    """

    kind: str
    first: int
    last: int
    arms: list[list[Statement]] = field(default_factory=list)
    target: str = ""
    parent: Statement | None = None
    siblings: list[Statement] = field(default_factory=list, repr=False)

    def everything(self) -> Iterator[Statement]:
        """It, and all in it."""
        yield self
        for arm in self.arms:
            for each in arm:
                yield from each.everything()


@dataclass(frozen=True)
class Function:
    """A function's body.

    Attributes:
        first, last: The lines of its braces.
    """

    name: str
    first: int
    last: int
    statements: tuple[Statement, ...]

    def everything(self) -> Iterator[Statement]:
        """All its statements."""
        for each in self.statements:
            yield from each.everything()

    def statement_at(self, line: int) -> Statement | None:
        """The innermost whose own text is on a line; a declaration only where nothing else is."""
        found = [each for each in self.everything() if each.first <= line <= each.last]
        found = [each for each in found if each.kind not in ("block", "label")]
        return found[-1] if found else None

    def after_label(self, name: str) -> Iterator[Statement]:
        """What runs from a label on, in the order of the text."""
        seen = False
        for each in self.everything():
            seen = seen or (each.kind == "label" and each.target == name)
            if seen and each.kind not in ("block", "label"):
                yield each


@dataclass(frozen=True)
class SourceText:
    """A file's functions, and which of its lines have anything that is code in C."""

    functions: tuple[Function, ...]
    worded: frozenset[int]

    def function_at(self, line: int) -> Function | None:
        """The function in whose body a line is."""
        return next((each for each in self.functions if each.first <= line <= each.last), None)

    def is_code(self, line: int) -> bool:
        """Whether a line is, or is part of, a statement that does something."""
        function = self.function_at(line)
        if function is None or line not in self.worded:
            return False
        statement = function.statement_at(line)
        return statement is not None and statement.kind != "declaration"


def read_source(text: str) -> SourceText:
    """The functions of a C file."""
    tokens = _Text(tuple(_tokens(text)))
    bare = {"{", "}", "else", "do", ";"}
    worded = frozenset(token.line for token in tokens.all if token.text not in bare)
    return SourceText(tuple(_functions(tokens)), worded)


def _tokens(text: str) -> Iterator[Token]:
    line, at = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match.lastgroup in ("word", "sign", "string"):
            yield Token(match[0], line)


@dataclass(frozen=True)
class _Text:
    """All tokens of a file, and where what is opened is closed."""

    all: tuple[Token, ...]

    @cached_property
    def _closed(self) -> dict[int, int]:
        found, opened = {}, []
        for at, token in enumerate(self.all):
            if token.text in _OPEN:
                opened.append(at)
            elif token.text in _CLOSE and opened:
                found[opened.pop()] = at
        return found

    def end_of(self, at: int) -> int:
        """The place of what closes the bracket at a place; the end where nothing does."""
        return self._closed.get(at, len(self.all))

    def line(self, at: int) -> int:
        return self.all[min(at, len(self.all) - 1)].line


def _functions(text: _Text) -> Iterator[Function]:
    at = start = 0
    while at < len(text.all):
        word, end = text.all[at].text, at
        if word in (";", "}"):
            start = at + 1
        elif word in ("(", "["):
            end = text.end_of(at)
        elif word == "{":
            end = text.end_of(at)
            if name := _function_name(text.all[start:at]):
                statements = _Reader(text, end).block(at + 1, None)
                yield Function(name, text.line(at), text.line(end), tuple(statements))
                start = end + 1
        at = end + 1


def _function_name(head: Sequence[Token]) -> str:
    """What is before the parentheses that end a function's head; "" of data and types."""
    if not head or any(token.text == "=" for token in head):
        return ""
    for at, token in enumerate(head):
        if token.text == "(" and at and re.match(r"\w", head[at - 1].text):
            name = head[at - 1].text
            # An attribute's parentheses are no parameters'.
            if not name.startswith("__attribute"):
                return name
    return ""


@dataclass
class _Reader:
    """Statements out of a function's tokens; each step ends further on, whatever the text is."""

    text: _Text
    end: int

    def block(self, at: int, parent: Statement | None) -> list[Statement]:
        found: list[Statement] = []
        while self._text(at) not in ("", "}"):
            statement, at = self.statement(at, parent)
            if statement is not None:
                found.append(statement)
        return _siblings(found)

    def statement(self, at: int, parent: Statement | None) -> tuple[Statement | None, int]:
        token = self.text.all[at]
        if token.text == ";":
            return None, at + 1
        if token.text == "{":
            return self._braced(at, parent)
        if token.text in _HEADS or self._is_loop(at):
            return self._headed(at, parent)
        if token.text == "do":
            return self._do(at, parent)
        if (end := self._label(at)) is not None:
            name = token.text
            label = Statement("label", token.line, token.line, target=name, parent=parent)
            return label, end
        return self._simple(at, parent)

    def _text(self, at: int) -> str:
        return self.text.all[at].text if at < self.end else ""

    def _line(self, at: int) -> int:
        return self.text.line(min(at, self.end))

    def _braced(self, at: int, parent: Statement | None) -> tuple[Statement, int]:
        end = min(self.text.end_of(at), self.end)
        block = Statement("block", self._line(at), self._line(at), parent=parent)
        block.arms.append(_Reader(self.text, end).block(at + 1, block))
        return block, end + 1

    def _is_loop(self, at: int) -> bool:
        """``list_for_each_entry(a, b, c)`` before a block, or a statement."""
        if not re.match(r"[A-Za-z_]", self._text(at)) or self._text(at + 1) != "(":
            return False
        after = self._text(self.text.end_of(at + 1) + 1)
        return after == "{" or ("for_each" in self._text(at) and after != ";")

    def _headed(self, at: int, parent: Statement | None) -> tuple[Statement, int]:
        word, line = self._text(at), self._line(at)
        end = self.text.end_of(at + 1)
        kind = word if word in ("if", "switch") else "loop"
        head = Statement(kind, line, self._line(end), parent=parent)
        arm, at = self._arm(end + 1, head)
        head.arms.append(arm)
        if word == "if" and self._text(at) == "else":
            other, at = self._arm(at + 1, head)
            head.arms.append(other)
        return head, at

    def _arm(self, at: int, head: Statement) -> tuple[list[Statement], int]:
        if at >= self.end:
            return [], at
        statement, at = self.statement(at, head)
        if statement is not None and statement.kind == "block":
            for each in statement.arms[0]:
                each.parent = head
            return statement.arms[0], at
        return _siblings([statement] if statement else []), at

    def _do(self, at: int, parent: Statement | None) -> tuple[Statement, int]:
        loop = Statement("loop", self._line(at), self._line(at), parent=parent)
        arm, at = self._arm(at + 1, loop)
        loop.arms.append(arm)
        if self._text(at) == "while":
            loop.first = self._line(at)
            at = self.text.end_of(at + 1)
            loop.last = self._line(at)
            at += 1
        return loop, at

    def _label(self, at: int) -> int | None:
        word = self._text(at)
        if word in ("case", "default"):
            while self._text(at) not in ("", ":", ";", "}"):
                at += 1
            return at + 1
        is_label = re.match(r"[A-Za-z_]", word) and self._text(at + 1) == ":"
        return at + 2 if is_label else None

    def _simple(self, at: int, parent: Statement | None) -> tuple[Statement, int]:
        start = at
        while self._text(at) not in ("", ";", "}"):
            at = self.text.end_of(at) if self._text(at) in _OPEN else at
            at += 1
        words = self.text.all[start : min(at, self.end)]
        last = self._line(at if self._text(at) == ";" else max(at - 1, start))
        kind = _kind(words)
        target = words[1].text if kind == "jump" and len(words) > 1 else ""
        target = target if words and words[0].text == "goto" else ""
        statement = Statement(kind, self._line(start), last, target=target, parent=parent)
        # What closes nothing here ends all the same.
        return statement, max(at + 1 if self._text(at) == ";" else at, start + 1)


def _siblings(found: list[Statement]) -> list[Statement]:
    for each in found:
        each.siblings = found
    return found


def _kind(words: Sequence[Token]) -> str:
    if not words:
        return "simple"
    first = words[0].text
    if first in _JUMPS:
        return "jump"
    texts = [word.text for word in words]
    named = [text for text in texts[:2] if re.match(r"[A-Za-z_]", text)]
    pointer = len(texts) > 2 and texts[1] == "*" and re.match(r"[A-Za-z_]", texts[2])
    is_declaration = first in _TYPES or len(named) == 2 or (pointer and texts[-2:-1] != [")"])
    return "declaration" if is_declaration and "=" not in texts else "simple"
