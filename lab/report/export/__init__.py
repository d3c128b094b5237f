# SPDX-License-Identifier: GPL-2.0-only
"""A recorded run in the forms that other tools read."""
