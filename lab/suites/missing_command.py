# SPDX-License-Identifier: GPL-2.0-only
"""A command that a script names, and that is not in the guest."""

from __future__ import annotations

import re
from dataclasses import replace

from lab.model.status import Status
from lab.suites.judge import Judged
from lab.suites.suite import ProgramResult

#: What is no word on the kernel once a command of the script was not there.
_EARNED = {Status.PASS, Status.FAIL, Status.SKIP}


def unless_missing(
    result: ProgramResult, program: str, output: bytes, detail: str
) -> ProgramResult:
    """A script's result, unless its shell found no such command: then it earned none."""
    if (missing := _missing(program, output, detail)) is None:
        return result
    return replace(result, judged=tuple(_unearned(one, missing) for one in result.judged))


def _missing(program: str, output: bytes, detail: str) -> str | None:
    """The command that the script's shell did not find: ash, bash and dash say so alike."""
    said = rf"^/lab/{re.escape(program)}: (?:line )?\d+: (\S+): (?:command )?not found\s*$"
    text = f"{output.decode(errors='replace')}\n{detail}"
    match = re.search(said, text, re.MULTILINE)
    return match[1] if match else None


def _unearned(judged: Judged, missing: str) -> Judged:
    if judged.status not in _EARNED:
        return judged
    why = f'there is no {missing} in the guest: tools = ["{missing}"] in its table of lab.toml'
    message = f"{why} (the test itself: {judged.status})"
    return replace(judged, status=Status.ERROR, message=message)
