# SPDX-License-Identifier: GPL-2.0-only
"""A series: the patches that a ``series`` file lists, and the kernels they are for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.errors import Location, UserError
from lab.model.spelling import nearest_or_all
from lab.model.version import KernelVersion, VersionRange
from lab.patches.diff import CONTROL
from lab.patches.patch import Patch, load_patch
from lab.patches.refusal import NotMeant
from lab.patches.upstream import UPSTREAM_EXAMPLE, Upstream, parse_upstream

#: A series' first patches, with all of them or without one: SERIES@5, SERIES@5-2.
_PART = re.compile(r"(.+)@([0-9]+)(?:-([0-9]+))?")
_STRIP = re.compile(r"-p([0-9]{1,2})")
#: PATH_MAX of linux/limits.h.
_LONGEST = 4096
_COMMENT = re.compile(r"(?:^|\s)#(.*)$")
_VERSIONS = re.compile(r"versions:(.*)")
_SHOWN = 80
_EXAMPLE = "fix.patch -p1 # versions: >=4.1 <4.3"


@dataclass(frozen=True)
class Series:
    """Patches in the order they are applied; ``path`` is the ``series`` file.

    ``digest`` is SHA-256 over all of them, whatever kernel they are for;
    ``upstream`` are the commits that made the series unneeded.
    """

    name: str
    path: Path
    patches: tuple[Patch, ...]
    digest: str
    upstream: tuple[Upstream, ...] = ()

    def upstream_for(self, version: KernelVersion) -> Upstream | None:
        """The commit that fixed this kernel without the series, as the series has it."""
        return next((each for each in self.upstream if each.versions.contains(version)), None)

    def for_version(self, version: KernelVersion) -> tuple[Patch, ...]:
        """The patches meant for this kernel, in order.

        Raises:
            NotMeant: There is none, which is not the same as nothing to do.
        """
        chosen = tuple(patch for patch in self.patches if patch.versions.contains(version))
        if chosen:
            return chosen
        ranges = [f"{patch.name}: {patch.versions}" for patch in self.patches]
        raise NotMeant(
            f"series {self.name} has no patch for kernel {version}",
            where=Location(self.path),
            detail="\n".join(ranges),
            hint="take a kernel in one of these ranges; the comments in the file may say why",
        )

    def by_range(self) -> dict[str, tuple[Patch, ...]]:
        """The patches for each range of versions that one of them has, those for all among them."""
        ranges = dict.fromkeys(str(patch.versions) for patch in self.patches)
        every = str(VersionRange.parse(""))
        special = [each for each in ranges if each != every] or [every]
        return {
            each: tuple(patch for patch in self.patches if str(patch.versions) in (each, every))
            for each in special
        }


def first_patches(name: str, number: int) -> str:
    """What the first ``number`` patches of a series are called, as a series of their own."""
    return f"{name}@{number}"


def all_but(name: str, number: int, left_out: int) -> str:
    """What the first ``number`` patches are called, without one of them."""
    return f"{first_patches(name, number)}-{left_out}"


def load_series(patches_dir: Path, name: str) -> Series:
    """Read ``patches_dir/NAME/series``, and every patch it lists.

    ``NAME@2`` are the first two of them, ``NAME@3-1`` the second and the third.

    The file is quilt's: a patch on each line, ``-pN`` after it when it is not
    ``-p1``, ``#`` before a comment.  A comment ``# versions: >=4.1 <4.3`` behind
    a patch says which kernels it is for; without one it is for all.  A comment
    ``# upstream: COMMIT since VERSION SUBJECT`` on a line of its own says which
    commit of mainline made the series unneeded.

    Raises:
        UserError: The series or a patch is missing, or a line cannot be read.
    """
    part = _PART.fullmatch(name)
    path = _find(patches_dir, part[1] if part else name)
    lines = [
        (Location(path, number), line) for number, line in enumerate(_text(path).splitlines(), 1)
    ]
    patches = tuple(patch for where, line in lines if (patch := _parse(where, line)) is not None)
    if part is not None:
        numbered = list(enumerate(patches, 1))[: int(part[2])]
        patches = tuple(patch for number, patch in numbered if str(number) != part[3])
    if not patches:
        raise UserError(f"series {name} lists no patch", where=Location(path), hint=_EXAMPLE)
    upstream = tuple(found for where, line in lines if (found := _upstream(where, line)))
    return Series(name, path, patches, _digest(patches), upstream)


def _upstream(where: Location, line: str) -> Upstream | None:
    comment = _COMMENT.search(line)
    found = parse_upstream(where, comment[1].strip()) if comment else None
    if found is not None and comment is not None and line[: comment.start()].strip():
        raise UserError(
            "`# upstream:` speaks of the whole series",
            where=where,
            hint=f"a line of its own: {UPSTREAM_EXAMPLE}",
        )
    return found


def _find(patches_dir: Path, name: str) -> Path:
    folder = patches_dir / name
    if Path(name).name != name or not folder.is_dir():
        known = [each.parent.name for each in patches_dir.glob("*/series")]
        raise UserError(
            f"there is no series {name!r}", where=patches_dir, hint=_nearest(name, known)
        )
    path = folder / "series"
    if not path.is_file():
        raise UserError(
            f"series {name} has no file named series, which lists its patches",
            where=Location(path),
            hint=_EXAMPLE,
        )
    return path


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError("the series file is not UTF-8 text", where=Location(path)) from None
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=Location(path)) from None


def _nearest(name: str, known: Iterable[str]) -> str | None:
    return ", ".join(nearest_or_all(name, sorted(known))) or None


def _parse(where: Location, line: str) -> Patch | None:
    comment = _COMMENT.search(line)
    words = line[: comment.start() if comment else None].split()
    if not words:
        return None
    versions = _versions(where, comment[1].strip() if comment else "")
    name, *options = words
    return load_patch(
        _patch_path(where, name), strip=_strip(where, options), versions=versions, name=name
    )


def _versions(where: Location, comment: str) -> VersionRange:
    match = _VERSIONS.fullmatch(comment)
    # A misspelt range would silently mean every kernel.
    if match is None and re.match(r"(versions?\b|kernels?\b|[<>=])", comment, re.IGNORECASE):
        raise UserError(f"`# {comment}` is not a range of versions", where=where, hint=_EXAMPLE)
    try:
        return VersionRange.parse(match[1].strip() if match else "")
    except ValueError as error:
        raise UserError(str(error), where=where, hint=_EXAMPLE) from None


def _strip(where: Location, options: list[str]) -> int:
    strip = 1
    for option in options:
        match = _STRIP.fullmatch(option)
        if match is None:
            raise UserError(
                f"{option[:_SHOWN]} is not an option the lab knows in a series",
                where=where,
                hint=_EXAMPLE,
            )
        strip = int(match[1])
    return strip


def _patch_path(where: Location, name: str) -> Path:
    folder = where.path.parent
    if len(name) > _LONGEST or CONTROL.search(name):
        raise UserError("no file can have this name", where=where, hint=_EXAMPLE)
    path = folder / name
    try:
        outside, there = not path.resolve().is_relative_to(folder.resolve()), path.is_file()
    except (OSError, RuntimeError) as error:
        # One part of it has over 255 bytes; it is a link to itself.
        raise UserError(f"no file can have this name: {error}", where=where) from None
    if outside:
        raise UserError(f"{name} is outside of the series' folder", where=where)
    if not there:
        present = [
            str(each.relative_to(folder))
            for each in folder.rglob("*")
            if each.is_file() and each.name != "series"
        ]
        raise UserError(
            f"the series lists {name}, which is not there",
            where=where,
            hint=_nearest(name, present),
        )
    return path


def _digest(patches: Iterable[Patch]) -> str:
    digest = hashlib.sha256()
    for patch in patches:
        digest.update(f"{patch.name}\0-p{patch.strip}\0{patch.versions}\0{patch.digest}\n".encode())
    return digest.hexdigest()
