# SPDX-License-Identifier: GPL-2.0-only
"""What make ran, run again without make."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.build.make import Make
from lab.build.recorded import Command, chosen, record
from lab.errors import UserError
from lab.process.deadline import Deadline

#: As kbuild's: a make that starts another, what it asks while it reads, a recipe, and a script
#: that starts a make of its own.
MAKEFILE = """\
probe := $(shell set -e; TMP=.probe; if true; then echo yes; fi)
export SOME = words and 'quotes'
all:
	@$(MAKE) -f $(lastword $(MAKEFILE_LIST)) inner
inner: one two
one: $(SRC)/in
	@set -e; echo '  CC      one'; cat $(SRC)/in > one
two: one
	@set -e; echo '  LD      two'; sh $(SRC)/link.sh $(MAKE) $(CURDIR) $(SRC)
	@set -e; echo '  CHK     three'; echo again >> three
third: FORCE
	@echo '  AS      third'; tr a-z A-Z < two > third; echo "$$SOME" >> third
FORCE:
"""
LINK = """\
cat one one > two
"$1" -C "$2" -f "$3/Makefile" SRC="$3" third
"""


@pytest.fixture
def make(tmp_path: Path) -> Make:
    source, objects = tmp_path / "src", tmp_path / "obj"
    source.mkdir()
    objects.mkdir()
    (source / "Makefile").write_text(
        f"ifneq ($(O),)\nall:\n\t@$(MAKE) -C $(O) -f {source}/inner.mk SRC={source} all\nendif\n"
    )
    (source / "inner.mk").write_text(MAKEFILE)
    (source / "link.sh").write_text(LINK.replace("/Makefile", "/inner.mk"))
    (source / "in").write_text("first\n")
    log = tmp_path / "log"
    log.touch()
    return Make(source, objects, (), log, Deadline("build", 60))


@pytest.mark.slow
def test_the_same_is_made_of_another_source(make: Make, tmp_path: Path) -> None:
    script, folder = tmp_path / "script", tmp_path / "bin"
    record(make, "all", folder, script)
    assert (make.objects / "third").read_text() == "FIRST\nFIRST\nwords and 'quotes'\n"
    assert not (make.objects / ".lab-recorded").exists()
    (make.source / "in").write_text("second\n")
    make.shell(f"sh {script}")
    assert (make.objects / "third").read_text() == "SECOND\nSECOND\nwords and 'quotes'\n"
    # What only looks whether something changed is not run again, and no make but the script's.
    assert (make.objects / "three").read_text() == "again\n"
    assert script.read_text().count("exit 1") == 2


@pytest.mark.slow
def test_what_fails_again_is_an_error(make: Make, tmp_path: Path) -> None:
    script = tmp_path / "script"
    record(make, "all", tmp_path / "bin", script)
    (make.source / "in").unlink()
    with pytest.raises(UserError, match="No such file"):
        make.shell(f"sh {script}")


def command(number: str, text: str, above: str = "") -> Command:
    return Command(number, above, "/obj", text, ())


def test_a_script_stands_for_all_that_it_starts() -> None:
    commands = [
        command("1", "make -C /obj all"),
        command("2", "set -e; echo '  CC      a.o'; gcc -c a.c", "1"),
        command("3", "set -e; echo '  LINK    vmlinux'; sh link-vmlinux.sh", "1"),
        command("4", "make -f scripts/Makefile.build obj=init", "3"),
        command("5", "set -e; echo '  CC      init/version.o'; gcc -c version.c", "4"),
        command("6", "set -e; TMP=.tmp; if gcc -c x.c; then echo y; fi", "1"),
        command("7", "set -e; echo '  CHK     version.h'; cmp a b", "1"),
        command("8", "set -e;  sh /src/scripts/link-vmlinux.sh ld; echo done", "1"),
    ]
    assert [each.number for each in chosen(commands)] == ["2", "3", "8"]


def test_a_command_runs_in_its_folder_with_its_environment_alone(tmp_path: Path) -> None:
    text = 'pwd; echo "$A"; echo "[$HOME]"'
    one = Command("1", "", str(tmp_path), text, (("A", "it's so"), ("PATH", "/usr/bin:/bin")))
    ran = subprocess.run(["sh", "-c", one.script], capture_output=True, text=True, check=True)
    assert ran.stdout == f"{tmp_path}\nit's so\n[]\n"
