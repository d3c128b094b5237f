# SPDX-License-Identifier: GPL-2.0-only
"""The lab that kernel people trust: build, boot and test kernels under QEMU."""

__version__ = "0.1.0"
