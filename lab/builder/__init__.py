# SPDX-License-Identifier: GPL-2.0-only
"""From the names of a variant and a config to its build: trees, patches, config, toolchain."""

from lab.builder.builder import Builder, Builds, Failure
from lab.builder.listener import Listener, Silent

__all__ = ["Builder", "Builds", "Failure", "Listener", "Silent"]
