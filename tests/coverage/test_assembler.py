# SPDX-License-Identifier: GPL-2.0-only
"""Lines of an assembler's file, found again in what it was linked to."""

from __future__ import annotations

import subprocess
from dataclasses import replace

import pytest

from lab.binary.image import Image
from lab.coverage.assembler import AssemblerLines
from lab.coverage.counted import LineState
from lab.coverage.debug_object import DebugObject, Row
from lab.coverage.formulas import Formula
from lab.coverage.machine_code import Code, Instruction, read_code
from lab.coverage.places import PlacedFunction, place

pytestmark = pytest.mark.slow

TEXT = """\
/* What is said
   xorl %eax,%eax  of nothing */
#define SYM_START(name) .globl name ; .type name, @function ; name:
	.macro TWICE register
	incl \\register
	incl \\register
	.endm

	.text
SYM_START(walk)
	xorl %eax,%eax
1:	TWICE %eax	# twice
	call other
	/* again */ cmpl $100,%eax
	jl 1b
	ret
	.size walk, . - walk
outside:
	xorl %ebx,%ebx
	.data
	.quad walk
#ifdef CONFIG_NOT_HERE
	xorl %ecx,%ecx
#endif
"""
CODE = ("xorl %eax,%eax\n1", "1:\tTWICE", "call other", "cmpl $100", "jl 1b", "ret\n")
NO_CODE = ("What is said", "xorl %eax,%eax  of", "#define", "incl \\register", "\t.text",
           "SYM_START(walk)", "\t.size", "outside:", "\t.quad", "#ifdef")  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> AssemblerLines:
    folder = tmp_path_factory.mktemp("linked")
    (folder / "walk.S").write_text(TEXT)
    (folder / "rest.S").write_text(".globl other\nother: ret\n")
    for name, words in (("walk", ()), ("rest", ()), ("debug", ("-g", "-gdwarf-4"))):
        source = folder / ("rest.S" if name == "rest" else "walk.S")
        made = folder / f"{name}.o"
        subprocess.run(["gcc", *words, "-c", "-o", made, source], check=True, cwd=folder)
    vmlinux = folder / "vmlinux"
    objects = (folder / "rest.o", folder / "walk.o")
    # At another address than those of an object alone.
    place_words = ("-e", "walk", "-Ttext=0xffffffff81000000", "-Tdata=0xffffffff82000000")
    subprocess.run(["ld", *place_words, "-o", vmlinux, *objects], check=True)
    rows = frozenset(range(1, TEXT.count("\n") + 1))
    found = place(
        DebugObject.read(folder / "debug.o", folder),
        Image.read(vmlinux),
        {"walk.S": rows},
        lambda one: read_code(vmlinux, one.address, one.size),
    )
    return AssemblerLines("walk.S", tuple(TEXT.split("\n")), found.functions, lost=found.lost)


def formula(lines: AssemblerLines, words: str) -> Formula:
    return lines.formula(TEXT[: TEXT.index(words)].count("\n") + 1)


@pytest.mark.parametrize("words", CODE)
def test_each_instruction_is_at_one_place(lines: AssemblerLines, words: str) -> None:
    found = formula(lines, words)
    assert found.state is LineState.RAN
    assert len(found.plus) == 1


def test_places_ascend_as_the_lines_do(lines: AssemblerLines) -> None:
    places = [formula(lines, words).plus for words in CODE]
    assert places == sorted(places)
    assert len({*places}) == len(CODE)


@pytest.mark.parametrize("words", NO_CODE)
def test_no_code(lines: AssemblerLines, words: str) -> None:
    assert formula(lines, words).state in (LineState.NOT_CODE, LineState.UNKNOWN)
    if not words.startswith("incl"):
        assert formula(lines, words).state is LineState.NOT_CODE


@pytest.mark.parametrize("words", ["xorl %ecx", "xorl %ebx"])
def test_what_no_function_has_may_have_run(lines: AssemblerLines, words: str) -> None:
    found = formula(lines, words)
    assert found.state is LineState.UNKNOWN
    assert "no function" in found.why


def test_what_one_line_becomes_together_begins_once() -> None:
    rows = [Row(at, "walk.S", line, True) for at, line in ((0, 1), (2, 2), (4, 2), (6, 1), (8, 2))]
    placed = PlacedFunction("walk", Code(()), tuple(rows), lambda _: 0)
    found = AssemblerLines("walk.S", ("nop", "TWICE"), (placed,))
    assert found.formula(1).plus == (0, 6)
    assert found.formula(2).plus == (2, 8)


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        (("mov", "rep", "ret"), 0),  # what comes before it
        (("jmp", "rep", "mov"), 4),  # what comes after it, as nothing leads there
        (("jmp", "rep", "jmp"), 4),
        (("jmp", "rep", "rep"), 2),  # nobody knows
        (("mov", "cld", "ret"), 2),
    ],
)
def test_what_repeats_is_counted_by_its_neighbour(words: tuple[str, ...], counted: int) -> None:
    code = Code(tuple(Instruction(2 * at, word, None) for at, word in enumerate(words)))
    placed = PlacedFunction("f", code, (Row(2, "walk.S", 1, True),), lambda _: 0)
    assert AssemblerLines("walk.S", ("rep stosq",), (placed,)).formula(1).plus == (counted,)
    assert counted in placed.addresses


def test_what_is_another_in_the_kernel_is_not_counted(lines: AssemblerLines) -> None:
    found = formula(replace(lines, functions=(), lost=("walk",)), "call other")
    assert found.state is LineState.UNKNOWN
    assert "walk" in found.why


def test_what_is_assembled_nowhere_is_in_no_kernel(lines: AssemblerLines) -> None:
    assert formula(replace(lines, compiled=False), "ret\n").state is LineState.NOT_BUILT
