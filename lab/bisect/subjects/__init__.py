# SPDX-License-Identifier: GPL-2.0-only
"""What is bisected: a module for each kind of points, and how one of them is built."""
