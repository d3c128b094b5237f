# SPDX-License-Identifier: GPL-2.0-only
"""A program of a table ``[suites.X]``, and what of the config its suite is made with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.build.sandbox import Wanted
from lab.config.model import Builds, Deadlines, Image, LabConfig, Suite

_LIMITS, _BUILDS = Deadlines(), Builds()


@dataclass(frozen=True)
class Asked:
    """What a suite is asked for.

    Attributes:
        root: The folder of ``lab.toml``, or of what stands for that.
        deadline_s: For a build of its programs, in seconds.
        fetch_s: For bringing its source in.
        sandbox: Where they are built.
        build_image: The table of the root that they are built in.
    """

    root: Path
    section: Suite
    program: str
    deadline_s: float = _LIMITS.build
    fetch_s: float = _LIMITS.fetch
    sandbox: Wanted = _BUILDS.sandbox
    build_image: Image | None = None

    @staticmethod
    def of(root: Path, section: Suite, program: str, config: LabConfig | None) -> Asked:
        """With what a config says, where there is one."""
        if config is None:
            return Asked(root, section, program)
        limits, sandbox = config.deadlines, config.build.sandbox
        image = config.images.get(section.build_image or "")
        return Asked(root, section, program, limits.build, limits.fetch, sandbox, image)
