# SPDX-License-Identifier: GPL-2.0-only
"""Whether what was mounted, and proved, is still what a program finds.

A program may unmount its filesystem, mount it anew without DAX, or mount another over it:
what runs after that runs elsewhere, and passes there.  The proof stands as long as the
kernel's table of mounts says the same; a program of the guest looks (guest-tests/init/mounts.c).
"""

from __future__ import annotations

import shlex

from lab.guest import settings

_SAID = "lab: mounted now: "
_NOBODY = f'printf "\\n%s\\n" {shlex.quote(f"{_SAID}nobody could look")} >&2'


def look(device: str, folder: str) -> str:
    """Shell code that puts the mounts of a device, and on, above or below a folder, in ``$m``."""
    above = folder.rpartition("/")[0] or "/"
    here = " | ".join(f'*" {place}"*' for place in (f"{folder} ", f"{above} ", f"{folder}/"))
    return (
        f'm=; while read -r line; do case "$line" in "{device} "* | {here}) m="$m$line; ";; '
        "esac; done </proc/mounts"
    )


def say_if_moved(device: str, folder: str, mounted: str) -> str:
    """Shell code that says on stderr what is mounted, if that is not ``mounted`` any more."""
    words = shlex.join(["/lab/init", "mounts", device, folder, mounted])
    return f"{words} >&2 || {_NOBODY}"


def check(device: str, folder: str, mounted: str | None) -> str:
    """The same, and whether the guest is set as it was, of one program; None if nobody knows."""
    if mounted is None:
        return f"{settings.check()} || {settings.NOBODY}"
    words = settings.check(device, folder, mounted)
    return f"{words} || {{ {settings.NOBODY}; {_NOBODY}; }}"


def read(stderr: str) -> tuple[str, str | None]:
    """What a program itself said, and what is mounted now, or None if nothing changed."""
    said, found, now = stderr.rpartition(f"\n{_SAID}")
    return (said, now.strip()) if found else (stderr, None)
