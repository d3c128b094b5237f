# SPDX-License-Identifier: GPL-2.0-only
"""Whether a series goes onto a tree, patch by patch, told rather than raised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lab.errors import UserError
from lab.patches.apply import Note, apply, apply_one
from lab.patches.check import index_line
from lab.patches.diff import file_names
from lab.patches.overlay import Overlay
from lab.patches.patch import Patch
from lab.patches.patched_tree import View
from lab.patches.refusal import AlreadyApplied, Altered, NeedsFuzz, NotMeant, Refused
from lab.patches.series import Series
from lab.patches.upstream import Upstream
from lab.trees import Tree

_NOTHING = Overlay.empty()


class Fit(StrEnum):
    """How a patch goes onto a tree, or why it does not."""

    EXACT = "applies, exact blob"
    IN_PLACE = "applies, at its lines"
    OFFSET = "applies, at an offset"
    FUZZ = "needs fuzz"
    APPLIED = "already applied"
    UPSTREAM = "already fixed upstream"
    ALTERED = "altered on its way"
    REFUSED = "does not apply"
    UNTRIED = "not tried"


_APPLIES = frozenset({Fit.EXACT, Fit.IN_PLACE, Fit.OFFSET})
#: The patch is of use, or of none any more; the others are for somebody to mend.
_GOOD = _APPLIES | {Fit.APPLIED, Fit.UPSTREAM}
#: What upstream's own commit brings about where it is in the way of a patch.
_MISFITS = frozenset({Fit.REFUSED, Fit.FUZZ})


@dataclass(frozen=True)
class PatchFit:
    """One patch on one tree; ``patch`` is ``""`` where the series has none for it.

    ``detail`` is a line; ``error`` is the whole story when it does not apply.
    """

    patch: str
    fit: Fit
    detail: str = ""
    error: UserError | None = None

    @property
    def good(self) -> bool:
        """Whether there is nothing for anybody to mend."""
        return self.fit in _GOOD

    def __str__(self) -> str:
        return f"{self.fit}: {self.detail}" if self.detail else str(self.fit)


@dataclass(frozen=True)
class SeriesFit:
    """A series on one tree; ``upstream`` is the commit that made it unneeded there."""

    series: str
    patches: tuple[PatchFit, ...]
    upstream: Upstream | None = None

    @property
    def applies(self) -> bool:
        """Whether every patch applies."""
        return all(patch.fit in _APPLIES for patch in self.patches)

    @property
    def applied(self) -> bool:
        """Whether the tree has every patch."""
        return all(patch.fit is Fit.APPLIED for patch in self.patches)

    @property
    def first_misfit(self) -> PatchFit | None:
        """The first patch that does not apply."""
        return next((patch for patch in self.patches if patch.fit not in _APPLIES), None)


def fit_series(tree: Tree, series: Series, start: Overlay = _NOTHING) -> SeriesFit:
    """Try the series on ``tree`` with ``start`` over it; both stay as they are.

    A patch that does not apply is "already fixed upstream" where the series says so
    of the kernel's version, unless ``start`` changes what the series is for: then
    the tree is no more what that commit left.

    Raises:
        UserError: A patch names files that cannot be.
        InfrastructureError: The tree was changed, or there is no space.
    """
    upstream = None if _touched(series, start) else series.upstream_for(tree.version)
    try:
        patches = series.for_version(tree.version)
    except NotMeant as error:
        fit = PatchFit("", Fit.REFUSED, error.what, error)
        return _told(series, [fit], upstream)
    return _told(series, list(_tries(View(tree, start), patches)), upstream)


def apply_series(tree: Tree, series: Series, start: Overlay = _NOTHING) -> Overlay:
    """What the series makes of ``tree`` with ``start`` over it.

    Raises:
        Refused: As for_version() and apply() do; of a kernel that upstream fixed, the
            hint is the commit: nothing is left to port.
        InfrastructureError: The tree was changed, or there is no space.
    """
    try:
        return apply(tree, series.for_version(tree.version), start=start).overlay
    except Refused as error:
        upstream = None if _touched(series, start) else series.upstream_for(tree.version)
        if upstream is None or isinstance(error, Altered):
            raise
        raise type(error)(
            error.what,
            where=error.where,
            detail=error.detail,
            hint=f"{tree.kernel} without {series.name}: already fixed upstream, by "
            f"{upstream.commit} ({upstream.subject})",
        ) from None


def _told(series: Series, fits: list[PatchFit], upstream: Upstream | None) -> SeriesFit:
    if upstream is None or not any(fit.fit in _MISFITS for fit in fits):
        return SeriesFit(series.name, tuple(fits))
    said = f"{upstream.commit} ({upstream.subject})"
    told = (
        PatchFit(fit.patch, Fit.UPSTREAM, said, fit.error)
        if fit.fit in _MISFITS | {Fit.UNTRIED}
        else fit
        for fit in fits
    )
    return SeriesFit(series.name, tuple(told), upstream)


def _touched(series: Series, start: Overlay) -> bool:
    names = {
        name
        for patch in series.patches
        for file in patch.diff
        for name in file_names(patch.path, file, patch.strip)
    }
    return not names.isdisjoint(start.files)


def _tries(view: View, patches: Sequence[Patch]) -> Iterator[PatchFit]:
    refused = None
    for patch in patches:
        if refused is not None:
            yield PatchFit(patch.name, Fit.UNTRIED, f"it comes after {refused.name}")
            continue
        fit = _try(view, patch)
        yield fit
        if not fit.good:
            refused = patch


def _try(view: View, patch: Patch) -> PatchFit:
    try:
        notes = apply_one(view, patch)
    except AlreadyApplied as error:
        return PatchFit(patch.name, Fit.APPLIED, "", error)
    except NeedsFuzz as error:
        return PatchFit(patch.name, Fit.FUZZ, error.what, error)
    except Altered as error:
        return PatchFit(patch.name, Fit.ALTERED, error.what, error)
    except UserError as error:
        return PatchFit(patch.name, Fit.REFUSED, error.what, error)
    return _applied(patch, notes)


def _applied(patch: Patch, notes: Sequence[Note]) -> PatchFit:
    if all(note.exact_blob for note in notes):
        return PatchFit(patch.name, Fit.EXACT, ", ".join(_blobs(patch)))
    moved = [f"{note.file}: {offset}" for note in notes for offset in note.offsets]
    if moved:
        return PatchFit(patch.name, Fit.OFFSET, "; ".join(moved))
    return PatchFit(patch.name, Fit.IN_PLACE, _why_not_exact(patch))


def _blobs(patch: Patch) -> Iterator[str]:
    for file in patch.diff:
        index = index_line(file)
        if index is not None:
            yield f"{file.path} {index.before}..{index.after}"


def _why_not_exact(patch: Patch) -> str:
    if all(index_line(file) is None for file in patch.diff):
        return "it has no index lines to check"
    return "to other blobs than it names"
