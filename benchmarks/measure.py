# SPDX-License-Identifier: GPL-2.0-only
"""Times the lab beside the same work done by hand, on this machine, in one run.

Usage: measure.py [second-variant] [nothing-to-do] [test] [others] [small] [repeat]
       [edit-to-verdict] [verify] [mutants] [unpack] [cold] [one-file] [sandbox]

Without a name all.  cold and one-file build a kernel from nothing, LAB_BENCH_KERNEL or 6.1,
in a cache of their own; on a busy machine run them again, each is measured in pairs.

Needs hyperfine and the builds of [matrix.default].  A part is a function that yields
rows (see bench.py), named in _ALL.  Exit status 1: a row misses its limit.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median

from bench import Part, Row, run

from lab.build import BuildJob, build, find_build
from lab.build.build import workbench_of
from lab.build.key import KBUILD_ENVIRONMENT
from lab.build.make import Make
from lab.build.sandbox import choose_sandbox
from lab.build.wrapper import wrapped
from lab.config.model import AptKernel, TarballKernel
from lab.errors import UserError
from lab.execution.job import Job
from lab.execution.run_job import run_job
from lab.filesystems.set_up import set_up
from lab.model.url import Url
from lab.model.variant import Variant
from lab.plan import plan_variants
from lab.process.deadline import Deadline
from lab.results.folder import JobFolder
from lab.session import Lab
from lab.trees import fetch
from lab.trees.download import sha256_of

ROOT = Path(__file__).resolve().parents[1]
_PAIRS = 3
_SANDBOX_PAIRS = 6
_REPETITIONS = 100
#: 30 of them, builds included, on two CPUs.
_MUTANTS_S = 300.0
#: The first of them is not counted.
_SMALL = 51
LAB = Path(sys.executable).with_name("lab")
BASE, PATCHED = Variant("6.1"), Variant("6.1", ("reintroduce-bug",))
#: What one would give it by hand; the lab saves its guests more.
_BARE_ARGUMENTS = "console=ttyS0,115200 panic=-1 oops=panic tsc=reliable nokaslr"
_INIT = """
#include <sys/reboot.h>
int main(void) { reboot(RB_POWER_OFF); return 1; }
"""

#: It forks, and maps a file, locks it and looks at its pages, as LTP's tests of these calls do.
_SMALL_C = r"""
#include <stdio.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 1 << 20, ROUNDS = 6 };

static int try_once(int fd)
{
	unsigned char pages[BYTES / 4096];
	char *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED || mlock(at, BYTES) || mincore(at, BYTES, pages))
		return 1;
	for (int i = 0; i < BYTES; i += 64)
		if (at[i]++)
			return 1;
	for (int i = 0; i < BYTES; i += 64)
		at[i] = 0;
	return munmap(at, BYTES);
}

