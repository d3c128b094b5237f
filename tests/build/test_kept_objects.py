# SPDX-License-Identifier: GPL-2.0-only
"""What was compiled before is taken back where it is what would be compiled, and nowhere else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.build import BuildJob, kept_objects
from lab.build.build import build, copy_products, workbench_of
from lab.build.build import kept_objects as kept_of
from lab.build.kbuild_note import read_note
from lab.build.workbench import Workbench
from lab.errors import InfrastructureError, UserError
from lab.process.scratch import write_whole
from tests.build.conftest import Bench

GUP = "#include <size.h>\nint gup(void)\n{\n\treturn SIZE + %s;\n}\n"
MLOCK = "int mlock(void)\n{\n\treturn %s;\n}\n"
SIZE = "#define SIZE %s\n"
#: As kbuild does it: below the objects, each with a note of the command and of what was read;
#: autoconf.h is in none, the options are.
_BUILD = r"""
objects := mm/gup.o mm/mlock.o fs/dax.o
command = $(CC) -D__KERNEL__ -I$(srctree)/include -I$(srctree)/uapi -c -o $@ $<
differs = $(subst x$(1),,x$(2))$(subst x$(2),,x$(1))

all: $(objects)

$(objects): %.o: $(srctree)/%.c $(srctree)/scripts/after.sh FORCE
	$(if $(filter-out FORCE,$?)$(call differs,$(cmd_$@),$(command)),$(compile),@:)

