# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems in a guest: made, mounted, and proved to be DAX."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from lab.errors import InfrastructureError
from lab.guest import CommandResult, CommandTimeout, Guest

DEVICE = "/dev/pmem0"
_MKFS = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
#: A mount that cannot have DAX says so here and goes on without (kata-containers/packaging#378).
_REFUSAL = re.compile(
    r"(?:turning off DAX|DAX unsupported|disabling DAX|DAX enabled\W.*not supported|"
    r"dax.*(?:disabled|not supported|unsupported)).*",
    re.IGNORECASE,
)


class NotDax(InfrastructureError):
    """A mounted filesystem could not be proved to use DAX."""


@dataclass(frozen=True)
class Recipe:
    """A mkfs and mount recipe, as ``lab.toml`` names it."""

    name: str
    type: str
    mkfs: tuple[str, ...]
    options: tuple[str, ...]

    @property
    def mount_point(self) -> str:
        """Where it is mounted in the guest."""
        return f"/mnt/{self.name}"

    def script(self) -> str:
        """Shell commands that make, mount and examine it, stopping at a failure."""
        mkfs = shlex.join((*_MKFS[self.type], *self.mkfs, DEVICE))
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
                "dmesg > /tmp/before",
                f"mount -t {self.type} {options} {DEVICE} {self.mount_point}",
                f"/lab/dax-proof {self.mount_point}",
                "dmesg | tail -n +$(($(wc -l < /tmp/before) + 1)) | sed 's/^/log=/'",
            )
        )


#: Gives the NVDIMM's namespace struct pages where the kernel has such a mode, and says
#: which mode it has: ``fsdax``, or ``raw`` where the kernel knows no other.
PREPARE = f"""\
if [ -e /sys/bus/nd/drivers/nd_pmem ] && ls /sys/bus/nd/devices | grep -q '^pfn'; then
  ndctl create-namespace -f -e namespace0.0 --mode=fsdax >/dev/null || exit 9
  echo fsdax
else echo raw; fi
test -b {DEVICE}"""


def namespace_mode(guest: Guest) -> str:
    """The mode of the namespace in a guest that was prepared with ``PREPARE``.

    Raises:
        InfrastructureError: There is no persistent-memory device in the guest.
    """
    result = guest.prepared
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
            hint="does the kernel have CONFIG_ACPI_NFIT and CONFIG_BLK_DEV_PMEM?",
        )
    return result.stdout.split()[-1]


def set_up(guest: Guest, recipe: Recipe) -> dict[str, str]:
    """Make and mount a filesystem, and prove DAX.

    Returns:
        The proof: what the mount, statx(2), the mapped page's physical address
        and the kernel log said.

    Raises:
        InfrastructureError: mkfs or mount failed.
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
    if result.status != 0:
        raise InfrastructureError(
            f"{recipe.name} could not be made and mounted: {_last(result)}",
            where=guest.console.path,
            detail=result.stderr,
        )
    evidence = parse_evidence(result.stdout)
    check_evidence(recipe.name, evidence)
    return evidence


def parse_evidence(text: str) -> dict[str, str]:
    """``key=value`` lines; repeated keys (the log's lines) are joined."""
    evidence: dict[str, str] = {}
    for line in text.splitlines():
        key, found, value = line.partition("=")
        if found:
            evidence[key] = f"{evidence[key]}\n{value}" if key in evidence else value
    return evidence


def check_evidence(name: str, evidence: Mapping[str, str]) -> None:
    """Raise NotDax unless everything that can be asked says DAX.

    The mount options must name it, statx must say so where the kernel knows
    STATX_ATTR_DAX (5.8), a mapped page must lie in persistent memory, and the
    kernel must not have refused.
    """
    objections = []
    if evidence.get("dax_option") != "yes":
        objections.append(f"mounted as: {evidence.get('mount', 'nothing')}")
    if evidence.get("statx_known") == "yes" and evidence.get("statx_dax") != "yes":
        objections.append("statx does not say STATX_ATTR_DAX")
    if evidence.get("pfn_in_pmem") != "yes":
        objections.append(
            f"a mapped page in persistent memory: {evidence.get('pfn_in_pmem', 'not asked')}"
        )
    objections.extend(match[0] for match in _REFUSAL.finditer(evidence.get("log", "")))
    if objections:
        raise NotDax(f"{name} is not proved to be DAX: {'; '.join(objections)}")


def _last(result: CommandResult) -> str:
    said = result.stderr.strip().splitlines()
    return said[-1] if said else f"status {result.status}"
