# SPDX-License-Identifier: GPL-2.0-only
"""What an architecture is stands in its record, and nowhere else."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab.arch import ARCHITECTURES, Architecture

#: From 3.12 on the text of an f-string is a token of its own.
_STRINGS = {tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}
PACKAGE = Path(lab.__file__).parent


def _code(path: Path) -> Iterator[tokenize.TokenInfo]:
    """What of a module is neither a comment nor a docstring."""
    before = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        docstring = token.type == tokenize.STRING and before in {tokenize.NEWLINE, tokenize.INDENT}
        if token.type != tokenize.COMMENT and not docstring:
            yield token
        if token.type not in {tokenize.NL, tokenize.COMMENT}:
            before = token.type


@pytest.mark.parametrize("arch", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_no_other_module_says_what_an_architecture_is(arch: Architecture) -> None:
    words = {arch.name, arch.image, arch.image_path, arch.qemu, arch.console, arch.source}
    words |= {*arch.cpus.values(), *(option for _, option in arch.pmem.values())}
    words -= {"host"}
    said = {
        f"{path.relative_to(PACKAGE)}:{token.start[0]}: {token.string}"
        for path in PACKAGE.rglob("*.py")
        if path.parent.name != "arch"
        for token in _code(path)
        if token.type in _STRINGS and any(word in token.string for word in words)
    }
    assert not said
