# SPDX-License-Identifier: GPL-2.0-only
"""The kernels and filesystems that a test runs on, where pytest was started by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.errors import LabError
from lab.plan import plan_variants
from lab.pytest_plugin.serving import marked
from lab.session import Lab

_LAB: pytest.StashKey[Lab] = pytest.StashKey()


@dataclass(frozen=True)
class Place:
    """A kernel and a filesystem."""

    variant: str
    filesystem: str

    def __str__(self) -> str:
        """As in a test's name: no part of another's parameter has a slash in it by chance."""
        return f"{self.variant}/{self.filesystem}"


def opened(config: pytest.Config) -> Lab:
    """The lab of this session.

    Raises:
        pytest.UsageError: Its ``lab.toml`` is wrong, or there is none.
    """
    if _LAB not in config.stash:
        given = config.getoption("lab_file")
        try:
            config.stash[_LAB] = Lab.open(Path(given) if given else None)
        except LabError as error:
            raise pytest.UsageError(f"lab: {error}") from error
    return config.stash[_LAB]


def places_of(config: pytest.Config, definition: Any) -> list[Place]:
    """Where a test runs: what the command line names, or its marker, or [matrix.default].

    What is wrong with the marker, or not defined in ``lab.toml``, fails the file's collection.
    """
    try:
        variants, filesystems = marked(definition)
    except pytest.UsageError as error:
        pytest.fail(str(error), pytrace=False)
    asked = config.getoption("lab_variant") or (), config.getoption("lab_filesystem") or ()
    try:
        plan = plan_variants(opened(config).loaded, variants, filesystems)
        only = plan_variants(opened(config).loaded, *asked)
    except LabError as error:
        pytest.fail(f"lab: {definition.nodeid}: {error}", pytrace=False)
    found = [Place(job.variant, name) for job in plan.jobs for name in job.filesystems]
    if not variants and asked[0]:
        found = [Place(job.variant, place.filesystem) for job in only.jobs for place in found]
    kept = {
        place
        for place in dict.fromkeys(found)
        if (not asked[0] or place.variant in {job.variant for job in only.jobs})
        and (not asked[1] or place.filesystem in asked[1])
    }
    return [place for place in dict.fromkeys(found) if place in kept]
