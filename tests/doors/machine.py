# SPDX-License-Identifier: GPL-2.0-only
"""A kind of machine that boots nothing: its guests are played."""

from __future__ import annotations

from lab.guest.fake import FakeSpec, Stage
from lab.guest.request import GuestRequest

#: What they do.
STAGE = Stage()


def played(asked: GuestRequest) -> FakeSpec:
    """A played guest, with the deadline of a boot."""
    return FakeSpec(asked.folder, STAGE, boot_s=asked.deadlines.boot)
