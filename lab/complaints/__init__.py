# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel complains of on its console and in its log: text in, complaints out."""

from typing import TYPE_CHECKING, Any

from lab.complaints.lines import Line, Lines

if TYPE_CHECKING:
    from lab.complaints.reader import Reader, read

__all__ = ["Line", "Lines", "Reader", "read"]


def __getattr__(name: str) -> Any:
    # Its patterns take 60 ms to compile: who only shows what is on record does without.
    if name in {"Reader", "read"}:
        from lab.complaints import reader

        return getattr(reader, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
