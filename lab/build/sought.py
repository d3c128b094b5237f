# SPDX-License-Identifier: GPL-2.0-only
"""Objects whose source asks whether there is a file, which comes or goes: ``__has_include``.

No compiler notes a file that it was asked for and that is not there, so make does not compile
again when it comes: 6.12's security/landlock/errata.h asks for errata/abi-4.h, which a backport
brings.  Nor when one goes that was only asked for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from lab.build.kbuild_note import not_looked_at, notes_with
from lab.build.product import NoProduct, product, read_product
from lab.process import run

_READ = re.compile(r"^(?:source_\S+ := |  )(/?[^\s$()\\]+)(?: \\)?$", re.MULTILINE)
#: What these notes name, each once: a thousand of them have 600 names, mostly the same.
_EACH_ONCE = (
    r"/^  [^ $()]+ \\$/ { if (!had[$1]++) print $1 } /^source_/ { if (!had[$3]++) print $3 }"
)
#: The name may be a macro's; who defines the word itself asks for nothing.
_ASKS = re.compile(
    rb"^(?!\s*#\s*define\s+__has_include\b).*?"
    rb"\b__has_include(?:_next)?[ \t]*\([ \t]*(?:[\"<]([^\">\n]+)[\">])?",
    re.MULTILINE,
)
#: Nobody asks for one of these.
_NOT_INCLUDED = frozenset({".S", ".c", ".dts", ".json", ".rst", ".txt", ".yaml"})
_LOOKING_S = 60.0
_LARGEST = 64 << 20


def seeking(objects: Path, source: Path, paths: Collection[str]) -> Iterator[Path]:
    """The notes of what asked for a file of the name of one of these, which came or went.

    Args:
        objects, source: Of a workbench; the source is as it was compiled.
        paths: Of these files, below the source.

    Raises:
        InfrastructureError: The notes cannot be looked at.
    """
    files = map(Path, paths)
    names = frozenset(file.name for file in files if file.suffix not in _NOT_INCLUDED)
    if not names:
        return
    seekers = {path for path in _read(objects) if _asks(_content(objects, source, path), names)}
    for name in notes_with(objects, {f"/{Path(path).name}" for path in seekers}):
        try:
            text = read_product(objects, name)
        except (NoProduct, OSError):
            continue  # make reads no such note either, and compiles
        if not seekers.isdisjoint(_READ.findall(text)):
            yield objects / name


def _read(objects: Path) -> frozenset[str]:
    """What the notes say was read, as they spell it; of one that read_product() leaves nothing."""
    notes = ["-name", ".*.cmd", "-type", "f", "-size", "-4097k"]
    command = ["find", ".", *notes, "-exec", "awk", _EACH_ONCE, "{}", "+"]
    found = run(command, cwd=objects, check=False, timeout=_LOOKING_S)
    if found.status:
        raise not_looked_at(objects)
    return frozenset(found.stdout.splitlines())


def _content(objects: Path, source: Path, path: str) -> bytes:
    """Of a file that a note names: b"" of the system's headers, and of what is gone, which is
    missed.  A patch's build can name anything there, a pipe or /proc/kmsg as well."""
    whole = os.path.normpath(objects / path)
    for folder in (source, objects):
        if whole.startswith(f"{folder}/"):
            with suppress(NoProduct, OSError):
                return product(folder, whole.removeprefix(f"{folder}/"), _LARGEST).read_bytes()
    return b""


def _asks(content: bytes, names: Collection[str]) -> bool:
    if b"__has_include" not in content:
        return False
    asked = [match[1] for match in _ASKS.finditer(content)]
    known = {Path(name.decode(errors="surrogateescape")).name for name in asked if name}
    return None in asked or not known.isdisjoint(names)
