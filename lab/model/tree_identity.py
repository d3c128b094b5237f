# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel's source is, exactly: ``git:COMMIT``, ``apt:PACKAGE=VERSION``…"""

from __future__ import annotations

import re

#: ``PACKAGE=VERSION``, and the tarball in the package where it has several; a version may
#: begin with an epoch (deb-version(7)), and a package name an architecture.
_PACKAGE = re.compile(
    r"(?P<package>[^=]*)=(?P<version>(?:\d+:)?[^:]*)(?::(?P<member>.*))?", re.DOTALL
)
_SHORT = 12
#: What can be cut short: a name and a version cannot.
_HEX = re.compile(r"[0-9a-f]+")


class TreeIdentity(str):
    """Of which kind a source is, and which of that kind.

    It is the text that names it, in records, databases and JSON, and knows its parts:
    nobody else takes that text apart, or puts one together.
    """

    __slots__ = ()

    @classmethod
    def of(cls, kind: str, digest: str, member: str = "") -> TreeIdentity:
        """Of a kind, with what is exactly this one of it, and which part of that."""
        return cls(":".join((kind, digest, *([member] if member else ()))))

    @property
    def kind(self) -> str:
        """``git``, ``apt``…: the kind of a kernel's section."""
        return self.partition(":")[0]

    @property
    def digest(self) -> str:
        """A commit, the digest of a tarball or a folder, or a package with its version."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """It in as few digits as people use."""
        return f"{self.kind}:{self.short_digest}"

    @property
    def short_digest(self) -> str:
        """As ``short``, without the kind."""
        digest = self.digest
        return digest[:_SHORT] if _HEX.fullmatch(digest) else digest

    @property
    def package(self) -> tuple[str, str]:
        """The name and the version of a package; "" where it is none."""
        found = _PACKAGE.fullmatch(self.digest)
        return (found["package"], found["version"]) if found else (self.digest, "")
