# SPDX-License-Identifier: GPL-2.0-only
"""Where a series is from, as ``origin.toml`` in its folder has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import Location, UserError

ORIGIN = "origin.toml"
_LARGEST = 8 << 20


@dataclass(frozen=True)
class OriginPatch:
    """A patch as it came; ``not_proved`` says why nobody knows that it is the author's.

    ``commit`` is what it is in a repository, where it is from one; ``digest`` the SHA-256 of
    its file, which an older lab did not keep.
    """

    file: str
    subject: str
    author: str
    date: str
    identity: str
    patch_id: str
    not_proved: str
    commit: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Layer:
    """A series that another goes onto, and the patch-ids that its patches had then."""

    series: str
    patch_ids: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """``identity`` is the Message-Id that an answer goes to, without ``<>``, or empty.

    ``tree`` is the repository that it is from, ``base`` the commit that it goes onto.
    ``headline`` is the subject as it was sent, with its tags.  ``beneath`` are the series
    that it goes onto; ``missing`` names what else it does, by patch-id or Message-Id.
    """

    source: str
    subject: str
    headline: str
    identity: str
    revision: str
    patches: tuple[OriginPatch, ...]
    tree: Path | None = None
    base: str = ""
    beneath: tuple[Layer, ...] = ()
    missing: tuple[str, ...] = ()
    change_id: str = ""

    @property
    def commits(self) -> dict[str, str]:
        """The commit that each patch is, by the name of its file, as far as that is known."""
        return {patch.file: patch.commit for patch in self.patches if patch.commit}

    @property
    def doubt(self) -> str:
        """What keeps a verdict from being one on what the author sent; nothing as a rule."""
        doubtful = [patch for patch in self.patches if patch.not_proved]
        said = "; ".join(f"{patch.file}: {patch.not_proved}" for patch in doubtful)
        rebuilt = f"rebuilt, not proved to be what was sent: {said}" if doubtful else ""
        without = ", ".join(self.missing)
        beneath = f"without what it says it goes onto: {without}" if without else ""
        return "; ".join(filter(None, (rebuilt, beneath)))


def kept_folders(patches: Path) -> list[Path]:
    """The folders of series that say where they are from, without what a killed lab left."""
    found = (path.parent for path in patches.glob(f"*/{ORIGIN}"))
    return sorted(folder for folder in found if not folder.name.startswith("."))


def read_origin(folder: Path) -> Origin | None:
    """The origin of the series in a folder; None where nothing is said of it.

    Raises:
        UserError: The file cannot be read.
    """
    path = folder / ORIGIN
    try:
        with path.open("rb") as file:
            return parse_origin(file.read(_LARGEST).decode())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        hint = "lab patch import SOURCE writes it anew, once this folder is taken away"
        raise UserError(f"it cannot be read: {error}", where=Location(path), hint=hint) from None


def parse_origin(text: str) -> Origin:
    """What the text of such a file says.

    Raises:
        ValueError: It is not TOML, or no origin.
    """
    import tomllib

    return _origin(tomllib.loads(text))


def _origin(table: Mapping[str, Any]) -> Origin:
    return Origin(
        source=_text(table, "source"),
        subject=_text(table, "subject"),
        headline=_text(table, "headline"),
        identity=_text(table, "message-id"),
        revision=_text(table, "revision"),
        patches=tuple(_patch(row) for row in _tables(table, "patch")),
        tree=Path(tree) if (tree := _text(table, "tree")) else None,
        base=_text(table, "base-commit"),
        beneath=tuple(
            Layer(_text(row, "series"), _texts(row, "patch-ids"))
            for row in _tables(table, "beneath")
        ),
        missing=_texts(table, "beneath-missing"),
        change_id=_text(table, "change-id"),
    )


def _tables(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = table.get(key) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{key} is no list of tables")
    return rows


def _patch(row: Mapping[str, Any]) -> OriginPatch:
    return OriginPatch(
        file=_text(row, "file"),
        subject=_text(row, "subject"),
        author=_text(row, "author"),
        date=_text(row, "date"),
        identity=_text(row, "message-id"),
        patch_id=_text(row, "patch-id"),
        not_proved=_text(row, "not-proved"),
        commit=_text(row, "commit"),
        digest=_text(row, "sha256"),
    )


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key, "")
    return value if isinstance(value, str) else ""


def _texts(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = row.get(key) or []
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise ValueError(f"{key} is no list of strings")
    return tuple(values)
