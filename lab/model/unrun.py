# SPDX-License-Identifier: GPL-2.0-only
"""Why a test did not run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unrun(StrEnum):
    """What sort of reason there is that nobody ran a test."""

    #: Ctrl-C, or a signal: it is done when its run goes on.
    INTERRUPTED = "interrupted"
    #: So many others were not as expected.
    ENOUGH = "enough"
    #: What its guest, its program or the lab came to.
    LOST = "lost"


@dataclass(frozen=True)
class Stop:
    """Why nothing more runs, in words, and what sort of reason that is."""

    why: str
    kind: Unrun = Unrun.LOST


INTERRUPTED = Stop("interrupted", Unrun.INTERRUPTED)
ENOUGH = Stop("enough results are not as expected (--max-fail)", Unrun.ENOUGH)
#: Of a kernel that is another one's again, which was tested.
SAME = Stop("the binary is the same")
#: Of a job that is repeated.
FAILED = Stop("a result was not as expected (--until-fail, --max-fail)", Unrun.ENOUGH)