int main(void)
{
	int fd = open("small", O_RDWR | O_CREAT | O_TRUNC, 0600), failed = 0, how;

	if (fd < 0 || ftruncate(fd, BYTES))
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		if (!fork())
			_exit(try_once(fd));
		failed |= wait(&how) < 0 || how;
		printf("round %d: %s\n", i, failed ? "failed" : "passed");
	}
	return failed;
}
"""
_SMALL_SUITE = """
[suites.small]
kind = "built"
output = "exit"
build = [
    "gcc -O2 -static -s -o small small.c",
    "for n in $(seq -w 0 99); do ln small small-$n; done",
]
take = ["small-*"]
programs = {names}
source = {{ kind = "dir", path = "{folder}" }}
"""


def hyperfine(*commands: str, prepare: tuple[str, ...] = (), runs: int = 5) -> list[float]:
    """Mean seconds of each command, their runs interleaved by round."""
    means = [0.0] * len(commands)
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        for index, command in enumerate(commands):
            before = ["--prepare", prepare[index]] if prepare else []
            subprocess.run(
                ["hyperfine", "-w", "1", "-r", str(runs), *before, "--export-json", out.name,
                 command],
                check=True, stdout=subprocess.DEVNULL,
            )  # fmt: skip
            means[index] = json.loads(Path(out.name).read_text())["results"][0]["mean"]
    return means


def second_variant(lab: Lab, scratch: Path) -> Iterator[Row]:
    """A one-file patch on a built tree: ``lab build`` against ``make``, on the same workbench.

    The builds of both variants are made anew; they come out the same.
    """
    base, patched = (lab.builder.build_job(variant, "default") for variant in (BASE, PATCHED))
    command = f"{LAB} build -C {ROOT}/lab.toml"
    to_base = f"rm -rf {base.folder} {patched.folder} && {command} {BASE}"
    ours = hyperfine(f"{command} {PATCHED}", prepare=(to_base,), runs=3)[0]
    subprocess.run(to_base, shell=True, check=True, capture_output=True)
    bench = workbench_of(base)
    file = bench.source / "mm/gup.c"
    before, after = scratch / "before.c", scratch / "after.c"
    replacement = patched.overlay.files["mm/gup.c"]
    assert replacement is not None
    before.write_bytes(file.read_bytes())
    after.write_bytes(replacement.content)
    settings = " ".join(f"{name}='{value}'" for name, value in KBUILD_ENVIRONMENT.items())
    arguments = " ".join(base.toolchain.make_arguments)
    make = f"env {settings} make -s -C {bench.source} O={bench.objects} {arguments} bzImage"
    back = f"cp {before} {file}.new && mv {file}.new {file} && {make}"
    by_hand = hyperfine(make, prepare=(f"{back} && cp {after} {file}",), runs=3)[0]
    subprocess.run(back, shell=True, check=True, capture_output=True)
    yield Row.against("a second variant built", ours, by_hand, 1.3, what="`make`")


def project(folder: Path, local: str) -> None:
    """A project of the lab's own files in a folder; ``local`` is its lab.local.toml."""
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab.local.toml").write_text(local)


def nothing_to_do(lab: Lab, scratch: Path) -> Iterator[Row]:
    """``lab build`` when all three variants are built."""
    seconds = hyperfine(f"{LAB} build -C {ROOT}/lab.toml", runs=10)[0]
    yield Row.alone("`lab build` with nothing to do", seconds, 1.0)


def test(lab: Lab, scratch: Path) -> Iterator[Row]:
    """``lab test`` of a built variant, against a bare boot and the programs' own time."""
    project(scratch, f'[paths]\nresults = "{scratch}/results"\n')
    found = find_build(lab.builder.build_job(BASE, "default"))
    assert found is not None
    bare = bare_boot(found.image, scratch)
    ours, boot = hyperfine(f"{LAB} test {BASE} -C {scratch}/lab.toml", bare)
    programs = _program_seconds(scratch / "results")
    part = "`lab test`, less its programs' own time"
    row = Row.against(part, ours - programs, boot, 2.5, what="a bare boot")
    yield replace(row, lab=f"{row.lab}, and {programs:.2f} s of programs")


def repeat(lab: Lab, scratch: Path) -> Iterator[Row]:
    """One test a hundred times, each in a guest of its own: what each costs beyond the test."""
    project(scratch, f'[paths]\nresults = "{scratch}/results"\n')
    test: list[str | Path] = [LAB, "test", str(BASE), "-f", "ext4-dax", "-s", "populate"]
    one = [*test, "-k", "populate.shared-rw.4k", "-C", scratch / "lab.toml", "--repeat"]
    _run([*one, "2"])
    few = _run([*one, "2"])
    many = _run([*one, str(_REPETITIONS)])
    newest = max((scratch / "results").glob("*/results.json"))
    ran = [float(row["duration_s"]) for row in json.loads(newest.read_text())["results"]]
    assert len(ran) == _REPETITIONS
    each = (many - few) / (_REPETITIONS - 2) - sum(ran) / len(ran)
    yield Row.alone("a repetition of a test, beyond the test", each, 0.4)


def others(lab: Lab, scratch: Path) -> Iterator[Row]:
    """LTP's programs on a filesystem, against the same in a shell's loop in such a guest."""
    settings = {"LTP_COLORIZE_OUTPUT": "0", "LTP_TIMEOUT_MUL": "4"}
    yield from _beside_a_loop(lab, "ltp", "programs of LTP", settings, scratch)


