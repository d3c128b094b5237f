# SPDX-License-Identifier: GPL-2.0-only
"""Fuller root filesystems, for programs that need more than a guest's initramfs has."""
