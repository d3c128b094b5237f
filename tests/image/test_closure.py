# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import InfrastructureError
from lab.host import Host, need_tool
from lab.image.closure import Linker, closure, parse_cache
from lab.process import run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker.of(Host.here())


def test_closure_is_what_ldd_lists(linker: Linker) -> None:
    program = need_tool("mkfs.ext4")
    found = closure(program, linker)
    lines = run(["ldd", program]).stdout.splitlines()
    listed = {line.split()[0]: Path(line.split()[2]) for line in lines if "=>" in line}
    assert "libext2fs.so.2" in found.libraries
    assert {name: path.resolve() for name, path in found.libraries.items()} == {
        name: path.resolve() for name, path in listed.items()
    }
    assert found.interpreter is not None
    assert found.interpreter in run(["ldd", program]).stdout


def test_static_program_needs_nothing(tmp_path: Path, linker: Linker) -> None:
    program = tmp_path / "program"
    compile_c("int main(void) { return 0; }", program, "-static")
    found = closure(program, linker)
    assert (found.interpreter, found.libraries) == (None, {})


def compile_c(source: str, output: Path, *flags: str | Path) -> None:
    run(["gcc", "-x", "c", "-", "-x", "none", "-o", output, *flags], input=source.encode())


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        # An old RPATH is inherited by the libraries, a RUNPATH is not: ld.so(8).
        ("--disable-new-dtags", True),
        ("--enable-new-dtags", False),
    ],
)
def test_rpath_with_origin(tmp_path: Path, linker: Linker, tags: str, found: bool) -> None:
    folder = tmp_path / "lib"
    folder.mkdir()
    inner, outer, program = folder / "libinner.so", folder / "libouter.so", tmp_path / "program"
    source = "int inner(void); int outer(void) { return inner(); }"
    compile_c("int inner(void) { return 7; }", inner, "-shared", "-Wl,-soname,libinner.so")
    compile_c(source, outer, "-shared", inner, "-Wl,-soname,libouter.so")
    flags = (outer, f"-Wl,-rpath,$ORIGIN/lib,{tags}", f"-Wl,-rpath-link,{folder}")
    compile_c("int outer(void); int main(void) { return outer(); }", program, *flags)
    # The real ld.so is the judge.
    assert run([program], check=False).status == (7 if found else 127)
    if found:
        assert closure(program, linker).libraries["libinner.so"] == inner
    else:
        with pytest.raises(InfrastructureError, match=r"libinner\.so, which .*libouter\.so needs"):
            closure(program, linker)


def test_script_is_no_program(tmp_path: Path, linker: Linker) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(InfrastructureError, match="script is not an ELF program"):
        closure(script, linker)


def test_cache_passes_over_libraries_for_some_cpus_only() -> None:
    listing = (
        "2 libs found in cache `/etc/ld.so.cache'\n"
        '\tlibz.so.1 (libc6,x86-64, hwcap: "x86-64-v3") => /usr/lib/glibc-hwcaps/libz.so.1\n'
        "\tlibz.so.1 (libc6,x86-64) => /usr/lib/libz.so.1\n"
    )
    assert parse_cache(listing) == {"libz.so.1": (Path("/usr/lib/libz.so.1"),)}
