# SPDX-License-Identifier: GPL-2.0-only
"""Mutants that somebody who read the code says to mean the same as the patch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from lab.analysis.mutant_score import Fate, MutantResult, MutantScore
from lab.config.model import Globs, Section, Text
from lab.config.sources import Document
from lab.errors import UserError
from lab.model.glob import matches
from lab.mutants.mutant import Mutant
from lab.trees import blob_digest

_NAME = "mutants.toml"
#: Digits of git's name of a file, as it shows them.
_SHORT = 12


#: Of git's names, as short as a patch's index line has them at least.
Blob = Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")]


class Equivalent(Section):
    """Mutants of some kernels, by what was done to the code, and why that changes nothing.

    Attributes:
        blobs: What git names the file as the series makes it: who says that it means the same
            has read that, and no other.
    """

    kernels: Globs = ("*",)
    file: Text
    blobs: Annotated[tuple[Blob, ...], Field(min_length=1)]
    changes: tuple[Text, ...]
    reason: Text

    def is_of(self, kernel: str, mutant: Mutant) -> bool:
        """Whether it speaks of a mutant, if of this content of its file."""
        named = mutant.file == self.file and mutant.change in self.changes
        return named and matches(kernel, self.kernels)

    def has_read(self, mutant: Mutant) -> bool:
        """Whether it speaks of the file as it is."""
        return blob_digest(mutant.patched).startswith(self.blobs)


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
    if result.fate is not Fate.SURVIVED:
        return result
    for one in _of(result, kernel, said):
        if one.has_read(result.mutant):
            return replace(result, fate=Fate.EQUIVALENT, why=one.reason)
    others = {blob for one in _of(result, kernel, said) for blob in one.blobs}
    if not others:
        return result
    now = blob_digest(result.mutant.patched)[:_SHORT]
    why = f"said to mean the same of {', '.join(sorted(others))}, and this file is {now}: read it"
    return replace(result, why=why)


def _refuted(score: MutantScore, said: tuple[Equivalent, ...]) -> Iterator[str]:
    for each in score.results:
        speaks = any(one.has_read(each.mutant) for one in _of(each, score.kernel, said))
        if each.fate is Fate.NOTICED and speaks:
            yield f"{each.mutant.where}: {each.mutant.change}: {each.why}"


def _of(result: MutantResult, kernel: str, said: tuple[Equivalent, ...]) -> list[Equivalent]:
    return [one for one in said if one.is_of(kernel, result.mutant)]
