# SPDX-License-Identifier: GPL-2.0-only
"""What a result depends on beside the kernel, part by part: which of it differs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lab.model.records import Evidence

#: What begins the name of a part that is one filesystem's alone.
RECIPE = "recipe of "
#: The name of the machine that the guest ran on, where a run has several.
HOST = "host"
_LABELS = {
    "accelerator": "accelerator",
    "qemu_version": "QEMU",
    "machine": "machine",
    "image_digest": "initramfs",
}


class Difference(NamedTuple):
    """A part of two setups that is not the same in both, and what it is in each."""

    part: str
    was: str
    now: str

    def __str__(self) -> str:
        return f"{self.part}: {self.was} → {self.now}"


def parts(evidence: Evidence, filesystem: str = "", program: str = "") -> dict[str, str]:
    """The parts by name; those of one filesystem and one program if these are given.

    Records of older labs do not have all of them.
    """
    found = {label: getattr(evidence, name) for name, label in _LABELS.items()}
    found |= _programs(evidence, program)
    for name, value in evidence.surroundings:
        if not (filesystem and name.startswith(RECIPE)) or name == f"{RECIPE}{filesystem}":
            found[name] = value
    return {name: value for name, value in found.items() if value}


def _programs(evidence: Evidence, program: str) -> dict[str, str]:
    """Programs of their own names, where these are recorded; all in one in older records."""
    if not evidence.programs:
        return {"guest programs": evidence.programs_digest}
    digests = dict(evidence.programs)
    if program in digests:
        return {f"program {program}": digests[program]}
    return {f"program {name}": digest for name, digest in digests.items()}


def differences(a: Iterable[Evidence], b: Iterable[Evidence], filesystem: str = "",
                program: str = "") -> tuple[Difference, ...]:  # fmt: skip
    """Each part that both sides tell of, and that differs."""
    was, now = (_values(side, filesystem, program) for side in (a, b))
    return tuple(
        Difference(name, _said(was[name]), _said(now[name]))
        for name in was
        if name in now and was[name] != now[name]
    )


def is_same(a: Iterable[Evidence], b: Iterable[Evidence], filesystem: str, program: str) -> bool:
    """Whether both are one and the same kernel and setup, as far as that is recorded."""
    sides = [[(one.build_key, parts(one, filesystem, program)) for one in side] for side in (a, b)]
    first = next((one for side in sides for one in side), None)
    return bool(
        first and first[0] and all(sides) and all(one == first for side in sides for one in side)
    )


def _values(
    evidences: Iterable[Evidence], filesystem: str, program: str
) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for evidence in evidences:
        # Where it ran makes it no other setup, but is told where the results differ.
        where = {HOST: evidence.host} if evidence.host else {}
        for name, value in {**where, **parts(evidence, filesystem, program)}.items():
            found.setdefault(name, {})[value] = None
    return {name: tuple(sorted(values)) for name, values in found.items()}


def _said(values: Iterable[str]) -> str:
    return ", ".join(_short(value) for value in values)


def _short(value: str) -> str:
    """A digest by its beginning, which names it well enough."""
    return value[:12] if _is_digest(value) else value


def _is_digest(value: str) -> bool:
    return len(value) >= 24 and not set(value) - set("0123456789abcdef")
