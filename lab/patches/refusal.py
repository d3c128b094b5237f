# SPDX-License-Identifier: GPL-2.0-only
"""The ways in which a patch does not go onto a tree."""

from __future__ import annotations

from lab.errors import UserError


class Refused(UserError):
    """A patch that does not apply; what it says is why."""


class AlreadyApplied(Refused):
    """The tree has what the patch would make of it."""


class NeedsFuzz(Refused):
    """patch(1) would apply it, with context that does not match; the lab does not."""


class Altered(Refused):
    """From the blob that it was made from, the patch does not make the blob that it names."""


class NotMeant(Refused):
    """No patch of the series is for this kernel."""
