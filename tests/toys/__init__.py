# SPDX-License-Identifier: GPL-2.0-only
"""One more of each kind of thing that the lab knows: a module here, a line where it is tried."""
