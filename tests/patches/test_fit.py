# SPDX-License-Identifier: GPL-2.0-only
"""Whether a series goes onto a tree, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.model.version import KernelVersion
from lab.patches import (
    Fit,
    Overlay,
    Refused,
    Replacement,
    Series,
    SeriesFit,
    apply_series,
    fit_series,
    load_series,
)
from lab.trees import Tree, blob_digest
from tests.patches.conftest import GUP, MakeTree, change

pytestmark = pytest.mark.slow

BEFORE = blob_digest(GUP.encode())
AFTER = blob_digest(GUP.replace("a13\n", "A13\n").encode())
INDEX = f"index {BEFORE[:7]}..{AFTER[:12]} 100644"
UPSTREAM = "# upstream: 1027e4436b6a since 4.3 mm: make GUP handle pfn mapping\n"

MakeSeries = Callable[..., Series]


@pytest.fixture
def make_series(tmp_path: Path) -> MakeSeries:
    """A series of these patches, p0.patch on; ``lines`` stand above them in its file."""

    def make(*patches: str, lines: str = "", versions: str = "") -> Series:
        folder = tmp_path / "patches" / "fix"
        folder.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(patches):
            (folder / f"p{number}.patch").write_text(text)
            lines += f"p{number}.patch{versions}\n"
        (folder / "series").write_text(lines)
        return load_series(tmp_path / "patches", "fix")

    return make


@pytest.fixture
def tree(make_tree: MakeTree) -> Tree:
    return make_tree({"mm/gup.c": GUP})


def fits(tree: Tree, series: Series, **more: Overlay) -> list[Fit]:
    return [patch.fit for patch in fit_series(tree, series, **more).patches]


def only(fit: SeriesFit) -> str:
    (patch,) = fit.patches
    return str(patch)


def test_exact_blob(tree: Tree, make_series: MakeSeries) -> None:
    fit = fit_series(tree, make_series(change(10, index=INDEX)))
    assert fit.applies
    assert only(fit) == f"applies, exact blob: mm/gup.c {BEFORE[:7]}..{AFTER[:12]}"


def test_at_its_lines(make_tree: MakeTree, make_series: MakeSeries) -> None:
    tree = make_tree({"mm/gup.c": GUP + "more\n"})
    fit = fit_series(tree, make_series(change(10, index=INDEX)))
    assert fit.applies
    assert only(fit) == "applies, at its lines: to other blobs than it names"
    assert only(fit_series(tree, make_series(change(10)))) == (
        "applies, at its lines: it has no index lines to check"
    )


def test_half_exact_is_not_exact(make_tree: MakeTree, make_series: MakeSeries) -> None:
    """One file is the blob that the patch names, the other is not, or has no index line."""
    other = change(10, index=INDEX).replace("mm/gup.c", "mm/mlock.c")
    both = change(10, index=INDEX) + other
    exact = make_tree({"mm/gup.c": GUP, "mm/mlock.c": GUP})
    assert fits(exact, make_series(both)) == [Fit.EXACT]
    assert only(fit_series(exact, make_series(both))) == (
        f"applies, exact blob: mm/gup.c {BEFORE[:7]}..{AFTER[:12]}, "
        f"mm/mlock.c {BEFORE[:7]}..{AFTER[:12]}"
    )
    half = make_tree({"mm/gup.c": GUP, "mm/mlock.c": GUP + "more\n"})
    assert only(fit_series(half, make_series(both))) == (
        "applies, at its lines: to other blobs than it names"
    )
    without = change(10, index=INDEX) + change(10).replace("mm/gup.c", "mm/mlock.c")
    assert fits(exact, make_series(without)) == [Fit.IN_PLACE]


def test_one_file_at_its_lines_and_one_at_an_offset(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    tree = make_tree({"mm/gup.c": GUP, "mm/mlock.c": "x\n" + GUP})
    both = change(10) + change(10).replace("mm/gup.c", "mm/mlock.c")
    assert only(fit_series(tree, make_series(both))) == (
        "applies, at an offset: mm/mlock.c: hunk 1 applied at an offset of +1 lines"
    )


def test_what_is_good_and_what_is_for_somebody_to_mend(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "A13\n")})
    mixed = fit_series(tree, make_series(change(10), change(20), change(30, at=34)))
    assert [(patch.fit, patch.good) for patch in mixed.patches] == [
        (Fit.APPLIED, True),
        (Fit.IN_PLACE, True),
        (Fit.OFFSET, True),
    ]
    assert mixed.first_misfit == mixed.patches[0]
    assert mixed.patches[0].error is not None
    wrong = fit_series(tree, make_series(change(20), change(30).replace("-a33", "-b33")))
    assert [patch.good for patch in wrong.patches] == [True, False]
    assert wrong.first_misfit == wrong.patches[1]
    assert fit_series(tree, make_series(change(20))).first_misfit is None


def test_at_an_offset(tree: Tree, make_series: MakeSeries) -> None:
    fit = fit_series(tree, make_series(change(10, at=14)))
    assert fit.applies
    assert only(fit) == ("applies, at an offset: mm/gup.c: hunk 1 applied at an offset of -4 lines")


def test_needs_fuzz(make_tree: MakeTree, make_series: MakeSeries) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a10\n", "other\n")})
    fit = fit_series(tree, make_series(change(10)))
    assert not fit.applies
    assert fits(tree, make_series(change(10))) == [Fit.FUZZ]
    assert "it would need fuzz 1, which the lab never applies" in only(fit)


def test_fuzz_for_one_hunk_is_not_enough_for_another(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    text = GUP.replace("a10\n", "other\n").replace("a33\n", "gone\n")
    tree = make_tree({"mm/gup.c": text})
    two = change(10) + "".join(change(30).partition("@@ ")[1:])
    assert fits(tree, make_series(two)) == [Fit.REFUSED]
    fuzzy = make_tree({"mm/gup.c": text.replace("gone\n", "a33\n")})
    assert fits(fuzzy, make_series(two)) == [Fit.FUZZ]


def test_already_applied(make_tree: MakeTree, make_series: MakeSeries) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "A13\n")})
    fit = fit_series(tree, make_series(change(10)))
    assert (fit.applies, fit.applied, only(fit)) == (False, True, "already applied")


def test_altered(tree: Tree, make_series: MakeSeries) -> None:
    fit = fit_series(tree, make_series(change(10, index=INDEX).replace("+A13", "+A13x")))
    assert [patch.fit for patch in fit.patches] == [Fit.ALTERED]
    assert not fit.applies


def test_altered_is_no_matter_of_upstream(tree: Tree, make_series: MakeSeries) -> None:
    text = change(10, index=INDEX).replace("+A13", "+A13x")
    assert fits(tree, make_series(text, lines=UPSTREAM)) == [Fit.ALTERED]


def test_refused_with_the_reason(make_tree: MakeTree, make_series: MakeSeries) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "b13\n")})
    fit = fit_series(tree, make_series(change(10)))
    assert fit.upstream is None
    assert only(fit).startswith("does not apply: hunk 1 of mm/gup.c does not apply")
    assert fit.patches[0].error is not None


def test_the_next_patch_is_tried_on_what_the_first_leaves(
    tree: Tree, make_series: MakeSeries
) -> None:
    second = change(10).replace("-a13\n+A13\n", "-A13\n+B13\n")
    assert fits(tree, make_series(change(10), second)) == [Fit.IN_PLACE, Fit.IN_PLACE]


def test_nothing_is_tried_after_a_refusal(tree: Tree, make_series: MakeSeries) -> None:
    wrong = change(10).replace("-a13", "-b13")
    fit = fit_series(tree, make_series(wrong, change(30)))
    assert [str(patch) for patch in fit.patches][1] == "not tried: it comes after p0.patch"
    assert not fit.applies


def test_what_is_applied_in_part_does_not_apply(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "A13\n")})
    fit = fit_series(tree, make_series(change(10), change(30)))
    assert [patch.fit for patch in fit.patches] == [Fit.APPLIED, Fit.IN_PLACE]
    assert (fit.applies, fit.applied) == (False, False)


def test_fixed_upstream(make_tree: MakeTree, make_series: MakeSeries) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "b13\n")})
    fit = fit_series(tree, make_series(change(10), change(30), lines=UPSTREAM))
    assert fit.upstream is not None
    assert fit.upstream.commit == "1027e4436b6a"
    assert [str(patch) for patch in fit.patches] == [
        "already fixed upstream: 1027e4436b6a (mm: make GUP handle pfn mapping)"
    ] * 2


def test_upstream_is_in_the_way_of_a_patch_that_needs_fuzz(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a10\n", "other\n")})
    series = make_series(change(10), change(30), lines=UPSTREAM)
    assert fits(tree, series) == [Fit.UPSTREAM, Fit.UPSTREAM]


def test_what_upstream_fixed_is_not_to_be_ported(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    broken = GUP.replace("a13\n", "b13\n")
    tree = make_tree({"mm/gup.c": broken, "mm/mmap.c": GUP})
    series = make_series(change(10), lines=UPSTREAM)
    with pytest.raises(Refused, match="does not apply") as caught:
        apply_series(tree, series)
    assert str(caught.value.hint).endswith(
        "already fixed upstream, by 1027e4436b6a (mm: make GUP handle pfn mapping)"
    )
    over = Overlay({"mm/gup.c": Replacement(0o100644, broken.encode())})
    with pytest.raises(Refused) as caught:
        apply_series(tree, series, over)
    assert "port the patch" in str(caught.value.hint)


def test_not_fixed_upstream_before_that_version(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    tree = make_tree({"mm/gup.c": GUP.replace("a13\n", "b13\n")})
    series = make_series(change(10), lines=UPSTREAM)
    for version, fit in (("4.2.8", Fit.REFUSED), ("4.3-rc1", Fit.REFUSED), ("4.3", Fit.UPSTREAM)):
        old = replace(tree, version=KernelVersion.parse(version))
        assert fits(old, series) == [fit], version


def test_a_patch_that_applies_is_needed_whatever_the_version(
    tree: Tree, make_series: MakeSeries
) -> None:
    fit = fit_series(tree, make_series(change(10), lines=UPSTREAM))
    assert (fit.applies, fit.upstream) == (True, None)


def test_upstream_knows_nothing_of_a_tree_that_was_changed_there(
    make_tree: MakeTree, make_series: MakeSeries
) -> None:
    """On a kernel with the bug brought back, "fixed upstream" would be a lie."""
    tree = make_tree({"mm/gup.c": GUP, "mm/mmap.c": GUP})
    broken = Replacement(0o100644, GUP.replace("a13\n", "b13\n").encode())
    series = make_series(change(10), lines=UPSTREAM)
    assert fits(tree, series, start=Overlay({"mm/gup.c": broken})) == [Fit.REFUSED]
    elsewhere = make_tree({"mm/gup.c": broken.content, "mm/mmap.c": GUP})
    assert fits(elsewhere, series, start=Overlay({"mm/mmap.c": broken})) == [Fit.UPSTREAM]


def test_no_patch_for_this_kernel(tree: Tree, make_series: MakeSeries) -> None:
    series = make_series(change(10), versions=" # versions: <4.3")
    assert only(fit_series(tree, series)) == (
        "does not apply: series fix has no patch for kernel 6.1.192"
    )
    known = make_series(change(10), versions=" # versions: <4.3", lines=UPSTREAM)
    assert fits(tree, known) == [Fit.UPSTREAM]


def test_backports_end_where_the_next_series_begins(make_series: MakeSeries) -> None:
    line = "# upstream: 0123456789ab since 4.1.50 before 4.2 a backport\n"
    series = make_series(change(10), lines=line + UPSTREAM)
    found = {
        version: upstream.commit if upstream else None
        for version in ("4.1.49", "4.1.50", "4.2.8", "4.3")
        for upstream in [series.upstream_for(KernelVersion.parse(version))]
    }
    assert found == {
        "4.1.49": None,
        "4.1.50": "0123456789ab",
        "4.2.8": None,
        "4.3": "1027e4436b6a",
    }


@pytest.mark.parametrize(
    "line",
    [
        "# upstream: 1027e4436b6a mm: make GUP handle it",
        "# upstream: since 4.3 mm: make GUP handle it",
        "# upstream: 1027e44 since 4.3 mm: too short to name one commit for good",
        "# upstream: 1027e4436b6a since four mm: make GUP handle it",
        "# upstream: 1027e4436b6a since 4.3 before 4.2 mm: make GUP handle it",
        "# Upstream: 1027e4436b6a since 4.3",
        "other.patch # upstream: 1027e4436b6a since 4.3 mm: make GUP handle it",
    ],
)
def test_a_misspelt_upstream_line_is_an_error(make_series: MakeSeries, line: str) -> None:
    (make_series(change(10)).path.parent / "other.patch").write_text(change(10))
    with pytest.raises(UserError) as caught:
        make_series(change(10), lines=f"{line}\n")
    assert str(caught.value.where).endswith("series:1")
    assert "# upstream: 1027e4436b6a since 4.3" in (caught.value.hint or "")


def test_upstream_changes_no_build(make_series: MakeSeries) -> None:
    digest = make_series(change(10)).digest
    assert make_series(change(10), lines=UPSTREAM).digest == digest
