# SPDX-License-Identifier: GPL-2.0-only
"""Mends: chosen by kernel and tools, skipped when carried, felt by every compilation."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import BuildJob, Mended, Toolchain, build, mend_tree
from lab.build.applied_mends import Applied
from lab.build.mend import load_mends
from lab.build.toolchain import tool_version
from lab.build.wrapper import wrapped
from lab.errors import UserError
from lab.model.version import KernelVersion
from lab.patches import Overlay, load_patch
from tests.build.conftest import Bench, immutable

SHIPPED = Path(__file__).parents[2] / "patches/toolchain"
TOOLCHAIN = Toolchain("gcc", "gcc (Debian 12.2.0-14) 12.2.0", "GNU ld 2.40", 2, "GNU Make 4.3")

GUP = """
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,5 +1,5 @@
 // SPDX-License-Identifier: GPL-2.0-only
 int gup(void)
 {
-\treturn 0;
+\treturn 1;
 }
"""


@pytest.fixture
def mends(tmp_path: Path) -> Path:
    """A folder for a mends.toml, with a patch for the fake kernel."""
    folder = tmp_path / "toolchain"
    folder.mkdir()
    (folder / "gup.patch").write_text(GUP)
    (folder / "other.patch").write_text(GUP.replace("return 0", "return 9"))
    return folder


def write(folder: Path, text: str, versions: str = ">=6.1 <6.2") -> None:
    head = f'versions = "{versions}"\nsymptom = "it breaks"\ncommits = ["0123456789ab"]\n'
    (folder / "mends.toml").write_text(f"[it]\n{head}{text}\n")


def mended(bench: Bench, folder: Path, toolchain: Toolchain = TOOLCHAIN) -> Mended:
    return mend_tree(bench.tree(), toolchain, folder)


def job_with(bench: Bench, mends: Mended) -> BuildJob:
    return replace(bench.job(), overlay=mends.overlay, mends=mends)


def test_each_shipped_mend_says_what_it_is_for() -> None:
    mends = load_mends(SHIPPED / "mends.toml")
    named = {patch for mend in mends.values() for patch in mend.patches}
    assert named == {path.name for path in SHIPPED.glob("*.patch")}
    for patch in named:
        assert load_patch(SHIPPED / patch).subject
    for mend in mends.values():
        # Today's kernels build as they are.
        assert mend.versions.first is not None
        assert mend.versions.end is not None
        assert mend.tools


@pytest.mark.parametrize(
    ("name", "text", "holds"),
    [
        # 4.14.67 and 5.10.89, beside 4.14 and 5.10
        ("plt32", "\t\tcase R_X86_64_PC32:\n\t\tcase R_X86_64_PLT32:\n", True),
        ("plt32", "\t\tcase R_X86_64_PC32:\n\t\t\tval -= (u64)loc;\n", False),
        ("objtool-symtab", "\t * A missing symbol table is actually possible if\n", True),
        ("objtool-symtab", '\t\tWARN("missing symbol table");\n', False),
    ],
)
def test_what_a_stable_release_took_over_is_known(name: str, text: str, holds: bool) -> None:
    """Its lines lie otherwise there: the patch applies neither forwards nor backwards."""
    mends = load_mends(SHIPPED / "mends.toml")
    assert all(mend.carried for mend in mends.values() if mend.patches)
    carried = mends[name].carried
    assert carried is not None
    assert carried.holds(text) is holds


def test_a_kernel_of_today_gets_none(bench: Bench) -> None:
    assert mend_tree(bench.tree(), TOOLCHAIN, SHIPPED) == Mended.none()
    assert job_with(bench, Mended.none()).key == bench.job().key


@pytest.mark.parametrize(
    ("kernel", "compiler", "wanted"),
    [
        ("6.1.7", "gcc (GCC) 12.2.1 20221121 (Red Hat 12.2.1-4)", True),
        ("6.1.7", "gcc (GCC) 9.5.0", False),
        ("6.1.7", "Debian clang version 14.0.6", False),
        ("6.1.7", "gcc of my own", True),
        ("6.2.0", "gcc (GCC) 12.2.1", False),
    ],
)
def test_the_kernel_and_the_tools_choose(
    mends: Path, kernel: str, compiler: str, wanted: bool
) -> None:
    write(mends, 'tools = { gcc = ">=10.0", binutils = ">=2.36" }\nkernel_flags = ["-g"]')
    (mend,) = load_mends(mends / "mends.toml").values()
    tools = replace(TOOLCHAIN, compiler=compiler).versions
    assert mend.concerns(KernelVersion.parse(kernel), tools) is wanted


def test_a_patch_goes_below_the_series(bench: Bench, mends: Path) -> None:
    write(mends, 'patches = ["other.patch", "gup.patch"]')
    chosen = mended(bench, mends)
    assert [mend.patch for mend in chosen.applied] == ["gup.patch"]
    build = bench.build(job_with(bench, chosen))
    assert build.key != bench.job().key
    assert b"return 1" in (bench.place / "src/mm/gup.c").read_bytes()
    assert json.loads((build.folder / "build.json").read_text())["mends"][0]["name"] == "it"
    assert "mend it: gup.patch (it breaks" in (build.folder / "build.log").read_text()


def test_no_patch_applies(bench: Bench, mends: Path) -> None:
    write(mends, 'patches = ["other.patch"]')
    with pytest.raises(UserError, match=r"mend it does not apply to 6\.1") as caught:
        mended(bench, mends)
    assert "return 9" in str(caught.value)
    assert "mends.toml" in str(caught.value.hint)


def test_a_tree_that_the_patch_was_applied_to_is_left_alone(bench: Bench, mends: Path) -> None:
    gup = bench.kernel / "mm/gup.c"
    gup.write_text(gup.read_text().replace("return 0", "return 1"))
    write(mends, 'patches = ["gup.patch"]\nkernel_flags = ["-g"]')
    chosen = mended(bench, mends)
    assert (chosen.applied, chosen.carried) == ((), ("it",))
    assert job_with(bench, chosen).key == bench.job().key


@pytest.mark.parametrize(
    "carried",
    [
        '{ file = "mm/gup.c", has = "return one" }',
        '{ file = "mm/gup.c", lacks = "return 0" }',
        '{ file = "mm/gone.c", lacks = "return 0" }',
    ],
)
def test_a_tree_that_carries_it_in_other_words_is_left_alone(
    bench: Bench, mends: Path, carried: str
) -> None:
    """The patch applies neither forwards nor backwards: ``carried`` alone knows."""
    gup = bench.kernel / "mm/gup.c"
    gup.write_text(gup.read_text().replace("\treturn 0;", "\tint one = 1;\n\treturn one;"))
    write(mends, f'patches = ["gup.patch"]\nkernel_flags = ["-g"]\ncarried = {carried}')
    chosen = mended(bench, mends)
    assert (chosen.applied, chosen.carried) == ((), ("it",))
    write(mends, 'patches = ["gup.patch"]\nkernel_flags = ["-g"]')
    with pytest.raises(UserError, match="mend it does not apply"):
        mended(bench, mends)


def test_the_first_of_several_patches_is_the_one_that_is_told(bench: Bench, mends: Path) -> None:
    """It is the one for the newest kernels, and the one to port."""
    (mends / "more.patch").write_text(GUP.replace("return 0", "return 8"))
    write(mends, 'patches = ["other.patch", "more.patch"]')
    with pytest.raises(UserError) as caught:
        mended(bench, mends)
    assert caught.value.where is not None
    assert "other.patch" in str(caught.value.where)
    assert "return 9" in str(caught.value)
    assert "return 8" not in str(caught.value)


def test_a_file_that_is_not_utf_8_is_read_all_the_same(bench: Bench, mends: Path) -> None:
    """Names of authors in old kernels are Latin-1."""
    gup = bench.kernel / "mm/gup.c"
    gup.write_bytes(b"// J\xf6rn\n" + gup.read_bytes())
    write(mends, 'kernel_flags = ["-g"]\ncarried = { file = "mm/gup.c", has = "return 0" }')
    chosen = mended(bench, mends)
    assert (chosen.applied, chosen.carried) == ((), ("it",))


@pytest.mark.parametrize(
    "carried",
    [
        '{ file = "mm/gup.c", has = "return one" }',
        '{ file = "mm/gup.c", lacks = "return 0" }',
        '{ file = "mm/gone.c", has = "return 0" }',
    ],
)
def test_a_tree_that_does_not_carry_it_is_mended(bench: Bench, mends: Path, carried: str) -> None:
    write(mends, f'patches = ["gup.patch"]\nkernel_flags = ["-g"]\ncarried = {carried}')
    (applied,) = mended(bench, mends).applied
    assert (applied.name, applied.patch, applied.kernel_flags) == ("it", "gup.patch", ("-g",))


def test_a_later_mend_is_laid_over_an_earlier(bench: Bench, mends: Path) -> None:
    """What the first made is what the second finds, and may carry already."""
    (mends / "more.patch").write_text(
        GUP.replace("return 1", "return 2").replace("return 0", "return 1")
    )
    head = 'versions = ">=6.1 <6.2"\nsymptom = "s"\ncommits = ["0123456789ab"]\n'
    tables = {
        "first": 'patches = ["gup.patch"]\nkernel_flags = ["-a"]',
        "same": 'patches = ["gup.patch"]',
        "seen": 'host_flags = ["-h"]\ncarried = { file = "mm/gup.c", has = "return 1" }',
        "second": 'patches = ["more.patch"]\nkernel_flags = ["-b"]\nhost_flags = ["-c"]',
    }
    text = "".join(f"[{name}]\n{head}{more}\n" for name, more in tables.items())
    (mends / "mends.toml").write_text(text)
    chosen = mended(bench, mends)
    assert [mend.name for mend in chosen.applied] == ["first", "second"]
    assert chosen.carried == ("same", "seen")
    assert (chosen.kernel_flags, chosen.host_flags) == (("-a", "-b"), ("-c",))
    changed = chosen.overlay.files["mm/gup.c"]
    assert changed is not None
    assert b"return 2" in changed.content
    assert str(chosen.applied[1]) == "second: more.patch, kernel -b, host -c (s; 0123456789ab)"


def test_flags_of_the_kernel_are_not_those_of_the_host() -> None:
    kernel, host = (("-a",), ()), ((), ("-a",))
    made = [
        Mended(Overlay.empty(), (Applied("it", "s", ("c",), None, *flags),))
        for flags in (kernel, host, ((), ()))
    ]
    digests = [mends.flags_digest for mends in made]
    assert len(set(digests)) == 3
    assert digests[2] == ""


def test_flags_reach_every_compilation(bench: Bench, mends: Path) -> None:
    for name in ("mm/gup.c", "mm/mlock.c", "fs/dax.c", "scripts/host.c"):
        source = bench.kernel / name
        wants = "HOST" if name == "scripts/host.c" else "KERNEL"
        source.write_text(f"#ifndef {wants}\n#error no flag\n#endif\nstatic int x;\n")
    makefile = bench.kernel / "Makefile"
    rule = "\ntinyconfig: host\nhost:\n\t@$(HOSTCC) -c -o $(objtree)/host.o scripts/host.c\n"
    makefile.write_text(makefile.read_text() + rule)
    write(mends, 'kernel_flags = ["-DKERNEL=a b"]\nhost_flags = ["-DHOST=it\'s"]')
    bench.build(job_with(bench, mended(bench, mends)))
    assert bench.compiled == ["fs/dax.o", "mm/gup.o", "mm/mlock.o"]


@pytest.mark.parametrize("mends_it", [True, False])
def test_where_a_cache_lies_is_no_part_of_a_kernel(
    bench: Bench, mends: Path, tmp_path: Path, mends_it: bool
) -> None:
    """__FILE__ before Linux 4.17, a73619a845d5."""
    with (bench.kernel / "mm/gup.c").open("a") as source:
        source.write("char where[] = __FILE__;\n")
    flag = "-fmacro-prefix-map=$SOURCE/=" if mends_it else "-DNONE"
    write(mends, f'kernel_flags = ["{flag}"]')
    one = job_with(bench, mended(bench, mends))
    other = replace(one, cache=tmp_path / "a/cache/elsewhere")
    assert one.key == other.key
    made = [build(job).folder / "vmlinux" for job in (one, other)]
    assert (made[0].read_bytes() == made[1].read_bytes()) is mends_it


def test_other_flags_are_another_build_on_another_bench(bench: Bench, mends: Path) -> None:
    keys = set()
    for flags in ("kernel_flags", "host_flags"):
        for flag in ("-DA", "-DB"):
            write(mends, f'{flags} = ["{flag}"]')
            job = job_with(bench, mended(bench, mends))
            keys.add(bench.build(job).key)
    assert len(keys | {bench.job().key}) == 5
    assert len(list((bench.cache / "workbenches").iterdir())) == 4


def test_the_makefile_s_own_flags_win(tmp_path: Path) -> None:
    script = wrapped(tmp_path / "bin", "cc", "gcc", ["-DX=1", "-O0"])
    (tmp_path / "x.c").write_text("X")
    command = [script, "-UX", "-DX=2", "-E", "-P", "x.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
    assert wrapped(tmp_path / "bin", "cc", "gcc", []) == "gcc"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('kernel_flags = ["-fcommon"]', "dies at boot"),
        ("", "mends nothing"),
        ('host_flags = ["-g"]\ncarried = { file = "Makefile" }', "one of has and lacks"),
        ('host_flags = ["-g"]\ntools = { cc = ">=1.0" }', "it.tools"),
        ("host_flags = [", "no TOML"),
    ],
)
def test_a_wrong_file_is_refused(mends: Path, text: str, problem: str) -> None:
    write(mends, text)
    with pytest.raises(UserError) as caught:
        load_mends(mends / "mends.toml")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("gcc (Debian 12.2.0-14+deb12u1) 12.2.0", "12.2.0"),
        ("gcc-11 (Debian 11.3.0-12) 11.3.0", "11.3.0"),
        ("gcc (GCC) 13.2.1 20231205 (Red Hat 13.2.1-6)", "13.2.1"),
        ("Ubuntu clang version 14.0.0-1ubuntu1.1", "14.0.0"),
        ("gcc (crosstool-NG 1.25.0) 11.2.0", "11.2.0"),
        ("GNU ld (GNU Binutils for Debian) 2.40", "2.40"),
        ("GNU ld version 2.38-25.fc37", "2.38"),
        ("LLD 14.0.6 (compatible with GNU linkers)", "14.0.6"),
        ("GNU Make 4.3", "4.3"),
    ],
)
def test_versions_of_tools(line: str, version: str) -> None:
    assert tool_version(line) == KernelVersion.parse(version)


@pytest.mark.parametrize("kind", ["dir", "tarball"])
def test_scripts_get_their_exec_bits_back(bench: Bench, tmp_path: Path, kind: str) -> None:
    script = bench.kernel / "scripts/run.sh"
    script.write_text('#!/bin/sh\necho "  RUN     it"\n')
    script.chmod(0o644)
    makefile = bench.kernel / "Makefile"
    makefile.write_text(
        makefile.read_text() + "\nbzImage: run\nrun:\n\t@$(srctree)/scripts/run.sh\n"
    )
    tree = immutable(bench.kernel, tmp_path / "tree") if kind == "tarball" else bench.tree()
    bench.build(bench.job(tree=tree))
    assert "RUN it" in bench.steps
    assert not script.stat().st_mode & 0o111


# The lines of 4.1's scripts/Kbuild.include that save commands and compare them.
_KBUILD = r"""
comma   := ,
quote   := "
squote  := '
empty   :=

