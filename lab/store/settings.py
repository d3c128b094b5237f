# SPDX-License-Identifier: GPL-2.0-only
"""Which store is used, and how."""

from __future__ import annotations

from dataclasses import dataclass

from lab.model.url import Url

#: What a store's URL begins with, and whether that can be written.
SCHEMES = {"file": True, "sftp": True, "s3": True, "https": False, "http": False}


@dataclass(frozen=True)
class StoreSettings:
    """A store.

    Attributes:
        push: Whether what is made here goes there.
        rebuild_every: Of how many builds that were found there one is made here all the same,
            and compared; 0 is none.
        stall_s: Seconds for which it may say nothing.
    """

    url: Url
    push: bool = False
    rebuild_every: int = 0
    stall_s: float = 30.0


def wrong_url(url: Url) -> str:
    """Why no store can be there, in words without its secrets; "" when one can."""
    if url.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        return f"is no store's URL: it begins with one of {known}"
    if (url.credentials or ("", None))[1] is not None or url.has_query:
        return "holds a password or a query: who may in is said by ssh's keys, netrc(5) or AWS_*"
    if url.is_http:
        return url.wrong
    if url.scheme == "file" and not url.without_credentials.startswith("file:///"):
        return "is no file's URL: file:///FOLDER, from the root"
    return ""
