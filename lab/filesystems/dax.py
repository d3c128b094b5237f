# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems in a guest: made, mounted, and proved to be DAX."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import InfrastructureError
from lab.features import Feature, feature, has
from lab.filesystems.mkfs import QUIET, mkfs_options
from lab.filesystems.mounts import look
from lab.guest.command import CommandResult, CommandTimeout
from lab.guest.protocol import Guest
from lab.model.version import KernelVersion

DEVICE = "/dev/pmem0"
#: The script's exit status when everything up to the mount had worked.
_NOT_MOUNTED = 8
#: What a mount option asks of a kernel.
_OPTIONS = {
    ("ext4", "dax"): "ext4-dax",
    ("ext4", "dax=always"): "dax-always",
    ("xfs", "dax"): "xfs-dax",
    ("xfs", "dax=always"): "dax-always",
}
#: The driver of each kind of persistent memory, and the option that brings it.
_DRIVERS = {
    "nvdimm": ("nfit", "CONFIG_ACPI_NFIT"),
    "memmap": ("pmem-legacy", "CONFIG_X86_PMEM_LEGACY"),
}
#: 4.1's XFS, 5.7's ext4; and fs/fs_parser.c, whose callers both are now.
_UNKNOWN_OPTION = re.compile(
    r"[^]\n]*(?:un(?:known|recognized) mount option|unknown parameter|(?:bad|unexpected) value for)"
    r"\W*dax.*",
    re.IGNORECASE,
)
#: A mount that cannot have DAX says so here and goes on without (kata-containers/packaging#378).
_REFUSAL = re.compile(
    r"(?:turning off DAX|DAX unsupported|disabling DAX|DAX enabled\W.*not supported|"
    r"dax.*(?:disabled|not supported|unsupported)).*",
    re.IGNORECASE,
)


#: Of what is said while a filesystem is made: its mkfs, its mount, and the log since then.
_MOST_SAID = 1 << 20
#: No line of printk is longer (LOG_LINE_MAX), and expressions take their time for those that are.
_LONGEST = 1024


class NotDax(InfrastructureError):
    """A mounted filesystem could not be proved to use DAX."""


class CannotMount(InfrastructureError):
    """The kernel is older than what the mount asks of it, and said so: nobody's fault."""


@dataclass(frozen=True)
class Recipe:
    """A mkfs and mount recipe, as ``lab.toml`` names it.

    ``lacking`` is what the mount asks for and the kernel's version does not have.
    """

    name: str
    type: str
    mkfs: tuple[str, ...]
    options: tuple[str, ...]
    lacking: Feature | None = None

    def for_kernel(self, version: KernelVersion, cache: Path) -> Recipe:
        """The recipe with what a kernel of ``version`` can mount, by the host's mkfs.

        Args:
            cache: Where the answers of the host's mkfs are kept.

        Raises:
            InfrastructureError: The host's mkfs is missing, or does not run.
        """
        asked = (_OPTIONS.get((self.type, word)) for word in self.options)
        return replace(
            self,
            mkfs=mkfs_options(self.type, self.mkfs, version, cache),
            lacking=next(
                (feature(name) for name in asked if name and not has(version, name)), None
            ),
        )

    @property
    def mount_point(self) -> str:
        """Where it is mounted in the guest."""
        return f"/mnt/{self.name}"

    def script(self) -> str:
        """Shell commands that make, mount and examine it, stopping at a failure."""
        mkfs = shlex.join((f"mkfs.{self.type}", *QUIET[self.type], *self.mkfs, DEVICE))
        options = f"-o {shlex.quote(','.join(self.options))}" if self.options else ""
        return "\n".join(
            (
                "set -e",
                # One device: whatever was mounted from it goes first.
                f"while read -r device folder _; do if [ $device = {DEVICE} ]; "
                "then umount $folder; fi; done </proc/mounts",
                f"mkdir -p {self.mount_point}",
                f"{mkfs} >&2",
                # Only what this mount says counts as its refusal.
                'echo "<7>lab: mount $$" >/dev/kmsg',
                'log() { dmesg | sed "1,/lab: mount $$\\$/d;s/^/log=/"; }',
                f"mount -t {self.type} {options} {DEVICE} {self.mount_point} "
                f"|| {{ log; exit {_NOT_MOUNTED}; }}",
                f"echo mkfs={shlex.quote(mkfs)}",
                look(DEVICE, self.mount_point),
                # Not echo: dash's own would read escapes, which such a table has for blanks.
                'printf "mounted=%s\\n" "$m"',
                f"/lab/dax-proof {self.mount_point}",
                "log",
            )
        )


_MAKE_FSDAX = """\
if [ -e /sys/bus/nd/drivers/nd_pmem ] && ls /sys/bus/nd/devices | grep -q '^pfn'; then
  ndctl create-namespace -f -e namespace0.0 --mode=fsdax >/dev/null || exit 9
  mode=fsdax
fi
"""
#: transparent_hugepage_enabled() is what __handle_mm_fault() asks before it asks DAX.
_NO_HUGE_FAULTS = "echo never >/sys/kernel/mm/transparent_hugepage/enabled\n"


_NOT_SHOWN = 8
_SHOW = 'for it in {}; do [ -e "$it" ] || {{ echo "$it" >&2; exit {}; }}; done\n'


