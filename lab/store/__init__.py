# SPDX-License-Identifier: GPL-2.0-only
"""What machines share: trees, builds, images and programs by their keys, at a URL.

What is not there, not whole or not to be had is made here, as without a store.
"""
