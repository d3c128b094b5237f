# SPDX-License-Identifier: GPL-2.0-only
"""Find, read and check ``lab.toml`` and ``lab.local.toml``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from lab.config.check import problems_between
from lab.config.humane import problems_of
from lab.config.model import LabConfig
from lab.config.names import Noun, name_problems
from lab.config.problem import Problem, as_error
from lab.config.sources import Document, Sources, Table, lay_over
from lab.errors import Location, UserError

_NAME = "lab.toml"
_LOCAL_NAME = "lab.local.toml"


@dataclass(frozen=True)
class LoadedConfig:
    """A checked config, and ``root``, the folder of its ``lab.toml`` (absolute)."""

    config: LabConfig
    root: Path
    sources: Sources = field(repr=False)

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
        """The folder of the runs' folders."""
        return self.path(self.config.paths.results)

    @property
    def database(self) -> Path | str:
        """Where runs are recorded: a file, or a server's URL, which may hold a password."""
        return self.config.database.url or self.results / "lab.db"

    def locate(self, *keys: str | int) -> Location:
        """Where the config says ``keys``, as in ``locate("matrix", "default", "suites", 0)``."""
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
        path: ``lab.toml``, or its folder; by default it is looked for in the
            working directory and the folders above.  ``lab.local.toml`` beside
            it is laid over it.

    Raises:
        UserError: No such file, or mistakes in it: all of them in one error.
    """
    base = Document.read(_find(path))
    root = base.path.parent
    local = root / _LOCAL_NAME
    merged, sources = lay_over(base, Document.read(local) if local.exists() else None)
    config = _validated(merged, sources)
    if problems := problems_between(config, root):
        raise as_error(problems, "the config", sources.locate)
    return LoadedConfig(config, root, sources)


def _validated(merged: Table, sources: Sources) -> LabConfig:
    try:
        return LabConfig.model_validate(merged)
    except ValidationError as error:
        raise as_error(problems_of(error), "the config", sources.locate) from None


def _find(path: Path | None) -> Path:
    if path is None:
        return _above(_working_directory())
    if path.is_dir():
        path /= _NAME
    if not path.exists():
        raise UserError("there is no such file", where=path, hint=f"the path of a {_NAME}")
    return path.parent.resolve() / path.name


def _working_directory() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        hint = "cd to the folder of the project"
        raise UserError("the working directory has been removed", hint=hint) from None


def _above(folder: Path) -> Path:
    for parent in (folder, *folder.parents):
        if (parent / _NAME).is_file():
            return parent / _NAME
    raise UserError(
        f"there is no {_NAME} here nor in any folder above",
        where=folder,
        hint="run this in the folder of the project, or below it",
    )
