# SPDX-License-Identifier: GPL-2.0-only
"""The name of a build: a hash of everything that goes into it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from lab.build.toolchain import Toolchain
from lab.kconfig import Option
from lab.patches import Overlay
from lab.trees import Tree

#: Raised when the lab itself comes to build differently.
FORMAT = 1

#: Pinned, or every build differs from the last and no cache hits
#: (ccache/ccache#792); the date is the mail's.
KBUILD_ENVIRONMENT = {
    "KBUILD_BUILD_TIMESTAMP": "Tue Jun 16 22:29:02 UTC 2015",
    "KBUILD_BUILD_USER": "lab",
    "KBUILD_BUILD_HOST": "lab",
    "KBUILD_BUILD_VERSION": "1",
    "LOCALVERSION": "",
    "LC_ALL": "C",
}


def config_lines(options: Sequence[Option]) -> str:
    """What is asked of Kconfig, a line an option, in an order that fragments do not shape.

    An option that moves within them, or behind another ``# versions:``, is another kernel
    only where it is asked for twice: the last one counts.
    """
    last = {option.name: option.line for option in options}
    return "\n".join(last[name] for name in sorted(last))


def config_digest(options: Sequence[Option]) -> str:
    """SHA-256 of what is asked of Kconfig."""
    return _sha256(config_lines(options))


def build_key(
    tree: Tree,
    overlay: Overlay,
    options: Sequence[Option],
    toolchain: Toolchain,
    flags: str = "",
) -> str:
    """24 hexadecimal digits that name a build.

    Args:
        flags: The digest of the mends' flags; empty when there are none.
    """
    parts = {
        "format": FORMAT,
        "tree": tree.identity,
        "overlay": overlay.digest,
        "config": config_digest(options),
        "toolchain": toolchain.identity,
        "environment": KBUILD_ENVIRONMENT,
        # Not there at all without flags: most kernels need none.
        **({"flags": flags} if flags else {}),
        **({"pahole": toolchain.pahole} if _has_btf(options) else {}),
    }
    return _sha256(json.dumps(parts, sort_keys=True))[:24]


def _has_btf(options: Sequence[Option]) -> bool:
    """Whether pahole makes a part of the kernel: scripts/link-vmlinux.sh has it write BTF."""
    last = {option.name: option.value for option in options}
    return last.get("DEBUG_INFO_BTF") == "y"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
