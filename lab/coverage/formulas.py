# SPDX-License-Identifier: GPL-2.0-only
"""What has to be counted in a kernel to know how often a line of its source ran.

A line ran as often as statements on it began: DWARF says at which instructions they do
(``is_stmt``), and what the compiler copied or inlined adds up, once for each straight run of
instructions and each copy.  A statement that has no instruction left ran as often as one that
runs whenever it does, and what an ``if`` leads to as often as its branch went that way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.coverage.code_lines import Function, SourceText, Statement
from lab.coverage.counted import LineState
from lab.coverage.debug_object import Row
from lab.coverage.machine_code import Edge
from lab.coverage.places import PlacedFunction

#: An address, or a way from one to another, that is counted.
Counted = int | Edge


@dataclass(frozen=True)
class Formula:
    """How often a line ran: what is added up, less what is taken off.

    Attributes:
        state: ``RAN`` where this tells; else what the line is instead.
        why: Into what it was merged, or why nobody can tell.
        absent: It is in a function that no object of this kernel has, in whatever form.
    """

    state: LineState
    plus: tuple[Counted, ...] = ()
    minus: tuple[Counted, ...] = ()
    why: str = ""
    absent: bool = False

    @property
    def tells(self) -> bool:
        """Whether it says how often the line ran."""
        return bool(self.plus)


_NONE = Formula(LineState.MERGED)
#: What is the name of a function for sure, and not of a macro that makes one, or of an attribute.
_PLAIN = re.compile(r"(?!__)[a-z_]\w*")


@dataclass(frozen=True, eq=False)
class FileLines:
    """The lines of a file in one kernel.

    Attributes:
        file: Its name from the top of the tree.
        functions: Those of the kernel that have code of it.
        compiled: Whether any object of the kernel was compiled of it.
        lost: Functions whose code is another in the kernel.
        may_have: Whether any of its objects may have a function of some name.
    """

    file: str
    text: SourceText
    functions: tuple[PlacedFunction, ...]
    compiled: bool = True
    lost: tuple[str, ...] = ()
    may_have: Callable[[str], bool] = lambda _: True

    def formula(self, line: int) -> Formula:
        """What tells how often a line ran."""
        if line not in self._known:
            self._known[line] = self._found(line)
        return self._known[line]

    @cached_property
    def _known(self) -> dict[int, Formula]:
        return {}

    def around(self, line: int) -> frozenset[int]:
        """Where statements of the function begin that a line is in, in all its copies."""
        function = self.text.function_at(line)
        lines = range(0) if function is None else range(function.first, function.last + 1)
        return frozenset(
            address
            for placed in self.functions
            for address, starting in placed.starting.items()
            if any(file == self.file and number in lines for file, number in starting)
        )

    def _found(self, line: int) -> Formula:
        if not self.text.is_code(line):
            return Formula(LineState.NOT_CODE)
        if not self.compiled:
            why = "no object that this kernel is linked of has this file"
            return Formula(LineState.NOT_BUILT, why=why)
        function = self.text.function_at(line)
        assert function is not None
        found = self._told(function, line)
        if found.tells:
            return found
        if function.name in self.lost:
            why = f"{function.name}() is not in the kernel as it was compiled again"
            return Formula(LineState.UNKNOWN, why=why)
        if not self._has_code(function):
            if _PLAIN.fullmatch(function.name) and not self.may_have(function.name):
                why = f"the config leaves {function.name}() out, or nobody uses it"
                return Formula(LineState.NOT_BUILT, why=why, absent=True)
            return Formula(LineState.MERGED, why=f"nothing in this kernel has {function.name}()")
        return Formula(LineState.MERGED, why=found.why or "no instruction is its own")

    def _has_code(self, function: Function) -> bool:
        lines = range(function.first, function.last + 1)
        return any(
            file == self.file and line in lines
            for placed in self.functions
            for file, line in placed.by_line
        )

    def _told(self, function: Function, line: int) -> Formula:
        own = self._own(line)
        statement = function.statement_at(line)
        if own.tells or statement is None:
            return own
        if line > statement.first and statement.kind != "loop":
            whole = self._told(function, statement.first)
            part = f"part of line {statement.first}"
            return _because(whole, whole.why or part) if whole.tells else whole
        found = self._merged(function, statement)
        return found if found.tells else self._pieces(line)

    def _own(self, line: int, *, starts: bool = True) -> Formula:
        plus: list[Counted] = []
        minus: list[Counted] = []
        for placed in self.functions:
            rows = tuple(
                placed.beginnings(
                    self.file, line, starts=starts, goes_on=lambda row: self._goes_on(line, row)
                )
            )
            plus += [placed.code.once(row.address) for row in rows]
            minus += placed.goes_back(rows)
        return Formula(LineState.RAN, tuple(plus), tuple(minus)) if plus else _NONE

    def _goes_on(self, line: int, row: Row) -> bool:
        """Whether what a row is of comes next after a line, and after nothing else.

        BUG() leaves nothing at its place, which is that of what others come to.
        """
        function = self.text.function_at(line)
        if (
            function is None
            or row.file != self.file
            or self.text.function_at(row.line) is not (function)
        ):
            return True
        one, two = function.statement_at(line), function.statement_at(row.line)
        if one is None or two is None or one is two:
            return True
        if any(each is two for each in one.everything()):
            return True
        return _come_next(one, two)

    def _pieces(self, line: int) -> Formula:
        """Of a line of which pieces are left, and not where a statement begins."""
        return _because(self._own(line, starts=False), "as far as a piece of it is left")

    def _merged(self, function: Function, statement: Statement) -> Formula:
        """Of a statement without an instruction: by what runs whenever it does."""
        at = next(n for n, each in enumerate(statement.siblings) if each is statement)
        for other in reversed(statement.siblings[:at]):
            if other.kind == "declaration":
                continue
            found = self._behind(function, other)
            if found is not None:
                return found
        if at == 0 or all(_is_plain(each) for each in statement.siblings[:at]):
            found = self._in_arm(function, statement)
            if found.tells:
                return found
        return self._before(statement, at)

    def _behind(self, function: Function, other: Statement) -> Formula | None:
        """What is known of what stands behind a statement; None: look further up."""
        if other.kind == "simple":
            own = self._own(other.first)
            return _because(own, f"merged into line {other.first}") if own.tells else None
        if other.kind == "if":
            return self._behind_if(function, other)
        return _NONE

    def _behind_if(self, function: Function, head: Statement) -> Formula:
        leaves = [_leaves(arm) for arm in head.arms]
        if not any(leaves):
            return _because(self._own(head.first), f"merged into line {head.first}")
        if leaves == [True]:
            return self._way(function, head, None)
        return _NONE

    def _in_arm(self, function: Function, statement: Statement) -> Formula:
        head = statement.parent
        if head is None or head.kind != "if":
            return _NONE
        arm = next((arm for arm in head.arms if arm is statement.siblings), None)
        return self._way(function, head, arm)

    def _before(self, statement: Statement, at: int) -> Formula:
        """By what runs next, as it does unless this jumps."""
        if statement.kind != "simple":
            return _NONE
        for other in statement.siblings[at + 1 :]:
            if other.kind == "label":
                return _NONE
            own = self._own(other.first)
            if own.tells and other.kind in ("simple", "if", "jump"):
                return _because(own, f"merged into line {other.first}")
            if other.kind != "simple":
                return _NONE
        return _NONE

    def _way(self, function: Function, head: Statement, arm: list[Statement] | None) -> Formula:
        """How often an ``if`` led into an arm, or, without one, past it."""
        others = [each for each in head.arms if each is not arm]
        after = _following(head)
        here = [*arm, *after] if arm is not None else after
        there = [*others[0], *after] if others else after
        wanted = frozenset(self._entries(function, here))
        unwanted = frozenset(self._entries(function, there)) - wanted
        lines = range(head.first, head.last + 1)
        ways = [(placed, edge) for placed in self.functions
                for edge in placed.edges_of(self.file, lines)]  # fmt: skip
        why = f"the branch of line {head.first}"
        taken = _leading(ways, wanted, self.file)
        if taken:
            return Formula(LineState.RAN, taken, why=why)
        left, own = _leading(ways, unwanted, self.file), self._own(head.first)
        if left and own.tells:
            return Formula(LineState.RAN, own.plus, (*own.minus, *left), why)
        return Formula(LineState.MERGED, why=f"merged into line {head.first}")

    def _entries(self, function: Function, statements: Iterable[Statement]) -> Iterator[int]:
        """The line of the first of some statements that has an instruction."""
        for each in statements:
            if each.kind == "block":
                yield from self._entries(function, each.arms[0])
                return
            if self._own(each.first).tells:
                yield each.first
                return
            if each.kind == "jump" and each.target:
                after = function.after_label(each.target)
                yield from self._entries(function, after)
                return
            if each.kind not in ("simple", "declaration", "label"):
                return

    @cached_property
    def addresses(self) -> frozenset[int]:
        """All that has to be counted."""
        return frozenset(each for placed in self.functions for each in placed.addresses)


def _leading(
    ways: Sequence[tuple[PlacedFunction, Edge]], lines: frozenset[int], file: str
) -> tuple[Edge, ...]:
    """Those ways that lead to where a statement of some lines begins."""
    wanted = {(file, line) for line in lines}
    return tuple(edge for placed, edge in ways if placed.starting.get(edge.end, _EMPTY) & wanted)


_EMPTY: frozenset[tuple[str, int]] = frozenset()


def _come_next(one: Statement, two: Statement) -> bool:
    """Whether a statement stands behind another among its like, with no label between them."""
    at = next(n for n, each in enumerate(one.siblings) if each is one)
    for each in one.siblings[at + 1 :]:
        if each.kind == "label":
            return False
        if any(inner is two for inner in each.everything()):
            return True
    return False


def _because(formula: Formula, why: str) -> Formula:
    if not formula.tells:
        return formula
    return Formula(formula.state, formula.plus, formula.minus, why)


def _leaves(arm: Sequence[Statement]) -> bool:
    """Whether what runs in an arm goes elsewhere at its end."""
    return bool(arm) and arm[-1].kind == "jump"


def _is_plain(statement: Statement) -> bool:
    return statement.kind in ("simple", "declaration")


def _following(head: Statement) -> list[Statement]:
    """What stands behind a statement, and behind those that it is in."""
    found: list[Statement] = []
    here: Statement | None = head
    while here is not None:
        at = next(n for n, each in enumerate(here.siblings) if each is here)
        found += here.siblings[at + 1 :]
        if here.parent is not None and here.parent.kind not in ("if", "block"):
            break
        here = here.parent
    return found
