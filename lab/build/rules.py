# SPDX-License-Identifier: GPL-2.0-only
"""What of a series runs while a kernel is built, and may leave more there than objects.

What kbuild compiles for the kernel is only read by the compiler.  A Makefile, a Kconfig file,
a script and the source of a program that the build itself runs can do all that the user can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

#: Of a header nobody knows who includes it: scripts/mod/file2alias.c has the kernel's own.
_COMPILED = frozenset({".c", ".S", ".rst"})
#: Where programs of the build are.
_OF_THE_BUILD = frozenset({"scripts", "tools", "usr"})
#: arch/x86/tools/insn_decoder_test.c has these of the kernel's (since 3.0).
_SHARED = "arch/*/lib/*"
#: hostprogs, hostprogs-y, hostprogs-always-y: all since 2.6.
_PROGRAMS = re.compile(rb"^\s*(?:hostprogs|userprogs)", re.MULTILINE)


def runs_while_built(files: Iterable[str], source: Path) -> list[str]:
    """Those of a series' files that are, or may be, part of how the kernel is built.

    Args:
        files: Their paths in the tree.
        source: The tree, with the series: what its Makefiles say of programs is read there.
    """
    return [name for name in sorted(files) if not _is_only_compiled(PurePosixPath(name), source)]


def _is_only_compiled(path: PurePosixPath, source: Path) -> bool:
    if path.suffix not in _COMPILED or path.parts[0] in _OF_THE_BUILD or path.match(_SHARED):
        return False
    # arch/x86/boot/Makefile has a program in the folder below it: tools/build.
    return not any(
        _makes_programs(source / folder / name)
        for folder in path.parents[:2]
        for name in ("Makefile", "Kbuild")
    )


def _makes_programs(makefile: Path) -> bool:
    try:
        return _PROGRAMS.search(makefile.read_bytes()) is not None
    except OSError:
        return False
