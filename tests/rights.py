# SPDX-License-Identifier: GPL-2.0-only
"""Commands that must heed modes and owners, whoever starts the tests."""

from __future__ import annotations

import os
from collections.abc import Sequence

#: A user of no name.
NOBODY = 65534
#: What lets root pass over modes, and over owners.
_POWERS = ",".join(f"-{name}" for name in ("dac_override", "dac_read_search", "fowner"))


def as_a_user(command: Sequence[str]) -> list[str]:
    """The command without root's powers: another user may not reach a Python in root's home."""
    if os.geteuid() != 0:
        return [*command]
    return ["setpriv", f"--bounding-set={_POWERS}", f"--inh-caps={_POWERS}", *command]
