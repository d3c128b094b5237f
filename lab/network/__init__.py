# SPDX-License-Identifier: GPL-2.0-only
"""What is said to servers: each from the first byte to the last before a deadline."""
