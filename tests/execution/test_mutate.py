# SPDX-License-Identifier: GPL-2.0-only
"""What is said of a mutant that never comes to a guest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.analysis.mutant_score import Fate
from lab.errors import InfrastructureError, LabError, UserError
from lab.execution.mutate import _Trial
from lab.mutants.change import Change
from lab.mutants.generator import Mutants
from lab.mutants.mutant import Kind, Mutant

HEADER = Mutant("include/linux/mm.h", 7, Kind.OFF_BY_ONE, "1", "2", b"new\n", b"old\n")
NOTHING = cast("Any", None)


def trial(tmp_path: Path) -> _Trial:
    changes = {HEADER.file: Change(b"base\n", b"old\n")}
    return _Trial(
        NOTHING, NOTHING, Mutants((HEADER,), 1), changes, tmp_path, tmp_path, {}, NOTHING,
        NOTHING, NOTHING, 1,
    )  # fmt: skip


def bench(error: LabError | None, *, own: bool = False) -> Any:
    """One of a header: there is no object, and its kernel is all that can be compared."""

    def link(_: Path) -> None:
        if error is not None:
            raise error

    return SimpleNamespace(
        compiles=lambda _: True, compile=lambda *_: "", link=link, is_own=lambda: own
    )


@pytest.mark.parametrize(
    ("made", "fate", "why"),
    [
        (bench(UserError("mm.h:7: error")), Fate.UNCOMPILED, "mm.h:7: error"),
        (bench(InfrastructureError("no space")), Fate.ERROR, "no space"),
        (bench(None, own=True), Fate.SAME, "as the patch is linked"),
    ],
)
def test_of_a_header_the_kernel_says_whether_it_compiles(
    tmp_path: Path, made: Any, fate: Fate, why: str
) -> None:
    (result,) = trial(tmp_path)._tried(made, 1, HEADER, NOTHING, NOTHING)
    assert (result.fate, result.why) == (fate, why)


def test_what_is_compiled_nowhere_is_the_same_binary(tmp_path: Path) -> None:
    made = SimpleNamespace(compiles=lambda _: False)
    (result,) = trial(tmp_path)._tried(cast("Any", made), 1, HEADER, NOTHING, NOTHING)
    assert result.fate is Fate.SAME
