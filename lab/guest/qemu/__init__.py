# SPDX-License-Identifier: GPL-2.0-only
"""Guests that are QEMU processes."""