define compile
@mkdir -p $(@D) && echo "  CC      $@"
@$(command) -Wp,-MMD,$@.d -include include/generated/autoconf.h
@sh $(srctree)/scripts/after.sh $@
@{ echo 'cmd_$@ := $(command)'; echo; echo 'source_$@ := $<'; echo; echo 'deps_$@ := \'; \
	tr -d '\\' < $@.d | tr ' ' '\n' | sed -n '/autoconf.h$$/d; s,^..*\.h$$,  & \\,p'; \
	echo '    $$(wildcard include/config/BASE) \'; echo; echo '$@: $$(deps_$@)'; echo; \
	echo '$$(deps_$@):'; } > $(@D)/.$(@F).cmd
endef

.PHONY: FORCE
FORCE:

# Of kbuild since 5.18, and of what it had before: what is gone is not missed.
.SECONDARY:

-include $(foreach object,$(wildcard $(objects)),$(dir $(object)).$(notdir $(object)).cmd)
"""
_OPTIONS = """set -e
mkdir -p include/config include/generated
grep =y .config > new || true
if ! cmp -s new include/config/auto.conf; then
    touch include/config/BASE
    sed 's/=y/ 1/; s/^/#define /' new > include/generated/autoconf.h
    mv new include/config/auto.conf
fi
"""


@pytest.fixture(autouse=True)
def like_kbuild(bench: Bench) -> None:
    """Have the fake kernel note what it read, as kbuild does."""
    makefile = bench.kernel / "Makefile"
    before, rule, _ = makefile.read_text().partition("# As kbuild's if_changed")
    _, image, after = makefile.read_text().partition("$(image): $(objects)\n")
    assert rule
    assert image
    steps = "@cd $(objtree) && sh $(srctree)/scripts/options.sh\n\t@+$(MAKE) -s"
    make = f"{steps} -C $(objtree) -f $(srctree)/build.mk srctree=$(srctree) CC=$(CC)\n"
    makefile.write_text(f"{before}.PHONY: objects\nobjects:\n\t{make}\n$(image): objects\n{after}")
    for name, text in {
        "build.mk": _BUILD,
        "scripts/options.sh": _OPTIONS,
        "scripts/after.sh": "true\n",
        "uapi/size.h": SIZE % 1,
        "include/other.h": "",
        "mm/gup.c": GUP % 1,
        "mm/mlock.c": MLOCK % 1,
    }.items():
        (bench.kernel / name).parent.mkdir(exist_ok=True)
        (bench.kernel / name).write_text(text)


def kernel(bench: Bench, gup: object = 1, mlock: object = 1, **files: str) -> BuildJob:
    """A job of the kernel with these two; others are its tree's own from then on.

    A series that brings one of those makes a workbench doubted.
    """
    for name, text in files.items():
        (bench.kernel / name.replace("__", "/").replace("_h", ".h")).write_text(text)
    return bench.job({"mm/gup.c": GUP % gup, "mm/mlock.c": MLOCK % mlock})


def builds(bench: Bench, job: BuildJob) -> list[str]:
    """What is compiled for a job, whose kernel is the one that is built of it from nothing."""
    built = bench.build(job)
    assert built.image.read_bytes() == bench.from_nothing(job)
    return bench.compiled


def kept(job: BuildJob, name: str) -> list[Path]:
    folder = kept_of(job).folder / name
    return sorted(folder.iterdir()) if folder.exists() else []


def test_what_was_compiled_before_is_not_compiled_again(bench: Bench) -> None:
    builds(bench, kernel(bench))
    assert builds(bench, kernel(bench, gup=2, mlock=2)) == ["mm/gup.o", "mm/mlock.o"]
    between = kernel(bench, gup=1, mlock=3)
    assert builds(bench, between) == ["mm/mlock.o"]
    assert builds(bench, kernel(bench, gup=2, mlock=3)) == []
    assert "lab: mm/gup.o was compiled before" in (between.folder / "build.log").read_text()
    assert '"taken_back": 1' in (between.folder / "build.json").read_text()


def test_another_workbench_of_the_same_kind_has_it_too(bench: Bench) -> None:
    builds(bench, kernel(bench))
    builds(bench, replace(kernel(bench, gup=2), benches=(2,)))
    assert workbench_of(kernel(bench), 2).is_whole
    assert builds(bench, replace(kernel(bench, gup=2, mlock=2), benches=(1,))) == ["mm/mlock.o"]


def test_another_config_has_its_own(bench: Bench) -> None:
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    job = replace(kernel(bench), options=())
    assert kept_of(job).folder != kept_of(kernel(bench)).folder


def test_a_header_that_was_read_has_to_be_the_same(bench: Bench) -> None:
    both = ["mm/gup.o", "mm/mlock.o"]
    builds(bench, kernel(bench))
    assert builds(bench, kernel(bench, gup=2, mlock=2, uapi__size_h=SIZE % 2)) == both
    # The same file as at first, and a header that is otherwise.
    assert builds(bench, kernel(bench, mlock=3, uapi__size_h=SIZE % 3)) == both
    assert builds(bench, kernel(bench, mlock=4, uapi__size_h=SIZE % 1)) == ["mm/mlock.o"]


def test_a_new_file_that_would_be_read_in_place_of_one(bench: Bench) -> None:
    both = ["mm/gup.o", "mm/mlock.o"]
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    assert builds(bench, kernel(bench, mlock=2, include__size_h=SIZE % 7)) == both
    (bench.kernel / "include/size.h").unlink()
    # One of another name does not matter.
    assert builds(bench, kernel(bench, mlock=3, include__new_h="")) == ["mm/mlock.o"]


def test_what_is_not_known_of_names_is_not_taken(bench: Bench) -> None:
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    for path in kept_of(kernel(bench)).folder.glob(".names-*"):
        path.write_bytes(path.read_bytes()[:-1])
    assert builds(bench, kernel(bench, include__new_h="")) == ["mm/gup.o"]
    assert not workbench_of(kernel(bench)).doubted.exists()


def test_an_option_that_the_kernel_has_otherwise(bench: Bench) -> None:
    """It is in no file that was read: autoconf.h is in no note."""
    by_option = "\n#ifdef CONFIG_BASE\n#undef SIZE\n#define SIZE 9\n#endif"
    (bench.kernel / "uapi/size.h").write_text(SIZE % 1 + by_option)
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    kconfig = (bench.kernel / "Kconfig").read_text().replace("config BASE\n", "config ESAB\n")
    builds(bench, kernel(bench, gup=3, Kconfig=kconfig))
    assert builds(bench, kernel(bench, gup=1)) == ["mm/gup.o"]
    assert builds(bench, kernel(bench, gup=3, mlock=2)) == ["mm/mlock.o"]


def test_another_program_of_the_build(bench: Bench) -> None:
    after = "objcopy --redefine-sym gup=pug $1\n"
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    (bench.kernel / "scripts/after.sh").write_text(after)
    assert "mm/gup.o" in builds(bench, kernel(bench, gup=1))


def test_what_is_read_behind_the_compiler_s_back(bench: Bench) -> None:
    data = bench.top / "data"
    text = f'asm(".incbin \\"{data}\\"");\n{GUP}'
    first = {"mm/gup.c": text % 1}
    data.write_text("one")
    builds(bench, bench.job(first))
    builds(bench, bench.job({"mm/gup.c": text % 2}))
    data.write_text("two")
    assert builds(bench, bench.job({**first, "mm/mlock.c": MLOCK % 2})) == [
        "mm/gup.o",
        "mm/mlock.o",
    ]


def test_a_file_that_is_asked_for_and_was_not_there(bench: Bench) -> None:
    """Its name is in no note, and the object is another once there is one."""
    asks = "#if __has_include(<odd.h>)\n#undef SIZE\n#define SIZE 9\n#endif\n"
    gup = GUP.replace("\nint", f"\n{asks}int")
    builds(bench, bench.job({"mm/gup.c": gup % 1}))
    builds(bench, bench.job({"mm/gup.c": gup % 2}))
    (bench.kernel / "include/odd.h").write_text("")
    assert "mm/gup.o" in builds(bench, bench.job({"mm/gup.c": gup % 1}))


def test_of_so_many_sources_the_names_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_objects, "_MOST_NAMES", 2)
    for number in range(4):
        (bench.kernel / f"include/new{number}.h").write_text("")
        bench.build(kernel(bench, gup=number))
    assert len(list(kept_of(kernel(bench)).folder.glob(".names-*"))) == 2


@pytest.mark.parametrize("what", ["__attribute__((used)) static char c[] = __FILE__;\n", ""])
def test_an_object_that_says_where_it_was_made(bench: Bench, what: str) -> None:
    job = bench.job({"mm/gup.c": what + GUP % 1})
    bench.build(job)
    bench.build(bench.job({"mm/gup.c": what + GUP % 2}))
    assert bool(kept(job, "mm/gup.o")) is not bool(what)


def test_what_a_failed_build_did_not_come_to_is_not_kept(bench: Bench) -> None:
    """Its source is there, and the object is of the one before."""
    one = replace(kernel(bench).toolchain, jobs=1)
    builds(bench, kernel(bench))
    with pytest.raises(UserError):
        bench.build(replace(kernel(bench, gup="error", mlock=2), toolchain=one))
    assert bench.compiled == ["mm/gup.o"]
    assert builds(bench, kernel(bench, mlock=3)) == ["mm/mlock.o"]
    assert builds(bench, kernel(bench, mlock=2)) == ["mm/mlock.o"]


def test_what_nobody_can_vouch_for_is_not_kept(bench: Bench) -> None:
    """A manifest says of what a kill left that it is not known."""
    from lab.build.workbench import UNKNOWN
    from lab.trees import read_rows, write_rows

    builds(bench, kernel(bench))
    manifest = workbench_of(kernel(bench)).manifest
    write_rows(manifest, {**read_rows(manifest), "mm/gup.c": UNKNOWN})
    builds(bench, kernel(bench, gup=2))
    # What was compiled since is known.
    assert len(kept(kernel(bench), "mm/gup.o")) == 1


def test_nothing_is_kept_of_a_workbench_that_is_doubted(bench: Bench) -> None:
    makefile = (bench.kernel / "Makefile").read_text()
    job = bench.job({"Makefile": f"{makefile}\n# nothing\n", "mm/gup.c": GUP % 1})
    bench.build(job)
    bench.build(bench.job({"Makefile": f"{makefile}\n# nothing\n", "mm/gup.c": GUP % 2}))
    assert workbench_of(job).doubted.exists()
    assert not kept(job, "mm/gup.o")
    assert builds(bench, kernel(bench)) == ["mm/gup.o"]


def test_what_was_damaged_is_compiled(bench: Bench) -> None:
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    for path in kept(kernel(bench), "mm/gup.o"):
        seal, head, content = path.read_bytes().split(b"\n", 2)
        path.write_bytes(b"\n".join((seal, head, content.replace(b"gup", b"pug"))))
    assert builds(bench, kernel(bench, mlock=2)) == ["mm/gup.o", "mm/mlock.o"]


def test_one_that_was_cut_short_is_compiled(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    builds(bench, kernel(bench, gup="0"))
    builds(bench, kernel(bench, gup=2))

    def full(path: Path, content: bytes) -> None:
        if path.name == ".gup.o.cmd":
            raise OSError(28, "No space left on device")
        write_whole(path, content)

    monkeypatch.setattr(kept_objects, "write_whole", full)
    bench.build(kernel(bench, gup="0", mlock=2))
    assert bench.compiled == ["mm/gup.o", "mm/mlock.o"]
    objects = workbench_of(kernel(bench)).objects
    assert read_note(objects, "mm/gup.o") is not None


def test_a_full_disk_is_no_build_s_concern(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, _: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_objects, "write_whole", full)
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    assert builds(bench, kernel(bench, mlock=2)) == ["mm/gup.o", "mm/mlock.o"]


def test_of_one_object_so_many_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_objects, "_MOST", 2)
    for number in range(4):
        bench.build(kernel(bench, gup=number))
        for path in kept(kernel(bench), "mm/gup.o"):
            os.utime(path, ns=(path.stat().st_mtime_ns - 10**9,) * 2)
    assert len(kept(kernel(bench), "mm/gup.o")) == 2
    assert builds(bench, kernel(bench, gup=2, mlock=2)) == ["mm/mlock.o"]
    assert builds(bench, kernel(bench, gup=0, mlock=2)) == ["mm/gup.o"]


def test_a_command_that_is_otherwise_is_seen_by_make(bench: Bench) -> None:
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    flags = (bench.kernel / "build.mk").read_text().replace("-D__KERNEL__", "-D__KERNEL__ -Os")
    (bench.kernel / "build.mk").write_text(flags)
    assert builds(bench, kernel(bench)) == ["fs/dax.o", "mm/gup.o", "mm/mlock.o"]


@pytest.mark.parametrize(
    "line", ["  include/$(odd).h \\", "  a b.h \\", "source_mm/gup.o :=", "cmd_mm/gup.o := gcc -c"]
)
def test_a_note_that_is_not_understood(bench: Bench, line: str) -> None:
    text = _note(bench).read_text()
    if line.startswith("  "):
        text = text.replace("deps_mm/gup.o := \\\n", f"deps_mm/gup.o := \\\n{line}\n")
    else:
        kind = line.partition(" ")[0]
        lines = [line if each.startswith(kind) else each for each in text.splitlines()]
        text = "\n".join(lines) + "\n"
    _note(bench).write_text(text)
    assert read_note(workbench_of(kernel(bench)).objects, "mm/gup.o") is None


def test_a_note_that_was_cut_short(bench: Bench) -> None:
    text = _note(bench).read_text()
    for end in (text.index("    $(wildcard"), text.index("\nmm/gup.o:"), len(text) - 2):
        _note(bench).write_text(text[:end])
        assert read_note(workbench_of(kernel(bench)).objects, "mm/gup.o") is None


def _note(bench: Bench) -> Path:
    job = kernel(bench)
    if not job.folder.exists():
        bench.build(job)
        assert read_note(workbench_of(job).objects, "mm/gup.o") is not None
    return workbench_of(job).objects / "mm/.gup.o.cmd"


def test_what_a_stopped_build_had_taken_back_is_taken_back_again(bench: Bench) -> None:
    """What was written last may be half of it, and is removed: that is all of these."""
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    folder = workbench_of(kernel(bench)).folder
    for path in (*folder.glob("obj/**/*"), *folder.glob("src/**/*")):
        times = path.lstat()
        os.utime(
            path, ns=(times.st_atime_ns, times.st_mtime_ns - 60 * 10**9), follow_symlinks=False
        )
    between = kernel(bench, mlock=2)
    log = workbench_of(between).log
    with pytest.raises(InfrastructureError, match="stopped"):
        build(between, stopped=lambda: "compiled before" in log.read_text())
    assert read_note(workbench_of(between).objects, "mm/gup.o") is not None
    assert builds(bench, between) == ["mm/mlock.o"]
    assert not (folder / "stale").exists()


def test_a_build_that_was_stopped_before_it_began_leaves_what_there_was(bench: Bench) -> None:
    """What the build before it touched last was whole when that ended."""
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    with pytest.raises(InfrastructureError, match="was stopped"):
        build(kernel(bench, mlock=2), stopped=lambda: True)
    assert builds(bench, kernel(bench, mlock=2)) == ["mm/mlock.o"]


def test_a_workbench_without_a_kernel_is_asked_what_it_leaves(bench: Bench) -> None:
    """What links the kernel was killed: its objects are as good as before."""
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    (workbench_of(kernel(bench)).objects / "vmlinux").unlink()
    assert builds(bench, kernel(bench, mlock=2)) == ["mm/mlock.o"]


@pytest.mark.parametrize("times", range(5))
def test_a_build_may_be_stopped_over_each_object(bench: Bench, times: int) -> None:
    """As it begins, over the two that it leaves, and over those that it takes back."""
    builds(bench, kernel(bench))
    builds(bench, kernel(bench, gup=2))
    left = iter([False] * times)
    with pytest.raises(InfrastructureError, match="stopped"):
        build(kernel(bench, mlock=2), stopped=lambda: next(left, True))
    log = workbench_of(kernel(bench)).log.read_text()
    # Who stops it does not wait for make.
    assert ("make" in log) == (times < 3)
    assert builds(bench, kernel(bench, mlock=2)) == ["mm/mlock.o"]


def test_who_stops_a_build_that_is_made_has_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = list[Path]()

    def copied(bench: Workbench, folder: Path) -> None:
        copy_products(bench, folder)
        made.append(folder)

    builds(bench, kernel(bench))
    monkeypatch.setitem(build.__globals__, "copy_products", copied)
    build(kernel(bench, gup=2), stopped=lambda: bool(made))
    assert made
    assert builds(bench, kernel(bench, gup=3)) == ["mm/gup.o"]
    assert builds(bench, kernel(bench, gup=2, mlock=2)) == ["mm/mlock.o"]
