# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest is set as it was before a program: its kernel, its limits, its processes.

Who leaves ``vm.overcommit_memory`` otherwise, huge pages reserved, a limit of its parent's
lowered or a process behind makes of the next program another test.  A program of the guest
looks (guest-tests/init/settings.c), in the command that ran the one before.
"""

from __future__ import annotations

import shlex

from lab.text import plain

_LOOK = "/run/look"
_SAID = "lab: changed now: "
_MOST_SAID = 600
#: Notes what the guest is set to; check() compares with that.
KEEP = "/lab/init keep"


def check(*mounts: str) -> str:
    """Shell code that says on stderr what is not as it was kept; it fails where nobody looked.

    With ``mounts``, the words of ``lab.filesystems.mounts``, that says what is mounted too.
    To start a program takes a guest longer than the look: who runs the shell is asked first
    (guest-tests/init/commands.c), with nothing that is not the shell's own.
    """
    lines = " ".join(map(shlex.quote, mounts or ("", "", "")))
    asks = (
        f"[ -p {_LOOK}-$PPID ] && printf '%s\\n%s\\n%s\\n' {lines} >{_LOOK}-$PPID && "
        f'read -r looked <{_LOOK}ed-$PPID && [ "$looked" = looked ]'
    )
    return f"{{ {{ {asks}; }} || {shlex.join(['/lab/init', 'check', *mounts])} >&2; }}"


#: A shell command for where check() fails.
NOBODY = f'printf "\\n%s\\n" {shlex.quote(f"{_SAID}nobody could look")} >&2'


def read(stderr: str) -> tuple[str, str | None]:
    """What a program itself said, and what it left changed, or None if nothing."""
    said, found, changed = stderr.rpartition(f"\n{_SAID}")
    if not found:
        return stderr, None
    return said, plain(changed.strip().partition("\n")[0])[:_MOST_SAID]
