# SPDX-License-Identifier: GPL-2.0-only
"""C source as a tree, read by tree-sitter's grammar: it takes the kernel's macros as they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser


@dataclass(frozen=True)
class Code:
    """A file of C, and the rows of it that count."""

    text: bytes
    rows: frozenset[int]

    def nodes(self) -> Iterator[Node]:
        """All that touches a row that counts, what encloses others first."""
        yield from self._below(_parser().parse(self.text).root_node)

    def _below(self, top: Node) -> Iterator[Node]:
        waiting = [top]
        while waiting:
            node = waiting.pop()
            if self.touches(node):
                yield node
                waiting += reversed(node.children)

    def touches(self, node: Node) -> bool:
        """Whether any row of it counts."""
        return not self.rows.isdisjoint(range(*_rows_of(node)))

    def is_within(self, node: Node) -> bool:
        """Whether each row of it counts."""
        return self.rows.issuperset(range(*_rows_of(node)))

    def has(self, node: Node) -> bool:
        """Whether it begins in a row that counts."""
        return int(node.start_point[0]) in self.rows

    def of(self, node: Node) -> bytes:
        """Its text."""
        return self.text[node.start_byte : node.end_byte]


def _rows_of(node: Node) -> tuple[int, int]:
    return int(node.start_point[0]), int(node.end_point[0]) + 1


@cache
def _parser() -> Parser:
    # Not at start-up: only mutants need it.
    import tree_sitter_c
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_c.language()))
