# SPDX-License-Identifier: GPL-2.0-only
"""Find, read and check ``lab.toml`` and ``lab.local.toml``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from lab.config.check import problems_between
from lab.config.installed import can_hold, installed_config, own_folder, own_local_config
from lab.config.model import LabConfig
from lab.config.names import Noun, name_problems
from lab.config.programs import with_programs
from lab.config.quotes import dotted_names
from lab.config.series_folders import with_series
from lab.config.sources import Document, Sources, Table, lay_over
from lab.config.validation import problems_of
from lab.errors import Location, UserError
from lab.model.problem import Problem, as_error
from lab.model.url import Url
from lab.store.settings import StoreSettings

_NAME = "lab.toml"
#: The variable of the environment that names a ``lab.toml``, or its folder.
_VARIABLE = "LAB_CONFIG"


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config, and ``root``, the folder of its ``lab.toml`` (absolute).

    ``folders`` are kernels that are in no file (lab.config.folders); ``found`` says which
    ``lab.toml`` was taken where nobody could know.
    """

    config: LabConfig
    root: Path
    sources: Sources = field(repr=False)
    folders: Mapping[str, Path] = field(default_factory=dict)
    found: str = ""

    def path(self, path: Path) -> Path:
        """``path`` from the config, made absolute: ``~`` expanded, relative to ``root``.

        Raises:
            UserError: ``~NAME`` of nobody on this machine.
        """
        try:
            return self.root / path.expanduser()
        except RuntimeError:
            raise UserError(f"{path}: no such home folder", hint="an absolute path") from None

    @property
    def toml(self) -> Path:
        """The ``lab.toml`` itself (absolute)."""
        return self.sources.base.path

    @property
    def results(self) -> Path:
        """The folder of the runs' folders: of one's own where the project's cannot be written."""
        folder = self.path(self.config.paths.results)
        if not folder.is_relative_to(self.root) or can_hold(self.root, folder):
            return folder
        return own_folder(self.root) / folder.relative_to(self.root)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user has to know of where this comes from and where results go."""
        elsewhere = not self.results.is_relative_to(self.root)
        asked = self.path(self.config.paths.results) == self.results
        moved = f"results are in {self.results}" if elsewhere and not asked else ""
        return tuple(filter(None, (self.found, moved)))

    @property
    def store(self) -> StoreSettings | None:
        """The store that is shared with other machines; None where there is none."""
        store = self.config.store
        if store.url is None:
            return None
        stall_s = self.config.deadlines.store
        return StoreSettings(store.url, store.push, store.rebuild_every, stall_s)

    @property
    def database(self) -> Path | Url:
        """Where runs are recorded: a file, or a server."""
        return self.config.database.url or self.results / "lab.db"

    def locate(self, *keys: str | int) -> Location:
        """Where the config says ``keys``, as in ``locate("matrix", "default", "suites", 0)``."""
        if keys[0] == "kernels" and len(keys) > 1 and keys[1] in self.folders:
            return Location(self.folders[str(keys[1])])
        return self.sources.locate(keys)

    def require(self, noun: Noun, *names: str) -> None:
        """Raise UserError for the names that are not defined, all of them."""
        self.refuse(name_problems(self.config, noun, names))

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Raise one UserError for all that is wrong with what was asked for, if anything is."""
        if found := list(problems):
            raise as_error(found, "what was asked for", self.sources.locate)


def load(path: Path | None = None) -> LoadedConfig:
    """Read and check everything that can be checked before anything starts.

    Args:
        path: ``lab.toml``, or its folder; by default that of ``$LAB_CONFIG``, the one in
            the working directory or a folder above it, or that which came with the lab.
            ``lab.local.toml`` beside it is laid over it.

    Raises:
        UserError: No such file, or mistakes in it: all of them in one error.
    """
    toml, found = _find(path)
    base = Document.read(toml)
    root = base.path.parent
    local = own_local_config(root)
    merged, sources = lay_over(base, Document.read(local) if local.exists() else None)
    config = with_series(with_programs(_validated(merged, sources), root), root)
    if problems := problems_between(config, root):
        raise as_error(problems, "the config", sources.locate)
    return LoadedConfig(config, root, sources, found=found)


def _validated(merged: Table, sources: Sources) -> LabConfig:
    if unquoted := list(dotted_names(merged)):
        raise as_error(unquoted, "the config", sources.locate)
    try:
        return LabConfig.model_validate(merged)
    except ValidationError as error:
        raise as_error(problems_of(error), "the config", sources.locate) from None


def _find(path: Path | None) -> tuple[Path, str]:
    """The file, and what is to be said of how it was found."""
    if path is not None:
        return _named(path, path), ""
    if given := os.environ.get(_VARIABLE):
        return _named(Path(given).expanduser(), f"{_VARIABLE}={given}"), ""
    folder = _working_directory()
    for parent in (folder, *folder.parents):
        if (parent / _NAME).is_file():
            return parent / _NAME, ""
    return _installed(folder)


def _named(path: Path, where: Path | str) -> Path:
    if path.is_dir():
        path /= _NAME
    if not path.exists():
        raise UserError("there is no such file", where=where, hint=f"the path of a {_NAME}")
    return path.parent.resolve() / path.name


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        hint = "cd to the folder of the project"
        raise UserError("the working directory has been removed", hint=hint) from None


def _installed(folder: Path) -> tuple[Path, str]:
    found = installed_config()
    if found is not None:
        return found, f"there is no {_NAME} here or above: {found} it is"
    raise UserError(
        f"there is no {_NAME} here nor in any folder above",
        where=folder,
        hint=f"--file, {_VARIABLE}, or run this in the folder of the project",
    )
