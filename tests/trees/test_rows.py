# SPDX-License-Identifier: GPL-2.0-only
"""Rows are the manifest, unread."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import InfrastructureError
from lab.trees import (
    Entry,
    blob_digest,
    entry_of,
    read_manifest,
    read_rows,
    row_of,
    write_manifest,
    write_rows,
)

ENTRIES = {
    "mm/gup.c": Entry(0o100644, blob_digest(b"gup")),
    "a name with blanks": Entry(0o100755, blob_digest(b"")),
    "b\udcff": Entry(0o100644, blob_digest(b"not UTF-8")),
    "b\ue000": Entry(0o120000, blob_digest(b"after it, as bytes")),
}


def test_they_say_the_same(tmp_path: Path) -> None:
    write_manifest(tmp_path / "entries", ENTRIES)
    write_rows(tmp_path / "rows", {path: row_of(entry) for path, entry in ENTRIES.items()})
    assert (tmp_path / "rows").read_bytes() == (tmp_path / "entries").read_bytes()
    rows = read_rows(tmp_path / "rows")
    assert {path: entry_of(row) for path, row in rows.items()} == ENTRIES
    assert list(rows) == list(read_manifest(tmp_path / "rows"))


def test_nothing_in_it(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows", {})
    assert read_rows(tmp_path / "rows") == {}


@pytest.mark.parametrize("text", [None, "100644", f"100644 {'0' * 40} mm/gup", "100644 0 mm/gup\n"])
def test_a_damaged_one(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "manifest"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InfrastructureError, match="cannot be read") as caught:
        read_rows(path)
    assert caught.value.where == path
