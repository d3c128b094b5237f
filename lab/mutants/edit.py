# SPDX-License-Identifier: GPL-2.0-only
"""What may be wrong at one place of the code."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lab.mutants.code import Code
from lab.mutants.mutant import Kind

if TYPE_CHECKING:
    from tree_sitter import Node

#: include/uapi/asm-generic/errno-base.h, errno.h, include/linux/errno.h: those that calls return.
_ERRNO = re.compile(
    rb"E(?:PERM|NOENT|SRCH|INTR|IO|NXIO|2BIG|BADF|CHILD|AGAIN|NOMEM|ACCES|FAULT|BUSY|EXIST|XDEV|"
    rb"NODEV|NOTDIR|ISDIR|INVAL|NFILE|MFILE|NOTTY|FBIG|NOSPC|ROFS|PIPE|DOM|RANGE|DEADLK|NOSYS|"
    rb"LOOP|NODATA|TIME|PROTO|OVERFLOW|BADMSG|OPNOTSUPP|NOTSUPP|TIMEDOUT|ALREADY|CANCELED|STALE|"
    rb"HWPOISON|MSGSIZE|NOBUFS|NOLCK|UCLEAN|CONNREFUSED|RESTARTSYS|PROBE_DEFER|IOCBQUEUED)"
)
#: What no caller takes for one of the others, but for itself.
_OTHER_ERRNO = (b"EDOM", b"EXDEV")
_FLAG = re.compile(rb"[A-Z][A-Z0-9]*_[A-Z0-9_]+")
_COMPARED: dict[bytes, tuple[bytes, ...]] = {
    b"==": (b"!=",),
    b"!=": (b"==",),
    b"<": (b"<=", b">="),
    b"<=": (b"<", b">"),
    b">": (b">=", b"<="),
    b">=": (b">", b"<"),
}
_SWAPPED = {b"+": b"-", b"-": b"+", b"+=": b"-=", b"-=": b"+=", b"++": b"--", b"--": b"++"}
_LOGIC = {b"&&": b"||", b"||": b"&&"}
_BITS = {b"&": b"|", b"|": b"&"}
_STATEMENTS = frozenset(
    f"{kind}_statement"
    for kind in ("expression", "if", "goto", "return", "break", "continue", "for", "while", "do")
)
_CONDITIONAL = frozenset(("if_statement", "conditional_expression"))
_LOOPS = frozenset(("while_statement", "for_statement", "do_statement"))
_NUMBER = re.compile(rb"(0[xX][0-9a-fA-F]+|[0-9]+)([uUlL]*)")


@dataclass(frozen=True)
class Edit:
    """Bytes of a file replaced: rows stay where they are, and so does what __LINE__ says.

    Attributes:
        dropped: Of what is replaced the part that is not there any more, where the rest is.
    """

    start: int
    end: int
    after: bytes
    kind: Kind
    dropped: bytes = b""


@dataclass(frozen=True)
class Editor:
    """Finds what may be wrong in code, what encloses others first."""

    code: Code

    def edits(self) -> Iterator[Edit]:
        """All of it, each once."""
        seen = set()
        for node in self.code.nodes():
            for edit in self._at(node):
                if edit not in seen and self.code.text[edit.start : edit.end] != edit.after:
                    seen.add(edit)
                    yield edit

    def _at(self, node: Node) -> Iterator[Edit]:
        for rule in _RULES:
            yield from rule(self, node)

    def _replaced(self, node: Node, after: bytes, kind: Kind) -> Edit:
        """With the line ends that it had, behind what comes in its place."""
        lines = self.code.of(node).count(b"\n") - after.count(b"\n")
        return Edit(node.start_byte, node.end_byte, after + b"\n" * max(0, lines), kind)

    def _removed(self, node: Node) -> Iterator[Edit]:
        """A statement that is all the series' own."""
        # A macro that takes a block has its semicolon in no file.
        whole = self.code.of(node).endswith((b";", b"}"))
        if node.type in _STATEMENTS and self.code.is_within(node) and whole:
            yield self._replaced(node, b";", Kind.STATEMENT)

    def _condition(self, node: Node) -> Iterator[Edit]:
        condition = node.child_by_field_name("condition")
        if condition is None or not self.code.touches(condition):
            return
        inner = _inside(condition)
        if node.type in _CONDITIONAL | _LOOPS:
            yield self._replaced(inner, b"!(%s)" % self.code.of(inner), Kind.INVERTED)
        if node.type in _CONDITIONAL:
            yield self._replaced(inner, b"1", Kind.CONDITION)
            yield self._replaced(inner, b"0", Kind.CONDITION)
        elif node.type in _LOOPS:
            yield self._replaced(inner, b"0", Kind.CONDITION)

    def _operator(self, node: Node) -> Iterator[Edit]:
        operator = node.child_by_field_name("operator")
        if operator is None or not self.code.has(operator):
            return
        sign = self.code.of(operator)
        if node.type == "binary_expression" and sign in _LOGIC:
            yield from self._logic(node, operator, sign)
        elif node.type == "binary_expression":
            yield from self._binary(operator, sign)
        elif node.type == "unary_expression" and sign == b"!":
            yield Edit(operator.start_byte, operator.end_byte, b"", Kind.NEGATION)
        elif sign in _SWAPPED and node.type in ("assignment_expression", "update_expression"):
            yield self._replaced(operator, _SWAPPED[sign], Kind.OFF_BY_ONE)

    def _logic(self, node: Node, operator: Node, sign: bytes) -> Iterator[Edit]:
        yield self._replaced(operator, _LOGIC[sign], Kind.LOGIC)
        left, right = (node.child_by_field_name(name) for name in ("left", "right"))
        if left is None or right is None:
            return
        for kept, dropped in ((right, left), (left, right)):
            edit = self._replaced(node, self.code.of(kept), Kind.OPERAND)
            yield replace(edit, dropped=self.code.of(dropped))
        for side in (left, right):
            if _is_plain(_inside(side)):
                inner = _inside(side)
                yield self._replaced(inner, b"!(%s)" % self.code.of(inner), Kind.INVERTED)

    def _binary(self, operator: Node, sign: bytes) -> Iterator[Edit]:
        for other in _COMPARED.get(sign, ()):
            yield self._replaced(operator, other, Kind.COMPARISON)
        if sign in _BITS:
            yield self._replaced(operator, _BITS[sign], Kind.BITS)
        elif sign in _SWAPPED:
            yield self._replaced(operator, _SWAPPED[sign], Kind.OFF_BY_ONE)

    def _name(self, node: Node) -> Iterator[Edit]:
        if node.type not in ("identifier", "null"):
            return
        name = self.code.of(node)
        if _ERRNO.fullmatch(name):
            other = next(each for each in _OTHER_ERRNO if each != name)
            yield self._replaced(node, other, Kind.ERRNO)
            if (above := node.parent) is not None and self.code.of(above) == b"-" + name:
                yield self._replaced(above, name, Kind.ERRNO)
        elif _FLAG.fullmatch(name) and _is_bits(node, self.code):
            if (sibling := self._sibling(name)) is not None:
                yield self._replaced(node, sibling, Kind.FLAG)
            yield self._replaced(node, b"0", Kind.FLAG)

    def _sibling(self, name: bytes) -> bytes | None:
        """Another flag of the same beginning that the file knows: the next by the alphabet."""
        family = name.split(b"_")[0] + b"_"
        others = [each for each in self._flags if each.startswith(family) and each != name]
        return others[bisect_right(others, name) % len(others)] if others else None

    @cached_property
    def _flags(self) -> list[bytes]:
        return sorted({found[0] for found in re.finditer(rb"\b[A-Z][A-Z0-9_]+\b", self.code.text)
                       if _FLAG.fullmatch(found[0])})  # fmt: skip

    def _number(self, node: Node) -> Iterator[Edit]:
        match = _NUMBER.fullmatch(self.code.of(node)) if node.type == "number_literal" else None
        if match is not None:
            digits, suffix = match[1], match[2]
            value = int(digits, 8 if re.fullmatch(rb"0[0-7]+", digits) else 0)
            yield self._replaced(node, b"%d%s" % (value + 1, suffix), Kind.OFF_BY_ONE)

    def _subscript(self, node: Node) -> Iterator[Edit]:
        index = node.child_by_field_name("index")
        # A number is another one already.
        if index is None or index.type == "number_literal" or not self.code.has(index):
            return
        if node.type == "subscript_expression":
            yield self._replaced(index, b"%s + 1" % self.code.of(index), Kind.OFF_BY_ONE)


def _inside(node: Node) -> Node:
    """What is in brackets, without them."""
    while node.type == "parenthesized_expression" and node.named_child_count == 1:
        inner = node.named_child(0)
        assert inner is not None
        node = inner
    return node


def _is_plain(node: Node) -> bool:
    """Whether inverting it says more than what its own operator is changed to."""
    operator = node.child_by_field_name("operator")
    sign = "" if operator is None else str(operator.type)
    told = sign in ("!", "&&", "||") or sign.encode() in _COMPARED
    return not told


def _is_bits(node: Node, code: Code) -> bool:
    """Whether a name is one of some flags: beside & or |, in an argument, or assigned."""
    above = node.parent
    while above is not None and above.type in ("parenthesized_expression", "unary_expression"):
        above = above.parent
    if above is None:
        return False
    operator = above.child_by_field_name("operator")
    sign = b"" if operator is None else code.of(operator)
    return above.type == "argument_list" or sign in (b"&", b"|", b"|=", b"&=", b"=", b"^")


_RULES: Sequence[Callable[[Editor, Node], Iterator[Edit]]] = (
    Editor._removed,
    Editor._condition,
    Editor._operator,
    Editor._name,
    Editor._number,
    Editor._subscript,
)
