# SPDX-License-Identifier: GPL-2.0-only
"""pydantic's errors, in the words of somebody who writes TOML."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lab.config.model import NAME_PATTERN, SHA256_PATTERN, LabConfig, Section
from lab.model.problem import KeyPath, Problem
from lab.model.spelling import nearest, suggestion
from lab.model.url import without_secrets

#: How pydantic marks an error in a dict's key, not in the value below it.
_KEY_MARK = "[key]"

_PATTERNS = {
    NAME_PATTERN: "is not a name: letters, digits, '.', '_' and '-', a letter or digit first",
    SHA256_PATTERN: "is not a SHA-256: 64 hexadecimal digits, in lower case",
}

_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_attributes_type": "a table",
    "model_type": "a table",
    "path_type": "a string",
    "string_type": "a string",
    "tuple_type": "a list",
}

_BOUNDS = {
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}


def problems_of(error: ValidationError) -> list[Problem]:
    """Each mistake that pydantic found, under the key the user wrote."""
    details = error.errors(include_url=False)
    meant = {_meant(detail["loc"]) for detail in details if detail["type"] == "extra_forbidden"}
    return [_problem(detail) for detail in details if not _is_echo(detail, meant)]


def _meant(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The key that was probably meant by the unknown key at ``loc``."""
    _, section = _resolve(loc[:-1])
    return (*loc[:-1], nearest(str(loc[-1]), _keys_of(section)))


def _is_echo(detail: ErrorDetails, meant: set[tuple[int | str, ...]]) -> bool:
    """Whether another mistake, that is told, explains this one."""
    match detail["type"]:
        case "missing":
            return detail["loc"] in meant
        case "too_short":  # pydantic counts the items that are left without the bad ones
            return bool(detail["input"])
    return False


def _problem(detail: ErrorDetails) -> Problem:
    path, _ = _resolve(detail["loc"])
    match detail["type"]:
        case "extra_forbidden":
            _, section = _resolve(detail["loc"][:-1])
            return Problem("unknown key", suggestion(str(path[-1]), _keys_of(section)), path)
        case "missing":
            return Problem("is missing", keys=path)
        case "union_tag_invalid" | "union_tag_not_found":
            return _kind_problem(detail, path)
        case "literal_error" | "enum":
            return _choice_problem(detail, path)
    return Problem(_says(detail), keys=path)


def _says(detail: ErrorDetails) -> str:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in _WANTED:
        return f"should be {_WANTED[kind]}, is {_shown(value)}"
    if kind in _BOUNDS:
        return f"should be {_BOUNDS[kind].format_map(context)}, is {_shown(value)}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(value)} {_PATTERNS[context['pattern']]}"
    if kind in ("too_short", "string_too_short"):
        return "should not be empty"
    if kind == "value_error":
        return str(context["error"])
    return detail["msg"]


def _kind_problem(detail: ErrorDetails, path: KeyPath) -> Problem:
    kinds = tuple(_members(_type_at(path)))
    keys = (*path, "kind")
    if detail["type"] == "union_tag_not_found":
        return Problem("is missing", suggestion("", kinds), keys)
    name = without_secrets(str(detail["input"]["kind"]))
    return Problem(f"unknown kind {name!r}", suggestion(name, kinds), keys)


def _choice_problem(detail: ErrorDetails, path: KeyPath) -> Problem:
    choices = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    value = detail["input"]
    return Problem(f"cannot be {_shown(value)}", suggestion(str(value), choices), path)


def _keys_of(section: object) -> tuple[str, ...]:
    section = _bare(section)
    if isinstance(section, type) and issubclass(section, Section):
        return tuple(field.alias or name for name, field in section.model_fields.items())
    return ()


def _shown(value: object) -> str:
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
    return repr(without_secrets(value)) if isinstance(value, str) else str(value)


def _resolve(loc: Iterable[int | str]) -> tuple[KeyPath, object]:
    """The keys in pydantic's ``loc``, without its marks, and the type they lead to."""
    path: KeyPath = ()
    kind: object = LabConfig
    for part in loc:
        members = _members(kind)
        if part in members:  # a tagged union's tag, which is no key of the user's
            kind = members[str(part)]
        elif part != _KEY_MARK:
            path = (*path, part)
            kind = _below(kind, part)
    return path, kind


def _type_at(path: KeyPath) -> object:
    return _resolve(path)[1]


def _below(kind: object, part: int | str) -> object:
    kind = _bare(kind)
    if isinstance(kind, type) and issubclass(kind, Section):
        field = kind.model_fields.get(str(part))
        return field.annotation if field else None
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    if get_origin(kind) is tuple:
        return get_args(kind)[0]
    return None


def _members(kind: object) -> dict[str, type[Section]]:
    """The sections of a union that ``kind`` tells apart, by tag."""
    kind = _bare(kind)
    if get_origin(kind) not in (Union, types.UnionType):
        return {}
    return dict(_tagged(get_args(kind)))


def _tagged(members: tuple[Any, ...]) -> Iterator[tuple[str, type[Section]]]:
    for member in members:
        if isinstance(member, type) and issubclass(member, Section):
            yield get_args(member.model_fields["kind"].annotation)[0], member


def _bare(kind: object) -> object:
    """The type without what is said about it, nor that it may be left out."""
    if get_origin(kind) in (Union, types.UnionType):
        members = [member for member in get_args(kind) if member is not types.NoneType]
        return _bare(members[0]) if len(members) == 1 else kind
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind
