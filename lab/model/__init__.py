# SPDX-License-Identifier: GPL-2.0-only
"""What all of the lab speaks of: plain frozen values, and nothing that does anything."""
