# SPDX-License-Identifier: GPL-2.0-only
"""Text from a guest, fit for a terminal: it may not move cursors or ring bells."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# C0, DEL and C1, without tab and newline.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def without_escapes(text: str) -> str:
    """The text without colours and cursor movements, other control characters replaced."""
    return replace_controls(_ESCAPES.sub("", text))


def replace_controls(text: str) -> str:
    """The text, as long as before, each control character replaced by U+FFFD."""
    return _CONTROLS.sub("\ufffd", text)
