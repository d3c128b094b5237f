# SPDX-License-Identifier: GPL-2.0-only
"""Whether a series changed what runs at all, from two builds of one tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.binary.difference import Difference, difference, is_same
from lab.build import Build
from lab.builder import Builds
from lab.errors import InfrastructureError
from lab.execution.job import Job
from lab.model.records import JobRecord
from lab.model.variant import Variant
from lab.plan import JobPlan, Plan
from lab.process.seal import damage
from lab.process.shelf import BUILDS
from lab.store.left_there import vmlinux_of
from lab.store.note import VMLINUX

#: What unpacks and starts a kernel is in no vmlinux: its own source, and what that includes of
#: others' (arch/x86/boot/compressed/misc.c: lib/decompress_*.c, the EFI stub).
_BOOT = re.compile(r"arch/[^/]+/(?:boot/|lib/|Makefile)|lib/|drivers/firmware/efi/libstub/")


@dataclass(frozen=True)
class Bases:
    """Which build is tested beside which: nothing of a kernel runs that is its base again.

    Attributes:
        variants: For each variant the one that it is compared with.
        all_run: Whether what is its base again is tested, too: the two only belong together.
    """

    variants: Mapping[Variant, Variant] = field(default_factory=dict)
    all_run: bool = False

    def base_of(self, variant: Variant) -> Variant | None:
        """What a variant is compared with, or is compared with another; None if with nothing."""
        is_base = variant in self.variants.values()
        return self.variants.get(variant, variant if is_base else None)

    def is_again(self, plan: Plan, number: int, made: Mapping[int, Job], builds: Builds) -> bool:
        """Whether a job need not run, as it is its base again, as far as that is made by now.

        What runs is the kernel, and programs: some are made of its tree.
        """
        if self.all_run:
            return False
        built, programs = builds[plan.jobs[number].build], made[number].evidence.programs
        for base in self._bases(plan, plan.jobs[number]):
            if base in made and made[base].evidence.programs == programs:
                other = builds[plan.jobs[base].build]
                if isinstance(other, Build) and isinstance(built, Build):
                    return is_same_kernel(other, built)
        return False

    def _bases(self, plan: Plan, planned: JobPlan) -> Sequence[int]:
        base = self.variants.get(planned.variant)
        return () if base is None else plan.numbers.get((base, planned.around), ())


def is_same_kernel(base: Build, patched: Build) -> bool:
    """Whether two builds of one tree run the same; False where that cannot be told."""
    if any(map(boots, _unlike(base, patched))):
        return False
    files = [_vmlinux(build.folder) for build in (base, patched)]
    with suppress(InfrastructureError):
        return None not in files and is_same(*filter(None, files))
    return False


def boots(path: str) -> bool:
    """Whether a file of the tree goes into what is in no vmlinux."""
    return _BOOT.match(path) is not None


def _unlike(base: Build, patched: Build) -> Iterator[str]:
    """Paths of the tree that the two have not alike."""
    one, two = base.job.overlay.files, patched.job.overlay.files
    return (path for path in {*one, *two} if one.get(path) != two.get(path) or path not in one)


def ran_the_same(base: JobRecord, patched: JobRecord, touched: Iterable[str]) -> bool:
    """Whether nothing that two jobs ran is another, where no vmlinux is.

    Args:
        touched: The files of the tree that are another in the second.
    """
    alike = base.evidence.programs == patched.evidence.programs
    return alike and not any(map(boots, touched))


def recorded_difference(cache: Path, base: JobRecord, patched: JobRecord) -> Difference | None:
    """In what the binaries differ that two jobs ran; None where one is in the cache no more."""
    keys = (base.evidence.build_key, patched.evidence.build_key)
    files = [_vmlinux(BUILDS.place(cache, key)) for key in keys if key]
    if len(files) < len(keys) or None in files:
        return None
    with suppress(InfrastructureError):
        return difference(*filter(None, files))
    return None


def _vmlinux(folder: Path) -> Path | None:
    """That of a build, if it is the one that was made."""
    vmlinux = vmlinux_of(folder)
    return None if damage(folder, [VMLINUX]) else vmlinux
