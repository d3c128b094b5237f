# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs of a guest, made without root from the machine's own packages."""

from lab.image.base import base_image
from lab.image.keys import GuestKeys, KeyPair
from lab.image.overlay import guest_archive, write_initrd

__all__ = ["GuestKeys", "KeyPair", "base_image", "guest_archive", "write_initrd"]
