# SPDX-License-Identifier: GPL-2.0-only
"""A userland made of Debian's packages by mmdebstrap(1), without root, once for each list."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from lab.arch import ARCH
from lab.config.model import Image
from lab.errors import InfrastructureError, LabError, UserError
from lab.host import Host, need_tool
from lab.process import ProcessFailed, run
from lab.process.child import Argument
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import seal
from lab.process.shelf import USERLANDS
from lab.process.temporary import temporary_folder
from lab.process.tool_failure import trouble
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

#: Raised when the lab comes to make them otherwise.
_RECIPE = 2
#: What nobody reads in a guest.
_LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
#: Where a Debian, or what comes from it, says where its packages are; the first there counts.
_SOURCES = (
    "etc/apt/sources.list.d/debian.sources",
    "etc/apt/sources.list.d/ubuntu.sources",
    "etc/apt/sources.list",
)
#: What a guest can still write there, in bytes and files.
_ROOM = 256 << 20
_FILES = 1 << 16
_BLOCK = 4096
_REMOVING_S = 300.0
_UNKNOWN = re.compile(r"E: Unable to locate package (\S+)|E: Package '?([^\s']+)'? has no inst")
_NO_NETWORK = re.compile(
    r"(Temporary failure resolving|Could not resolve|Could not connect|Failed to fetch|"
    r"Connection (?:refused|timed out)|Unable to connect).*"
)
_PACKAGE = re.compile(r"^Package: (\S+)\n(?:.*\n)*?Version: (\S+)$", re.MULTILINE)


def make_userland(name: str, image: Image, cache: Path, deadline_s: float) -> Userland:
    """The userland of a table ``[images.NAME]``: made if nobody has made it, or found.

    Raises:
        UserError: There is no such package, or suite; its file of sources cannot be read.
        InfrastructureError: A tool, the network or the disk failed; nothing is left of it then.
    """
    suite = image.suite or _suite_of(Host.here())
    key = _key(suite, image.packages, _said_by(name, image.sources))
    folder = USERLANDS.place(cache, key)
    with locked(USERLANDS.lock_of(cache, key)):
        return find_userland(name, folder) or _made(name, image, suite, folder, deadline_s)


def _said_by(name: str, sources: Path | None) -> str | None:
    """The digest of a file of sources: another one has other packages of the same names."""
    if sources is None:
        return None
    try:
        return hashlib.sha256(sources.read_bytes()).hexdigest()
    except OSError as error:
        what = f"{sources} cannot be read: {error.strerror}"
        hint = "name a file of sources as apt has them, or take the line out"
        raise UserError(what, where=f"images.{name}.sources", hint=hint) from error


def _key(suite: str, packages: Sequence[str], sources: str | None) -> str:
    recipe = (_RECIPE, ARCH.name, suite, sorted(set(packages)), sources)
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:24]


def _suite_of(host: Host) -> str:
    """The suite that this machine itself is of (os-release(5))."""
    found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)", host.read("/etc/os-release"), re.MULTILINE)
    if found is None:
        what = "this machine does not say which suite of Debian it is of"
        raise UserError(what, where="images", hint='suite = "bookworm" in the table of the image')
    return found[1]


def _made(name: str, image: Image, suite: str, folder: Path, deadline_s: float) -> Userland:
    for tool in ("mmdebstrap", "genext2fs"):
        need_tool(tool)
    try:
        with scratch_folder(folder) as scratch:
            tar = scratch / "root.tar"
            _bootstrap(name, image, suite, tar, deadline_s)
            _write_filesystem(tar, scratch / FILE, deadline_s)
            packages = tuple(_packages(tar))
            tar.unlink()
            known = Known(stamp_of(scratch / FILE), packages)
            (scratch / KNOWN).write_text(json.dumps(asdict(known)))
            seal(scratch, [FILE])
    except OSError as error:
        what = f"image {name!r} cannot be made: {error.strerror or error}"
        raise InfrastructureError(what, where=folder.parent) from error
    made = find_userland(name, folder)
    if made is None:
        what = f"image {name!r} is not there, though it was made"
        raise InfrastructureError(what, where=folder)
    return made


def _bootstrap(name: str, image: Image, suite: str, tar: Path, deadline_s: float) -> None:
    command: list[Argument] = [
        "mmdebstrap",
        "--mode=auto",
        "--variant=essential",
        "--format=tar",
        f"--include={','.join(sorted(set(image.packages)))}",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in _LEFT_OUT),
        '--aptopt=Acquire::Languages "none"',
        suite,
        tar,
        *_sources(image, suite, Host.here()),
    ]
    try:
        with _work() as work:
            run(command, timeout=deadline_s, env={"LC_ALL": "C.UTF-8", "TMPDIR": str(work)})
    except ProcessFailed as error:
        raise _explained(name, image, error, tar.parent) from error


@contextmanager
def _work() -> Iterator[Path]:
    """Where mmdebstrap(1) has its chroot, whose files are other users' without root."""
    with temporary_folder("image") as work:
        work.chmod(0o711)
        try:
            yield work
        finally:
            if os.geteuid() and (left := list(work.iterdir())):
                rm = ["mmdebstrap", "--unshare-helper", "rm", "-rf", *map(str, left)]
                run(rm, check=False, timeout=_REMOVING_S)


def _sources(image: Image, suite: str, host: Host) -> Iterator[Path]:
    """Where packages are had from: this machine's own sources, for its own suite."""
    if image.sources is not None:
        yield image.sources
        return
    with suppress(UserError):
        if suite == _suite_of(host):
            there = (path for each in _SOURCES if (path := Path("/", each)).is_file())
            yield from list(there)[:1]


def _explained(name: str, image: Image, error: ProcessFailed, disk: Path) -> LabError:
    """What a failure of mmdebstrap's means to whoever wrote the table."""
    said = error.detail or ""
    if found := _UNKNOWN.search(said):
        package = found[1] or found[2]
        what = f"there is no package {package!r} for image {name!r}"
        return UserError(what, where=f"images.{name}.packages", detail=said)
    what = f"image {name!r} cannot be made"
    if why := trouble("mmdebstrap", 1, said.splitlines(), disk):
        return InfrastructureError(f"{what}: {why}", where=disk.parent, detail=said)
    if network := _NO_NETWORK.search(said):
        return InfrastructureError(
            f"{what}: {network[0].strip()}",
            hint="sources in its table: a file of sources that this machine reaches",
            detail=said,
        )
    return InfrastructureError(f"{what}: {error.what}", detail=said, hint="lab doctor")


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
