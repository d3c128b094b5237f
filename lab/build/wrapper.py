# SPDX-License-Identifier: GPL-2.0-only
"""A compiler with flags before all others, as a script that ``make CC=`` takes.

KCFLAGS does not reach the Makefiles of x86's realmode, boot and decompressor, which
set their flags from scratch; what a Makefile asks for still comes later, and wins.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path


def wrapped(folder: Path, name: str, cc: str, flags: Sequence[str]) -> str:
    """``folder/name`` running ``cc`` with ``flags``; ``cc`` itself when there are none."""
    if not flags:
        return cc
    script = folder / name
    text = f'#!/bin/sh\nexec {shlex.join([cc, *flags])} "$@"\n'
    if not script.exists() or script.read_bytes() != text.encode():
        folder.mkdir(parents=True, exist_ok=True)
        beside = script.with_name(f".{name}.lab-new")
        beside.write_text(text)
        beside.chmod(0o755)
        beside.replace(script)
    return str(script)
