# SPDX-License-Identifier: GPL-2.0-only
"""Annotations of a patch's lines in GitHub's form, and text in which its runner sees none.

A workflow command is a line of a step's output, white space before it or not, that begins with
``::``; ``##[command]`` is one wherever in a line it stands (actions/runner, ActionCommand.cs).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.text import plain

#: GitHub keeps ten errors of a step (docs.github.com, "Usage limits" of annotations).
MOST = 10
_LONGEST = 2000
_DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY = {**_DATA, ":": "%3A", ",": "%2C"}


@dataclass(frozen=True)
class Annotation:
    """An error at a line of a file; ``file`` is relative to the repository."""

    file: str
    line: int
    title: str
    message: str

    def __str__(self) -> str:
        where = f"file={_escaped(self.file, _PROPERTY)},line={self.line}"
        title = _escaped(self.title, _PROPERTY)
        message = _escaped(self.message[:_LONGEST], _DATA)
        return f"::error {where},title={title}::{message}"


def _escaped(text: str, signs: dict[str, str]) -> str:
    return "".join(signs.get(sign, sign) for sign in harmless(text))


def harmless(text: str) -> str:
    """Text that is neither a command of an old runner nor the end of an HTML comment."""
    return re.sub(r"--(!?>)", r"-- \1", plain(text).replace("##[", "## ["))


def in_repository(path: Path) -> str:
    """A file as annotations name it: relative to the checkout, where it is in there."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).absolute()
    return str(path.relative_to(root) if path.is_relative_to(root) else path)