def small(lab: Lab, scratch: Path) -> Iterator[Row]:
    """The same with programs that need nobody's source: each does about what one of LTP's does."""
    (scratch / "source").mkdir()
    (scratch / "source" / "small.c").write_text(_SMALL_C)
    names = [f"small-{number:02}" for number in range(_SMALL)]
    project(scratch, _SMALL_SUITE.format(folder=scratch / "source", names=json.dumps(names)))
    opened = Lab.open(scratch / "lab.toml")
    yield from _beside_a_loop(opened, "small", "small programs", {}, scratch)


def _beside_a_loop(
    lab: Lab, suite: str, what: str, settings: Mapping[str, str], scratch: Path
) -> Iterator[Row]:
    plan = plan_variants(lab.loaded, [str(BASE)], ["ext4-dax"], [suite])
    built = lab.builder.build(BASE, "default")
    job = lab.preparer.job(plan.jobs[0], built, JobFolder(scratch / "jobs" / "1"))
    ours, by_hand = [], []
    # In pairs: how busy the machine is changes from one to the next.
    for number in range(_PAIRS):
        here = replace(job, guest=job.guest.in_folder(job.guest.folder / str(number)))
        ours.append(_after_the_first(here))
        by_hand.append(_in_a_loop(here, settings))
    part = f"{len(job.units) - 1} {what} on ext4-dax"
    yield Row.against(part, median(ours), median(by_hand), 1.2, what="a loop")


def _after_the_first(job: Job) -> float:
    """Seconds from the end of the first program on: what comes before is the boot and the mount."""
    ends: dict[str, float] = {}
    run_job(job, lambda result: ends.update({result.program: time.monotonic()}))
    first, *rest = (unit.program for unit in job.units)
    assert set(ends) == {first, *rest}, "some programs did not run"
    return max(ends.values()) - ends[first]


def _in_a_loop(job: Job, settings: Mapping[str, str]) -> float:
    """Seconds that all but the first take in a shell's loop."""
    filesystem, (first, *rest) = job.filesystems[0], (unit.program for unit in job.units)
    folder = filesystem.mount_point
    words = {"TMPDIR": folder, **settings}
    export = "export " + " ".join(f"{name}={value}" for name, value in words.items())
    run = "/lab/$p >/root/$p.log 2>&1"
    with job.guest.in_folder(job.guest.folder / "by-hand").guest() as guest:
        set_up(guest, filesystem)
        # What the first one has been through, the others find in the guest's caches.
        guest.run(f"mkdir -p /root; cd {folder}; {export}; p={first}; {run}")
        loop = f"for p in {' '.join(rest)}; do {run}; done"
        return _seconds(lambda: guest.run(f"cd {folder}; {export}; {loop}", 900))


