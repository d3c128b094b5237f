# SPDX-License-Identifier: GPL-2.0-only
"""Why the lab could not do a job, or not all of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.errors import LabError, UserError


class Fault(StrEnum):
    """Whose fault an error is."""

    #: What the lab was given: a patch that does not apply, an option that does not stick.
    USER = "given"
    #: The machine's, or the lab's own.
    MACHINE = "machine"
    #: Nobody's: a signal came, and the job is done again when its run goes on.
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class JobError:
    """An error as it is recorded; its text is what a LabError of these parts says.

    Args:
        what, where, hint, detail: As a LabError has them; "" for none.  Of a record that has
            the text alone, ``what`` is its first line.
        told: The whole text, of such a record.
    """

    what: str
    where: str = ""
    hint: str = ""
    detail: str = ""
    fault: Fault = Fault.MACHINE
    told: str = ""

    @classmethod
    def of(cls, error: LabError, fault: Fault | None = None) -> JobError:
        """An error; whose fault it is, its family says if nobody else does."""
        family = Fault.USER if isinstance(error, UserError) else Fault.MACHINE
        where = "" if error.where is None else str(error.where)
        return cls(error.what, where, error.hint or "", error.detail or "", fault or family)

    @classmethod
    def of_text(cls, text: str, fault: Fault = Fault.MACHINE) -> JobError:
        """An error of which the text alone is on record."""
        return cls(text.partition("\n")[0], fault=fault, told=text)

    @property
    def line(self) -> str:
        """The first line of its text."""
        return str(self).partition("\n")[0]

    def __str__(self) -> str:
        return self.told or str(
            LabError(self.what, where=self.where, hint=self.hint, detail=self.detail)
        )


#: Of a job that a signal ended.
INTERRUPTED = JobError("interrupted", fault=Fault.INTERRUPTED)
