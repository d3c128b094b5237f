# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab boot`` adds to a guest that no test has: gdb, a folder, a way in for files."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError, UserError
from lab.guest.courier import MOST, Courier, sizes
from lab.guest.guest import Guest, GuestSpec
from lab.guest.qemu.attached import IMAGE, SHARE, debugged, mount_share, sharing
from lab.guest.qemu.guest import QemuSpec
from lab.guest.shared_folder import Brought, bring_back
from lab.process.temporary import temporary_folder
from lab.store.left_there import require_vmlinux
from lab.text import plain

_NAMED = 5
#: Of a file in an archive, with what fills its last block.
_HEAD = 1024


class ByHand:
    """What a guest is to have beside what its tests would find there, in a ``with`` block.

    Args:
        gdb: A stub for gdb.
        waits: It stands still until gdb has it go on.
        share: A folder of the host.
        writable: What the guest makes of it is brought back when it ends.
    """

    def __init__(
        self, gdb: bool, waits: bool, share: Path | None, *, writable: bool = False
    ) -> None:
        self._gdb = gdb
        self._waits = waits
        self._share = share
        self._writable = writable
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def changed(self, spec: GuestSpec, say: Callable[[str], None]) -> GuestSpec:
        """What the guest is made from, with all that.

        Raises:
            UserError: The folder is none, or more than comes back, or the machine cannot have it.
        """
        if not (self._gdb or self._share):
            return spec
        if not isinstance(spec, QemuSpec):
            raise UserError("this kind of machine is not QEMU's", where="--gdb, --share")
        if self._share is not None:
            # Not when it ends: what was done in it until then would be lost.
            if self._writable and sum(_HEAD + size for size in sizes(self._share)) > MOST:
                raise UserError(
                    f"has more than {MOST >> 20} MiB, and no more comes back",
                    where=self._share,
                    hint="--share-rw of a folder for what is made, or --share",
                )
            spec.folder.mkdir(parents=True, exist_ok=True)
            # Whoever does not come up mounts nothing, and leaves its image.
            self._stack.callback((spec.folder / IMAGE).unlink, missing_ok=True)
            spec = sharing(spec, self._share, writable=self._writable)
        if self._gdb:
            # A path that unix(7) takes, and gdb.
            stub = self._stack.enter_context(temporary_folder("gdb")) / "stub"
            spec = debugged(spec, stub, waits=self._waits)
            require_vmlinux(spec.kernel.parent)
            say(f"lab: {gdb_command(spec.kernel.parent, stub)}")
            if self._waits:
                say("lab: the guest stands still until gdb says `continue`")
        return spec

    def opened(self, guest: Guest, variant: str, stack: ExitStack) -> None:
        """The guest is up: give it the folder, and others the way in for files."""
        if self._share is not None:
            mount_share(guest, writable=self._writable)
            if self._writable:
                stack.callback(_bring_back, guest, self._share)
        stack.enter_context(Courier(guest, variant))


def _bring_back(guest: Guest, folder: Path) -> None:
    """Say what came back, or that nothing did: the guest's own end is what it was."""
    try:
        brought = bring_back(guest, SHARE, folder)
    except LabError as error:
        _tell(f"nothing of {SHARE} was brought back, or not all: {error}")
    else:
        if brought.names:
            _tell(f"brought back to {folder}: {_named(brought.names, len(brought.names))}")
        if brought.count:
            _tell(lost(brought))


def lost(brought: Brought) -> str:
    """What of a folder did not come back, and why."""
    files = _named([f"{name} ({size >> 20} MiB)" for size, name in brought.left], brought.count)
    return f"NOT brought back, since no more than {MOST >> 20} MiB come: {files}"


def _named(names: Sequence[str], count: int) -> str:
    more = f" and {count - _NAMED} more" if count > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _tell(what: str) -> None:
    print(f"lab: {plain(what)}", file=sys.stderr, flush=True)


def gdb_command(build: Path, stub: Path) -> str:
    """How gdb is started on a build's kernel, with the kernel's own commands where they are."""
    words = ["gdb", "-ex", f"target remote {stub}"]
    scripts = build / "vmlinux-gdb.py"
    if scripts.is_file():
        words += ["-x", str(scripts), "-ex", "lx-symbols"]
    return shlex.join([*words, str(build / "vmlinux")])
