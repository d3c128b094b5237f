# SPDX-License-Identifier: GPL-2.0-only
"""Series that come in with a command: what was given, and what is told of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.cli.lines import say
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.model.variant import Variant
    from lab.patches.intake import Intake
    from lab.patches.patched_tree import View
    from lab.session import Lab

#: A commit's id as git shortens it, HEAD, or A..B, HEAD~1, fix^ (gitrevisions(7)).
_COMMIT = re.compile(r"[0-9a-f]{7,40}|HEAD|\S*(?:\.\.|[~^])\S*")


def intake_for(
    opened: Lab, given: str, kernels: Sequence[str] = (), *, quiet: bool = False
) -> Intake | None:
    """The series in a file that was given for a name, not written yet; None for a name.

    Args:
        kernels: As they were named: what a damaged patch may be rebuilt on.
        quiet: Nothing is told while a kernel is brought in for that.

    Raises:
        UserError: There is no such file, or no series in it.
    """
    if given in opened.loaded.config.series:
        return None
    from lab.patches.intake import is_source, is_thread, read_intake

    is_file = "/" in given or given.endswith((".patch", ".diff", ".mbox", ".eml"))
    if is_source(given) or is_thread(given) or is_file:
        return read_intake(given, opened.patches, trees=trees_of(opened, kernels, quiet=quiet))
    if _COMMIT.fullmatch(given):
        what, hint = f"no series is named {given!r}", "--tree DIR, if it is a commit there"
        raise UserError(what, where=opened.loaded.locate("series"), hint=hint)
    return None


def trees_of(
    opened: Lab, kernels: Sequence[str], *, quiet: bool
) -> list[tuple[str, Callable[[], View]]]:
    """Each kernel's name, and what brings its source in: only what is damaged needs it."""
    from lab.plan import resolve, settled

    if not kernels:
        return []
    here, names = opened.taking(kernels)
    asked = [resolve(here.loaded, settled(here.loaded, name)) for name in names]
    return [(str(each), _bringing(here, each, quiet)) for each in asked]


def _bringing(opened: Lab, variant: Variant, quiet: bool) -> Callable[[], View]:
    def bring() -> View:
        from lab.cli.progress import Show

        with Show(opened.cache, quiet=quiet) as show:
            return opened.telling(show).builder.view(variant)

    return bring


def on_what_it_goes_onto(
    opened: Lab, series: str, intake: Intake | None, kernels: Sequence[str]
) -> tuple[Lab, Sequence[str]]:
    """The kernels with the series beneath that this one says it goes onto, which are told.

    Args:
        intake: The series where it is not written yet.
        kernels: As they were named; none are those of its table.

    Raises:
        UserError: A series beneath is gone, or not as it was when this one was taken in.
    """
    from lab.model.variant import Variant
    from lab.patches.beneath import beneath_of
    from lab.patches.origin import read_origin

    origin = intake.kept_origin if intake else read_origin(opened.patches / series)
    for name in origin.missing if origin else ():
        say(f"lab: {series} is tested without {name}, which it goes onto: not taken in", err=True)
    beneath = beneath_of(opened.patches, series, origin)
    if not beneath:
        return opened, kernels
    say(f"lab: {series} is tested on {' + '.join(beneath)}, which it goes onto", err=True)
    for name in beneath:
        opened = opened.with_series(name)
    section = opened.loaded.config.series.get(series)
    bases = kernels or (section.kernels if section else ())
    laid = [Variant(base, [n for n in beneath if n not in Variant(base).series]) for base in bases]
    return opened, laid


@contextmanager
def keeping(intake: Intake | None, *, write: bool) -> Iterator[None]:
    """Keep the series while the block runs, and say at its end under which name."""
    if intake is None:
        yield
        return
    if write:
        intake.write()
    try:
        yield
    finally:
        how = "is kept" if write or intake.known else "would be kept"
        for note in intake.choice.notes:
            say(f"lab: {note}", err=True)
        say(f"lab: the series {how} as {intake.name}: {intake.folder}", err=True)
