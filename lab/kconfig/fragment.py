# SPDX-License-Identifier: GPL-2.0-only
"""Fragments: files of options, each remembering the line that asked for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import Location, UserError
from lab.model.spelling import nearest_or_all
from lab.model.version import KernelVersion, VersionRange

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_VALUE = re.compile(r'[ymn]|-?\d+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"')
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_VERSIONS = re.compile(r"#\s*versions:\s*(.+)")
_SHOWN_BY = re.compile(r"#\s*shown by:\s*(.+)")
_NO = "n"
#: What every guest that gives results shows: it answers, and its filesystems have DAX.
_ALWAYS_SHOWN = {"boot": "that it boots", "mount": "that filesystems have DAX"}


@dataclass(frozen=True)
class Option:
    """One requested option.

    ``value`` is as in a ``.config`` (``y``, ``m``, a number, a quoted string)
    and ``n`` for one that must not be set.  ``shown_by`` is what in a guest shows that
    the kernel has what the option is for: ``boot``, ``mount`` or a path; "" is nothing.
    """

    name: str
    value: str
    where: Location
    versions: VersionRange
    shown_by: str = ""

    @property
    def line(self) -> str:
        """The option as a line of a ``.config``."""
        if self.value == _NO:
            return f"# CONFIG_{self.name} is not set"
        return f"CONFIG_{self.name}={self.value}"


@dataclass(frozen=True)
class Gone:
    """An option that a kernel has no more, and what in a guest shows what it was for."""

    option: str
    shown_by: str

    def __str__(self) -> str:
        shows = _ALWAYS_SHOWN.get(self.shown_by, f"{self.shown_by} in the guest")
        return f"no option {self.option} any more; what it was for is shown by {shows}"


def load_fragments(folder: Path, names: Sequence[str]) -> tuple[Option, ...]:
    """The options of ``folder/NAME.config`` for each name, in order.

    Raises:
        UserError: A fragment is missing, or a line of one is not an option.
    """
    return tuple(option for name in names for option in _load(folder, name))


def options_for(options: Iterable[Option], version: KernelVersion) -> tuple[Option, ...]:
    """Those meant for this kernel; the last one to name an option wins."""
    chosen = {option.name: option for option in options if option.versions.contains(version)}
    return tuple(chosen.values())


def parse_config(text: str) -> dict[str, str]:
    """A ``.config`` as option name to value; options that are not set are absent."""
    return {
        match[1]: match[2] for line in text.splitlines() if (match := _SET.fullmatch(line.strip()))
    }


def _load(folder: Path, name: str) -> list[Option]:
    path = folder / f"{name}.config"
    try:
        text = path.read_text()
    except FileNotFoundError:
        known = sorted(entry.stem for entry in folder.glob("*.config"))
        near = nearest_or_all(name, known)
        raise UserError(
            f"there is no fragment {name!r}", where=path, hint=f"one of: {', '.join(near)}"
        ) from None
    return _parse(path, text)


def _parse(path: Path, text: str) -> list[Option]:
    options = []
    versions, shown_by = VersionRange.parse(""), ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        where = Location(path, number)
        if not line:
            versions, shown_by = VersionRange.parse(""), ""
        elif match := _VERSIONS.fullmatch(line):
            versions = _range(match[1], where)
        elif match := _SHOWN_BY.fullmatch(line):
            shown_by = _shown_by(match[1], where)
        elif (match := _SET.fullmatch(line)) and _VALUE.fullmatch(match[2]):
            options.append(Option(match[1], match[2], where, versions, shown_by))
        elif match := _UNSET.fullmatch(line):
            options.append(Option(match[1], _NO, where, versions, shown_by))
        elif not line.startswith("#"):
            raise UserError(
                f"{line!r} is not an option", where=where, hint="CONFIG_NAME=y, or a comment"
            )
    return options


def _range(text: str, where: Location) -> VersionRange:
    try:
        return VersionRange.parse(text)
    except ValueError as error:
        raise UserError(str(error), where=where, hint="# versions: >=4.1 <4.3") from None


def _shown_by(text: str, where: Location) -> str:
    if text not in _ALWAYS_SHOWN and re.fullmatch(r"/[\w/.-]+", text) is None:
        what = f"{text!r} is nothing that shows an option"
        raise UserError(what, where=where, hint="# shown by: boot, mount, or a path in the guest")
    return text
