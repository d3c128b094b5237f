# SPDX-License-Identifier: GPL-2.0-only
"""Whether what was mounted, and proved, is still what a program finds.

A program may unmount its filesystem, mount it anew without DAX, or mount another over it:
what runs after that runs elsewhere, and passes there.  The proof stands as long as the
kernel's table of mounts says the same; the shell reads it without another process.
"""

from __future__ import annotations

import shlex

_SAID = "lab: mounted now: "


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
    said = f'printf "\\n%s%s\\n" {shlex.quote(_SAID)} "$m" >&2'
    return f'{look(device, folder)}; [ "$m" = {shlex.quote(mounted)} ] || {said}'


def read(stderr: str) -> tuple[str, str | None]:
    """What a program itself said, and what is mounted now, or None if nothing changed."""
    said, found, now = stderr.rpartition(f"\n{_SAID}")
    return (said, now.strip()) if found else (stderr, None)
