# SPDX-License-Identifier: GPL-2.0-only
"""Where a series stands on a tree: it goes onto it, is in it, or is refused, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from lab.patches.diff import file_names
from lab.patches.fit import Fit, PatchFit, SeriesFit, fit_series
from lab.patches.in_place import is_in_place
from lab.patches.overlay import Overlay, Replacement
from lab.patches.patch import Patch
from lab.patches.patched_tree import View
from lab.patches.refusal import NotMeant
from lab.patches.scratch_tree import git_apply, write_files
from lab.patches.series import Series
from lab.process.temporary import temporary_folder
from lab.trees import Tree

_NOTHING = Overlay.empty()


class Standing(StrEnum):
    """How a tree takes a series."""

    CLEAN = "clean"
    APPLIES = "applies"
    MOVED = "moved"
    IN = "already in"
    IN_PART = "in in part"
    ALTERED = "altered"
    REFUSED = "refused"
    NOT_MEANT = "not meant"


#: Somebody can go on from there: it can be tested, or is there already.
GOOD = frozenset({Standing.CLEAN, Standing.APPLIES, Standing.MOVED, Standing.IN})


@dataclass(frozen=True)
class Stand:
    """A series on one tree.

    ``detail`` says by what it is known, or which hunk of which ``patch`` is refused and what
    is there, which ``beside`` shows line by line; ``commit`` is what brought it in, and
    ``found`` how that is known.
    """

    standing: Standing
    detail: str = ""
    patch: str = ""
    commit: str = ""
    found: str = ""
    beside: str = ""

    def __str__(self) -> str:
        return f"{self.standing}: {self.detail}" if self.detail else str(self.standing)


@dataclass(frozen=True)
class Standings:
    """A series on many trees: those whose files are the same blobs are tried once."""

    series: Series
    _known: dict[tuple[object, ...], Stand] = field(default_factory=dict, repr=False)

    def on(self, tree: Tree, start: Overlay = _NOTHING) -> Stand:
        """Where it stands on a tree with ``start`` over it; both stay as they are.

        Raises:
            UserError: A patch names files that cannot be.
            InfrastructureError: The tree was changed, or there is no space.
        """
        try:
            patches = self.series.for_version(tree.version)
        except NotMeant as error:
            patches = ()
            if self.series.upstream_for(tree.version) is None:
                return Stand(Standing.NOT_MEANT, error.what)
        key = self._key(tree, start, patches)
        if key not in self._known:
            self._known[key] = _stand(tree, self.series, start, patches)
        return self._known[key]

    def _key(self, tree: Tree, start: Overlay, patches: Sequence[Patch]) -> tuple[object, ...]:
        """What the answer depends on: the blobs of its files, which no file is read for."""
        entries = View(tree, start).entries
        blobs = tuple(entries.get(name) for name in paths_of(patches))
        upstream = self.series.upstream_for(tree.version)
        return (tuple(patch.name for patch in patches), blobs, start.digest, upstream)


def paths_of(patches: Sequence[Patch]) -> tuple[str, ...]:
    """The files that patches touch, before and after, each once."""
    names = (
        name
        for patch in patches
        for file in patch.diff
        for name in file_names(patch.path, file, patch.strip)
        if name is not None
    )
    return tuple(dict.fromkeys(names))


def _stand(tree: Tree, series: Series, start: Overlay, patches: Sequence[Patch]) -> Stand:
    fit = fit_series(tree, series, start)
    if all(patch.fit is Fit.EXACT for patch in fit.patches):
        return Stand(Standing.CLEAN, _counted("exact blobs", fit))
    if fit.applied:
        return Stand(Standing.IN, "by content")
    if fit.applies:
        return _goes(tree, start, patches, fit)
    if patches and is_in(tree, patches, start):
        return Stand(Standing.IN, "by content")
    if fit.upstream is not None:
        said = f"{fit.upstream.commit} ({fit.upstream.subject})"
        return Stand(Standing.IN, f"as {said}", commit=fit.upstream.commit, found="the series")
    return _refused(fit)


def _goes(tree: Tree, start: Overlay, patches: Sequence[Patch], fit: SeriesFit) -> Stand:
    moved = [patch for patch in fit.patches if patch.fit is Fit.OFFSET]
    standing = Standing.MOVED if moved else Standing.APPLIES
    first = moved[0] if moved else fit.patches[0]
    detail = "; ".join(f"{_named(patch, fit)}{patch.detail}" for patch in moved or [first])
    if is_in(tree, patches, start):
        # What it adds is there, and so is a place for it to be added once more.
        return Stand(Standing.IN, f"by content; it would go in once more: {detail}")
    return Stand(standing, detail, first.patch)


def _refused(fit: SeriesFit) -> Stand:
    there = [patch.patch for patch in fit.patches if patch.fit is Fit.APPLIED]
    misfit = next((patch for patch in fit.patches if not patch.good), None)
    if misfit is None:
        names = ", ".join(there)
        return Stand(Standing.IN_PART, f"{names} of {len(fit.patches)} patches", there[0])
    standing = Standing.ALTERED if misfit.fit is Fit.ALTERED else Standing.REFUSED
    also = f"; {', '.join(there)} is in already" if there else ""
    detail = f"{_named(misfit, fit)}{misfit.detail}{also}"
    beside = (misfit.error.detail or "") if misfit.error else ""
    return Stand(standing, detail, misfit.patch, beside=beside)


def _named(patch: PatchFit, fit: SeriesFit) -> str:
    return f"{patch.patch}: " if len(fit.patches) > 1 else ""


def _counted(what: str, fit: SeriesFit) -> str:
    number = len(fit.patches)
    return what if number == 1 else f"{what}, {number} patches"


def is_in(tree: Tree, patches: Sequence[Patch], over: Overlay = _NOTHING) -> bool:
    """Whether all of the patches can be taken off again, the last one first.

    Raises:
        InfrastructureError: The tree was changed.
    """
    with temporary_folder("patch") as folder:
        write_files(folder, dict(_files(View(tree, over), patches)))
        return all(_taken_off(folder, patch) for patch in reversed(patches))


def _taken_off(folder: Path, patch: Patch) -> bool:
    def read(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if path.is_file() and not path.is_symlink() else None

    return is_in_place(patch, read) and git_apply(folder, patch, "--reverse").status == 0


def _files(view: View, patches: Sequence[Patch]) -> Iterator[tuple[str, Replacement]]:
    for name in paths_of(patches):
        file = view.read(name)
        if file is not None:
            yield name, file
