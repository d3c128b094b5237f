# SPDX-License-Identifier: GPL-2.0-only
"""What a worker's host is and offers, as the scheduler hands it on to whoever asks."""

from __future__ import annotations

import hashlib
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache as once
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import lab
from lab.arch import ARCH
from lab.doctor import require
from lab.doctor.proved import kvm_runs, qemu_here
from lab.errors import InfrastructureError
from lab.execution.cluster.parcel import free_of
from lab.host.boot_id import boot_id
from lab.host.capacity import Capacity

#: Names of what a worker offers: guests at once, CPUs for guests, bytes of memory for them,
#: CPUs under KVM, and builds side by side.
SLOT, GUEST, MEMORY, KVM, BUILD = "slot", "guest", "memory", "kvm", "build"
#: Who says how many guests there are to be at once means them whatever CPUs they have.
_CPUS_OF_ANY = 64
#: Of what is there or is not.
_PLENTY = 1.0


@dataclass(frozen=True)
class HostFacts:
    """A host as its worker tells of it.

    Attributes:
        boot: Which boot of it; two workers of one host have the same.
        versions: Of what has to be the same on all hosts: lab, Python, Dask.
        qemu: QEMU's version; "" where it is not installed.
        offers: What jobs may ask of it, and how much.
        at: Its clock, in seconds since 1970.
        free: Bytes that are free for its cache.
    """

    name: str = ""
    boot: str = ""
    cpus: int = 0
    system: str = ""
    versions: tuple[tuple[str, str], ...] = ()
    qemu: str = ""
    cache: str = ""
    offers: Mapping[str, float] = field(default_factory=dict)
    at: float = 0.0
    free: int = 0

    @property
    def guests_set(self) -> bool:
        """Whether somebody said how many guests there are to be, whatever CPUs they have."""
        return self.offers.get(GUEST) == self.offers.get(SLOT, 0) * _CPUS_OF_ANY

    def as_plain(self) -> dict[str, object]:
        """As the scheduler takes it: dictionaries, lists, numbers, text."""
        return {**asdict(self), "versions": [list(row) for row in self.versions]}

    @classmethod
    def of_plain(cls, told: object) -> HostFacts | None:
        """What as_plain() made; None of anything else, as of a worker that is no lab's."""
        if not isinstance(told, dict):
            return None
        try:
            versions = tuple((str(name), str(value)) for name, value in told["versions"])
            return cls(**{**told, "versions": versions})
        except (KeyError, TypeError, ValueError):
            return None


def facts_of_here(cache: Path, offers: Mapping[str, float]) -> HostFacts:
    """This host."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    capacity = Capacity.of_this_host()
    return HostFacts(
        name=platform.node(),
        boot=boot_id(),
        cpus=capacity.cpus,
        system=system,
        versions=tuple(versions()),
        qemu=qemu_here(),
        cache=str(cache),
        offers=offers,
        at=time.time(),
        free=free_of(cache),
    )


def offers_of_here(
    cache: Path, deadline_s: float, guests: int, builds: int, labels: tuple[str, ...], share: int
) -> dict[str, float]:
    """What this host was shown to be able to do: KVM only where a guest ran under it.

    Args:
        guests, builds: How many at once somebody asked for; 0 is what it carries.
        share: Of how many workers on this host this is one.
    """
    capacity = Capacity.of_this_host()
    # Who says how many means all workers of a host together.
    guests = guests and max(1, guests // share)
    cpus = guests * _CPUS_OF_ANY or max(1, capacity.cpus // share)
    tokens = [f"label {name}" for name in labels]
    offers: dict[str, float] = dict.fromkeys((*tokens, version_token()), _PLENTY)
    offers[SLOT] = guests or cpus
    if _builds():
        offers[BUILD] = builds or max(1, capacity.builds_at_once // share)
    if qemu_here():
        offers |= {
            GUEST: cpus,
            MEMORY: capacity.memory // share,
            arch_token(): _PLENTY,
        }
        if kvm_runs(cache, deadline_s):
            offers[KVM] = cpus
    return offers


def _builds() -> bool:
    """Whether all is installed that a build takes."""
    try:
        require("build")
    except InfrastructureError:
        return False
    return True


def arch_token() -> str:
    """What a host offers that runs kernels of this architecture."""
    return f"arch {ARCH.name}"


@once
def version_token() -> str:
    """What a host offers that has the lab, Python and Dask of these versions."""
    return "versions " + hashlib.sha256(repr(tuple(versions())).encode()).hexdigest()[:12]


def versions() -> Iterator[tuple[str, str]]:
    """What has to be the same on all hosts, since values of it go from one to another."""
    yield "lab", f"{lab.__version__}+{_code_digest()}"
    # A pickle of 3.11 is one of 3.11.x.
    yield "Python", ".".join(map(str, sys.version_info[:2]))
    for name in ("distributed", "dask"):
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, ""


@once
def _code_digest() -> str:
    """Names the lab's own code: two checkouts of one version need not be the same."""
    root = Path(lab.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:8]
