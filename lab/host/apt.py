# SPDX-License-Identifier: GPL-2.0-only
"""Which packages this machine's apt has."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from lab.process import run
from lab.process.scratch import write_whole
from lab.process.stored import read_stored

#: Seconds; apt-cache makes its cache anew after an update, which takes it some.
_DEADLINE_S = 60
#: What changes with `apt-get update`, and when a package comes or goes.
_SIGNS = (Path("/var/lib/apt/lists"), Path("/var/lib/dpkg/status"))
_ENGLISH = {"LC_ALL": "C"}


def candidate_in(policy: str, package: str) -> str | None:
    """The version that apt would take of just this package, in what its policy says.

    apt takes a name that it does not know for a pattern: linux-source-6.1 is
    linux-source-6.12 on Debian 13, and its stanza begins with that name.
    """
    stanza = rf"^{re.escape(package)}:\n(?: .*\n)*? +Candidate: (\S+)$"
    match = re.search(stanza, policy, re.MULTILINE)
    return None if match is None or match[1] == "(none)" else match[1]


def offers(package: str, cache: Path) -> bool:
    """Whether the package is installed here, or apt would install it.

    Args:
        cache: Where the answer is kept until apt's lists change: apt takes up to 1.4 s.
    """
    if shutil.which("apt-cache") is None:
        return False
    path, stamp = cache / "apt.json", _stamp()
    known = _load(path).get(stamp, {})
    if package not in known:
        known[package] = _offers(package)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({stamp: known}).encode())
    return known[package]


def _offers(package: str) -> bool:
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status}", package]
    if run(query, env=_ENGLISH, check=False, timeout=_DEADLINE_S).stdout == "installed":
        return True
    asked = ["apt-cache", "policy", package]
    policy = run(asked, env=_ENGLISH, check=False, timeout=_DEADLINE_S).stdout
    return candidate_in(policy, package) is not None


def _load(path: Path) -> dict[str, dict[str, bool]]:
    return read_stored(path, dict[str, dict[str, bool]]) or {}


def _stamp() -> str:
    times = [sign.stat().st_mtime_ns if sign.exists() else 0 for sign in _SIGNS]
    return "/".join(map(str, [*times, os.environ.get("APT_CONFIG", "")]))
