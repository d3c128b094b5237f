# SPDX-License-Identifier: GPL-2.0-only
"""Single mutations of a guest program: what a slip of the hand may make of its verdicts."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from errno import errorcode
from pathlib import Path

from tests.mutations import Edit, Mutation, mutations_of

_OTHER = {
    "==": "!=",
    "!=": "==",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
    "&&": "||",
    "||": "&&",
    "&=": "=",
    "|=": "=",
    "true": "false",
    "false": "true",
}
_TOKENS = re.compile(r"(?<=\s)(?:[=!<>]=|&&|\|\||&=|\|=|[<>])(?=\s)|\b(?:true|false)\b")
_ERROR = re.compile(rf"\b(?:{'|'.join(errorcode.values())})\b")
_NOT = re.compile(r"!(?=[\w(])")
_STATEMENT = re.compile(
    r"^\t+(?!return|static|const|struct|enum|ktap_note|printf|puts)[\w*][^;{}]*;$", re.M
)
_CASE = re.compile(r"^\t+if \((.*)\)$", re.M)
_SILENT = re.compile(r"/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|^#[^\n]*$", re.DOTALL | re.M)
#: As the Makefile has them: what the compiler refuses needs no test.
_CHECK = ("gcc", "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wshadow")


def c_mutations(module: str, source: str) -> list[Mutation]:
    """All mutations of a program, those that do not compile among them."""
    return mutations_of(module, source, _edits(source))


def compiles(mutation: Mutation, folder: Path) -> bool:
    """Whether a program in ``folder`` compiles so; takes half a second."""
    # With optimization, as the Makefile: some of the warnings need it.
    command = [*_CHECK, "-O2", "-I", str(folder), "-x", "c", "-c", "-o", "/dev/null", "-"]
    source = mutation.source.encode()
    return subprocess.run(command, input=source, capture_output=True).returncode == 0


def _edits(source: str) -> Iterator[Edit]:
    code = _SILENT.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), source)
    for found in _TOKENS.finditer(code):
        yield Edit(found.start(), found.end(), _OTHER[found[0]], f"{found[0]} is another")
        if found[0] in {"&&", "||"}:
            yield from _operands(code, found.start(), found.end())
    for found in _ERROR.finditer(code):
        yield Edit(found.start(), found.end(), "EXDEV", "another error")
    for found in _NOT.finditer(code):
        yield Edit(found.start(), found.end(), "", "not dropped")
    for found in _STATEMENT.finditer(code):
        yield Edit(found.start(), found.end(), "\t;", "statement dropped")
    for found in _CASE.finditer(code):
        yield Edit(
            found.start(1), found.end(1), f"!({source[found.start(1) : found.end(1)]})", "swapped"
        )


def _operands(code: str, start: int, end: int) -> Iterator[Edit]:
    """``a && b`` becomes ``a``, and ``b``."""
    yield Edit(start, _reach(code, end, 1), "", "operand dropped")
    yield Edit(_reach(code, start - 1, -1) + 1, end, "", "operand dropped")


def _reach(code: str, place: int, step: int) -> int:
    """How far an operand goes, one way or the other."""
    opening, closing = ("(", ")") if step > 0 else (")", "(")
    depth = 0
    while not (depth == 0 and _ends(code, place, closing, step)):
        depth += (code[place] == opening) - (code[place] == closing)
        place += step
    return place


def _ends(code: str, place: int, closing: str, step: int) -> bool:
    if code[place] in {closing, ";", "?", "{", "}", ",", ":"}:
        return True
    if code[place : place + 2] in {"&&", "||"} or code[place - 1 : place + 1] in {"&&", "||"}:
        return True
    return step < 0 and (
        (code[place] == "=" and code[place - 1] not in "=!<>" and code[place + 1] != "=")
        or code[: place + 1].endswith("return")
    )