def bare_boot(kernel: Path, scratch: Path) -> str:
    """The command that boots a kernel to an init that powers off at once."""
    root = scratch / "root"
    root.mkdir()
    (scratch / "init.c").write_text(_INIT)
    subprocess.run(["gcc", "-static", "-o", root / "init", scratch / "init.c"], check=True)
    with (scratch / "bare.cpio").open("wb") as archive:
        subprocess.run(
            ["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=b"init\n", stdout=archive,
            check=True,
        )  # fmt: skip
    return (
        f"qemu-system-x86_64 -nodefaults -no-reboot -display none -machine pc,accel=tcg -cpu max "
        f"-smp 2 -m 1G -serial file:{scratch}/bare.log -kernel {kernel} "
        f"-initrd {scratch}/bare.cpio -append '{_BARE_ARGUMENTS}'"
    )


def edit_to_verdict(lab: Lab, scratch: Path) -> Iterator[Row]:
    """A file of a folder is edited, and all is tested, against what that takes by hand."""
    folder = scratch / "mine"
    subprocess.run(["cp", "-al", lab.builder.tree(str(BASE)).path, folder], check=True)
    local = f'[paths]\nresults = "{scratch}/results"\n[kernels.mine]\nkind = "dir"\n'
    project(scratch, f'{local}path = "{folder}"\n')
    opened, toml = Lab.open(scratch / "lab.toml"), scratch / "lab.toml"
    _run([LAB, "build", "mine", "-C", toml])
    # Another edit than any before: what was built once is in the cache.
    edit = f"{time.time_ns():x}"
    ours, by_hand = [], []
    for number in range(3):
        _edit(folder / "mm/gup.c", f"edit {edit} {number}")
        ours.append(_run([LAB, "test", "mine", "-C", toml]))
        job = opened.builder.build_job(Variant("mine"), "default")
        by_hand.append(_make_edited(job, f"by hand {edit} {number}"))
    boot = hyperfine(bare_boot(job.folder / "bzImage", scratch))[0]
    programs = _program_seconds(scratch / "results")
    shutil.rmtree(workbench_of(job).folder)
    yield Row.against(
        "an edited file, to the table of all its tests",
        median(ours),
        median(by_hand) + 2 * boot + programs,
        1.3,
        what="`make`, two bare boots and the programs' own time",
    )


def verify(lab: Lab, scratch: Path) -> Iterator[Row]:
    """A patch file to its verdict, the base being built, against what that takes by hand."""
    project(scratch, f'[paths]\nresults = "{scratch}/results"\n')
    # What is verified is kept there.
    (scratch / "patches").unlink()
    shutil.copytree(ROOT / "patches", scratch / "patches")
    _run([LAB, "build", str(BASE), "-C", scratch / "lab.toml"])
    job = lab.builder.build_job(BASE, "default")
    # Another patch than any before: what was built once is in the cache.
    edit = f"{time.time_ns():x}"
    ours, by_hand = [], []
    for number in range(_PAIRS):
        patch = _patch_of(job.tree.path, f"verified {edit} {number}", scratch)
        ours.append(_seconds(lambda: _verified(patch, scratch)))  # noqa: B023
        by_hand.append(_make_edited(job, f"by hand {edit} {number}"))
    boot = hyperfine(bare_boot(job.folder / "bzImage", scratch))[0]
    yield Row.against(
        "`lab verify` of a patch file, 6.1 being built",
        median(ours),
        # A run has both kernels' results, so the programs' time is that of both.
        median(by_hand) + 2 * boot + _program_seconds(scratch / "results"),
        1.3,
        what="`make`, two bare boots and the programs' own time",
    )


def mutants(lab: Lab, scratch: Path) -> Iterator[Row]:
    """All wrong versions of the patch of 2015: its verdict first, both kernels being built.

    Object folders for them may have to be copied, and each mutant is compiled anew always.
    """
    # Where this machine has v4.2 from, too.
    local = ROOT / "lab.local.toml"
    kernels = local.read_text() if local.exists() else ""
    project(scratch, f'{kernels}\n[paths]\nresults = "{scratch}/results"\n')
    place = ("-C", scratch / "lab.toml")
    _run([LAB, "build", "v4.2", "v4.2+dax-populate", *place])
    took = _run([LAB, "verify", "dax-populate", "v4.2", "--mutate", *place])
    (kept,) = (scratch / "results").glob("*/mutants.json")
    (kernel,) = json.loads(kept.read_text())["kernels"]
    assert kernel["counts"]["error"] == 0, kernel["counts"]
    tried = len(kernel["mutants"])
    yield Row.alone(f"`lab verify --mutate`, {tried} mutants", took, _MUTANTS_S)
    yield Row.alone("the same, from the verdict on", kernel["duration_s"])


def _patch_of(tree: Path, what: str, scratch: Path) -> Path:
    """A patch that adds a line at the end of mm/gup.c, and changes what no test sees."""
    before = (tree / "mm/gup.c").read_text().splitlines(keepends=True)
    after = [*before, f'const char lab_edit_{what.replace(" ", "_")}[] = "{what}";\n']
    lines = difflib.unified_diff(before, after, "a/mm/gup.c", "b/mm/gup.c")
    patch = scratch / f"{what.replace(' ', '-')}.patch"
    patch.write_text("".join(lines))
    return patch


def _verified(patch: Path, scratch: Path) -> None:
    command: list[str | Path] = [LAB, "verify", patch, str(BASE), "-C", scratch / "lab.toml"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    (kernel,) = json.loads(done.stdout)["kernels"]
    assert kernel["verdict"] == "no change", kernel


def _make_edited(job: BuildJob, what: str) -> float:
    bench = workbench_of(job)
    file = bench.source / "mm/gup.c"
    before = file.read_bytes()
    _edit(file, what)
    make: list[str | Path] = [
        "make",
        "-s",
        "-C",
        bench.source,
        f"O={bench.objects}",
        *job.toolchain.make_arguments,
    ]
    seconds = _run([*make, "bzImage"], {**os.environ, **KBUILD_ENVIRONMENT})
    # As the bench's manifest says; the lab's next build compiles it anyway.
    file.unlink()
    file.write_bytes(before)
    return seconds


def _edit(file: Path, what: str) -> None:
    """Change a file's code; a link to it elsewhere stays as it is."""
    text = f'{file.read_text()}\nconst char lab_edit_{what.replace(" ", "_")}[] = "{what}";\n'
    file.unlink()
    file.write_text(text)


def _run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> float:
    return _seconds(
        lambda: subprocess.run(command, env=environment, check=True, capture_output=True)
    )


def _program_seconds(results: Path) -> float:
    """The time the programs took, the mean of the recorded runs."""
    runs = [json.loads(path.read_text())["results"] for path in results.glob("*/results.json")]
    return sum(float(row["duration_s"]) for rows in runs for row in rows) / len(runs)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def cold(lab: Lab, scratch: Path, kernel: str) -> Iterator[Row]:
    """A build from nothing against ``make`` with the same config on a mended tree."""
    # Once each: it takes minutes, in which a quiet machine's noise is small.
    job = replace(lab.builder.build_job(Variant(kernel), "default"), cache=scratch / "cache")
    ours = _seconds(lambda: build(job))
    by_hand = _by_hand(job, scratch / "by-hand")
    yield Row.against(f"{kernel} from nothing", ours, by_hand, 1.1, what="`make`")


def _by_hand(job: BuildJob, objects: Path) -> float:
    objects.mkdir()
    (objects / ".config").write_bytes((job.folder / "config").read_bytes())
    mends, cc, folder = job.mends, job.toolchain.cc, objects.with_name("bin")
    arguments = job.toolchain.arguments_with(
        wrapped(folder, "cc", cc, mends.kernel_flags),
        wrapped(folder, "hostcc", cc, mends.host_flags),
    )
    source = workbench_of(job).source
    command = ["make", "-s", "-C", str(source), f"O={objects}", *arguments, "bzImage"]
    environment = {**os.environ, **KBUILD_ENVIRONMENT}
    return _seconds(
        lambda: subprocess.run(command, env=environment, check=True, capture_output=True)
    )


def one_file(lab: Lab, scratch: Path, kernel: str) -> Iterator[Row]:
    """A variant that differs by one file against the cold build of its kernel, all by the lab."""
    job = replace(lab.builder.build_job(Variant(kernel), "default"), cache=scratch / "cache")
    whole = _seconds(lambda: build(job))
    patched = replace(_one_file_variant(lab, kernel), cache=scratch / "cache")
    seconds = _seconds(lambda: build(patched))
    part = f"{patched.variant}, {kernel} being built"
    yield Row.against(part, seconds, whole, 0.25, what=f"{kernel} from nothing")


def _one_file_variant(lab: Lab, kernel: str) -> BuildJob:
    for series in lab.loaded.config.series:
        try:
            return lab.builder.build_job(Variant(kernel, (series,)), "default")
        except UserError:
            continue  # not meant for this kernel
    raise SystemExit(f"no series of one patch is meant for {kernel}")


def sandbox(lab: Lab, scratch: Path) -> Iterator[Row]:
    """``make`` of one file in the sandbox against the same without, in pairs."""
    job = lab.builder.build_job(BASE, "default")
    build(job)
    bench = workbench_of(job)
    arguments = job.toolchain.make_arguments
    deadline = Deadline("build", job.deadline_s)
    plain = Make(bench.source, bench.objects, arguments, scratch / "log", deadline)
    inside = replace(plain, sandbox=choose_sandbox("bwrap"), compilers=(job.toolchain.cc,))
    file = bench.source / "mm/gup.c"
    before = file.read_bytes()
    took: dict[bool, list[float]] = {True: [], False: []}
    with bench.building():
        for number in range(2 * _SANDBOX_PAIRS):
            # The second of a pair has the warmer cache: each is it as often.
            boxed = number % 4 in (1, 2)
            _edit(file, f"sandbox {number}")
            make = inside if boxed else plain
            took[boxed].append(_seconds(lambda make=make: make("bzImage")))  # type: ignore[misc]
            file.unlink()
            file.write_bytes(before)
        plain("bzImage")
    ours, other = median(took[True]), median(took[False])
    yield Row.against("one file in the sandbox", ours, other, 1.03, what="without")


def unpack(lab: Lab, scratch: Path) -> Iterator[Row]:
    """A tree brought in from its tarball, digest and manifest included, against ``tar xf``."""
    archive = _archive(lab, scratch)
    kernel = TarballKernel(kind="tarball", url=Url(str(archive)), sha256=sha256_of(archive))
    ours, by_hand = [], []
    for number in range(_PAIRS):
        folder, cache = scratch / f"tar{number}", scratch / f"cache{number}"
        folder.mkdir()
        command = ["tar", "xf", str(archive), "-C", str(folder)]
        by_hand.append(_seconds(lambda: subprocess.run(command, check=True)))  # noqa: B023
        shutil.rmtree(folder)
        (cache / "trees").mkdir(parents=True)
        ours.append(_seconds(lambda: _bring(kernel, cache)))  # noqa: B023
        shutil.rmtree(cache)
    times = statistics.median(ours), statistics.median(by_hand)
    yield Row.against("6.1 brought in from its tarball", *times, 1.1, what="`tar xf`")


def _archive(lab: Lab, scratch: Path) -> Path:
    """The tarball in the distribution's package."""
    kernel = lab.loaded.config.kernels[BASE.kernel]
    assert isinstance(kernel, AptKernel)
    subprocess.run(["apt-get", "-q", "download", kernel.package], cwd=scratch, check=True)
    (package,) = scratch.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(scratch / "package")], check=True)
    (archive,) = (scratch / "package/usr/src").glob("*.tar.xz")
    return archive


