# SPDX-License-Identifier: GPL-2.0-only
"""What recorded results mean: compared, judged against what was expected, and summed up."""
