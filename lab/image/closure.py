# SPDX-License-Identifier: GPL-2.0-only
"""Which shared libraries a program needs, found where ld.so(8) would find them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.host import Host
from lab.process import run

if TYPE_CHECKING:
    from elftools.elf.dynamic import DynamicTag

_CACHE_LINE = re.compile(r"\s*(?P<name>\S+) \((?P<flags>[^)]*)\) => (?P<path>/.*)")


@dataclass(frozen=True)
class Elf:
    """What the dynamic linker reads of a file."""

    kind: tuple[int, str]
    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()


@dataclass(frozen=True)
class Closure:
    """A program's interpreter (its path in PT_INTERP) and its libraries by name."""

    interpreter: str | None
    libraries: dict[str, Path]


@dataclass(frozen=True)
class Linker:
    """The part of ld.so that belongs to the machine: its cache and default folders."""

    cache: dict[str, tuple[Path, ...]]
    directories: tuple[str, ...] = ARCH.libraries

    @classmethod
    def of(cls, host: Host) -> Linker:
        """The machine's ``ldconfig -p``; without ldconfig (musl) the default folders alone."""
        ldconfig = host.find("ldconfig")
        listing = run([ldconfig, "-p"], timeout=30).stdout if ldconfig else ""
        return cls(parse_cache(listing))

    def candidates(self, name: str) -> Iterator[Path]:
        """Files that may be library ``name``, in ld.so's order."""
        yield from self.cache.get(name, ())
        yield from (Path(folder, name) for folder in self.directories)


def parse_cache(listing: str) -> dict[str, tuple[Path, ...]]:
    """``ldconfig -p`` by library name, without what only some CPUs can run."""
    found: dict[str, tuple[Path, ...]] = {}
    for match in map(_CACHE_LINE.match, listing.splitlines()):
        # The guest's CPU differs with the accelerator; glibc-hwcaps/ must not decide.
        if match and "hwcap" not in match["flags"]:
            found[match["name"]] = (*found.get(match["name"], ()), Path(match["path"]))
    return found


def read_elf(path: Path) -> Elf | None:
    """The dynamic section of ``path``, or None when it is no ELF file."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            kind = (elf.elfclass, str(elf["e_machine"]))
            parts = list(elf.iter_segments())
            interpreters = [p.get_interp_name() for p in parts if isinstance(p, InterpSegment)]
            tags = [tag for p in parts if isinstance(p, DynamicSegment) for tag in p.iter_tags()]
    except (OSError, ELFError):
        return None
    return Elf(
        kind,
        interpreters[0] if interpreters else None,
        *(_values(tags, name) for name in ("needed", "rpath", "runpath")),
    )


def _values(tags: list[DynamicTag], name: str) -> tuple[str, ...]:
    # pyelftools gives such a tag's string as an attribute with the tag's name.
    return tuple(getattr(tag, name) for tag in tags if tag.entry.d_tag == f"DT_{name.upper()}")


def closure(program: Path, linker: Linker) -> Closure:
    """Everything ``program`` loads at its start.

    Raises:
        InfrastructureError: It is no ELF file, or a library is not on this machine.
    """
    # The kernel resolves the program's symbolic links before ld.so sees $ORIGIN.
    program = program.resolve()
    top = read_elf(program)
    if top is None:
        raise InfrastructureError(f"{program} is not an ELF program", hint="lab doctor")
    loader = Path(top.interpreter).name if top.interpreter else None
    libraries: dict[str, Path] = {}
    # An object is searched for with the RPATHs of all that led to it, so they travel along.
    queue: deque[tuple[Path, Elf, tuple[str, ...]]] = deque([(program, top, ())])
    while queue:
        path, elf, inherited = queue.popleft()
        # ld.so(8): DT_RUNPATH makes DT_RPATH void, and is for the object's own needs only.
        rpaths = inherited if elf.runpath else (*_expand(path, elf.rpath), *inherited)
        folders = _expand(path, elf.runpath) or rpaths
        for name in elf.needed:
            if name in libraries or name == loader:
                continue
            library, needs = _resolve(name, folders, linker, elf.kind, wanted_by=path)
            libraries[name] = library
            queue.append((library, needs, rpaths))
    return Closure(top.interpreter, libraries)


def _expand(path: Path, entries: tuple[str, ...]) -> tuple[str, ...]:
    origin = str(path.parent)
    folders = (folder for entry in entries for folder in entry.split(":") if folder)
    return tuple(re.sub(r"\$ORIGIN\b|\$\{ORIGIN\}", lambda _: origin, each) for each in folders)


def _resolve(
    name: str, folders: tuple[str, ...], linker: Linker, kind: tuple[int, str], wanted_by: Path
) -> tuple[Path, Elf]:
    own = [Path(name)] if "/" in name else [Path(folder, name) for folder in folders]
    for candidate in (*own, *linker.candidates(name)):
        elf = read_elf(candidate)
        # ld.so passes over libraries of another architecture, and goes on.
        if elf is not None and elf.kind == kind:
            return candidate, elf
    raise InfrastructureError(
        f"{name}, which {wanted_by} needs, is not on this machine",
        hint=f"reinstall the package that {wanted_by} comes from",
    )
