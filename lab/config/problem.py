# SPDX-License-Identifier: GPL-2.0-only
"""Mistakes, gathered so that the user meets all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from lab.config.locate import KeyPath
from lab.errors import Location, UserError

#: A longer list of names helps nobody find theirs.
_FEW = 16


@dataclass(frozen=True)
class Problem:
    """One mistake: what is wrong, what to try, and under which key (if any)."""

    what: str
    hint: str = ""
    keys: KeyPath = ()


def unknown(noun: str, name: str, known: Iterable[str], keys: KeyPath = ()) -> Problem:
    """``name`` is not among ``known``; the nearest spelling is the hint."""
    return Problem(f"no {noun} is named {name!r}", suggestion(name, tuple(known)), keys)


def suggestion(name: str, known: Collection[str]) -> str:
    """The nearest right spelling of ``name``, and all of them when they are few."""
    near = nearest(name, known)
    if len(known) > _FEW:
        return near or f"one of {', '.join(_likest(name, known))}, …"
    listing = ", ".join(known)
    if near:
        return f"{near} (known: {listing})" if len(known) > 1 else near
    return f"one of {listing}" if listing else ""


def _likest(name: str, known: Iterable[str]) -> list[str]:
    """The few that are least unlike ``name``."""
    return difflib.get_close_matches(name, list(known), n=_FEW // 2, cutoff=0)


def nearest(name: str, known: Iterable[str]) -> str:
    """The spelling most like ``name``, or "" when none is like it."""
    lowered = {spelling.lower(): spelling for spelling in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return lowered[near[0]] if near else ""


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
