# SPDX-License-Identifier: GPL-2.0-only
"""Where the lines of some files are in a linked kernel, proved by the code that is there."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from lab.binary.image import Image, Name, Symbol
from lab.coverage.debug_object import DebugObject, ObjectFunction, Row
from lab.coverage.machine_code import Code, Edge

#: Lines of each file whose functions are of interest.
Interest = Mapping[str, frozenset[int]]


@dataclass(frozen=True, eq=False)
class PlacedFunction:
    """A function of an object, and where it is in the kernel.

    Attributes:
        rows: Its rows, at the kernel's addresses.
        copies: Which inlined copy each of those addresses is in.
    """

    name: str
    code: Code
    rows: tuple[Row, ...]
    copies: Callable[[int], int]

    @cached_property
    def by_line(self) -> Mapping[tuple[str, int], tuple[Row, ...]]:
        """Its rows by file and line."""
        found: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.file, row.line].append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @cached_property
    def starting(self) -> Mapping[int, frozenset[tuple[str, int]]]:
        """By address, the lines of which a statement begins there."""
        found: dict[int, set[tuple[str, int]]] = defaultdict(set)
        for row in self.rows:
            if row.starts:
                found[row.address].add((row.file, row.line))
        return {address: frozenset(lines) for address, lines in found.items()}

    def beginnings(
        self,
        file: str,
        line: int,
        *,
        starts: bool = True,
        goes_on: Callable[[Row], bool] = lambda _: True,
    ) -> Iterator[Row]:
        """Where a line begins: one row of each straight run and each inlined copy.

        A line whose instructions the compiler moved among others' begins once all the same.

        Args:
            goes_on: Whether control goes on from the line to what a row is of, and does so from
                nowhere else: asked where the line has no instruction before that.
        """
        seen: dict[int, set[int]] = defaultdict(set)
        for row in self.by_line.get((file, line), ()):
            if row.starts is not starts:
                continue
            behind = self._behind.get(row)
            if behind is not None and not goes_on(behind):
                continue
            block, copy = self.code.block_of(row.address), self.copies(row.address)
            if not seen[block] or (copy and copy not in seen[block]):
                yield row
            seen[block].add(copy)

    def goes_back(self, beginnings: Iterable[Row]) -> Iterator[Edge]:
        """Of where a line begins the ways by which it comes there from itself.

        Where the compiler knows how a comparison ends it leaves the line a place without an
        instruction, to which the comparison leads that it could not spare elsewhere.
        """
        bare = {
            (self.code.block_of(row.address), row.file, row.line)
            for row in beginnings
            if row in self._behind
        }
        for place, file, line in bare:
            ways = self.edges_of(file, range(line, line + 1))
            yield from (edge for edge in ways if edge.end == place)

    @cached_property
    def _behind(self) -> Mapping[Row, Row]:
        """Of a row that has no instruction, the next one of another line at its address."""
        found: dict[Row, Row] = {}
        for row, following in zip(self.rows, self.rows[1:], strict=False):
            if row.address == following.address and row[1:3] != following[1:3]:
                found.setdefault(row, following)
        return found

    def edges_of(self, file: str, lines: range) -> Iterator[Edge]:
        """The ways of those branches whose instruction is of some lines."""
        for edge in self.code.edges:
            row = self._row_of(edge.start)
            if row is not None and row.file == file and row.line in lines:
                yield edge

    def _row_of(self, address: int) -> Row | None:
        """The row that an instruction belongs to: the last one at or before it."""
        at = bisect_right(self._row_addresses, address) - 1
        return self.rows[at] if at >= 0 else None

    @cached_property
    def _row_addresses(self) -> list[int]:
        return [row.address for row in self.rows]

    @cached_property
    def addresses(self) -> frozenset[int]:
        """All that has to be counted of it."""
        ways = {address for edge in self.code.edges for address in edge}
        once = map(self.code.once, self.starting)
        return frozenset({*self.code.leaders, *ways, *self.starting, *once})


@dataclass(frozen=True)
class Placing:
    """What came of looking for functions.

    Attributes:
        lost: Names of those that are not in the kernel as they were compiled.
    """

    functions: tuple[PlacedFunction, ...]
    lost: tuple[str, ...] = ()


def place(
    debug: DebugObject, image: Image, interest: Interest, code: Callable[[Symbol], Code]
) -> Placing:
    """The functions of an object that have lines of interest, where they are in a kernel.

    Args:
        code: Gives the instructions of a kernel's function.
    """
    named = _by_name(image)
    found, lost = [], []
    for function, rows in _of_interest(debug, interest).items():
        symbol = _place_of(function, image, named)
        if symbol is None:
            lost.append(function.name)
            continue
        moved = symbol.address - function.address
        there = tuple(row._replace(address=row.address + moved) for row in rows)
        copies = _copies(debug, moved)
        found.append(PlacedFunction(function.name, code(symbol), there, copies))
    return Placing(tuple(found), tuple(lost))


def _copies(debug: DebugObject, moved: int) -> Callable[[int], int]:
    return lambda address: debug.copy_at(address - moved)


def _by_name(image: Image) -> Mapping[str, list[Symbol]]:
    found: dict[str, list[Symbol]] = defaultdict(list)
    for symbol in image.symbols:
        found[symbol.name.name].append(symbol)
    return found


def _of_interest(debug: DebugObject, interest: Interest) -> Mapping[ObjectFunction, list[Row]]:
    by_function: dict[ObjectFunction, list[Row]] = defaultdict(list)
    wanted: set[ObjectFunction] = set()
    for row in debug.rows:
        function = debug.function_at(row.address)
        if function is not None:
            by_function[function].append(row)
            if row.line in interest.get(row.file, ()):
                wanted.add(function)
    return {function: rows for function, rows in by_function.items() if function in wanted}


def _place_of(
    function: ObjectFunction, image: Image, named: Mapping[str, Iterable[Symbol]]
) -> Symbol | None:
    """The only function of the kernel that has a name, and that code."""
    found = [
        symbol
        for symbol in named.get(Name.of(function.name), ())
        if symbol.is_function and function.is_in(image.content(symbol))
    ]
    return found[0] if len(found) == 1 else None
