# SPDX-License-Identifier: GPL-2.0-only
"""Whether what a patch makes is where the patch makes it, and not only somewhere like it.

``git apply --reverse`` takes lines wherever they are.  A fix that another function of the
file has had for years is no fix of this one, and a patch that gives it to both is not in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
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
    made = {line.value.rstrip("\n") for hunk in file for line in hunk if line.is_added}
    return all(_hunk_is(hunk, lines, made) for hunk in file)


def _hunk_is(hunk: Hunk, lines: Sequence[str], made: Set[str]) -> bool:
    section, hunk_image = str(hunk.section_header).strip(), image(hunk)
    after = hunk_image.after
    if not section or not after or not any(_is_heading(line, section) for line in lines):
        return True
    # The section is what is above its first line: its change is below a heading of its own.
    if any(_names_a_place(line) for line in after[: hunk_image.leading]):
        return True
    return any(_is_below(lines[:at], section, made) for at in occurrences(lines, after))


def _is_below(above: Sequence[str], section: str, made: Set[str]) -> bool:
    """Whether the first heading of these lines is the section, or has the name that it has.

    A heading that the patch itself makes was not there when its hunks were named.
    """
    for line in reversed(above):
        if _is_heading(line, section):
            return True
        if _names_a_place(line) and line not in made:
            return False
    return False


def _names_a_place(line: str) -> bool:
    return _HEADING.match(line) is not None and not _LABEL.match(line)


def _is_heading(line: str, section: str) -> bool:
    # git cuts it off behind 80 bytes.
    if line.strip() == section or (len(section) > 70 and line.startswith(section)):
        return True
    return _HEADING.match(line) is not None and _called(line) == _called(section)


def _called(heading: str) -> str:
    match = _CALLED.search(heading)
    return match[1] if match else heading
