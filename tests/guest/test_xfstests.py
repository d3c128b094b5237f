# SPDX-License-Identifier: GPL-2.0-only
"""xfstests whole, in a real guest with two NVDIMMs and an image that has it.

The image takes minutes and a network, so this is for who says where xfstests' repository is:
``LAB_XFSTESTS=/srv/git/xfstests-dev.git``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, Project

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif("LAB_XFSTESTS" not in os.environ, reason="LAB_XFSTESTS is not set"),
]
LOCAL = """
[suites.xfstests-dax]
arguments = ["generic/413", "generic/428", "generic/608"]
[suites.xfstests-dax.source]
url = "{}"
"""


def test_its_tests_run_on_two_devices(clean_folder: Path) -> None:
    project = Project(clean_folder / "project", LOCAL.format(os.environ["LAB_XFSTESTS"]))
    asked = ("test", KERNEL, "-f", "ext4-dax", "-s", "xfstests-dax")
    run = project.json(*asked, "--machine", "two-nvdimms")
    found = {row["test"]: (row["status"], row["message"]) for row in run["results"]}
    # The config has no hugetlbfs, without which /proc/meminfo has no such line.
    assert found.pop("generic/413") == ("skip", "Cannot get the value of Hugepagesize")
    assert found == dict.fromkeys(("generic/428", "generic/608"), ("pass", ""))
    # On a machine without a second device nothing runs, and nothing passes.
    run = project.json(*asked, "-k", "generic/428")
    (row,) = run["results"]
    assert row["status"] == "error"
    assert "no second device" in row["message"]
