# SPDX-License-Identifier: GPL-2.0-only
"""Bring a kernel's source in, at an exact identity."""

from lab.model.version import KernelVersion, VersionRange
from lab.trees.fetch import fetch, find
from lab.trees.manifest import Entry, Manifest, blob_digest, read_manifest, write_manifest
from lab.trees.request import Progress
from lab.trees.rows import Rows, entry_of, read_rows, row_of, write_rows
from lab.trees.source import Commits, commits_between
from lab.trees.tree import Tree

__all__ = [
    "Commits",
    "Entry",
    "KernelVersion",
    "Manifest",
    "Progress",
    "Rows",
    "Tree",
    "VersionRange",
    "blob_digest",
    "commits_between",
    "entry_of",
    "fetch",
    "find",
    "read_manifest",
    "read_rows",
    "row_of",
    "write_manifest",
    "write_rows",
]
