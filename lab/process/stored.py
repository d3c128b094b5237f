# SPDX-License-Identifier: GPL-2.0-only
"""What a file of the cache or of the results holds, when it is what the lab once wrote.

A power cut, a full disk, an older lab or a person may have left anything there: a file of
another shape is a file that is not there, and what it was of is made again.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

_Kind = TypeVar("_Kind")


def read_stored(path: Path, kind: type[_Kind]) -> _Kind | None:
    """The JSON of a file as a ``kind``: a dataclass, a TypedDict, a ``dict[str, int]``.

    Returns:
        None when there is no such file, or it is cut short, damaged or of another shape.
    """
    try:
        return parse_stored(path.read_bytes(), kind)
    except (OSError, ValueError):
        return None


def parse_stored(content: bytes, kind: type[_Kind]) -> _Kind:
    """JSON as a ``kind``.

    Raises:
        ValueError: It is none of these; says where in it, in a line.
    """
    try:
        found: _Kind = _adapter(cast("Any", kind)).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
