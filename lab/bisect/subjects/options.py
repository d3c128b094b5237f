# SPDX-License-Identifier: GPL-2.0-only
"""Two configs of one kernel, down to the options that make the difference."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.bisect.point import Point
from lab.bisect.subjects.setup import Setup
from lab.bisect.subset import SubsetSearch, spelled
from lab.config.model import KernelConfig
from lab.errors import UserError
from lab.kconfig import Option, options_for
from lab.model.variant import Variant
from lab.session import Lab

_NOT_ASKED = " not asked for"


@dataclass(frozen=True)
class Options:
    """A Subject of options: a set of those in which two configs differ, taken from the new one.

    Args:
        before, after: What the configs ask of this kernel, by the option's name.
    """

    lab: Lab
    variant: Variant
    configs: tuple[str, str]
    before: Mapping[str, Option]
    after: Mapping[str, Option]

    noun = "option"

    @property
    def name(self) -> str:
        """See Subject."""
        return f"options of {self.configs[0]} to {self.configs[1]} on {self.variant}"

    @property
    def parts(self) -> dict[str, str]:
        """The name of each option that differs, by how the new config has it."""
        names = dict.fromkeys((*self.after, *self.before))
        return {
            self._spelled(name): name
            for name in names
            if _value(self.before, name) != _value(self.after, name)
        }

    @property
    def old(self) -> tuple[Point, ...]:
        """See Subject."""
        return (self._point(()),)

    @property
    def new(self) -> Point:
        """See Subject."""
        return self._point(tuple(self.parts))

    @property
    def search(self) -> SubsetSearch:
        """See Subject."""
        return SubsetSearch(tuple(self.parts), self._point)

    def reverted(self, point: Point) -> Point | None:
        """See Subject: all options of the new config but these."""
        left = tuple(part for part in self.parts if part not in point.parts)
        return self._point(left) if left else None

    def setup(self, point: Point) -> Setup:
        """See Buildable; one that does not stick does not build."""
        changed = {self.parts[part] for part in point.parts}
        kept = [one for name, one in self.before.items() if name not in changed]
        taken = [one for name, one in self.after.items() if name in changed]
        config = self._config((*kept, *taken))
        loaded = self.lab.loaded
        configs = {**loaded.config.configs, config: self._section()}
        asked = replace(loaded, config=loaded.config.model_copy(update={"configs": configs}))
        builder = replace(self.lab.builder, loaded=asked, options={config: (*kept, *taken)})
        return Setup(builder, self.variant, config)

    def _section(self) -> KernelConfig:
        """What is known of the new config beside its options, and of the slower one of both."""
        one, other = (self.lab.loaded.config.configs[name] for name in self.configs)
        return other.model_copy(update={"slower": max(one.slower, other.slower)})

    def _config(self, options: Sequence[Option]) -> str:
        lines = "\n".join(sorted(option.line for option in options))
        return f"{self.configs[1]}-{hashlib.sha256(lines.encode()).hexdigest()[:8]}"

    def _point(self, parts: tuple[str, ...]) -> Point:
        return spelled(self.noun, parts, tuple(self.parts))

    def _spelled(self, name: str) -> str:
        if name in self.after:
            return self.after[name].line
        return f"{self.before[name].line}{_NOT_ASKED}"


def options_of(lab: Lab, variant: Variant, old: str, new: str) -> Options:
    """Two configs to be bisected; the variant's tree is brought in.

    Raises:
        UserError: One is no config, or they ask the same of this kernel.
    """
    for name in (old, new):
        lab.loaded.require("config", name)
    version = lab.builder.tree(variant.kernel).version
    sides = [
        {option.name: option for option in options_for(lab.builder.asked(name), version)}
        for name in (old, new)
    ]
    found = Options(lab, variant, (old, new), *sides)
    if not found.parts:
        what = f"configs {old} and {new} ask the same of {version}"
        raise UserError(what, where=lab.loaded.locate("configs", new), hint="two that differ")
    return found


def _value(options: Mapping[str, Option], name: str) -> str | None:
    return options[name].value if name in options else None
