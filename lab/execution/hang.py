# SPDX-License-Identifier: GPL-2.0-only
"""Whether two hangs are one: the second shows nothing that the first did not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from lab.complaints.frames import bare, tellings
from lab.model.complaint import Complaint

#: A loop is met at another place each time, but its caller is the same.
_DEEP = 2


@dataclass(frozen=True)
class Signature:
    """What is told of a hang.

    Attributes:
        program: ``SUITE.PROGRAM``.
        title: Of the kernel's complaint; "" when it was silent.
        functions: Where it was, the innermost and its caller.
        alone: Only the program hung, and the guest goes on.
    """

    program: str
    title: str = ""
    functions: frozenset[str] = frozenset()
    alone: bool = False

    @staticmethod
    def of(program: str, complaint: Complaint | None, *, alone: bool) -> Signature:
        """The signature of a hang with or without a complaint."""
        if complaint is None:
            return Signature(program, alone=alone)
        frames = islice(tellings(complaint.frames), _DEEP)
        functions = frozenset(bare(frame.function) for frame in frames)
        return Signature(program, complaint.title, functions)

    def is_like(self, other: Signature) -> bool:
        """Whether both are one hang, as far as can be seen."""
        if self.title and other.title:
            return self.title == other.title or bool(self.functions & other.functions)
        return self.program == other.program and self.title == other.title


class Hangs:
    """The hangs of a job: one that came before shows nothing new, and takes as long again.

    Attributes:
        over: Why nothing more of the job is to run; "" while it goes on.
    """

    def __init__(self) -> None:
        self.over = ""
        self._seen: list[Signature] = []
        self._given_up: dict[str, str] = {}

    def note(self, hang: Signature) -> None:
        """Take a hang in."""
        if any(hang.is_like(other) for other in self._seen):
            what = hang.title or f"{hang.program} hung without a word"
            said = f"the same hang came twice ({what})"
            if hang.alone:
                self._given_up[hang.program] = said
            else:
                self.over = said
        self._seen.append(hang)

    def given_up(self, program: str) -> str:
        """Why a program that hangs by itself does not run again; "" while it does."""
        return self._given_up.get(program, "")
