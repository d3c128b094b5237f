# SPDX-License-Identifier: GPL-2.0-only
"""What a job asks of a worker, and who of those that are there has it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from lab.errors import InfrastructureError
from lab.execution.cluster.host import (
    GUEST,
    KVM,
    MEMORY,
    SLOT,
    HostFacts,
    arch_token,
    version_token,
    versions,
)
from lab.execution.job import Job
from lab.guest.movable import Movable
from lab.suites.on_host import OnHost

#: A clock that is further off than this is told.
_CLOCK_S = 120.0
#: Bytes: less than this is told.
_LITTLE = 2 << 30
#: What one offers of which each job takes a little: whatever is no CPU, memory or build.
_TOKEN = 1e-6
_LABEL = "label "
#: What pip installs together: of one version, or neither is importable.
_DASK = ("distributed", "dask")


def needs_of(job: Job, labels: Sequence[str] = ()) -> dict[str, float]:
    """What a worker has to offer that a job goes to.

    Args:
        labels: Of ``[executor]``.
    """
    needs: dict[str, float] = {SLOT: 1, **needs_of_all(labels)}
    boot = job.guest.recipe()
    if boot is not None:
        # One that is only played takes no more, and runs anywhere.
        hardware = boot.hardware
        needs |= {
            GUEST: hardware.cpus,
            MEMORY: hardware.memory + hardware.nvdimm,
            arch_token(): _TOKEN,
        }
        guest = job.guest
        asked = guest.accelerator if isinstance(guest, Movable) else hardware.accelerator
        if asked == "kvm":
            needs[KVM] = hardware.cpus
    return needs


def needs_of_all(labels: Sequence[str]) -> dict[str, float]:
    """What jobs and builds ask of a worker alike: versions, and the labels of ``[executor]``."""
    return dict.fromkeys((version_token(), *(f"{_LABEL}{name}" for name in labels)), _TOKEN)


def runs_on_host(job: Job) -> bool:
    """Whether programs of a job run on the host of the lab: its files, its interpreter."""
    # To look whether one is of a protocol takes 10 us, and a job has a hundred units.
    kinds = {type(unit.kind): unit.kind for unit in job.units}
    return any(isinstance(kind, OnHost) for kind in kinds.values())


def elsewhere_only(job: Job) -> InfrastructureError:
    """What is said of such a job where all workers are on other hosts."""
    names = " ".join(dict.fromkeys(u.suite for u in job.units if isinstance(u.kind, OnHost)))
    return InfrastructureError(
        f"suite {names} runs its programs on the host of the lab, and no worker is there",
        hint="lab worker ADDRESS here, too; or another --suite",
    )


def fits(needs: Mapping[str, float], facts: HostFacts) -> bool:
    """Whether a host offers all of it."""
    return all(facts.offers.get(name, 0) >= amount for name, amount in needs.items())


def slots(needs: Mapping[str, float], facts: HostFacts) -> int:
    """How many such jobs a host runs at once."""
    return int(min((facts.offers.get(name, 0) // most for name, most in needs.items()), default=1))


def nobody(needs: Mapping[str, float], hosts: Sequence[HostFacts]) -> InfrastructureError | None:
    """Why no host there is takes a job; None if one does."""
    if any(fits(needs, host) for host in hosts):
        return None
    fitting = [host for host in hosts if version_token() in host.offers]
    if not fitting:
        return other_versions(hosts)
    wanted = [
        _said(name, amount) for name, amount in needs.items() if _is_short(name, needs, hosts)
    ]
    said = "\n".join(dict.fromkeys(f"{host.name} has {_offered(needs, host)}" for host in fitting))
    return InfrastructureError(
        f"no worker offers {' and '.join(wanted) or f'all that this needs: {_all_of(needs)}'}",
        detail=said,
        hint=_another(wanted),
    )


def _another(wanted: Sequence[str]) -> str:
    """Where what nobody offers is to be had from."""
    labels = [name for name in wanted if name.startswith(_LABEL)]
    if labels and len(labels) == len(wanted):
        options = " ".join(f"--label {name.removeprefix(_LABEL)}" for name in labels)
        return f"lab worker {options} ADDRESS, on such a host; or other labels in [executor]"
    return "lab doctor on a host says what it lacks; lab worker ADDRESS adds another"


def _all_of(needs: Mapping[str, float]) -> str:
    untold = (version_token(), SLOT)
    return " and ".join(_said(name, most) for name, most in needs.items() if name not in untold)


def _is_short(name: str, needs: Mapping[str, float], hosts: Iterable[HostFacts]) -> bool:
    return not any(host.offers.get(name, 0) >= needs[name] for host in hosts)


def _said(name: str, amount: float) -> str:
    if name == MEMORY:
        return f"{amount / (1 << 30):.1f} GiB of memory for a guest"
    if name == GUEST:
        return f"{counted(amount, 'CPU')} for a guest"
    return name if amount == _TOKEN else f"{name} ({counted(amount, 'CPU')})"


def counted(number: float, noun: str) -> str:
    """``1 CPU``, ``2 CPUs``."""
    return f"{number:g} {noun}{'' if number == 1 else 's'}"


def _offered(needs: Mapping[str, float], host: HostFacts) -> str:
    untold = (version_token(), SLOT)
    here = [name for name in needs if name in host.offers and name not in untold]
    if any(name.startswith(_LABEL) for name in needs):
        # Whoever asked for one may have meant another that is there.
        here += [name for name in host.offers if name.startswith(_LABEL) and name not in here]
    return ", ".join(_has(name, host) for name in here) or "nothing of it"


def _has(name: str, host: HostFacts) -> str:
    if name == GUEST and host.guests_set:
        number = host.offers[SLOT]
        return (
            f"{number:g} guest{'s' * (number != 1)} at once, of any CPUs (guests of its lab.toml)"
        )
    return _said(name, host.offers[name]) if name in (MEMORY, GUEST) else name


def other_versions(hosts: Sequence[HostFacts]) -> InfrastructureError:
    """What is said where nobody has our versions: who has which, and what mends it."""
    ours = dict(versions())
    lines: list[str] = []
    other: set[str] = set()
    for host in hosts:
        theirs = dict(host.versions)
        unlike = [name for name, value in ours.items() if theirs.get(name) != value]
        other.update(unlike)
        said = [f"{name} {theirs.get(name) or 'none'}, here {ours[name]}" for name in unlike]
        lines.append(f"{host.name}: {'; '.join(said)}")
    return InfrastructureError(
        "no worker has the versions that are here",
        detail="\n".join(dict.fromkeys(lines)),
        hint=f"on each host: {', '.join(_mending(other, ours))}; then start `lab worker` again",
    )


def _mending(other: Collection[str], ours: Mapping[str, str]) -> Iterator[str]:
    """What brings a host to the versions that are here, of those that are other ones there."""
    if "lab" in other:
        yield "the same commit of the lab"
    if "Python" in other:
        yield f"Python {ours['Python']}"
    if wanted := [f"{name}=={ours[name]}" for name in _DASK if name in other]:
        yield f".venv/bin/pip install {' '.join(wanted)}"


def oddities(facts: HostFacts, now: float, qemu: str) -> Iterator[str]:
    """What a reader of its results should know of a host.

    Args:
        now: The clock here when facts.at was told.
        qemu: Of this host; "" where it has none.
    """
    off = facts.at - now
    if abs(off) > _CLOCK_S:
        side = "ahead" if off > 0 else "behind"
        yield (
            f"{facts.name}: its clock is {_span(abs(off))} {side} of this one: so are its "
            "records' times; deadlines do not ask it"
        )
    if qemu and facts.qemu and facts.qemu != qemu:
        yield f"{facts.name}: QEMU is {facts.qemu} there, {qemu} here: lab compare tells them apart"
    if facts.free < _LITTLE:
        yield f"{facts.name}: {facts.free / (1 << 30):.1f} GiB are free for its cache: lab gc there"


def _span(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"
