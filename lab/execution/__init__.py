# SPDX-License-Identifier: GPL-2.0-only
"""A plan's jobs, done: guests started, programs run, and what came of it recorded."""
