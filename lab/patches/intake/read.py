# SPDX-License-Identifier: GPL-2.0-only
"""From what somebody has in hand to a series that can be kept."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import UserError
from lab.patches.intake.archive import fetch_thread, is_thread
from lab.patches.intake.beneath import with_beneath
from lab.patches.intake.choose import choose
from lab.patches.intake.keep import Intake, intake_of
from lab.patches.intake.letter import letters_of
from lab.patches.intake.mending import Trees, whole_choice
from lab.patches.intake.revisions import with_older
from lab.patches.intake.source import read_source
from lab.patches.intake.subject import Revision

_REVISION = re.compile(r"v?(\d{1,4}(?:\.\d{1,4})?)", re.IGNORECASE)


def read_intake(
    given: str,
    patches: Path,
    *,
    revision: str | None = None,
    pick: str | None = None,
    name: str | None = None,
    trees: Trees = None,
) -> Intake:
    """The series in a file, mbox, maildir, ``-`` or archive; nothing is written yet.

    Args:
        patches: The folder of series that it would be kept in.
        revision: As ``3`` or ``v3``, instead of the newest.
        pick: A Message-Id, or a part of a title, where there are several series.
        name: Instead of one made of its title.
        trees: Source that a damaged patch may be rebuilt with; looked at for that alone.

    Raises:
        UserError: It holds no series, more than one, or one that is not whole or damaged.
    """
    asked = _revision(revision)
    source = fetch_thread(given) if is_thread(given) else read_source(given)
    several = len(source.mails) > 1
    letters = [
        letter
        for number, mail in enumerate(source.mails, 1)
        for letter in letters_of(mail, f"mail {number}" if several else "")
    ]
    choice = whole_choice(choose(letters, source.name, asked, pick), source, trees)
    choice = with_older(with_beneath(choice, patches), patches)
    return intake_of(choice, source.name, patches, name)


def _revision(text: str | None) -> Revision | None:
    if text is None:
        return None
    match = _REVISION.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{text!r} is no revision", where="--revision", hint="--revision 3")
    return tuple(map(int, match[1].split(".")))
