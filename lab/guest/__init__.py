# SPDX-License-Identifier: GPL-2.0-only
"""One running machine, and nothing left of it afterwards."""
