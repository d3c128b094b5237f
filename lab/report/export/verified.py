# SPDX-License-Identifier: GPL-2.0-only
"""What a run's folder says of the series that it verified, read back."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from lab.errors import ExitStatus, Location, UserError
from lab.model.status import Outcome
from lab.results.folder import RunFolder


class Turned(BaseModel):
    """A test on both sides; a side is None where it has no result."""

    filesystem: str
    suite: str
    test: str
    base: str | None
    patched: str | None
    verdict: str
    kernel: str = ""
    machine: str = ""
    config: str = ""
    why: str = ""


class PatchRow(BaseModel):
    """A patch that is for the kernel."""

    patch: str


class KernelRow(BaseModel):
    """What the series comes to on a kernel, with a config on a machine: "" in older files."""

    kernel: str
    machine: str = ""
    config: str = ""
    verdict: Outcome
    expected: Outcome
    as_expected: bool
    why: str = ""
    patches: tuple[PatchRow, ...] = ()


class Verdicts(BaseModel):
    """``verdicts.json``."""

    series: str
    exit_status: ExitStatus
    kernels: tuple[KernelRow, ...]
    verdicts: tuple[Turned, ...] = ()
    doubt: str = ""


class StepRow(BaseModel):
    """A patch on those before it; the first has none."""

    number: int
    patch: str
    bad: str
    unclear: str
    why: str = ""
    turned: tuple[Turned, ...] = ()


class KernelSteps(BaseModel):
    """All patches on a kernel."""

    kernel: str
    exit_status: ExitStatus
    steps: tuple[StepRow, ...]


class Steps(BaseModel):
    """``steps.json``."""

    series: str
    kernels: tuple[KernelSteps, ...]


_Read = TypeVar("_Read", Verdicts, Steps)


def read_verdicts(folder: RunFolder | None) -> Verdicts | None:
    """The verdicts of a run; None where it verified no series.

    Raises:
        UserError: The file is damaged.
    """
    return _read(folder.verdicts, Verdicts) if folder is not None else None


def read_steps(folder: RunFolder | None) -> Steps | None:
    """The verdicts on each patch; None where nobody asked for them.

    Raises:
        UserError: The file is damaged.
    """
    return _read(folder.steps, Steps) if folder is not None else None


def _read(path: Path, kind: type[_Read]) -> _Read | None:
    if not path.exists():
        return None
    try:
        return kind.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        said = str(error).splitlines()
        what = "what came of the series cannot be read"
        raise UserError(what, where=Location(path), detail=said[-1], hint="verify again") from None
