# SPDX-License-Identifier: GPL-2.0-only
"""Mistakes, gathered so that the user meets all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lab.errors import Location, UserError
from lab.model.spelling import suggestion

#: Keys from the outermost table inwards; an int is an index into an array.
KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Problem:
    """One mistake: what is wrong, what to try, and under which key (if any)."""

    what: str
    hint: str = ""
    keys: KeyPath = ()


def unknown(noun: str, name: str, known: Iterable[str], keys: KeyPath = ()) -> Problem:
    """``name`` is not among ``known``; the nearest spelling is the hint."""
    return Problem(f"no {noun} is named {name!r}", suggestion(name, tuple(known)), keys)


def as_error(
    problems: Sequence[Problem], subject: str, locate: Callable[[KeyPath], Location] | None = None
) -> UserError:
    """One error for all of ``problems``, which must not be empty.

    Args:
        subject: What has the mistakes, when there are several.
        locate: Finds the line of a key; None when the names come from no file.
    """
    if len(problems) == 1:
        return _alone(problems[0], locate)
    errors = [_alone(problem, locate) for problem in problems]
    errors.sort(key=_position)
    detail = "\n".join(_one_line(error) for error in errors)
    return UserError(f"{subject} has {len(errors)} mistakes", detail=detail)


def _alone(problem: Problem, locate: Callable[[KeyPath], Location] | None) -> UserError:
    where = locate(problem.keys) if locate else None
    return UserError(problem.what, where=where, hint=problem.hint or None)


def _position(error: UserError) -> tuple[str, int]:
    where = error.where
    return (str(where.path), where.line or 0) if isinstance(where, Location) else ("", 0)


def _one_line(error: UserError) -> str:
    text = f"{error.where}: {error.what}" if error.where else error.what
    return f"{text}; try {error.hint}" if error.hint else text
