# SPDX-License-Identifier: GPL-2.0-only
"""Faults at random moments: ``python -m tests.faults --rounds N --seed S``.

Each round kills something of a command in the middle, fills its disk, or damages a file of
its cache or results, in copies of their own.  Then nothing may be left that runs, the same
command again gives what it gives without a fault or a clear error, and gc leaves nothing of
it in the folder for temporary files.
"""
