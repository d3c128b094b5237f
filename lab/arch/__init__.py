# SPDX-License-Identifier: GPL-2.0-only
"""What one architecture has that another has not, and no other module says."""
