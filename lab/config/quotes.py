# SPDX-License-Identifier: GPL-2.0-only
"""``[kernels.6.7]``: to TOML that is a table 7 in a table 6, to whoever writes it a kernel."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lab.config.sources import Table
from lab.config.toml_lines import dotted
from lab.model.problem import Problem

#: Tables of sections by name, none of which has a table in it but these.
_NAMED = ("kernels", "series", "configs", "machines", "filesystems", "suites", "matrix")
_TABLES = {"suites": frozenset({"calls", "environment", "source"})}


def dotted_names(merged: Table) -> Iterator[Problem]:
    """Sections whose name should have been in quotes."""
    for table in _NAMED:
        sections = merged.get(table)
        for name, section in sections.items() if isinstance(sections, dict) else ():
            for meant in _meant(str(name), section, _TABLES.get(table, frozenset())):
                if meant != name:
                    what = f"[{table}.{meant}] needs quotes: TOML takes a dot in a name for a table"
                    yield Problem(what, f"[{dotted((table, meant))}]", (table, name))


def _meant(name: str, section: object, known: Collection[str] = ()) -> Iterator[str]:
    below = section.items() if isinstance(section, dict) else ()
    tables = [(key, value) for key, value in below if isinstance(value, dict) and key not in known]
    if not tables:
        yield name
    for key, value in tables:
        yield from _meant(f"{name}.{key}", value, known)
