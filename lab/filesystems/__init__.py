# SPDX-License-Identifier: GPL-2.0-only
"""Filesystems under test: made, mounted, and what of each has to be proved."""
