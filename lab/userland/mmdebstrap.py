# SPDX-License-Identifier: GPL-2.0-only
"""A userland made of Debian's packages by mmdebstrap(1), without root, once for each list."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.arch import ARCH
from lab.config.model import Image
from lab.errors import InfrastructureError
from lab.host import need_tool
from lab.process import run
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import SEAL, damage, file_digest, seal
from lab.process.shelf import USERLANDS
from lab.process.stored import read_stored
from lab.store.registry import store_of
from lab.userland.bootstrap import bootstrap, packages_key
from lab.userland.userland import (
    ALIGNMENT,
    FILE,
    KNOWN,
    LABEL,
    Known,
    Userland,
    find_userland,
    stamp_of,
)

if TYPE_CHECKING:
    from lab.store.store import Store

#: Raised when the lab comes to make them otherwise.
_RECIPE = 2
#: What a guest can still write there, in bytes and files.
_ROOM = 256 << 20
_FILES = 1 << 16
_BLOCK = 4096
_PACKAGE = re.compile(r"^Package: (\S+)\n(?:.*\n)*?Version: (\S+)$", re.MULTILINE)


def make_userland(
    name: str, image: Image, cache: Path, deadline_s: float, adds: Sequence[Path] = ()
) -> Userland:
    """The userland of a table ``[images.NAME]``: made if nobody has made it, or found.

    Args:
        adds: Archives of files that it has beside its packages, by their places in it.

    Raises:
        UserError: There is no such package, or suite; its file of sources cannot be read.
        InfrastructureError: A tool, the network or the disk failed; nothing is left of it then.
    """
    key = _key(name, image, adds)
    folder = USERLANDS.place(cache, key)
    with locked(USERLANDS.lock_of(cache, key)):
        return find_userland(name, folder) or _made(name, image, adds, folder, deadline_s)


def _key(name: str, image: Image, adds: Sequence[Path]) -> str:
    suite, packages, sources = packages_key(name, image)
    recipe: tuple[object, ...] = (_RECIPE, ARCH.name, suite, packages, sources)
    if adds:
        recipe = (*recipe, [file_digest(path) for path in adds])
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:24]


def _made(
    name: str, image: Image, adds: Sequence[Path], folder: Path, deadline_s: float
) -> Userland:
    store = store_of(folder.parents[1])
    had = False
    try:
        with scratch_folder(folder) as scratch:
            had = store is not None and _had(store, folder.name, scratch)
            if not had:
                _make(name, image, adds, scratch, deadline_s)
    except OSError as error:
        what = f"image {name!r} cannot be made: {error.strerror or error}"
        raise InfrastructureError(what, where=folder.parent) from error
    made = find_userland(name, folder)
    if made is None:
        what = f"image {name!r} is not there, though it was made"
        raise InfrastructureError(what, where=folder)
    if store is not None and not had:
        files = {each: folder / each for each in (FILE, KNOWN, SEAL)}
        store.push(USERLANDS.kind, folder.name, files, packed=[FILE])
    return made


def _had(store: Store, key: str, scratch: Path) -> bool:
    """Whether it came from the store."""
    if store.pull(USERLANDS.kind, key, scratch, wanted=[FILE, KNOWN, SEAL]) is None:
        return False
    known = read_stored(scratch / KNOWN, Known)
    why = damage(scratch, [FILE]) if known else "nothing says what is in it"
    if known is None or why:
        store.refuse(USERLANDS.kind, key, str(why))
        for path in scratch.iterdir():
            path.unlink()
        return False
    # What its file was like on another disk is not what it is like here.
    known = replace(known, stamp=stamp_of(scratch / FILE))
    (scratch / KNOWN).write_text(json.dumps(asdict(known)))
    return True


def _make(name: str, image: Image, adds: Sequence[Path], scratch: Path, deadline_s: float) -> None:
    for tool in ("mmdebstrap", "genext2fs"):
        need_tool(tool)
    tar = scratch / "root.tar"
    hooks = [f"tar-in {shlex.quote(str(path.absolute()))} /" for path in adds]
    bootstrap(name, image, tar, deadline_s, hooks)
    _write_filesystem(tar, scratch / FILE, deadline_s)
    packages = tuple(_packages(tar))
    tar.unlink()
    known = Known(stamp_of(scratch / FILE), packages)
    (scratch / KNOWN).write_text(json.dumps(asdict(known)))
    seal(scratch, [FILE])


def _write_filesystem(tar: Path, target: Path, deadline_s: float) -> None:
    """ext2 of what is in an archive, with its owners, and room for what a guest writes."""
    wanted = tar.stat().st_size * 9 // 8 + _ROOM
    size = -(-wanted // ALIGNMENT) * ALIGNMENT
    words = ["genext2fs", "-B", str(_BLOCK), "-b", str(size // _BLOCK), "-N", str(_FILES)]
    run([*words, "-L", LABEL, "-a", tar, target], timeout=deadline_s)
    # Each program's mount would be one of 20 until the kernel asks for e2fsck.
    run([need_tool("tune2fs"), "-c", "0", "-i", "0", target], timeout=deadline_s)


def _packages(tar: Path) -> Iterator[str]:
    """``NAME VERSION`` of what dpkg says is installed in an archive."""
    status = run(["tar", "-xOf", tar, "./var/lib/dpkg/status"], timeout=60).stdout
    for name, version in _PACKAGE.findall(status):
        yield f"{name} {version}"
