# SPDX-License-Identifier: GPL-2.0-only
"""Where the programs of a suite are from: a tarball, a repository or a folder, as kernels are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lab.config.model import Suite, SuiteSource
from lab.trees.fetch import fetch
from lab.trees.request import Progress
from lab.trees.tree import Tree


def source_tree(
    source: SuiteSource,
    root: Path,
    cache: Path,
    deadline_s: float,
    *,
    refresh: bool = False,
    progress: Progress | None = None,
) -> Tree:
    """A suite's source, as a kernel's is had; no kernel's version is looked for in it.

    Raises:
        UserError, InfrastructureError: As lab.trees.fetch.fetch() does.
    """
    return fetch(
        source_name(source),
        source,
        cache=cache,
        root=root,
        deadline_s=deadline_s,
        refresh=refresh,
        progress=progress,
        of_kernel=False,
    )


def source_name(source: SuiteSource) -> str:
    """What it is called on the disk and for people: as its file, repository or folder is."""
    place = source.path if source.kind == "dir" else Path(str(source.url))
    name = place.name.partition(".tar")[0].removesuffix(".git")
    return f"source-{name}" if name else "source"


def sources_of_suites(suites: Iterable[Suite]) -> Iterator[SuiteSource]:
    """Each source of some tables, once."""
    yield from dict.fromkeys(one.source for one in suites if one.source is not None)


def suites_called(name: str, suites: Mapping[str, Suite]) -> list[str]:
    """The suites with a source that bear this name, or whose source is called so (source_name)."""
    return [
        suite
        for suite, table in suites.items()
        if table.source is not None and name in (suite, source_name(table.source))
    ]
