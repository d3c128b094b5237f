# SPDX-License-Identifier: GPL-2.0-only
"""Single mutations of a Python file: what a slip of the hand may make of it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod
from itertools import pairwise

_OTHER = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
#: Words for people are not what is judged by; types do nothing.
_WORDS = (ast.JoinedStr, ast.Raise, ast.Import, ast.ImportFrom)
_TYPES = {"annotation", "returns", "decorator_list", "bases"}
_Nodes = Sequence[ast.expr | ast.keyword]


@dataclass(frozen=True)
class Mutation:
    """A module as it is with one thing changed at ``line``."""

    module: str
    line: int
    what: str
    source: str


@dataclass(frozen=True)
class Edit:
    """What stands from ``start`` to ``end`` becomes ``text``."""

    start: int
    end: int
    text: str
    what: str


def mutations_of(module: str, source: str, edits: Iterator[Edit]) -> list[Mutation]:
    """Each text that the edits make, once, in the order of its lines."""
    found: dict[str, Mutation] = {}
    for edit in edits:
        text = source[: edit.start] + edit.text + source[edit.end :]
        if text != source:
            line = source.count("\n", 0, edit.start) + 1
            found.setdefault(text, Mutation(module, line, edit.what, text))
    return sorted(found.values(), key=lambda mutation: mutation.line)


def python_mutations(module: str, source: str) -> list[Mutation]:
    """All mutations of a Python file that are no error of syntax."""
    edits = _Finder(source).edits(ast.parse(source))
    return [one for one in mutations_of(module, source, edits) if _compiles(one.source)]


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutated", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Finder:
    """Finds by the syntax tree what can be changed, and changes the text there."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def edits(self, node: ast.AST) -> Iterator[Edit]:
        yield from self._of(node)
        if isinstance(node, _WORDS):
            return
        for name, value in ast.iter_fields(node):
            if name not in _TYPES:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield from self.edits(child)

    @singledispatchmethod
    def _of(self, node: ast.AST) -> Iterator[Edit]:
        return iter(())

    @_of.register
    def _comparison(self, node: ast.Compare) -> Iterator[Edit]:
        before = [node.left, *node.comparators]
        for left, operator, right in zip(before, node.ops, node.comparators, strict=False):
            start, end = self._end(left), self._start(right)
            old = self._source[start:end].strip(" ()\n")
            text = self._source[start:end].replace(old, _OTHER[type(operator)], 1)
            yield Edit(start, end, text, "comparison")

    @_of.register
    def _boolean(self, node: ast.BoolOp) -> Iterator[Edit]:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in pairwise(node.values):
            start, end = self._end(left), self._start(right)
            text = re.sub(rf"\b{old}\b", new, self._source[start:end], count=1)
            yield Edit(start, end, text, f"{old} becomes {new}")
        for value in node.values:
            others = f" {old} ".join(f"({self._text(one)})" for one in node.values if one != value)
            yield self._put(node, f"({others})", "operand dropped")

    @_of.register
    def _negation(self, node: ast.UnaryOp) -> Iterator[Edit]:
        if isinstance(node.op, ast.Not):
            yield self._put(node, f"({self._text(node.operand)})", "not dropped")

    @_of.register
    def _constant(self, node: ast.Constant) -> Iterator[Edit]:
        if isinstance(node.value, bool):
            yield self._put(node, str(not node.value), "constant")
        elif isinstance(node.value, int | float):
            yield self._put(node, f"({node.value + 1})", "constant")
        elif isinstance(node.value, str):
            yield from self._pattern(node)

    @_of.register
    def _formatted(self, node: ast.JoinedStr) -> Iterator[Edit]:
        yield from self._pattern(node)

    @_of.register
    def _branches(self, node: ast.If | ast.While | ast.IfExp) -> Iterator[Edit]:
        yield self._put(node.test, f"not ({self._text(node.test)})", "branches swapped")
        for statement in [*node.body, *node.orelse] if isinstance(node, ast.If) else []:
            if isinstance(statement, ast.Return | ast.Assign):
                yield self._put(statement, "pass", "statement dropped")

    @_of.register
    def _statement(
        self, node: ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break
    ) -> Iterator[Edit]:
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield self._put(node, "pass", "statement dropped")

    @_of.register
    def _call(self, node: ast.Call) -> Iterator[Edit]:
        given: _Nodes = (*node.args, *node.keywords)
        yield from self._without(given, self._end(node) - 1, "argument dropped")

    @_of.register
    def _rows(self, node: ast.Tuple | ast.List | ast.Set) -> Iterator[Edit]:
        if len(node.elts) > 1:
            end = self._end(node)
            yield from self._without(
                node.elts, end - (self._source[end - 1] in ")]}"), "row dropped"
            )

    @_of.register
    def _pairs(self, node: ast.Dict) -> Iterator[Edit]:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                end = self._end(value)
                comma = re.compile(r"\s*,").match(self._source, end)
                yield Edit(self._start(key), comma.end() if comma else end, "", "row dropped")

    @_of.register
    def _comprehension(self, node: ast.comprehension) -> Iterator[Edit]:
        for test in node.ifs:
            yield self._put(test, "True", "filter dropped")

    def _without(self, nodes: _Nodes, last: int, what: str) -> Iterator[Edit]:
        for place, node in enumerate(nodes):
            after = self._start(nodes[place + 1]) if place + 1 < len(nodes) else last
            yield Edit(self._start(node), after, "", what)

    def _pattern(self, node: ast.expr) -> Iterator[Edit]:
        """A raw string is a regular expression."""
        text = self._text(node)
        if re.match(r"[rR][fF]?[\"']|[fF][rR][\"']", text):
            units = _units(_characters(text, self._start(node)))
            for dropped, what in _Groups(units).found:
                start, end = min(dropped), max(dropped) + 1
                kept = (self._source[at] for at in range(start, end) if at not in dropped)
                yield Edit(start, end, "".join(kept), what)

    def _put(self, node: ast.expr | ast.stmt, text: str, what: str) -> Edit:
        return Edit(self._start(node), self._end(node), text, what)

    def _text(self, node: ast.expr) -> str:
        return self._source[self._start(node) : self._end(node)]

    def _start(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        return self._offset(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def _offset(self, line: int, column: int) -> int:
        # The tree counts columns in bytes.
        begin, end = self._lines[line - 1], self._lines[line]
        return begin + len(self._source[begin:end].encode()[:column].decode())


#: A piece of a regular expression that stays whole, and where its characters are.
_Unit = tuple[str, tuple[int, ...]]


def _characters(text: str, start: int) -> list[tuple[str, int]]:
    """What is between the quotes of strings that stand beside each other, and where."""
    found: list[tuple[str, int]] = []
    offsets = [0]
    for line in text.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    # In parentheses strings may go on in the next line.
    for token in tokenize.generate_tokens(io.StringIO(f"({text}\n)").readline):
        if token.type == tokenize.STRING:
            row, column = token.start
            begin = start + offsets[row - 1] + column - (row == 1)
            opening = re.match(r"[a-zA-Z]*(\"\"\"|'''|\"|')", token.string)
            assert opening is not None
            inside = token.string[opening.end() : -len(opening[1])]
            found += [(char, begin + opening.end() + at) for at, char in enumerate(inside)]
    return found


def _units(characters: list[tuple[str, int]]) -> list[_Unit]:
    """Escapes, sets and inserted expressions as one unit each; ``(`` with what it says."""
    text = "".join(char for char, _ in characters)
    whole = re.compile(
        r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P<\w+>|<?[=!:])|\{\{[\d,]*\}\}|\{[^}]*\}|.",
        re.DOTALL,
    )
    return [
        (found[0], tuple(at for _, at in characters[found.start() : found.end()]))
        for found in whole.finditer(text)
    ]


