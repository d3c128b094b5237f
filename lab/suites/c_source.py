# SPDX-License-Identifier: GPL-2.0-only
"""What goes into a guest program: its own files, and all that they include."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lab.errors import UserError

_INCLUDE = re.compile(
    rb'^[ \t]*#[ \t]*include(?:_next)?[ \t]*(?:"(?P<own>[^"\n]+)"|<(?P<other>[^>\n]+)>)?',
    re.MULTILINE,
)


#: What os.stat() says of a file, or folder, that another write or name changes.
_Stamp = tuple[int, int, int, int]
#: Nanoseconds: the clock of files is no finer than some of them, and what was written that
#: lately may be written again unseen.
_SETTLED_NS = 100_000_000


@dataclass(frozen=True)
class _Include:
    """One ``#include``; no ``name`` where a macro says which."""

    name: str
    quoted: bool


@dataclass(frozen=True)
class Sources:
    """Files by path, each with the SHA-256 of what it holds.

    Attributes:
        own: Below the folder of the programs.
        others: Headers of this machine.
    """

    folder: Path
    own: tuple[tuple[Path, str], ...]
    others: tuple[tuple[Path, str], ...]

    @property
    def digest(self) -> str:
        """Names them all; where the folder is does not count."""
        named = [(str(path.relative_to(self.folder)), digest) for path, digest in self.own]
        named += [(str(path), digest) for path, digest in self.others]
        return hashlib.sha256(repr(named).encode()).hexdigest()


@dataclass(frozen=True)
class _Known:
    """What was found once, and how all that it was found in was then."""

    sources: Sources
    stamps: dict[Path, _Stamp | None]

    @property
    def is_so(self) -> bool:
        """Whether nothing has changed since: no file, and no folder has another."""
        return all(_stamp(path) == stamp for path, stamp in self.stamps.items())

    def is_settled(self, at: int) -> bool:
        """Whether another change would be seen, of what was read from a time on."""
        return all(stamp and stamp[-1] < at - _SETTLED_NS for stamp in self.stamps.values())


#: A run of many jobs asks for each anew, and finding them costs more than all else of a job.
_KNOWN: dict[tuple[Path, str, tuple[Path, ...]], _Known] = {}


def sources_of(folder: Path, name: str, system: Sequence[Path] = ()) -> Sources:
    """All that ``make`` reads for the program ``name`` of ``guest-tests/``, or may.

    What stands behind an ``#if`` counts: a file too many costs a compilation, a file too
    few runs a program of yesterday's (tinylabscom/mvm#2601).

    Args:
        system: The compiler's own folders of headers.

    Raises:
        UserError: One of its files cannot be read.
    """
    folder = folder.resolve()
    place = (folder, name, tuple(system))
    known = _KNOWN.get(place)
    if known is not None and known.is_so:
        return known.sources
    # The folders before what is in them: what comes meanwhile is seen the next time.
    began, stamps = time.time_ns(), {path: _stamp(path) for path in _folders(folder)}
    known = _Known(_found(folder, name, system, stamps), stamps)
    if known.is_settled(began):
        _KNOWN[place] = known
    return known.sources


def _found(
    folder: Path, name: str, system: Sequence[Path], stamps: dict[Path, _Stamp | None]
) -> Sources:
    stem = name.removesuffix(".so")
    own: dict[Path, str] = {}
    others: dict[Path, str] = {}
    left = [folder / f"{stem}.c", *sorted((folder / stem).glob("*.c"))]
    left += [path for path in (folder / f"{stem}.mk", folder / "Makefile") if path.is_file()]
    while left:
        path = left.pop()
        if path not in own:
            stamps[path] = _stamp(path)
            own[path], includes = _read(path)
            for each in includes:
                if found := _own_places(each, path, folder):
                    left += found
                else:
                    others |= _headers(each.name, tuple(system))
    return Sources(folder, tuple(sorted(own.items())), tuple(sorted(others.items())))


def _folders(folder: Path) -> Iterable[Path]:
    return (folder, *(path for path in folder.rglob("*") if path.is_dir()))


def _stamp(path: Path) -> _Stamp | None:
    with suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
    return None


def _read(path: Path) -> tuple[str, tuple[_Include, ...]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=path) from error
    return hashlib.sha256(content).hexdigest(), tuple(map(_include, _INCLUDE.finditer(content)))


def _include(match: re.Match[bytes]) -> _Include:
    name = match["own"] or match["other"] or b""
    return _Include(name.decode(errors="replace"), match["own"] is not None)


def _own_places(each: _Include, user: Path, folder: Path) -> list[Path]:
    """What is meant of one's own files, with the ``ktap.c`` of a ``ktap.h``."""
    if not each.name:
        # A macro says which.
        return sorted(folder.rglob("*.h"))
    near = [place / each.name for place in dict.fromkeys((user.parent, folder))]
    there = [path.resolve() for path in near if path.is_file()][:1]
    if not there and each.quoted:
        # A NAME.mk may have given a -I.
        there = [path for path in folder.rglob(Path(each.name).name) if path.is_file()]
    halves = [path.with_suffix(".c") for path in there]
    return [*there, *(path for path in halves if path.is_file())]


# Programs have most headers in common, and a machine's do not change while a lab runs.
@lru_cache
def _headers(name: str, system: tuple[Path, ...]) -> dict[Path, str]:
    """A header of this machine, and all that it includes; nothing, when it is not there."""
    found: dict[Path, str] = {}
    left = list(_system_places(name, system))
    while left:
        path = left.pop()
        if path not in found:
            found[path], includes = _read(path)
            for each in includes:
                near = path.parent / each.name
                # With #include_next it is the one after it.
                left += [near] if each.quoted and near.is_file() else ()
                left += _system_places(each.name, system)
    return found


@lru_cache
def _system_places(name: str, system: tuple[Path, ...]) -> tuple[Path, ...]:
    candidates = [place / name for place in system if name]
    return tuple(path for path in candidates if path.is_file())
