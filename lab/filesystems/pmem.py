# SPDX-License-Identifier: GPL-2.0-only
"""The persistent memory that filesystems are on: made ready once a guest, whatever is on it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Literal

from lab.arch import ARCH
from lab.arch.architecture import Pmem
from lab.errors import InfrastructureError
from lab.features import feature, has
from lab.filesystems.filesystem import CannotMount
from lab.guest.command import CommandResult
from lab.guest.guest import Guest
from lab.guest.request import NOT_THE_MACHINE
from lab.model.version import KernelVersion

DEVICE = "/dev/pmem0"
#: What the same namespace is in devdax mode.
DAX_DEVICE = "/dev/dax0.0"
_MAKE_FSDAX = """\
if [ -e /sys/bus/nd/drivers/nd_pmem ] && ls /sys/bus/nd/devices | grep -q '^pfn'; then
  ndctl create-namespace -f -e namespace0.0 --mode=fsdax >/dev/null || exit 9
  mode=fsdax
fi
"""
#: transparent_hugepage_enabled() is what __handle_mm_fault() asks before it asks DAX.
_NO_HUGE_FAULTS = "echo never >/sys/kernel/mm/transparent_hugepage/enabled\n"
_NOT_SHOWN = 8
_NO_NAMESPACE = 9
_LACKING = 11
_SHOW = 'for it in {}; do [ -e "$it" ] || {{ echo "$it" >&2; exit {}; }}; done\n'


def prepare_script(
    version: KernelVersion, shown_by: Iterable[str] = (), pmem: Literal["auto"] | Pmem = "auto"
) -> str:
    """What a guest of a kernel of ``version`` does once, before there is a filesystem.

    It gives the namespace struct pages where the kernel has such a mode, and says which
    mode it has: ``fsdax``, or ``raw`` where the kernel knows no other.

    Args:
        shown_by: Paths that must be there, or ``boot``: what shows that the kernel still has
            what options were for that it has no more.
        pmem: What the machine's persistent memory is, as its table says.
    """
    paths = " ".join(path for path in dict.fromkeys(shown_by) if path.startswith("/"))
    show = _SHOW.format(paths, _NOT_SHOWN) if paths else ""
    make_fsdax = _MAKE_FSDAX if has(version, "fsdax-namespace") else ""
    no_huge_faults = _NO_HUGE_FAULTS if has(version, "pmd-dax-without-pages") else ""
    lacking = _lacking(pmem, version) if pmem != "auto" else ""
    return f"{lacking}{show}mode=raw\n{make_fsdax}{no_huge_faults}echo $mode\ntest -b {DEVICE}"


def _lacking(pmem: Pmem, version: KernelVersion) -> str:
    """What ends it where the kernel's version has no driver of such memory, and there is none.

    Both must agree: one alone may be a mistake of the lab's.
    """
    name, _ = ARCH.pmem.get(pmem, ("", ""))
    if not name or has(version, name):
        return ""
    said = shlex.quote(str(feature(name)))
    return f"[ -b {DEVICE} ] || {{ echo {said} >&2; exit {_LACKING}; }}\n"


def refuse_lacking(guest: Guest) -> None:
    """Raise CannotMount where the kernel is too old for its machine's persistent memory."""
    if guest.prepared.status == _LACKING:
        raise CannotMount(
            f"this kernel has no {DEVICE} of this machine's persistent memory: "
            f"{last_said(guest.prepared)}"
        )


def check_prepared(guest: Guest, devices: Iterable[str]) -> None:
    """Raise unless a guest that ran prepare_script() can have filesystems on ``devices``.

    Raises:
        InfrastructureError: There is no persistent-memory device in the guest and one is
            wanted, or nothing that shows what an option of the config was for; or it is not
            the machine that was asked for.
    """
    result = guest.prepared
    if result.status == NOT_THE_MACHINE:
        raise InfrastructureError(
            f"the guest is not the machine that it should be: {last_said(result)}",
            where=guest.console.path,
            detail=result.stderr,
            hint='in the table of a machine with nodes: fragments = ["numa"]',
        )
    if result.status == _NOT_SHOWN:
        raise InfrastructureError(
            f"the guest has no {last_said(result)}, which would show what an option was for that "
            "its kernel has no more",
            where=guest.console.path,
            hint="the option's new name in kconfigs/, for versions from this one on; "
            "build.json of the build has it under gone",
        )
    if DEVICE in devices and result.status != _LACKING:
        namespace_mode(guest)


def namespace_mode(guest: Guest) -> str:
    """The mode of the namespace in a guest that was prepared with prepare_script().

    Raises:
        InfrastructureError: There is no persistent-memory device in the guest.
    """
    result = guest.prepared
    if result.status == _NO_NAMESPACE:
        raise InfrastructureError(
            f"ndctl could not make an fsdax namespace: {last_said(result)}",
            where=guest.console.path,
            detail=result.stderr,
        )
    if result.status != 0:
        raise InfrastructureError(
            f"the guest has no {DEVICE}",
            where=guest.console.path,
            detail=result.stderr + guest.console.tail(),
            hint=_driver_hint(guest.spec.describe().pmem),
        )
    words = result.stdout.split()
    if not words:
        raise InfrastructureError(
            f"the guest does not say in which mode {DEVICE} is",
            where=guest.console.path,
            detail=result.stderr,
        )
    return words[-1]


def _driver_hint(pmem: str) -> str:
    drivers = [
        f"{option}; {feature(name)}" for kind, (name, option) in ARCH.pmem.items() if kind == pmem
    ]
    return " and ".join(["CONFIG_BLK_DEV_PMEM", *drivers])


def last_said(result: CommandResult) -> str:
    """What a command said last on stderr, or else its status."""
    said = result.stderr.strip().splitlines()
    return said[-1] if said else f"status {result.status}"