def _bring(kernel: TarballKernel, cache: Path) -> None:
    fetch("6.1", kernel, cache=cache, root=cache, deadline_s=3600, refresh=False)


#: A part gets the lab, and a folder of its own on the cache's disk.
Measure = Callable[[Lab, Path], Iterator[Row]]
#: What LAB_BENCH_KERNEL names is built from nothing; any kernel of lab.toml will do.
KERNEL = os.environ.get("LAB_BENCH_KERNEL", "6.1")
_ALL: dict[str, Measure] = {
    "second-variant": second_variant,
    "nothing-to-do": nothing_to_do,
    "test": test,
    "repeat": repeat,
    "others": others,
    "small": small,
    "edit-to-verdict": edit_to_verdict,
    "verify": verify,
    "mutants": mutants,
    "unpack": unpack,
    "cold": partial(cold, kernel=KERNEL),
    "one-file": partial(one_file, kernel=KERNEL),
    "sandbox": sandbox,
}


def _part(measure: Measure) -> Iterator[Row]:
    lab = Lab.open(ROOT / "lab.toml")
    with tempfile.TemporaryDirectory(prefix="lab-bench-", dir=lab.cache) as scratch:
        yield from measure(lab, Path(scratch))


PARTS: dict[str, Part] = {name: partial(_part, measure) for name, measure in _ALL.items()}


if __name__ == "__main__":
    sys.exit(run(PARTS, sys.argv[1:]))
