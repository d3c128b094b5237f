# SPDX-License-Identifier: GPL-2.0-only
"""README's two commands in a Debian that was made a minute ago; run by hand, as root."""
