# SPDX-License-Identifier: GPL-2.0-only
"""Series that come in with a command: what was given, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab.cli.lines import say

if TYPE_CHECKING:
    from lab.model.variant import Variant
    from lab.patches.intake import Intake
    from lab.patches.patched_tree import View
    from lab.session import Lab


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

    if is_source(given) or is_thread(given) or "/" in given:
        return read_intake(given, opened.patches, trees=trees_of(opened, kernels, quiet=quiet))
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