escsq = $(subst $(squote),'\$(squote)',$1)
arg-check = $(strip $(filter-out $(cmd_$(1)), $(cmd_$@)) \
                    $(filter-out $(cmd_$@),   $(cmd_$(1))) )

# (needed for make)
# Replace >#< with >\#< to avoid starting a comment in the .cmd file
# (needed for make)
# Replace >'< with >'\''< to be able to enclose the whole string in '...'
# (needed for the shell)
make-cmd = $(call escsq,$(subst \#,\\\#,$(subst $$,$$$$,$(cmd_$(1)))))

if_changed = $(if $(strip $(arg-check)), \
	@$(cmd_$(1)); printf '%s\n' 'cmd_$@ := $(make-cmd)' > x.cmd)
"""
_MAKEFILE = r"""
include scripts/Kbuild.include
cmd_say = echo -D"STR(s)=\#s" made
x: FORCE
	$(call if_changed,say)
FORCE:
-include x.cmd
"""


def test_saved_commands_with_a_number_sign(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/Kbuild.include").write_text(_KBUILD)
    (tmp_path / "Makefile").write_text(_MAKEFILE)

    def made() -> list[bool]:
        (tmp_path / "x.cmd").unlink(missing_ok=True)
        runs = [
            subprocess.run(["make"], cwd=tmp_path, capture_output=True, check=True)
            for _ in range(2)
        ]
        return [b"made" in run.stdout for run in runs]

    make = tool_version(subprocess.run(["make", "-v"], capture_output=True, text=True).stdout)
    assert make is not None
    broken = make >= KernelVersion(4, 3)
    assert made() == [True, broken]
    patch = SHIPPED / "make-pound.patch"
    subprocess.run(["git", "apply", str(patch)], cwd=tmp_path, check=True)
    assert made() == [True, False]
