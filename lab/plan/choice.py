# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that stand for one of several: which one it is on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lab.config import FirstKernel, LabConfig, LoadedConfig
from lab.config.model import KernelSection
from lab.host.apt import offers
from lab.model.variant import Variant


@dataclass(frozen=True)
class Choice:
    """The kernel ``taken`` for the section ``name``, out of those that it names."""

    name: str
    of: tuple[str, ...]
    taken: str

    def describe(self) -> str:
        """One line for the reader of a plan."""
        others = ", ".join(self.of)
        return f"{self.name} is {self.taken} on this machine: the first that it has of {others}"


def choices(loaded: LoadedConfig, variants: Iterable[str]) -> tuple[Choice, ...]:
    """What was chosen for the variants that leave it open, each kernel once."""
    names = dict.fromkeys(Variant(text).kernel for text in variants)
    return tuple(found for name in names if (found := choice(loaded, name)) is not None)


def choice(loaded: LoadedConfig, name: str) -> Choice | None:
    """What a kernel's name leaves open and this machine decides; None for one that does not."""
    section = loaded.config.kernels.get(name)
    if not isinstance(section, FirstKernel):
        return None
    return Choice(name, section.of, _first(loaded.config, section, _asking_apt(loaded)))


def settled(loaded: LoadedConfig, text: str) -> str:
    """The variant by the name of the kernel that it is on this machine."""
    variant = Variant(text)
    found = choice(loaded, variant.kernel)
    return variant.of_kernel(found.taken) if found else text


def _asking_apt(loaded: LoadedConfig) -> Callable[[str], bool]:
    cache = loaded.path(loaded.config.paths.cache)
    return lambda package: offers(package, cache)


def _first(config: LabConfig, section: FirstKernel, offered: Callable[[str], bool]) -> str:
    for name in section.of:
        kernel = config.kernels[name]
        package = kernel.packaged if isinstance(kernel, KernelSection) else None
        if package is None or offered(package):
            return name
    # Nothing is: whoever fetches the first says what apt has instead.
    return section.of[0]
