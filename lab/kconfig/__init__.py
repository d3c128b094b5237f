# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's configuration: tinyconfig plus fragments, checked before compiling."""

from lab.kconfig.check import check_config
from lab.kconfig.fragment import Gone, Option, load_fragments, options_for, parse_config

__all__ = ["Gone", "Option", "check_config", "load_fragments", "options_for", "parse_config"]
