# SPDX-License-Identifier: GPL-2.0-only
"""mmdebstrap(1) called: a root of Debian's packages, and what is done in it before it ends."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lab.config.model import Image
from lab.errors import InfrastructureError, LabError, UserError
from lab.host import Host, need_tool
from lab.process import ProcessFailed, run
from lab.process.child import Argument
from lab.process.temporary import temporary_folder
from lab.process.tool_failure import trouble

#: What nobody reads in a guest.
_LEFT_OUT = ("doc", "man", "locale", "info", "lintian")
#: Where a Debian, or what comes from it, says where its packages are; the first there counts.
_SOURCES = (
    "etc/apt/sources.list.d/debian.sources",
    "etc/apt/sources.list.d/ubuntu.sources",
    "etc/apt/sources.list",
)
_REMOVING_S = 300.0
_UNKNOWN = re.compile(r"E: Unable to locate package (\S+)|E: Package '?([^\s']+)'? has no inst")
_NO_NETWORK = re.compile(
    r"(Temporary failure resolving|Could not resolve|Could not connect|Failed to fetch|"
    r"Connection (?:refused|timed out)|Unable to connect).*"
)


class HookFailed(UserError):
    """What was to be done in the root did not succeed; ``detail`` has what it said."""


def packages_key(name: str, image: Image) -> tuple[str, tuple[str, ...], str | None]:
    """What names the packages of a table: its suite, their names, the digest of its sources.

    Raises:
        UserError: Its file of sources cannot be read, or nobody says which suite.
    """
    return (
        suite_of(image),
        tuple(sorted(set(image.packages))),
        _digest_of_sources(name, image.sources),
    )


def suite_of(image: Image) -> str:
    """The suite of a table: its own, or that of this machine."""
    return image.suite or _suite_of(Host.here())


def bootstrap(
    name: str,
    image: Image,
    target: Path,
    deadline_s: float,
    hooks: Sequence[str] = (),
    *,
    kept: bool = True,
) -> None:
    """Make a root of the packages of a table, and an archive of it.

    Args:
        target: The archive; where the root is not ``kept``, only what messages are about.
        hooks: What is done in it before (mmdebstrap(1), ``--customize-hook``).

    Raises:
        UserError: There is no such package, or a hook failed.
        InfrastructureError: A tool, the network or the disk failed.
    """
    need_tool("mmdebstrap")
    suite = suite_of(image)
    command: list[Argument] = [
        "mmdebstrap",
        "--mode=auto",
        "--variant=essential",
        f"--format={'tar' if kept else 'null'}",
        f"--include={','.join(sorted(set(image.packages)))}",
        *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in _LEFT_OUT),
        '--aptopt=Acquire::Languages "none"',
        *(f"--customize-hook={hook}" for hook in hooks),
        suite,
        target if kept else "/dev/null",
        *_sources(image, suite, Host.here()),
    ]
    try:
        with _work() as work:
            run(command, timeout=deadline_s, env={"LC_ALL": "C.UTF-8", "TMPDIR": str(work)})
    except ProcessFailed as error:
        raise _explained(name, image, error, target.parent) from error


def _digest_of_sources(name: str, sources: Path | None) -> str | None:
    """The digest of a file of sources: another one has other packages of the same names."""
    if sources is None:
        return None
    try:
        return hashlib.sha256(sources.read_bytes()).hexdigest()
    except OSError as error:
        what = f"{sources} cannot be read: {error.strerror}"
        hint = "name a file of sources as apt has them, or take the line out"
        raise UserError(what, where=f"images.{name}.sources", hint=hint) from error


def _suite_of(host: Host) -> str:
    """The suite that this machine itself is of (os-release(5))."""
    found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)", host.read("/etc/os-release"), re.MULTILINE)
    if found is None:
        what = "this machine does not say which suite of Debian it is of"
        raise UserError(what, where="images", hint='suite = "bookworm" in the table of the image')
    return found[1]


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
    if "E: command failed: " in said:
        return HookFailed(f"what is done in image {name!r} failed", detail=said)
    return InfrastructureError(f"{what}: {error.what}", detail=said, hint="lab doctor")
