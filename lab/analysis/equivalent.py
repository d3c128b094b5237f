# SPDX-License-Identifier: GPL-2.0-only
"""Mutants that somebody who read the code says to mean the same as the patch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.config.model import Globs, Section, Text
from lab.config.sources import Document
from lab.errors import UserError
from lab.model.glob import matches
from lab.mutants.mutant import Mutant

_NAME = "mutants.toml"


class Equivalent(Section):
    """Mutants of some kernels, by what was done to the code, and why that changes nothing."""

    kernels: Globs = ("*",)
    file: Text
    changes: tuple[Text, ...]
    reason: Text

    def is_of(self, kernel: str, mutant: Mutant) -> bool:
        """Whether it speaks of a mutant."""
        named = mutant.file == self.file and mutant.change in self.changes
        return named and matches(kernel, self.kernels)


class Equivalents(Section):
    """A ``mutants.toml``."""

    equivalent: tuple[Equivalent, ...] = ()


def load_equivalents(patches: Path, series: str) -> tuple[Equivalent, ...]:
    """Read ``patches/SERIES/mutants.toml``, if there is one.

    Raises:
        UserError: There is a mistake in it.
    """
    path = patches / series / _NAME
    if not path.is_file():
        return ()
    document = Document.read(path)
    try:
        return TypeAdapter(Equivalents).validate_python(document.table).equivalent
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"{where}: {first['msg']}", where=path) from None


def with_equivalents(score: MutantScore, said: tuple[Equivalent, ...]) -> MutantScore:
    """The score without survivors that mean the same; what is said of one that a test noticed
    is told to be wrong."""
    results = tuple(_judged(each, score.kernel, said) for each in score.results)
    wrong = tuple(_refuted(score, said))
    return replace(score, results=results, refuted=wrong)


def _judged(result: MutantResult, kernel: str, said: tuple[Equivalent, ...]) -> MutantResult:
    found = _reason(result, kernel, said)
    if result.fate is not Fate.SURVIVED or not found:
        return result
    return replace(result, fate=Fate.EQUIVALENT, why=found)


def _refuted(score: MutantScore, said: tuple[Equivalent, ...]) -> Iterator[str]:
    for each in score.results:
        if each.fate is Fate.NOTICED and _reason(each, score.kernel, said):
            yield f"{each.mutant.where}: {each.mutant.change}: {each.why}"


def _reason(result: MutantResult, kernel: str, said: tuple[Equivalent, ...]) -> str:
    reasons = (one.reason for one in said if one.is_of(kernel, result.mutant))
    return next(reasons, "")
