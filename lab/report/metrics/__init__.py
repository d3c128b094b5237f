# SPDX-License-Identifier: GPL-2.0-only
"""What measured numbers say, each kind in a module of its own."""