def prepare_script(version: KernelVersion, shown_by: Iterable[str] = ()) -> str:
    """What a guest of a kernel of ``version`` does once, before there is a filesystem.

    It gives the namespace struct pages where the kernel has such a mode, and says which
    mode it has: ``fsdax``, or ``raw`` where the kernel knows no other.

    Args:
        shown_by: Paths that must be there, or ``boot``: what shows that the kernel still has
            what options were for that it has no more.
    """
    paths = " ".join(path for path in dict.fromkeys(shown_by) if path.startswith("/"))
    show = _SHOW.format(paths, _NOT_SHOWN) if paths else ""
    make_fsdax = _MAKE_FSDAX if has(version, "fsdax-namespace") else ""
    no_huge_faults = _NO_HUGE_FAULTS if has(version, "pmd-dax-without-pages") else ""
    return f"{show}mode=raw\n{make_fsdax}{no_huge_faults}echo $mode\ntest -b {DEVICE}"


def namespace_mode(guest: Guest) -> str:
    """The mode of the namespace in a guest that was prepared with prepare_script().

    Raises:
        InfrastructureError: There is no persistent-memory device in the guest, or nothing
            that shows what an option of the config was for.
    """
    result = guest.prepared
    if result.status == _NOT_SHOWN:
        raise InfrastructureError(
            f"the guest has no {_last(result)}, which would show what an option was for that "
            "its kernel has no more",
            where=guest.console.path,
            hint="the option's new name in kconfigs/, for versions from this one on; "
            "build.json of the build has it under gone",
        )
    if result.status == 9:
        raise InfrastructureError(
            f"ndctl could not make an fsdax namespace: {_last(result)}",
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
    name, option = _DRIVERS[pmem]
    return f"CONFIG_BLK_DEV_PMEM and {option}; {feature(name)}"


def set_up(guest: Guest, recipe: Recipe) -> dict[str, str]:
    """Make and mount a filesystem, and prove DAX.

    Returns:
        The proof: what the mount, statx(2), the mapped page's physical address
        and the kernel log said, and under ``proved_by`` which of them count.

    Raises:
        InfrastructureError: mkfs or mount failed.
        CannotMount: The kernel is too old for a mount option.
        CommandTimeout: They still ran at the setup deadline.
        NotDax: It is mounted, but not with DAX.
    """
    try:
        result = guest.run(recipe.script())
    except CommandTimeout as error:
        raise CommandTimeout(
            f"the setup deadline of {guest.spec.command_s:g} s passed while {recipe.name} was "
            "made and mounted",
            where=guest.console.path,
            hint="raise deadlines.setup in lab.toml if the guest was only slow",
        ) from error
    if len(result.stdout) > _MOST_SAID:
        raise InfrastructureError(
            f"the guest said {len(result.stdout) / 1e6:.1f} MB while {recipe.name} was made and "
            "mounted: nobody knows what was meant",
            where=guest.console.path,
        )
    evidence = parse_evidence(result.stdout)
    if result.status == _NOT_MOUNTED:
        check_refusal(recipe, evidence.get("log", ""))
    if result.status != 0:
        raise InfrastructureError(
            f"{recipe.name} could not be made and mounted: {_last(result)}",
            where=guest.console.path,
            detail="\n".join(filter(None, (result.stderr, evidence.get("log")))),
        )
    return evidence | {"proved_by": check_evidence(recipe.name, evidence)}


def check_refusal(recipe: Recipe, log: str) -> None:
    """Raise CannotMount if the kernel has not what the mount asks for, and says so.

    Both must agree: one alone may be a mistake of the lab's.
    """
    said = _UNKNOWN_OPTION.search(log)
    if recipe.lacking is not None and said:
        raise CannotMount(
            f"this kernel does not mount {recipe.name}: {said[0].strip()}; {recipe.lacking}"
        )


def parse_evidence(text: str) -> dict[str, str]:
    """``key=value`` lines; repeated keys (the log's lines) are joined."""
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found:
            said.setdefault(key, []).append(value[:_LONGEST])
    return {key: "\n".join(values) for key, values in said.items()}


def check_evidence(name: str, evidence: Mapping[str, str]) -> str:
    """Raise NotDax unless everything that can be asked says DAX.

    The mount options must name it, statx must say so where the kernel has
    STATX_ATTR_DAX, a mapped page must lie in persistent memory, and the kernel
    must not have refused.

    Returns:
        What proves it; before 5.10 statx is not among that.
    """
    objections = []
    if evidence.get("dax_option") != "yes":
        objections.append(f"mounted as: {evidence.get('mount', 'nothing')}")
    asked = _has_statx_dax(evidence)
    if asked and evidence.get("statx_dax") != "yes":
        objections.append("statx does not say STATX_ATTR_DAX")
    if evidence.get("pfn_in_pmem") != "yes":
        objections.append(
            f"a mapped page in persistent memory: {evidence.get('pfn_in_pmem', 'not asked')}"
        )
    objections.extend(match[0] for match in _REFUSAL.finditer(evidence.get("log", "")))
    if objections:
        raise NotDax(f"{name} is not proved to be DAX: {'; '.join(objections)}")
    return "mount option, statx, page address" if asked else "mount option, page address"


def _has_statx_dax(evidence: Mapping[str, str]) -> bool:
    """Whether the kernel says so, or is of a version that must."""
    if evidence.get("statx_known") == "yes":
        return True
    try:
        return has(KernelVersion.of_release(evidence.get("release", "")), "statx-dax")
    except ValueError:
        return True


def _last(result: CommandResult) -> str:
    said = result.stderr.strip().splitlines()
    return said[-1] if said else f"status {result.status}"
