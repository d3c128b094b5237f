# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel was linked to: its functions and data, and in what two of them differ."""
