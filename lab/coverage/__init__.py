# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of a series ran, how often, and in which tests."""
