# SPDX-License-Identifier: GPL-2.0-only
"""The patches in ``patches/``.  No kernel source is here; the hunks must agree with themselves."""

from __future__ import annotations

from pathlib import Path

from lab.model.version import KernelVersion
from lab.patches import Patch, load_series
from lab.patches.check import IndexLine, index_line

PATCHES = Path(__file__).parents[2] / "patches"


def patch_for(series: str, version: str) -> Patch:
    (patch,) = load_series(PATCHES, series).for_version(KernelVersion.parse(version))
    return patch


def test_every_series_can_be_read() -> None:
    names = [path.parent.name for path in PATCHES.glob("*/series")]
    assert {"dax-populate", "reintroduce-bug"} <= set(names)
    for name in names:
        for patch in load_series(PATCHES, name).patches:
            assert patch.subject, patch.path
            assert patch.author, patch.path
            assert patch.message, patch.path


def test_the_patch_of_2015() -> None:
    patch = patch_for("dax-populate", "4.1.15")
    assert patch == patch_for("dax-populate", "4.2.8")
    assert patch.subject == "mm: Fix MAP_POPULATE and mlock() for DAX"
    assert patch.author == "Toshi Kani <toshi.kani@hp.com>"
    assert patch.date is not None
    assert patch.date.date().isoformat() == "2015-06-16"
    assert b"1434493710-11138-1-git-send-email-toshi.kani@hp.com" in patch.content
    (file,) = patch.diff
    (hunk,) = file
    assert index_line(file) == IndexLine("6297f6b", "16d536f")
    assert (file.path, hunk.source_start, hunk.source_length) == ("mm/gup.c", 490, 8)
    assert (hunk.target_start, hunk.target_length) == (490, 20)
    assert (hunk.added, hunk.removed) == (13, 1)
    # The blank added line that the archive lost.
    assert [line.value for line in hunk if line.is_added].count("\n") == 1


def test_the_port_starts_where_the_bug_ends() -> None:
    bug = index_line(patch_for("reintroduce-bug", "6.1.192").diff[0])
    port = index_line(patch_for("dax-populate", "6.1.192").diff[0])
    assert bug is not None
    assert port is not None
    assert bug.after == port.before


def test_the_port_names_no_flag_that_6_1_lacks() -> None:
    added = [str(line) for line in patch_for("dax-populate", "6.1.0").diff[0][0] if line.is_added]
    assert any("if (!pages)" in line for line in added)
    assert not any("FOLL_POPULATE" in line or "VM_MIXEDMAP" in line for line in added)
