# SPDX-License-Identifier: GPL-2.0-only
"""A filesystem in a guest: made, mounted, and proved to be what it promises, in one command."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab.errors import InfrastructureError
from lab.filesystems.filesystem import Filesystem, NotProved
from lab.filesystems.mounts import look
from lab.filesystems.pmem import DEVICE, last_said, namespace_mode, refuse_lacking
from lab.filesystems.unmount import read_left, unmounting
from lab.guest.command import CommandResult, CommandTimeout
from lab.guest.guest import Guest
from lab.guest.settings import KEEP

#: The script's exit status when everything up to the mount had worked.
_NOT_MOUNTED = 8
#: What was mounted of its device before could not be unmounted.
_NOT_UNMOUNTED = 7
#: Of what is said while a filesystem is made: its mkfs, its mount, and the log since then.
_MOST_SAID = 1 << 20
#: No line of printk is longer (LOG_LINE_MAX), and expressions take their time for those that are.
_LONGEST = 1024


class StaysMounted(InfrastructureError):
    """The device cannot be had: what ran before still has a file open on it."""


@dataclass(frozen=True)
class Mounted:
    """A filesystem that is ready for its programs.

    Attributes:
        table: The lines of the kernel's table of mounts that tell of it.
        proofs: What was said for each thing that it promises, by the proof's name; under
            ``proved_by`` which of that counts.
    """

    table: str
    proofs: Mapping[str, Mapping[str, str]]


def set_up(guest: Guest, filesystem: Filesystem) -> Mounted:
    """Make and mount a filesystem, and have it proved what it promises.

    Raises:
        InfrastructureError: It could not be made or mounted.
        CannotMount: The kernel is too old for a mount option, or for the device.
        StaysMounted: Another one has its device.
        CommandTimeout: That still ran at the setup deadline.
        NotProved: It is mounted, but is not what it promises.
    """
    if filesystem.device == DEVICE:
        refuse_lacking(guest)
    asked = command(filesystem)
    with _setup_deadline(guest, filesystem):
        ahead = guest.take_readied(asked)
        result = ahead or guest.run(asked)
    try:
        return _judged(guest, filesystem, result)
    except NotProved:
        # What chance left in a saved state would be told of each guest of it.
        if ahead is None or not guest.state:
            raise
    with _setup_deadline(guest, filesystem):
        return _judged(guest, filesystem, guest.run(asked))


def command(filesystem: Filesystem) -> str:
    """The shell command that does it; guests may be had in which it was run ahead."""
    # Before anything of it could be changed by a program.
    return f"{KEEP}\n{script(filesystem)}"


def _judged(guest: Guest, filesystem: Filesystem, result: CommandResult) -> Mounted:
    if len(result.stdout) > _MOST_SAID:
        raise InfrastructureError(
            f"the guest said {len(result.stdout) / 1e6:.1f} MB while {filesystem.name} was made "
            "and mounted: nobody knows what was meant",
            where=guest.console.path,
        )
    if result.status == _NOT_UNMOUNTED and (left := read_left(result.stderr)):
        raise StaysMounted(left, where=guest.console.path)
    said = read(result.stdout)
    if result.status == _NOT_MOUNTED:
        filesystem.check_refusal(said.get("log", ""))
    if result.status != 0:
        raise InfrastructureError(
            f"{filesystem.name} could not be made and mounted: {last_said(result)}",
            where=guest.console.path,
            detail="\n".join(filter(None, (result.stderr, said.get("log")))),
            hint=_hint(filesystem, result),
        )
    try:
        proofs = {
            proof.name: {**said, "proved_by": proof.check(filesystem.name, said)}
            for proof in filesystem.prove()
        }
    except NotProved:
        # A kernel may mount it without what it is too old for, and say so.
        filesystem.check_refusal(said.get("log", ""))
        raise
    if filesystem.device == DEVICE:
        for proof in proofs.values():
            proof["namespace"] = namespace_mode(guest)
    return Mounted(said.get("mounted", ""), proofs)


def _hint(filesystem: Filesystem, result: CommandResult) -> str | None:
    """What ENODEV of mount(2) means, and ENXIO of ndctl(1): the kernel has no such driver."""
    if "No such device" in result.stderr:
        return (
            f"a kernel with {filesystem.type} in it: a fragment of kconfigs/ for a config, or for "
            "a machine (--config, --machine)"
        )
    return None


@contextmanager
def _setup_deadline(guest: Guest, filesystem: Filesystem) -> Iterator[None]:
    try:
        yield
    except CommandTimeout as error:
        raise CommandTimeout(
            f"the setup deadline of {guest.spec.command_s:g} s passed while {filesystem.name} was "
            "made and mounted",
            where=guest.console.path,
            hint="raise deadlines.setup in lab.toml if the guest was only slow",
        ) from error


def script(filesystem: Filesystem) -> str:
    """Shell commands that make, mount and examine it, stopping at a failure."""
    return "\n".join(_commands(filesystem))


def _commands(filesystem: Filesystem) -> Iterator[str]:
    device, folder, make = filesystem.device, filesystem.mount_point, filesystem.make()
    yield "set -e"
    # One device: whatever was mounted from it goes first.
    yield f"{unmounting(device)}leave || exit {_NOT_UNMOUNTED}"
    yield f"mkdir -p {folder}"
    if make:
        yield f"{make} >&2"
    # Only what this mount says counts as its refusal.
    yield 'echo "<7>lab: mount $$" >/dev/kmsg'
    yield 'log() { dmesg | sed "1,/lab: mount $$\\$/d;s/^/log=/"; }'
    yield f"{filesystem.mount()} || {{ log; exit {_NOT_MOUNTED}; }}"
    if make:
        yield f"echo mkfs={shlex.quote(make)}"
    yield look(device, folder)
    # Not echo: dash's own would read escapes, which such a table has for blanks.
    yield 'printf "mounted=%s\\n" "$m"'
    for proof in filesystem.prove():
        yield proof.ask(folder)
    yield "log"


def read(text: str) -> dict[str, str]:
    """``key=value`` lines; repeated keys (the log's lines) are joined."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found:
            said.setdefault(key, []).append(value[:_LONGEST])
    return {key: "\n".join(values) for key, values in said.items()}
