# SPDX-License-Identifier: GPL-2.0-only
"""Whether a series changed what runs at all, from two builds of one tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lab.binary.difference import Difference, difference, is_same
from lab.build import Build
from lab.builder import Builds
from lab.errors import InfrastructureError
from lab.model.records import JobRecord
from lab.model.variant import Variant
from lab.plan import JobPlan, Plan
from lab.process.seal import damage
from lab.process.shelf import BUILDS

_VMLINUX = "vmlinux"
#: What unpacks and starts a kernel is in no vmlinux.
_BOOT = "/boot/"


@dataclass(frozen=True)
class Bases:
    """Which build is tested beside which: nothing of a kernel runs that is its base again.

    Attributes:
        variants: For each variant the one that it is compared with.
    """

    variants: Mapping[Variant, Variant] = field(default_factory=dict)

    def is_again(self, plan: Plan, planned: JobPlan, built: Build, builds: Builds) -> bool:
        """Whether a build runs the same as its base, as far as that is built by now."""
        return any(is_same_kernel(base, built) for base in self._bases(plan, planned, builds))

    def _bases(self, plan: Plan, planned: JobPlan, builds: Builds) -> Iterator[Build]:
        base = self.variants.get(planned.variant)
        for other in plan.jobs:
            if (other.variant, other.around) == (base, planned.around):
                found = builds[other.build] if builds.is_there(other.build) else None
                if isinstance(found, Build):
                    yield found


def is_same_kernel(base: Build, patched: Build) -> bool:
    """Whether two builds of one tree run the same; False where that cannot be told."""
    if any(_BOOT in f"/{path}" for path in _unlike(base, patched)):
        return False
    files = [_vmlinux(build.folder) for build in (base, patched)]
    with suppress(InfrastructureError):
        return None not in files and is_same(*filter(None, files))
    return False


def _unlike(base: Build, patched: Build) -> Iterator[str]:
    """Paths of the tree that the two have not alike."""
    one, two = base.job.overlay.files, patched.job.overlay.files
    return (path for path in {*one, *two} if one.get(path) != two.get(path) or path not in one)


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
    return None if damage(folder, [_VMLINUX]) else folder / _VMLINUX
