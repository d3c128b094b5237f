# SPDX-License-Identifier: GPL-2.0-only
"""One cause is one paragraph: what ended alike, for one reason, is told once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from lab.complaints.title import stable
from lab.model.records import TestResult
from lab.report.compact import compact_names

_T = TypeVar("_T")
#: So few tests are named in full, as ``-k`` takes them; and so few a line.
_FEW = 1
#: Names of another form than ours, in one paragraph.
_MOST_NAMES = 40


class Spot(NamedTuple):
    """Where something ended as it did."""

    kernel: str
    filesystem: str
    test: str


@dataclass(frozen=True)
class Block:
    """The same tests in several places.

    ``places`` are (kernels, filesystems) pairs, all filesystems of a pair on all its kernels.
    """

    places: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Cause(Generic[_T]):
    """What has one cause, the first of it first."""

    items: tuple[_T, ...]
    blocks: tuple[Block, ...]

    @property
    def first(self) -> _T:
        """It speaks for all."""
        return self.items[0]


def group_causes(
    items: Iterable[_T], cause: Callable[[_T], Hashable], spot: Callable[[_T], Spot]
) -> list[Cause[_T]]:
    """Put together what has the same cause, in the order of first appearance."""
    alike: dict[Hashable, list[_T]] = {}
    for item in items:
        alike.setdefault(cause(item), []).append(item)
    return [Cause(tuple(found), _blocks(map(spot, found))) for found in alike.values()]


def group_results(results: Iterable[TestResult]) -> list[Cause[TestResult]]:
    """Results by their cause; a name that two programs share comes with the program's."""
    found = list(results)
    owners: dict[str, set[str]] = {}
    for result in found:
        owners.setdefault(result.test, set()).add(result.program)
    shared = {test for test, programs in owners.items() if len(programs) > 1}

    def spot(result: TestResult) -> Spot:
        name = f"{result.program}: {result.test}" if result.test in shared else result.test
        return Spot(result.variant, result.filesystem, name)

    return group_causes(found, _cause_of, spot)


def _cause_of(result: TestResult) -> Hashable:
    if result.as_expected and result.reason:
        # lab.toml knows the cause, whatever each test says of it.
        return result.status, result.reason
    return result.status, result.expected, result.reason, said_cause(result)


def said_cause(result: TestResult) -> str:
    """What a result has for its cause: the complaint of the kernel's, or what its message says."""
    return cause_of(result.complaint, result.message, result.test)


def cause_of(complaint: str, message: str, test: str) -> str:
    """The same, of the parts that a result has."""
    return stable(complaint) if complaint else cause_in(message, test)


def cause_in(message: str, test: str = "") -> str:
    """What a message says of the cause: all but numbers, and the test's name."""
    return stable(message.replace(test, "") if test else message)


def _blocks(spots: Iterable[Spot]) -> tuple[Block, ...]:
    cells: dict[tuple[str, str], dict[str, None]] = {}
    for spot in spots:
        cells.setdefault((spot.kernel, spot.filesystem), {})[spot.test] = None
    alike: dict[frozenset[str], list[tuple[str, str]]] = {}
    for place, tests in cells.items():
        alike.setdefault(frozenset(tests), []).append(place)
    return tuple(Block(_places(found), tuple(cells[found[0]])) for found in alike.values())


def _places(
    cells: Iterable[tuple[str, str]],
) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    filesystems: dict[str, list[str]] = {}
    for kernel, filesystem in cells:
        filesystems.setdefault(kernel, []).append(filesystem)
    kernels: dict[tuple[str, ...], list[str]] = {}
    for kernel, found in filesystems.items():
        kernels.setdefault(tuple(found), []).append(kernel)
    return tuple((tuple(names), found) for found, names in kernels.items())


def place_lines(block: Block) -> list[str]:
    """``6.1, 6.12  on ext4-dax xfs-dax``, a line for each pair."""
    return [
        f"{', '.join(kernels)}{f'  on {names}' if (names := ' '.join(filesystems)) else ''}"
        for kernels, filesystems in block.places
    ]


def name_lines(tests: Iterable[str]) -> list[tuple[str, str]]:
    """Test names as (head, rest) lines, the rest of all in one column."""
    names = list(dict.fromkeys(tests))
    if len(names) <= _FEW:
        return [(name, "") for name in names]
    compact = compact_names(names)
    width = max((len(call) for call, kinds in compact if kinds), default=0) + 2
    lines = [(f"{call:{width}}", kinds) for call, kinds in compact if kinds]
    plain = [call for call, kinds in compact if not kinds]
    if len(plain) > _FEW:
        more = [f"and {len(plain) - _MOST_NAMES} more"] if plain[_MOST_NAMES:] else []
        return [*lines, ("", ", ".join([*plain[:_MOST_NAMES], *more]))]
    return [*lines, *((name, "") for name in plain)]
