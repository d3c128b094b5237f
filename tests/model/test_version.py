# SPDX-License-Identifier: GPL-2.0-only
"""Versions are read, ordered and found in ranges."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.model.version import KernelVersion, VersionRange


def version(text: str) -> KernelVersion:
    return KernelVersion.parse(text)


def test_order_puts_candidates_before_their_release() -> None:
    ordered = ["4.2.8", "4.3-rc1", "4.3-rc2", "4.3-rc10", "4.3", "4.3.1", "4.10", "6.1.192"]
    assert sorted(map(version, reversed(ordered))) == [version(text) for text in ordered]


@pytest.mark.parametrize(
    ("release", "shown"),
    [
        ("6.1.192", "6.1.192"),
        ("4.2.8-ckt12+", "4.2.8"),
        ("4.4.0.osta", "4.4.0"),
        ("6.2.0-rc3-00012-gabcdef", "6.2.0-rc3"),
        ("5.15.0-91-generic", "5.15.0"),
        ("6.12-lab", "6.12.0"),
    ],
)
def test_release(release: str, shown: str) -> None:
    assert str(KernelVersion.of_release(release)) == shown


def test_what_is_no_release() -> None:
    with pytest.raises(ValueError, match="not a kernel's release"):
        KernelVersion.of_release("lab-6.1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("6.1", "6.1.0"), ("v4.2", "4.2.0"), ("6.1.192", "6.1.192"), ("v6.2-rc3", "6.2.0-rc3")],
)
def test_spellings(text: str, shown: str) -> None:
    assert str(version(text)) == shown
    assert version(shown) == version(text)


@pytest.mark.parametrize("text", ["", "6", "6.x", "6.1-", "6.1.2.3.4", "linux-6.1"])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match="not a kernel version"):
        version(text)


@pytest.mark.parametrize(
    ("extra", "shown"),
    [("-rc3", "6.2.0-rc3"), ("-rc3+", "6.2.0-rc3"), ("", "6.2.0"), ("-x", "6.2.0")],
)
def test_makefile(tmp_path: Path, extra: str, shown: str) -> None:
    makefile = f"# x\nVERSION = 6\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION = {extra}\n"
    (tmp_path / "Makefile").write_text(makefile + "ifdef X\nVERSION = 9\nendif\n")
    assert str(KernelVersion.read(tmp_path)) == shown


def test_a_folder_without_version_is_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no kernel source"):
        KernelVersion.read(tmp_path)
    (tmp_path / "Makefile").write_text("all:\n")
    with pytest.raises(UserError, match="no kernel source"):
        KernelVersion.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=4.1 <4.3", ["4.1", "4.2.8", "4.3-rc1"], ["4.0.9", "4.1-rc8", "4.3", "6.1"]),
        (">=4.3", ["4.3", "6.1"], ["4.3-rc7", "4.2"]),
        ("<4.3", ["4.3-rc7", "2.6.32"], ["4.3"]),
        ("<4.3-rc2", ["4.3-rc1"], ["4.3-rc2"]),
        ("", ["2.6.32", "6.1"], []),
    ],
)
def test_ranges(text: str, inside: list[str], outside: list[str]) -> None:
    versions = VersionRange.parse(text)
    assert [item for item in inside if not versions.contains(version(item))] == []
    assert [item for item in outside if versions.contains(version(item))] == []
    assert VersionRange.parse(str(versions)) == versions


@pytest.mark.parametrize(
    "text",
    ["4.1", ">4.1", "<=4.3", ">=4.1 <4.1", ">=4.3 <4.1", ">=4.1 >=4.2", ">=4.1 or <4.3", ">= 4.x"],
)
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(ValueError, match=r"^'.*4.*' (is not a|has )"):
        VersionRange.parse(text)


@pytest.mark.parametrize("what", ["device", "pipe", "folder", "blanks", "digits"])
def test_a_makefile_that_is_read_for_no_time_at_all(tmp_path: Path, what: str) -> None:
    makefile = tmp_path / "Makefile"
    if what == "device":
        makefile.symlink_to("/dev/zero")
    elif what == "pipe":
        os.mkfifo(makefile)
    elif what == "folder":
        makefile.mkdir()
    else:
        blanks = f"VERSION = x{' ' * 300_000}x\n" * 3
        makefile.write_text(blanks if what == "blanks" else f"VERSION = {'6' * 5000}\n")
    with pytest.raises(UserError, match="no kernel source"):
        KernelVersion.read(tmp_path)
