# SPDX-License-Identifier: GPL-2.0-only
"""Manifests say what git would say, and come back from disk as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import InfrastructureError, UserError
from lab.process import run
from lab.trees import Entry, blob_digest, read_manifest, write_manifest
from lab.trees.manifest import compute_manifest


def git_listing(folder: Path) -> list[str]:
    run(["git", "init", "-q"], cwd=folder)
    run(["git", "-c", "core.autocrlf=false", "add", "-A"], cwd=folder)
    staged = run(["git", "ls-files", "-s", "-z"], cwd=folder).stdout
    return [line.replace(" 0\t", " ") for line in staged.split("\0") if line]


def test_it_is_what_git_says(source: Path, tmp_path: Path) -> None:
    (source / "empty").mkdir()
    (source / "mm/empty.c").touch()
    (source / "mm-x").write_text("sorted before mm/ by its bytes\n")
    (source / "mm/r\u00e9sum\u00e9 with space").write_bytes(b"\r\n\x00\xff")
    write_manifest(tmp_path / "manifest", compute_manifest(source))
    lines = (tmp_path / "manifest").read_text().splitlines()
    assert lines == git_listing(source)
    assert "120000" in {line.split()[0] for line in lines}


def test_it_comes_back(tmp_path: Path) -> None:
    entries = {
        "a b": Entry(0o100755, blob_digest(b"x")),
        "z": Entry(0o120000, blob_digest(b"a b")),
        "caf\udce9": Entry(0o100644, blob_digest(b"")),
    }
    write_manifest(tmp_path / "manifest", entries)
    assert read_manifest(tmp_path / "manifest") == entries
    write_manifest(tmp_path / "manifest", {})
    assert read_manifest(tmp_path / "manifest") == {}


def test_one_file_is_found_without_the_others(tmp_path: Path) -> None:
    names = ("b", "a b", "x/a b", "caf\udce9", "a")
    entries = {name: Entry(0o100644, blob_digest(name.encode(errors="replace"))) for name in names}
    write_manifest(tmp_path / "manifest", entries)
    found = read_manifest(tmp_path / "manifest")
    for name in names:
        assert found[name] == entries[name]
    for name in ("", "x", "x/", "a b\n", "b b"):
        assert name not in found
    assert found == entries
    assert found["b"] == entries["b"]


@pytest.mark.parametrize("damage", [b"100644 x", b"1o0644 " + b"0" * 40 + b" a", b""])
def test_a_damaged_manifest_is_refused(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "manifest"
    path.write_bytes(damage + b"\n")
    with pytest.raises(InfrastructureError, match="manifest cannot be read"):
        dict(read_manifest(path))
    with pytest.raises((InfrastructureError, KeyError)):
        read_manifest(path)["a"]


@pytest.mark.parametrize("keep", [-1, -60, 30])
def test_a_cut_manifest_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "manifest"
    write_manifest(path, {name: Entry(0o100644, blob_digest(b"")) for name in ("ab", "cd")})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InfrastructureError, match="manifest cannot be read"):
        read_manifest(path)


def test_a_line_break_in_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line break"):
        write_manifest(tmp_path / "manifest", {"a\nb": Entry(0o100644, blob_digest(b""))})
    assert list(tmp_path.iterdir()) == []


def test_what_is_below_a_folder(tmp_path: Path) -> None:
    names = ("mm/a", "mm.c", "mm/b/c", "mm0/d", "mm", "caf\udce9/e", "z/f")
    write_manifest(
        tmp_path / "manifest", {name: Entry(0o100644, blob_digest(b"")) for name in names}
    )
    manifest = read_manifest(tmp_path / "manifest")
    below = {
        folder: list(manifest.below(folder)) for folder in ("mm", "mm/b", "caf\udce9", "m", "zz")
    }
    assert below == {
        "mm": ["mm/a", "mm/b/c"],
        "mm/b": ["mm/b/c"],
        "caf\udce9": ["caf\udce9/e"],
        "m": [],
        "zz": [],
    }
