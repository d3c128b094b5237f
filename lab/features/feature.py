# SPDX-License-Identifier: GPL-2.0-only
"""The features of ``features.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from lab.model.version import KernelVersion, VersionRange


@dataclass(frozen=True)
class Feature:
    """Something that kernels of some versions have.

    ``what`` says it in words, ``source`` where its versions are known from: a
    commit as a rule.
    """

    name: str
    what: str
    versions: tuple[VersionRange, ...]
    source: str

    def in_version(self, version: KernelVersion) -> bool:
        """Whether a kernel of ``version`` has it."""
        return any(some.contains(version) for some in self.versions)

    def __str__(self) -> str:
        versions = " or ".join(str(some) for some in self.versions)
        return f"{self.what}: Linux {versions} ({self.source})"


@cache
def known_features() -> Mapping[str, Feature]:
    """All features by name, in the order of ``features.toml``."""
    text = (resources.files(__package__) / "features.toml").read_text()
    return MappingProxyType({
        name: Feature(
            name, row["what"], tuple(map(VersionRange.parse, row["versions"])), row["source"]
        )
        for name, row in tomllib.loads(text).items()
    })  # fmt: skip


def feature(name: str) -> Feature:
    """The feature of that name; raises KeyError when there is none."""
    return known_features()[name]


def has(version: KernelVersion, name: str) -> bool:
    """Whether a kernel of ``version`` has the feature ``name``; KeyError if there is none."""
    return feature(name).in_version(version)
