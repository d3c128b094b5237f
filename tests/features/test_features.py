# SPDX-License-Identifier: GPL-2.0-only
"""The data on what kernels have is whole, and asked by name."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lab.features import feature, has, known_features, layouts
from lab.model.version import KernelVersion


@pytest.mark.parametrize(
    ("name", "without", "with_it"),
    [
        ("pmem-legacy", "4.0.9", "4.1"),
        ("nfit", "4.1.52", "4.2"),
        ("ext4-dax", "3.19", "4.0"),
        ("xfs-dax", "4.1.15", "4.2"),
        ("dax-always", "5.7", "5.8"),
        ("xfs-reflink-dax", "5.19", "6.0"),
        ("ext2-dax", "7.3", "4.1"),
        ("mlock2", "4.3.6", "4.4"),
        ("statx", "4.10", "4.11"),
        ("statx-dax", "5.9", "5.10"),
        ("madv-populate", "5.13", "5.14"),
        ("kunit", "5.4", "5.5"),
        ("fsdax-needs-pages", "4.15", "4.16"),
        ("pmd-dax", "4.9.63", "4.10"),
        ("pmd-dax-without-pages", "4.2.8", "4.3"),
        ("pmd-dax-without-pages", "4.4", "4.3.6"),
        ("fsdax-namespace", "4.4", "4.5"),
    ],
)
def test_has(name: str, without: str, with_it: str) -> None:
    assert not has(KernelVersion.parse(without), name)
    assert has(KernelVersion.parse(with_it), name)


def test_unknown_name_is_no_feature_that_is_lacking() -> None:
    with pytest.raises(KeyError):
        has(KernelVersion(6, 1), "mlock3")


@pytest.mark.parametrize("name", known_features())
def test_every_feature_has_a_source_and_versions_in_order(name: str) -> None:
    one = feature(name)
    assert one.what
    assert one.source
    assert one.versions
    for before, after in pairwise(one.versions):
        assert before.end
        assert after.first
        assert before.end <= after.first
    assert str(one).endswith(f"({one.source})")


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_every_layout_has_a_source_and_a_first_kernel(filesystem: str) -> None:
    assert layouts(filesystem)
    for layout in layouts(filesystem):
        assert layout.source
        assert (layout.versions.first is None) is layout.excludes_dax
        assert layout.name in layout.off
        assert layout.flag.startswith("-")


def test_reflink_goes_with_no_dax() -> None:
    (reflink,) = (layout for layout in layouts("xfs") if layout.name == "reflink")
    assert not reflink.mounts(KernelVersion(6, 12), dax=True)
    assert reflink.mounts(KernelVersion(6, 12), dax=False)


def test_a_filesystem_that_the_table_does_not_know_has_no_layouts() -> None:
    assert layouts("ext2") == ()
