# SPDX-License-Identifier: GPL-2.0-only
"""A tool that was killed, or met a full disk, says nothing of what it was given."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lab.build.toolchain import Toolchain
from lab.errors import InfrastructureError
from lab.patches import Overlay, Patch, apply
from lab.patches.apply import carries
from lab.process import ProcessFailed, ProcessKilled, run
from lab.process.tool_failure import ending_signal, trouble
from lab.suites.c_compiler import compile_programs
from lab.trees import Tree
from tests.build.conftest import immutable

KILLS = "kill -KILL $$"


def tool(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name before all others."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("name", ["KILL", "TERM", "BUS", "SEGV"])
def test_a_child_that_a_signal_ended(name: str) -> None:
    for check in (True, False):
        with pytest.raises(ProcessKilled, match=f"was ended by SIG{name}"):
            run(["sh", "-c", f"kill -{name} $$"], check=check)


@pytest.mark.parametrize("status", [1, 2, 126, 127, 128, 129, 134, 192, 255])
def test_statuses_of_the_tool_s_own(status: int) -> None:
    assert ending_signal(status) is None
    assert run(["sh", "-c", f"exit {status}"], check=False).status == status
    with pytest.raises(ProcessFailed, match=f"ended with status {status}") as caught:
        run(["sh", "-c", f"exit {status}"])
    assert not isinstance(caught.value, ProcessKilled)


@pytest.mark.parametrize(
    "line",
    [
        "gcc: fatal error: Killed signal terminated program cc1",
        "make: *** [Makefile:3: x] Killed",
        # What dash says of ./scripts/sorttable, before link-vmlinux.sh ends with status 1.
        "Killed",
        "Terminated",
        "Bus error (core dumped)",
        "make[2]: *** [scripts/Makefile.build:250: mm/gup.o] Error 137",
        "/bin/sh: 1: echo: echo: I/O error",
        "cc1: out of memory allocating 65536 bytes after a total of 7974912 bytes",
        "ld: final link failed: memory exhausted",
        "/usr/lib/cc1: error while loading shared libraries: libc.so.6: "
        "failed to map segment from shared object",
        "make[2]: vfork: Resource temporarily unavailable",
        "gcc: fatal error: cannot execute 'as': posix_spawn: Resource temporarily unavailable",
        "ld: cannot open output file vmlinux: Too many open files",
        "/bin/sh: 1: Cannot fork",
        "gcc: internal compiler error: File size limit exceeded signal terminated program cc1",
        "gcc: fatal error: Terminated signal terminated program cc1",
        "gcc: internal compiler error: Bus error signal terminated program as",
        "make[3]: *** [scripts/Makefile.build:250: mm/gup.o] Terminated",
    ],
)
def test_what_tools_say_of_it(line: str) -> None:
    assert trouble("make", 2, ["  CC      mm/gup.o", line]) == line


def test_what_is_no_trouble(tmp_path: Path) -> None:
    said = [
        '  950 |  pr_err("Killed process");',
        '  951 |  pr_err("Too many open files");',
        "make: *** [x] Error 1",
        "mm/a.c:1: error: x",
        "mm/a.c:2: error: 'Terminated' undeclared",
        "  Terminated",
        "gcc: internal compiler error: Segmentation fault signal terminated program cc1",
    ]
    assert trouble("make", 2, said, tmp_path) is None
    assert trouble("make", 128 + signal.SIGKILL, said) == "make was ended by SIGKILL"


def test_compiler_that_is_killed_while_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path / "bin", "gcc", KILLS, monkeypatch)
    with pytest.raises(InfrastructureError, match="was ended by SIGKILL"):
        Toolchain.probe("gcc")


def test_linker_that_is_killed_while_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path / "bin", "ld", KILLS, monkeypatch)
    with pytest.raises(InfrastructureError, match="was ended by SIGKILL"):
        Toolchain.probe("gcc", env={"HERE": "x"})


@pytest.mark.parametrize("text", [KILLS, "echo 'make: *** [x] Killed'; exit 2"])
def test_make_that_is_killed_over_a_guest_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    tool(tmp_path / "bin", "make", text, monkeypatch)
    sources = Path(__file__).parents[2] / "guest-tests"
    built = compile_programs(sources, ["populate"], cache=tmp_path / "cache")
    assert isinstance(built.failed["populate"], InfrastructureError)


@pytest.fixture
def tree(tmp_path: Path, fake_kernel: Path) -> Tree:
    return immutable(fake_kernel, tmp_path / "tree")


def test_git_that_is_killed_over_a_patch(
    tmp_path: Path, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tree.path / "mm/gup.c").read_text().splitlines()[0]
    diff = f"--- a/mm/gup.c\n+++ b/mm/gup.c\n@@ -1 +1 @@\n-{text}\n+int other;\n"
    (tmp_path / "a.patch").write_text(diff)
    from lab.patches import load_patch

    patch: Patch = load_patch(tmp_path / "a.patch")
    tool(tmp_path / "bin", "git", KILLS, monkeypatch)
    with pytest.raises(InfrastructureError):
        apply(tree, [patch], start=Overlay.empty())
    with pytest.raises(InfrastructureError):
        carries(tree, patch)
