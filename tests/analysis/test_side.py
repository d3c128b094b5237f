# SPDX-License-Identifier: GPL-2.0-only
"""RUN and RUN:VARIANT, and two variants of one run beside each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis.compare import Change, Comparison, compare
from lab.analysis.side import Side, as_one_variant
from lab.errors import UserError
from lab.model.records import JobRecord
from lab.model.status import Status
from lab.model.variant import Variant
from lab.results.store import Store
from tests.results.made import EVIDENCE, job, result, run

ID = "20260101-120000-aaaa"


def of(variant: str, *statuses: Status) -> JobRecord:
    names = zip("abc", statuses, strict=False)
    results = [replace(result(name, status), variant=variant) for name, status in names]
    evidence = replace(EVIDENCE, build_key=variant)
    return replace(job(*results), variant=Variant(variant), evidence=evidence)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    place: Path = tmp_path_factory.mktemp("results") / "lab.db"
    with Store.open(place) as opened:
        opened.begin(run(id=ID))
        opened.add_job(ID, of("6.1", Status.PASS, Status.PASS))
        opened.add_job(ID, of("6.1+bug", Status.PASS, Status.FAIL, Status.PASS))
        opened.finish(ID)
        opened.set_baseline("a:b", ID)
        yield opened


def compared(store: Store, a: str, b: str) -> Comparison:
    first = Side.parse(a, store)
    sides = first, Side.parse(b, store, first.variant)
    before, after = (side.load(store) for side in sides)
    return compare(*as_one_variant(before, after, sides))


def test_two_variants_of_one_run(store: Store) -> None:
    found = compared(store, "latest:6.1", "latest:6.1+bug")
    assert (found.a, found.b) == (f"{ID}:6.1", f"{ID}:6.1+bug")
    changes = {test.key.test: test.change for test in found.tests}
    assert changes == {"a": Change.SAME, "b": Change.REGRESSED, "c": Change.NEW}
    assert {test.key.variant for test in found.tests} == {"6.1 → 6.1+bug"}
    assert found.status == 1
    back = compared(store, "a:b", ":6.1+bug")
    assert back.counts[Change.NEW] == 0


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("latest", Side("latest")),
        (f"{ID}:6.1+bug", Side(ID, "6.1+bug")),
        (":6.1", Side("latest", "6.1")),
        ("a:b", Side("a:b")),
        ("latest~1:", Side("latest~1")),
    ],
)
def test_how_a_side_is_written(store: Store, text: str, side: Side) -> None:
    assert Side.parse(text, store) == side


def test_a_side_without_a_variant_takes_the_other_s(store: Store) -> None:
    assert Side.parse("latest", store, "6.1").load(store).id == f"{ID}:6.1"


def test_a_variant_that_the_run_has_not(store: Store) -> None:
    with pytest.raises(UserError, match=r"has no variant '6\.1\+bgu'") as caught:
        Side("latest", "6.1+bgu").load(store)
    assert "6.1+bug" in str(caught.value.hint)
