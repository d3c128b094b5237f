# SPDX-License-Identifier: GPL-2.0-only
"""The other projects that use a cache, and what they need of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lab.config import LoadedConfig, load
from lab.errors import LabError, UserError
from lab.gc.needs import Needs, needs_of
from lab.model.url import Url
from lab.process.cache_use import projects_of
from lab.process.temporary import temporary_folder
from lab.results.store import Store


def other_projects(loaded: LoadedConfig, cache: Path) -> tuple[LoadedConfig, ...]:
    """The projects whose builds and trees are in the cache too; those that are no more are not.

    Raises:
        UserError: One cannot be read: nobody knows what it needs, so nothing may go.
    """
    found = []
    for toml, note in projects_of(cache):
        if toml != loaded.toml:
            with _explained(toml, note):
                other = load(toml)
            if other.path(other.config.paths.cache) == cache:
                found.append(other)
    return tuple(found)


def with_needs_of(needs: Needs, others: Iterable[LoadedConfig], cache: Path) -> Needs:
    """The needs of one project, and those of the others.

    Raises:
        UserError: The runs of one cannot be read.
    """
    notes = dict(projects_of(cache))
    for other in others:
        with _explained(other.toml, notes[other.toml]), _runs_of(other) as store:
            if store is not None:
                needs = needs.with_those_of(needs_of(store, other), other.root)
    return needs


@contextmanager
def _explained(toml: Path, note: Path) -> Iterator[None]:
    try:
        yield
    except LabError as error:
        raise UserError(
            f"it uses this cache too, and what it needs cannot be known: {error.what}",
            where=error.where or toml,
            detail=error.detail,
            hint=f"mend it, or remove {note} if it is not to count any more",
        ) from None


@contextmanager
def _runs_of(other: LoadedConfig) -> Iterator[Store | None]:
    """Its recorded runs, as they are now; None when it has none.

    A file is copied: to open it would bring it to this lab's schema, which the other's
    lab, when it is older, could not read any more.
    """
    database = other.database
    if isinstance(database, Url):
        with Store.open(database) as store:
            yield store
    elif not database.is_file():
        yield None
    else:
        with temporary_folder("gc") as folder:
            copy = Path(folder) / "lab.db"
            _copy(database, copy)
            with Store.open(copy) as store:
                yield store


def _copy(database: Path, copy: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise UserError(f"its database cannot be read: {error}", where=database) from None
