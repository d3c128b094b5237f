# SPDX-License-Identifier: GPL-2.0-only
"""What a release is called in git."""

from __future__ import annotations

import pytest

from lab.builder.placing import tag_of
from lab.model.version import KernelVersion


@pytest.mark.parametrize(
    ("version", "tag"),
    [("4.2", "v4.2"), ("6.1.192", "v6.1.192"), ("7.3-rc2", "v7.3-rc2"), ("6.10", "v6.10")],
)
def test_the_tag_of_a_release(version: str, tag: str) -> None:
    assert tag_of(KernelVersion.parse(version)) == tag
