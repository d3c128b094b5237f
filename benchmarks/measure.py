# SPDX-License-Identifier: GPL-2.0-only
"""Times the lab beside the same work done by hand, on this machine, in one run.

Usage: measure.py [second-variant] [nothing-to-do] [test] [cold KERNEL] [one-file KERNEL]

Without a name the first three.  The last two build a kernel from nothing, in a
cache of their own; on a busy machine run them again, each is measured in pairs.

Needs hyperfine and the builds of [matrix.default].  Each part prints a line with
the ratio and its limit; nothing is asserted, since a busy machine is no bug.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lab.build import BuildJob, build, find_build
from lab.build.build import workbench_of
from lab.build.key import KBUILD_ENVIRONMENT
from lab.build.wrapper import wrapped
from lab.errors import UserError
from lab.lab import Lab
from lab.plan import Variant

ROOT = Path(__file__).resolve().parents[1]
LAB = Path(sys.executable).with_name("lab")
BASE, PATCHED = Variant("6.1"), Variant("6.1", ("reintroduce-bug",))
#: What one would give it by hand; the lab saves its guests more.
_BARE_ARGUMENTS = "console=ttyS0,115200 panic=-1 oops=panic tsc=reliable nokaslr"
_INIT = """
#include <sys/reboot.h>
int main(void) { reboot(RB_POWER_OFF); return 1; }
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


def report(name: str, ours: float, by_hand: float, limit: float) -> None:
    """One line: both times, their ratio, and what it may be."""
    print(
        f"{name}: lab {ours:.2f} s, by hand {by_hand:.2f} s, "
        f"ratio {ours / by_hand:.2f} (limit {limit}), {os.cpu_count()} CPUs",
        flush=True,
    )


def second_variant(lab: Lab, scratch: Path) -> None:
    """A one-file patch on a built tree: ``lab build`` against ``make``, on the same workbench.

    The builds of both variants are made anew; they come out the same.
    """
    base, patched = (lab.build_job(variant, "default") for variant in (BASE, PATCHED))
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
    report("second variant", ours, by_hand, 1.3)


def _project(folder: Path, local: str) -> None:
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab.local.toml").write_text(local)


def nothing_to_do(lab: Lab, scratch: Path) -> None:
    """``lab build`` when all three variants are built."""
    seconds = hyperfine(f"{LAB} build -C {ROOT}/lab.toml", runs=10)[0]
    print(f"nothing to do: lab build {seconds:.2f} s (limit 1), {os.cpu_count()} CPUs")


def test(lab: Lab, scratch: Path) -> None:
    """``lab test`` of a built variant, against a bare boot and the programs' own time."""
    _project(scratch, f'[paths]\nresults = "{scratch}/results"\n')
    found = find_build(lab.build_job(BASE, "default"))
    assert found is not None
    bare = bare_boot(found.bzimage, scratch)
    ours, boot = hyperfine(f"{LAB} test {BASE} -C {scratch}/lab.toml", bare)
    programs = _program_seconds(scratch / "results")
    print(f"  bare boot to power-off {boot:.2f} s, test programs {programs:.2f} s")
    report("lab test", ours - programs, boot, 2.5)


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


def _program_seconds(results: Path) -> float:
    """The time the programs took, the mean of the recorded runs."""
    runs = [json.loads(path.read_text())["results"] for path in results.glob("*/results.json")]
    return sum(float(row["duration_s"]) for rows in runs for row in rows) / len(runs)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def cold(lab: Lab, scratch: Path, kernel: str) -> None:
    """A build from nothing against ``make`` with the same config on a mended tree, twice each."""
    job = lab.build_job(Variant(kernel), "default")
    ours = by_hand = 0.0
    for number in range(2):
        here = replace(job, cache=scratch / f"cache{number}")
        ours += _seconds(lambda here=here: build(here))  # type: ignore[misc]
        by_hand += _by_hand(here, scratch / f"by-hand{number}")
    report(f"cold {kernel}", ours / 2, by_hand / 2, 1.1)


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


def one_file(lab: Lab, scratch: Path, kernel: str) -> None:
    """A variant that differs by one file against the cold build of its kernel, all by the lab."""
    job = replace(lab.build_job(Variant(kernel), "default"), cache=scratch / "cache")
    whole = _seconds(lambda: build(job))
    patched = replace(_one_file_variant(lab, kernel), cache=scratch / "cache")
    seconds = _seconds(lambda: build(patched))
    print(
        f"one-file {patched.variant}: {seconds:.2f} s, {kernel} cold {whole:.2f} s, "
        f"ratio {seconds / whole:.2f} (limit 0.25), {os.cpu_count()} CPUs",
        flush=True,
    )


def _one_file_variant(lab: Lab, kernel: str) -> BuildJob:
    for series in lab.loaded.config.series:
        try:
            return lab.build_job(Variant(kernel, (series,)), "default")
        except UserError:
            continue  # not meant for this kernel
    raise SystemExit(f"no series of one patch is meant for {kernel}")


PER_KERNEL = {"cold": cold, "one-file": one_file}
PARTS = {"second-variant": second_variant, "nothing-to-do": nothing_to_do, "test": test}


def main() -> None:
    """Measure the parts named on the command line."""
    lab = Lab.open(ROOT / "lab.toml")
    names = iter(sys.argv[1:] or PARTS)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="lab-bench-", dir=lab.cache) as scratch:
            if name in PER_KERNEL:
                PER_KERNEL[name](lab, Path(scratch), next(names))
            else:
                PARTS[name](lab, Path(scratch))


if __name__ == "__main__":
    main()
