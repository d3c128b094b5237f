# SPDX-License-Identifier: GPL-2.0-only
"""Small wrong versions of what a series wrote in C: would the tests notice?"""
