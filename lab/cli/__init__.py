# SPDX-License-Identifier: GPL-2.0-only
"""The command line: thin, over ``lab.Lab``."""

from lab.cli.main import main

__all__ = ["main"]
