# SPDX-License-Identifier: GPL-2.0-only
"""Which commit, patch, release or option made a test end otherwise: narrowed down and proved."""
