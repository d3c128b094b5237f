# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems of a guest unmounted, and what is said of one that stays.

A program may leave a process that still has a file of it open, or works in it: umount(2)
says EBUSY then, and that is the program's doing and no word on the kernel.  What was found
while it is unmounted is found of none that stays, so it is told.
"""

from __future__ import annotations

_SAID = "lab: stays mounted: "
_HELD = "lab: held by: "
_MOST_SAID = 200
_MOST_HOLDERS = 3
#: The last that was mounted goes first.  A process that was killed lets go a moment later,
#: and so does an io_uring.  /proc has links to what is open, and maps to what is mapped.
_LEAVE = """\
mounts() {{
  l=; while read -r d m _; do
    case $d:$m in {these}) l="$m $l";; esac
  done </proc/mounts
}}
out() {{ mounts; s=; for m in $l; do s="$s $(umount "$m" 2>&1)"; done; mounts; [ -z "$l" ]; }}
holders() {{
  ls -dl /proc/[0-9]*/cwd /proc/[0-9]*/fd/* |
    sed -n 's,.* /proc/\\([0-9]*\\)/[^ ]* -> /mnt/.*,\\1,p'
  grep -sl ' /mnt/' /proc/[0-9]*/maps | sed 's,/proc/\\([0-9]*\\)/.*,\\1,'
}}
say_left() {{
  printf '\\n{said}%s\\n' "$s"
  holders 2>/dev/null | while read -r p; do
    read -r c </proc/$p/comm && printf '{held}%s[%s]\\n' "$c" "$p"
  done
}}
leave() {{ out || {{ sleep 1; out; }} || {{ say_left >&2; return 1; }}; }}
"""


def unmounting(device: str) -> str:
    """Shell code with a function ``leave`` that unmounts all there is of a device.

    What stays it says on stderr, and ends with status 1.
    """
    return _leave(f"{device}:*")


def _leave(these: str) -> str:
    """The code for what ``these`` match: patterns of the shell's for DEVICE:FOLDER."""
    return _LEAVE.format(these=these, said=_SAID, held=_HELD)


def last_words(device: str, settle_s: float) -> str:
    """What a guest does last.

    Unmounting is when a filesystem finds what was left in use; what the kernel says of it
    may come ``settle_s`` seconds later.
    """
    return f"{_leave(f'{device}:* | *:/mnt/*')}leave; sleep {settle_s:g}; dmesg"


def read_left(stderr: str) -> str:
    """What ``leave`` said of filesystems that stay mounted, in a line; "" when all went."""
    _, found, said = stderr.rpartition(f"\n{_SAID}")
    if not found:
        return ""
    lines = said.splitlines()
    held = (line.removeprefix(_HELD) for line in lines if line.startswith(_HELD))
    names = list(dict.fromkeys(held))[:_MOST_HOLDERS]
    by = f"held by {', '.join(names)}" if names else "no process is seen to hold it"
    return f"{' '.join(lines[0].split())[:_MOST_SAID]}; {by[:_MOST_SAID]}"
