# SPDX-License-Identifier: GPL-2.0-only
"""Objects that make the same kernel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.binary.relocatable import object_digest
from lab.errors import InfrastructureError

pytestmark = pytest.mark.slow

CODE = """\
extern int one(const char *), two(const char *);
static int known = 4;
int f(int n) { return n < known ? one("a") : two("b"); }
int *g(void) { return &known; }
"""


def digest(folder: Path, code: str = CODE, *, name: str = "f.c", hide: Path | None = None) -> str:
    folder.mkdir(exist_ok=True)
    source, target = folder / name, folder / "f.o"
    source.write_text(code)
    subprocess.run(["gcc", "-O2", "-c", "-o", target, source], check=True)
    return object_digest(target, hide)


def test_what_is_only_said_of_the_source_is_the_same(tmp_path: Path) -> None:
    first = digest(tmp_path)
    assert digest(tmp_path, CODE.replace("int f(", "\n/* f */ int f(")) == first
    assert digest(tmp_path, name="other.c") == first
    # The same, written otherwise: what the compiler makes of it is one.
    assert digest(tmp_path, CODE.replace("n < known", "!(n >= known)")) == first


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n < known", "n <= known"),
        ("known = 4", "known = 5"),
        ('"a"', '"c"'),
        # The same bytes; what they are to call is another.
        ('one("a") : two("b")', 'two("a") : one("b")'),
        ("int *g(", "int *h("),
        ("static int known", "int known"),
    ],
)
def test_what_a_kernel_would_run_is_not(tmp_path: Path, before: str, after: str) -> None:
    assert before in CODE
    assert digest(tmp_path, CODE.replace(before, after)) != digest(tmp_path)


def test_what_is_called_counts_where_all_else_is_the_same(tmp_path: Path) -> None:
    order = '__asm__(".globl one\\n.globl two\\n");\nvoid one(void), two(void);\n'
    first, second = (
        f"{order}void f(void) {{ {one}(); {two}(); }}\n"
        for one, two in (("one", "two"), ("two", "one"))
    )
    assert digest(tmp_path, first) != digest(tmp_path, second)


def test_where_it_was_built_is_no_difference(tmp_path: Path) -> None:
    code = "const char *f(void) { return __FILE__; }\n"
    one, two = tmp_path / "a", tmp_path / "b"
    assert digest(one, code) != digest(two, code)
    assert digest(one, code, hide=one) == digest(two, code, hide=two)


def test_what_is_no_object_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f.o").write_text("no object")
    with pytest.raises(InfrastructureError, match="cannot be read"):
        object_digest(tmp_path / "f.o")
