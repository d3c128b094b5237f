# SPDX-License-Identifier: GPL-2.0-only
"""Reading a series file."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import Location, UserError
from lab.model.version import KernelVersion, VersionRange
from lab.patches import Series, load_series
from lab.patches.series import first_patches
from tests.patches.conftest import change


def write(folder: Path, series: str, patches: tuple[str, ...] = ("one.patch", "two.patch")) -> Path:
    (folder / "fix").mkdir()
    (folder / "fix/series").write_text(series)
    for name in patches:
        (folder / "fix" / name).write_text(change(10))
    return folder


def refusal(folder: Path, name: str = "fix") -> UserError:
    with pytest.raises(UserError) as caught:
        load_series(folder, name)
    return caught.value


def names(series: Series, version: str) -> list[str]:
    return [patch.name for patch in series.for_version(KernelVersion.parse(version))]


def test_lines(tmp_path: Path) -> None:
    text = "# one\n\none.patch -p2\n  two.patch # a remark\n"
    series = load_series(write(tmp_path, text), "fix")
    found = [(patch.name, patch.strip) for patch in series.patches]
    assert found == [("one.patch", 2), ("two.patch", 1)]
    assert names(series, "4.0.0") == names(series, "6.1.192") == ["one.patch", "two.patch"]


def test_versions(tmp_path: Path) -> None:
    text = "one.patch # versions: >=4.1 <4.3\ntwo.patch # versions: >=4.2\n"
    series = load_series(write(tmp_path, text), "fix")
    assert names(series, "4.1.15") == ["one.patch"]
    assert names(series, "4.2.0") == ["one.patch", "two.patch"]
    assert names(series, "4.3.0") == ["two.patch"]


def test_none_for_this_kernel(tmp_path: Path) -> None:
    series = load_series(write(tmp_path, "one.patch # versions: >=4.1 <4.3\n"), "fix")
    with pytest.raises(UserError) as caught:
        names(series, "6.1.192")
    assert "no patch for kernel 6.1.192" in caught.value.what
    assert caught.value.detail == f"one.patch: {VersionRange.parse('>=4.1 <4.3')}"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("one.patch # versions: 4.1..4.3", "4.1..4.3"),
        ("one.patch # version >=4.1", "not a range"),
        ("one.patch # >=4.1", "not a range"),
        ("one.patch -R", "-R is not an option"),
        ("../fix.patch", "outside"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, what: str) -> None:
    error = refusal(write(tmp_path, f"two.patch\n{line}\n"))
    assert what in error.what
    assert error.where == Location(tmp_path / "fix/series", 2)


def test_missing_patch(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "two.patch\nonce.patch\n"))
    assert "once.patch" in error.what
    assert error.where == Location(tmp_path / "fix/series", 2)
    assert error.hint == "one.patch"


def test_missing_series(tmp_path: Path) -> None:
    error = refusal(write(tmp_path, "one.patch\n"), "fxi")
    assert error.hint == "fix"


def test_nothing_listed(tmp_path: Path) -> None:
    assert "lists no patch" in refusal(write(tmp_path, "# later\n")).what


def test_digest_follows_every_part(tmp_path: Path) -> None:
    folder = write(tmp_path, "one.patch\n")
    digests = [load_series(folder, "fix").digest]
    for text in ("one.patch -p0\n", "one.patch # versions: >=4.1\n", "one.patch\ntwo.patch\n"):
        (folder / "fix/series").write_text(text)
        digests.append(load_series(folder, "fix").digest)
    (folder / "fix/two.patch").write_text(change(20))
    digests.append(load_series(folder, "fix").digest)
    assert len(set(digests)) == 5


def test_the_first_patches_of_a_series(tmp_path: Path) -> None:
    folder = tmp_path / "fix"
    folder.mkdir()
    for number in (1, 2, 3):
        text = f"--- a/x{number}\n+++ b/x{number}\n@@ -1 +1 @@\n-a\n+b\n"
        (folder / f"{number}.patch").write_text(text)
    (folder / "series").write_text("1.patch\n2.patch\n3.patch\n")
    two, three = (load_series(tmp_path, first_patches("fix", count)) for count in (2, 3))
    assert [patch.name for patch in two.patches] == ["1.patch", "2.patch"]
    assert two.name == "fix@2"
    assert three.digest == load_series(tmp_path, "fix").digest != two.digest
    with pytest.raises(UserError, match="no series 'fix@two'"):
        load_series(tmp_path, "fix@two")
