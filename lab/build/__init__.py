# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of a variant, named by the hash of everything that goes into it."""

from lab.build.applied_mends import Mended, mend_tree
from lab.build.build import Build, BuildJob, build, find_build, near_benches
from lab.build.make import Step
from lab.build.toolchain import Toolchain

__all__ = [
    "Build",
    "BuildJob",
    "Mended",
    "Step",
    "Toolchain",
    "build",
    "find_build",
    "mend_tree",
    "near_benches",
]
