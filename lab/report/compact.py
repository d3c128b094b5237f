# SPDX-License-Identifier: GPL-2.0-only
"""Names of many tests in few words."""

from __future__ import annotations

from collections.abc import Iterable

#: Of ``guest-tests/mapping.c``: a name that has none of them has parts of another meaning.
_MAPPINGS = frozenset(("shared-rw", "shared-ro", "private-ro", "private-rw"))


def compact_names(tests: Iterable[str]) -> list[tuple[str, str]]:
    """(call, ``4k,2m: shared-rw shared-ro``) pairs out of ``call.shared-rw.4k`` names.

    Names of another form come as they are, with nothing beside them.
    """
    calls: dict[str, dict[str, list[str]]] = {}
    for test in tests:
        call, mapping, size = _split(test)
        mappings = calls.setdefault(call, {}).setdefault(size, [])
        if mapping:
            mappings.append(mapping)
    return [(call, _sizes(sizes)) for call, sizes in calls.items()]


def _split(test: str) -> tuple[str, str, str]:
    parts = test.split(".")
    if len(parts) == 3 and not _MAPPINGS.isdisjoint(parts[1:]):
        return parts[0], parts[1], parts[2]
    return test, "", ""


def _sizes(sizes: dict[str, list[str]]) -> str:
    same: dict[tuple[str, ...], list[str]] = {}
    for size, mappings in sizes.items():
        if mappings:
            same.setdefault(tuple(mappings), []).append(size)
    return "; ".join(f"{','.join(names)}: {' '.join(mappings)}" for mappings, names in same.items())
