# SPDX-License-Identifier: GPL-2.0-only
"""What one nightly leaves for the next, beside what is recorded in the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lab.errors import InfrastructureError
from lab.model.test_key import TestKey
from lab.nightly.worse import GotWorse
from lab.process.stored import parse_stored
from lab.results import write_json

#: Raised when an older nightly could not read it any more.
_FORMAT = 2
#: Whose keys have no program, and are read all the same.
_OLDER = 1


@dataclass(frozen=True)
class Flake:
    """How often a test ended badly of the times it ran, and nights since it last did."""

    bad: int
    total: int
    quiet: int = 0

    def __str__(self) -> str:
        return f"{self.bad} of {self.total} failed"


@dataclass(frozen=True)
class _Row:
    key: tuple[str, ...]
    bad: int
    total: int
    quiet: int = 0


@dataclass(frozen=True)
class _Worse:
    key: tuple[str, ...]
    old: str
    new: str
    complaint: str = ""
    more: int = 0
    failures: int = 0


@dataclass(frozen=True)
class _Document:
    """The file."""

    format: int
    baseline: str
    known: dict[str, list[tuple[str, ...]]]
    open: list[tuple[str, ...]]
    flaky: list[_Row]
    verdicts: dict[str, str]
    unsent: tuple[dict[str, Any], ...]
    outlived: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    bisecting: list[_Worse] = field(default_factory=list)
    bisected: tuple[dict[str, Any], ...] = ()


def _key(words: tuple[str, ...]) -> TestKey:
    try:
        return TestKey(*words)
    except TypeError:
        raise ValueError(f"{words!r} names no test") from None


@dataclass(frozen=True)
class Memory:
    """What the last nightly knew.

    Args:
        baseline: Its run.
        known: The run with the last word on a test, where that is not the baseline: there
            the lab had an error, or a crash came before the test, or it was a flake.
        open: Tests that had no result in the last nightly.
        flaky: Tests that are known to pass at one time and fail at another.
        verdicts: The last verdict on each kernel, of a matrix with a series.
        unsent: What could not be delivered yet, as tell() takes it.
        outlived: For how many nights tests have passed that are expected to end otherwise.
        bisecting: What got worse whose bisection has not come to its end.
        bisected: What the last bisections came to, as document_of() has it.
    """

    baseline: str = ""
    known: Mapping[TestKey, str] = field(default_factory=dict)
    open: frozenset[TestKey] = frozenset()
    flaky: Mapping[TestKey, Flake] = field(default_factory=dict)
    verdicts: Mapping[str, str] = field(default_factory=dict)
    unsent: tuple[Mapping[str, Any], ...] = ()
    outlived: Mapping[TestKey, int] = field(default_factory=dict)
    bisecting: tuple[GotWorse, ...] = ()
    bisected: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def load(cls, path: Path) -> Memory:
        """What is in the file; an empty memory when there is none.

        Raises:
            InfrastructureError: It cannot be read.
        """
        try:
            return cls._of(parse_stored(path.read_bytes(), _Document))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise InfrastructureError(
                f"cannot be read: {error}",
                where=path,
                hint="move it away: the nightly then only knows its baseline",
            ) from error

    @classmethod
    def _of(cls, document: _Document) -> Memory:
        if document.format not in (_OLDER, _FORMAT):
            raise ValueError(f"format {document.format} is of another lab")
        return cls(
            baseline=document.baseline,
            known={_key(key): run for run, keys in document.known.items() for key in keys},
            open=frozenset(map(_key, document.open)),
            flaky={_key(row.key): Flake(row.bad, row.total, row.quiet) for row in document.flaky},
            verdicts=document.verdicts,
            unsent=document.unsent,
            outlived={_key(key): nights for key, nights in document.outlived},
            bisecting=tuple(
                GotWorse(_key(row.key), row.old, row.new, row.complaint, row.more, row.failures)
                for row in document.bisecting
            ),
            bisected=document.bisected,
        )

    def naming(self, keys: Iterable[TestKey]) -> Memory:
        """The same, where older labs did not keep whose a test was: of all that have it now."""
        if all(key.program for key in (*self.known, *self.open, *self.flaky)):
            return self
        named: dict[TestKey, list[TestKey]] = {}
        for key in keys:
            named.setdefault(key.name, []).append(key)

        def all_of(key: TestKey) -> list[TestKey]:
            return named.get(key, [key])

        return replace(
            self,
            known={one: run for key, run in self.known.items() for one in all_of(key)},
            open=frozenset(one for key in self.open for one in all_of(key)),
            flaky={one: flake for key, flake in self.flaky.items() for one in all_of(key)},
        )

    def save(self, path: Path) -> None:
        """Write it, whole or not at all; raises InfrastructureError."""
        runs: dict[str, list[TestKey]] = {}
        for key, run in sorted(self.known.items()):
            runs.setdefault(run, []).append(key)
        write_json(
            path,
            {
                "format": _FORMAT,
                "baseline": self.baseline,
                "known": runs,
                "open": sorted(self.open),
                "flaky": [{"key": key, **asdict(flake)} for key, flake in self.flaky.items()],
                "verdicts": dict(self.verdicts),
                "unsent": list(self.unsent),
                "outlived": sorted(self.outlived.items()),
                "bisecting": [asdict(one) for one in self.bisecting],
                "bisected": list(self.bisected),
            },
        )