class _Groups:
    """The alternatives and the optional groups of a regular expression."""

    def __init__(self, units: list[_Unit]) -> None:
        self._units = units
        self.found: list[tuple[frozenset[int], str]] = []
        self._group(0)

    def _group(self, first: int) -> int:
        """Read alternatives up to the group's end; returns where that is."""
        bars, place = [first - 1], first
        while place < len(self._units) and self._units[place][0] != ")":
            text = self._units[place][0]
            if text == "|":
                bars.append(place)
            elif text.startswith("("):
                begin, place = place, self._group(place + 1)
                self._optional(begin, place)
            place += 1
        if len(bars) > 1:
            self._alternatives([*bars, place])
        return place

    def _alternatives(self, bars: list[int]) -> None:
        for place, (before, after) in enumerate(pairwise(bars)):
            # With the bar after it, or before the last.
            span = range(before + 1, after + 1) if place + 2 < len(bars) else range(before, after)
            self._drop(span, "alternative dropped")

    def _optional(self, begin: int, end: int) -> None:
        if end + 1 < len(self._units) and self._units[end + 1][0] == "?":
            self._drop(range(end + 1, end + 2), "no longer optional")
            self._drop(range(begin, end + 2), "optional part dropped")

    def _drop(self, span: range, what: str) -> None:
        dropped = frozenset(at for place in span for at in self._units[place][1])
        if dropped:
            self.found.append((dropped, what))
