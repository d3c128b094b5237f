# SPDX-License-Identifier: GPL-2.0-only
"""Places in the source, from a program that gcc really made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.complaints.symbols import Symbols, in_tree
from lab.model.complaint import Frame
from lab.process.seal import seal

pytestmark = pytest.mark.slow

SOURCE = """\
int twin(int x);
__attribute__((noinline)) int callee(int x)
{
	return x / (x - 1);
}
__attribute__((noinline)) int caller(int x)
{
	int y = callee(x);

	return y + 1;
}
int main(int argc, char **argv)
{
	return caller(argc);
}
"""


def build(folder: Path, *flags: str) -> Symbols:
    (folder / "mm").mkdir()
    (folder / "mm" / "fault.c").write_text(SOURCE)
    command = ["gcc", "-O1", "-no-pie", *flags, "-o", "vmlinux", "mm/fault.c"]
    subprocess.run(command, cwd=folder, check=True)
    lines = subprocess.run(
        ["nm", "-n", "vmlinux"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    (folder / "System.map").write_text(lines)
    return Symbols(folder)


def frame(symbols: Symbols, function: str, **changes: object) -> Frame:
    ((_, size),) = symbols._functions[function]
    return Frame(function, 0, size, **changes)  # type: ignore[arg-type]


def test_file_and_line(tmp_path: Path) -> None:
    symbols = build(tmp_path, "-g")
    (found,) = symbols.locate([frame(symbols, "callee", returns=False)])
    assert found.file == "mm/fault.c"
    assert found.line in {3, 4}


def test_vmlinux_that_was_damaged_tells_no_lines(tmp_path: Path) -> None:
    seal(build(tmp_path, "-g").folder, ["vmlinux"])
    with (tmp_path / "vmlinux").open("ab") as file:
        file.write(b"x")
    symbols = Symbols(tmp_path)
    (found,) = symbols.locate([frame(symbols, "callee", returns=False)])
    assert (found.file, found.line) == ("", 0)
    # It is made again, since it is missed.
    assert not (tmp_path / "vmlinux").exists()


def test_return_address_is_that_of_the_call(tmp_path: Path) -> None:
    symbols = build(tmp_path, "-g")
    text = subprocess.run(
        ["objdump", "-d", "vmlinux"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    body = text.split("<caller>:\n")[1].splitlines()
    place = next(number for number, line in enumerate(body) if "<callee>" in line)
    offset = int(body[place + 1].split(":")[0], 16) - int(body[0].split(":")[0], 16)
    ((_, size),) = symbols._functions["caller"]
    (found,) = symbols.locate([Frame("caller", offset, size)])
    assert (found.file, found.line) == ("mm/fault.c", 8)


def test_without_debug_information_frames_stay(tmp_path: Path) -> None:
    symbols = build(tmp_path)
    frames = (frame(symbols, "callee"),)
    assert not symbols.has_lines
    assert symbols.locate(frames) == frames


def test_name_that_two_functions_bear_is_left_alone(tmp_path: Path) -> None:
    symbols = build(tmp_path, "-g")
    ((address, _),) = symbols._functions["callee"]
    extra = f"{address + 1:016x} t callee\n"
    (tmp_path / "System.map").write_text((tmp_path / "System.map").read_text() + extra)
    again = Symbols(tmp_path)
    (found,) = again.locate([Frame("callee", 0, 12345)])
    assert found.file == ""


def test_no_build_is_no_reason_to_fail(tmp_path: Path) -> None:
    frames = (Frame("foo", 1, 2),)
    assert Symbols(tmp_path / "none").locate(frames) == frames


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/home/x/.cache/lab/workbenches/6.1-88/src/mm/gup.c", "mm/gup.c"),
        ("/home/x/src/linux/fs/ext4/inode.c", "fs/ext4/inode.c"),
        ("../arch/x86/mm/fault.c", "arch/x86/mm/fault.c"),
        ("elsewhere.c", "elsewhere.c"),
    ],
)
def test_paths_are_those_of_the_tree(path: str, told: str) -> None:
    assert in_tree(path) == told


def test_many_stacks_are_one_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = build(tmp_path, "-g")
    tool = tmp_path / "bin/addr2line"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho >>"${0%/bin/*}/asked"\nexec /usr/bin/addr2line "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=":")
    here, there = (frame(symbols, name, returns=False) for name in ("callee", "caller"))
    stacks = [(here, there), (there,), ()] * 100
    found = symbols.locate_all([*stacks, (Frame("callee", 1, here.size),)])
    assert [len(frames) for frames in found] == [*(2, 1, 0) * 100, 1]
    assert all(one.file == "mm/fault.c" for frames in found for one in frames)
    assert symbols.locate(stacks[0]) == found[0]
    assert len((tmp_path / "asked").read_text()) == 1
