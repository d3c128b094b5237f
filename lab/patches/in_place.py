# SPDX-License-Identifier: GPL-2.0-only
"""Whether what a patch makes is where the patch makes it, and not only somewhere like it.

``git apply --reverse`` takes lines wherever they are.  A fix that another function of the
file has had for years is no fix of this one, and a patch that gives it to both is not in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lab.patches.diff import file_names, split_lines
from lab.patches.hunk_position import image, occurrences
from lab.patches.patch import Patch

if TYPE_CHECKING:
    from unidiff.patch import Hunk, PatchedFile

#: A line that git takes for the heading of what is below it (xdiff/xemit.c, def_ff).
_HEADING = re.compile(r"[A-Za-z_$]")
#: Of C, as the kernel's .gitattributes has it (diff=cpp), a label is none (userdiff.c).
_LABEL = re.compile(r"[A-Za-z_]\w*:\s*(?:$|/[/*])")
#: What a heading calls by its name: a function, an array, a structure.
_CALLED = re.compile(r"(\w+)\s*(?:[(\[={;,]|$)")


def is_in_place(patch: Patch, read: Callable[[str], bytes | None]) -> bool:
    """Whether each hunk's lines are below the heading that it names, where the file has that.

    Args:
        read: The content of a file, None where there is none.
    """
    return all(_file_is(patch, file, read) for file in patch.diff)


def _file_is(patch: Patch, file: PatchedFile, read: Callable[[str], bytes | None]) -> bool:
    names = [name for name in file_names(patch.path, file, patch.strip)[::-1] if name]
    content = next((found for name in names if (found := read(name)) is not None), None)
    if content is None:
        return True
    lines = [line.rstrip("\n") for line in split_lines(content)]
    return all(_hunk_is(hunk, lines) for hunk in file)


def _hunk_is(hunk: Hunk, lines: Sequence[str]) -> bool:
    section = str(hunk.section_header).strip()
    after = image(hunk).after
    if not section or not after or not any(_is_heading(line, section) for line in lines):
        return True
    return any(_is_below(lines[:at], section) for at in occurrences(lines, after))


def _is_below(above: Sequence[str], section: str) -> bool:
    """Whether the first heading of these lines is the section, or has the name that it has."""
    for line in reversed(above):
        if _is_heading(line, section):
            return True
        if _HEADING.match(line) and not _LABEL.match(line):
            return False
    return False


def _is_heading(line: str, section: str) -> bool:
    # git cuts it off behind 80 bytes.
    if line.strip() == section or (len(section) > 70 and line.startswith(section)):
        return True
    return _HEADING.match(line) is not None and _called(line) == _called(section)


def _called(heading: str) -> str:
    match = _CALLED.search(heading)
    return match[1] if match else heading
