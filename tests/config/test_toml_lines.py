# SPDX-License-Identifier: GPL-2.0-only
"""Every key of a TOML text is found on its line."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.config.toml_lines import dotted, line_map
from lab.model.problem import KeyPath

EVERY_FORM = Path(__file__).with_name("every-form.toml.in")


def numbered(text: str) -> str:
    """``text`` with the number of its line for each ``@``."""
    lines = text.split("\n")
    return "\n".join(line.replace("@", str(number)) for number, line in enumerate(lines, 1))


def leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every key path below ``value``, with what stands there."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, below in items:
        yield (*path, key), below
        yield from leaves(below, (*path, key))


def check(text: str) -> int:
    """Compare with tomllib; return the count of integers checked."""
    lines = line_map(text)
    paths = dict(leaves(tomllib.loads(text)))
    assert set(lines) == set(paths)
    numbers = {path: value for path, value in paths.items() if type(value) is int}
    assert {path: lines[path] for path in numbers} == numbers
    return len(numbers)


def test_every_form_of_key_and_value() -> None:
    assert check(numbered(EVERY_FORM.read_text())) > 20


def test_crlf_and_no_newline_at_the_end() -> None:
    assert check("a = 1\r\n[t]\r\nb = [ 3,\r\n 4 ]\r\nc = 5") == 4


def test_tables_are_where_their_headers_are() -> None:
    lines = line_map("[a.b.c]\nx = 1\n[a]\n[[l]]\n[[l]]\n[l.m]\n")
    assert lines["a",] == 3
    assert lines["a", "b"] == lines["a", "b", "c"] == 1
    assert (lines["l",], lines["l", 0], lines["l", 1], lines["l", 1, "m"]) == (4, 4, 5, 6)


class Writer:
    """Random TOML in which each integer is the number of its line."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.text = ""
        self.names = iter(range(10**6))

    def document(self) -> str:
        self.pairs()
        for _ in range(self.random.randrange(4)):
            self.table("")
        return self.text

    def table(self, outer: str) -> None:
        name = f"{outer}{self.key()}"
        if self.random.random() < 0.5:
            self.text += f"[ {name} ] # [c]\n"
            self.body(name)
            return
        for _ in range(self.random.randrange(1, 4)):
            self.text += f"[[{name}]]\n"
            self.body(name)

    def body(self, name: str) -> None:
        self.pairs()
        if len(name) < 40 and self.random.random() < 0.5:
            self.table(f"{name}.")

    def pairs(self) -> None:
        for _ in range(self.random.randrange(4)):
            self.text += f"{self.key()} ="
            self.value(0)
            self.text += self.random.choice(["\n", " # ' [\n", '\n\n# """\n', "\r\n"])

    def key(self) -> str:
        name = f"k{next(self.names)}"
        forms = ["{}", '"{}"', "'{}'", '"{} = ["', "'#{}'", "{}.x", '{} . "y.]"', r'"\t{}\""']
        return self.random.choice(forms).format(name)

    def value(self, depth: int) -> None:
        kinds = [self.number, self.string, self.array, self.inline]
        self.random.choice(kinds[: 4 if depth < 3 else 2])(depth)

    def number(self, _: int) -> None:
        self.text += f" {self.text.count(chr(10)) + 1}"

    def string(self, _: int) -> None:
        strings = ['"a # ]"', "'}\"'", '"""x\n[y]\nz=1\\""""""', "'''\n'' [[q]]'''''", '""', "''"]
        self.text += self.random.choice(strings)

    def array(self, depth: int) -> None:
        self.text += "["
        for _ in range(self.random.randrange(4)):
            self.text += self.random.choice(["", "\n", " # ]\n"])
            self.value(depth + 1)
            self.text += self.random.choice(["", " ", "\n"]) + ","
        self.text += "]"

    def inline(self, depth: int) -> None:
        self.text += "{ "
        for number in range(self.random.randrange(3)):
            self.text += ", " * bool(number) + f"{self.key()} ="
            self.value(depth + 1)
        self.text += " }"


def test_agrees_with_tomllib_on_random_texts() -> None:
    numbers = sum(check(Writer(seed).document()) for seed in range(200))
    assert numbers > 200


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("kernels", "6.1", "url"), 'kernels."6.1".url'),
        (("expect", 2, "tests", 0), "expect[2].tests[0]"),
        (("a+b",), '"a+b"'),
        (("",), '""'),
        (('say "é"',), r'"say \"é\""'),
        ((), ""),
    ],
)
def test_dotted(path: KeyPath, text: str) -> None:
    assert dotted(path) == text
