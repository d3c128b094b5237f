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


def _words(arch: Architecture) -> set[str]:
    """What nobody else says, in lower case."""
    words = {arch.name, arch.image, arch.image_path, arch.qemu, arch.console, arch.source}
    words |= {*arch.cpus.values(), *(option for _, option in arch.pmem.values())}
    words |= {arch.console.partition(",")[0], arch.marks[0], *arch.packages.values(), arch.reset}
    # In quotes: "pci" is not "pc".
    words |= {f'"{machine}"' for machine in arch.machines}
    return {word.lower() for word in words} - {"host", ""}


def _says(text: str, words: set[str]) -> bool:
    return any(word in text.lower() for word in words)


@pytest.mark.parametrize("arch", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_no_other_module_says_what_an_architecture_is(arch: Architecture) -> None:
    words, types = _words(arch), {*_STRINGS, tokenize.NAME}
    said = {
        f"{path.relative_to(PACKAGE)}:{token.start[0]}: {token.string}"
        for path in PACKAGE.rglob("*.py")
        # What no line of a file says none of its tokens does, and to split all takes seconds.
        if path.parent.name != "arch" and _says(path.read_text(), words)
        for token in _code(path)
        if token.type in types and _says(token.string, words)
    }
    # A key of --json, whatever the kernel's image is; a complaint's title; a recipe's variable.
    public = {
        '"bzimage"',
        '"triple fault"',
        '\'-kernel "$BZIMAGE" -initrd "$work/initramfs.cpio" -append \'',
    }
    assert {one for one in said if one.partition(" ")[2] not in public} == set()


@pytest.mark.parametrize("arch", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
@pytest.mark.parametrize("name", ["host/tools.toml", "report/repro.sh.j2"])
def test_no_table_and_no_template_says_it(arch: Architecture, name: str) -> None:
    lines = (PACKAGE / name).read_text().splitlines()
    code = [line.replace("BZIMAGE", "") for line in lines if not line.lstrip().startswith("#")]
    assert [line for line in code if _says(line, _words(arch))] == []
