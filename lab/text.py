# SPDX-License-Identifier: GPL-2.0-only
"""Text from a guest, a patch, an archive or a server, fit for a terminal, a log or a page.

It may not move cursors, ring bells, name windows, or turn the reading order round.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# C0, DEL and C1, without tab and newline.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: What turns the reading order round: "x" may look like "y" (CVE-2021-42574).
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")


def plain(text: str) -> str:
    """The text as anybody may be shown it: all that is printed goes through this."""
    if text.isprintable():
        # Nearly all text; no control, format or surrogate character is printable.
        return text
    said = _BIDI.sub("\ufffd", without_escapes(text.replace("\r\n", "\n")))
    return said.encode(errors="replace").decode()


def without_escapes(text: str) -> str:
    """The text without colours and cursor movements, other control characters replaced."""
    return _CONTROLS.sub("\ufffd", _ESCAPES.sub("", text))


def replace_controls(text: str) -> str:
    """As plain(), but as long as before: each character that is not shown is U+FFFD."""
    return _BIDI.sub("\ufffd", _CONTROLS.sub("\ufffd", text))


def human(size: int) -> str:
    """Bytes for people: 1.2G."""
    value = float(size)
    for unit in ("B", "K", "M", "G"):
        if value < 1024:
            return f"{value:.0f}{unit}" if unit in "BK" else f"{value:.1f}{unit}"
        value /= 1024
    return f"{value:.1f}T"
