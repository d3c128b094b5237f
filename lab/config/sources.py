# SPDX-License-Identifier: GPL-2.0-only
"""``lab.toml`` and ``lab.local.toml``: read, laid over each other, searched for a key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.config.toml_lines import dotted, line_map
from lab.errors import Location, UserError
from lab.model.problem import KeyPath

Table = dict[str, Any]
#: Rows of these are rules, of which the last that matches counts: a local file adds to
#: them, unless its ``replace`` names them.
RULES = ("expect", "verdict", "benign")


@dataclass(frozen=True)
class Document:
    """One TOML file: its values, and the line of each of its keys."""

    path: Path
    table: Table
    lines: dict[KeyPath, int]

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read ``path``.

        Raises:
            UserError: It cannot be read, is not UTF-8, or is not TOML.
        """
        text = _decoded(path)
        try:
            return cls(path, tomllib.loads(text), line_map(text))
        except RecursionError:
            raise UserError("arrays or tables are nested too deep", where=Location(path)) from None
        except ValueError as error:  # beside TOMLDecodeError, an int of over 4300 digits
            raise _syntax_error(path, text, str(error)) from None


@dataclass(frozen=True)
class Sources:
    """Where each key comes from.

    ``owned`` holds the keys whose value is the local file's; ``rules`` how many rows of
    each of RULES are the base's, where the local file has some of its own after them.
    """

    base: Document
    local: Document | None = None
    owned: frozenset[KeyPath] = field(default=frozenset(), repr=False)
    rules: Mapping[str, int] = field(default_factory=dict, repr=False)

    def told_rules(self) -> tuple[str, ...]:
        """What the local file does to the rules of the base, a line for each kind."""
        if self.local is None:
            return ()
        name = self.local.path.name
        base, local = self.base.table, self.local.table
        added = [
            f"{name} adds {len(local[rule])} [[{rule}]] to the {count} of {self.base.path.name}"
            for rule, count in self.rules.items()
        ]
        replaced = [
            f"{name} replaces the {len(base[rule])} [[{rule}]] of {self.base.path.name} "
            f"with {len(local.get(rule, ()))} of its own"
            for rule in _replaced(local)
            if rule in base
        ]
        return (*added, *replaced)

    def locate(self, keys: KeyPath) -> Location:
        """The file and line of ``keys``, or of the innermost table that would hold it."""
        keys, document = self._owned_rule(keys) or (keys, self._owner(keys))
        prefixes = (keys[:length] for length in range(len(keys), 0, -1))
        line = next((document.lines[p] for p in prefixes if p in document.lines), None)
        return Location(document.path, line, dotted(keys) or None)

    def _owned_rule(self, keys: KeyPath) -> tuple[KeyPath, Document] | None:
        """The key of a rule's row as the local file has it, if the row is its."""
        if self.local is None or len(keys) < 2 or keys[0] not in self.rules:
            return None
        kind, number, *rest = keys
        before = self.rules[str(kind)]
        if not isinstance(number, int) or number < before:
            return None
        return (kind, number - before, *rest), self.local

    def _owner(self, keys: KeyPath) -> Document:
        prefixes = (keys[:length] for length in range(1, len(keys) + 1))
        if self.local is not None and any(prefix in self.owned for prefix in prefixes):
            return self.local
        return self.base


def lay_over(base: Document, local: Document | None) -> tuple[Table, Sources]:
    """Merge tables key by key; the local file's scalars and lists replace the base's.

    But its rules (RULES) come after the base's.
    """
    if local is None:
        return base.table, Sources(base)
    owned: set[KeyPath] = set()
    merged = _merge(base.table, local.table, (), owned)
    rules = {}
    for rule in RULES:
        old, new = base.table.get(rule), local.table.get(rule)
        if rule in _replaced(local.table):
            merged[rule] = new if new is not None else []
        elif isinstance(old, list) and isinstance(new, list):
            merged[rule] = [*old, *new]
            owned.discard((rule,))
            rules[rule] = len(old)
    return merged, Sources(base, local, frozenset(owned), rules)


def _replaced(local: Table) -> tuple[str, ...]:
    named = local.get("replace", ())
    return tuple(rule for rule in RULES if isinstance(named, list) and rule in named)


def _merge(base: Table, local: Table, path: KeyPath, owned: set[KeyPath]) -> Table:
    merged = dict(base)
    for key, value in local.items():
        below = (*path, key)
        if _merges(base.get(key), value, below):
            merged[key] = _merge(base[key], value, below, owned)
        else:
            merged[key] = value
            owned.add(below)
    return merged


def _merges(old: object, new: object, path: KeyPath) -> bool:
    """Whether ``new`` is laid over ``old`` key by key."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return False
    # The keys of one kind of source mean nothing to another kind.
    return not (_is_source(path) and "kind" in new and new["kind"] != old.get("kind"))


def _is_source(path: KeyPath) -> bool:
    kernel = path[0] == "kernels" and len(path) == 2
    return kernel or (path[0] == "suites" and path[2:] == ("source",))


def _decoded(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=path) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8: byte 0x{data[error.start]:02x}"
        raise UserError(what, where=Location(path, line)) from None


def _syntax_error(path: Path, text: str, message: str) -> UserError:
    """The error of tomllib, whose line is in the message only (attributes came in 3.14)."""
    match = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if match is None:
        return UserError(f"is not TOML: {message}", where=path)
    line = int(match[1]) if match[1] else len(text.splitlines()) or 1
    return UserError(f"is not TOML: {message[: match.start()]}", where=Location(path, line))
