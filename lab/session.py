# SPDX-License-Identifier: GPL-2.0-only
"""The lab as a library: from names in ``lab.toml`` to builds, guests and runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lab.build import Build, BuildJob, Step, Toolchain, build, find_build, mend_tree
from lab.build.build import workbench_of
from lab.build.paths import buildable
from lab.build.sandbox import probe_sandbox
from lab.config import FirstKernel, LoadedConfig, load, with_folders
from lab.errors import InfrastructureError, LabError
from lab.execution.parallel_builds import Building, Built
from lab.kconfig import load_fragments
from lab.model.url import Url
from lab.model.variant import Variant
from lab.model.version import KernelVersion
from lab.patches import Overlay, Series, SeriesFit, apply_series, fit_series, load_series
from lab.plan import BuildRequest, JobPlan, Plan, resolve, settled
from lab.process.cache_use import use_cache
from lab.trees import Tree, fetch
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.guest.qemu.guest import QemuGuest, QemuSpec
    from lab.model.records import RunRecord, TestResult
    from lab.suites.c_programs import Compiled

    #: Of a plan; a build that failed is why.
    Builds = Building[BuildRequest, "Build | Failure"] | Built[BuildRequest, "Build | Failure"]


#: So many for each variant that is built beside others.
_CPUS_PER_BUILD = 2
#: Each may be a whole kernel, with a compiler of 100 MB a CPU.
_MOST_BUILDS = 4
#: From so many on guests run while variants are built.  On two, of two pairs of three variants,
#: two of them to be built, one took 0.59 of the time of builds first and the other 1.30.
_CPUS_FOR_BOTH = 4


class Listener(Protocol):
    """Told what the lab is doing; the command line shows it."""

    def say(self, message: str) -> None:
        """Something began or ended."""

    def step(self, variant: str, step: Step) -> None:
        """``make`` did one step of a build."""

    def result(self, result: TestResult) -> None:
        """A test ended."""


class Silent:
    """A listener that shows nothing."""

    def say(self, message: str) -> None:
        """Show nothing."""

    def step(self, variant: str, step: Step) -> None:
        """Show nothing."""

    def result(self, result: TestResult) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Failure:
    """A variant whose build failed, and why."""

    variant: str
    error: LabError


@dataclass(frozen=True)
class Lab:
    """Everything the lab does, with one ``lab.toml``.

    >>> lab = Lab.open()
    >>> with lab.guest("6.1") as guest:
    ...     print(guest.run("uname -r").stdout)
    """

    loaded: LoadedConfig
    listener: Listener = field(default_factory=Silent)
    #: A run that was killed, which test() goes on with if it is of the same plan.
    killed: RunRecord | None = None
    #: After how many results that are not as expected test() ends; 0 is never.
    max_fail: int = 0
    _applied: dict[tuple[Path, str, str, str], Overlay] = field(
        default_factory=dict, repr=False, compare=False
    )

    @staticmethod
    def open(path: Path | None = None) -> Lab:
        """Read ``lab.toml`` here or above; raises UserError when it is wrong."""
        return Lab(load(path))

    def telling(self, listener: Listener) -> Lab:
        """The same lab, telling ``listener`` what it does."""
        return replace(self, listener=listener)

    def taking(self, variants: Iterable[str]) -> tuple[Lab, tuple[str, ...]]:
        """The same lab, where folders among these variants are kernels too, and their names."""
        loaded, names = with_folders(self.loaded, variants)
        return replace(self, loaded=loaded), names

    def going_on_with(self, killed: RunRecord | None) -> Lab:
        """The same lab; its test() repeats nothing that this run has done already."""
        return replace(self, killed=killed)

    def stopping_after(self, failures: int) -> Lab:
        """The same lab; its test() ends at so many results that are not as expected."""
        return replace(self, max_fail=failures)

    @property
    def cache(self) -> Path:
        """Where trees, builds and images are kept."""
        return self.loaded.path(self.loaded.config.paths.cache)

    @property
    def results(self) -> Path:
        """The folder of the runs' folders."""
        return self.loaded.results

    @property
    def database(self) -> Path | Url:
        """Where runs are recorded: a file, or a server's URL."""
        return self.loaded.database

    @cached_property
    def toolchain(self) -> Toolchain:
        """The compiler and linker of this machine."""
        section = self.loaded.config.toolchain
        return Toolchain.probe(section.cc, section.jobs, section.env)

    def tree(self, kernel: str, *, refresh: bool = False) -> Tree:
        """A kernel's source; brought in when it is not in the cache, or ``refresh``."""
        self.loaded.require("kernel", kernel)
        self._require_buildable()
        use_cache(self.cache, self.loaded.toml)
        keyring = self.loaded.config.paths.keyring
        kernel = settled(self.loaded, kernel)
        section = self.loaded.config.kernels[kernel]
        assert not isinstance(section, FirstKernel)
        return fetch(
            kernel,
            section,
            cache=self.cache,
            root=self.loaded.root,
            deadline_s=self.loaded.config.deadlines.fetch,
            refresh=refresh,
            progress=self.listener.say,
            keyring=keyring and self.loaded.path(keyring),
            locate=self.loaded.locate,
        )

    def _require_buildable(self) -> None:
        """Before a kernel is downloaded that could not be built."""
        buildable(self.cache, self.loaded.locate("paths", "cache"))

    def series(self, name: str) -> Series:
        """A series of ``patches/``, as its files are now."""
        return load_series(self.loaded.root / "patches", name)

    def fit(self, variant: Variant, series: str) -> SeriesFit:
        """Whether a series goes onto a variant; nothing is built.

        Raises:
            UserError: The variant's own series do not apply.
        """
        tree = self.tree(variant.kernel)
        start = self._overlay(tree, variant, Overlay.empty())
        return fit_series(tree, self.series(series), start)

    def _overlay(self, tree: Tree, variant: Variant, overlay: Overlay) -> Overlay:
        for name in variant.series:
            series = self.series(name)
            # Variants that begin alike have that in common; git takes 0.1 s for it.
            key = (tree.manifest, tree.identity, overlay.digest, series.digest)
            if key not in self._applied:
                self._applied[key] = apply_series(tree, series, overlay)
            overlay = self._applied[key]
        return overlay

    def build_job(self, variant: Variant, config: str) -> BuildJob:
        """What a build of the variant is made from.

        Raises:
            UserError: A series is not meant for this kernel, or does not apply.
        """
        tree = self.tree(variant.kernel)
        mends = mend_tree(tree, self.toolchain, self.loaded.root / "patches" / "toolchain")
        self.loaded.require("config", config)
        fragments = self.loaded.config.configs[config].fragments
        return BuildJob(
            variant=str(variant),
            tree=tree,
            overlay=self._overlay(tree, variant, mends.overlay),
            options=load_fragments(self.loaded.root / "kconfigs", fragments),
            toolchain=self.toolchain,
            cache=self.cache,
            # Those that are built beside it take their share of the CPUs.
            deadline_s=self.loaded.config.deadlines.build * self.builds_at_once,
            series=tuple((name, self.series(name).digest) for name in variant.series),
            mends=mends,
            sandbox=self.loaded.config.build.sandbox,
        )

    def build(
        self, variant: Variant, config: str, stopped: Callable[[], bool] = lambda: False
    ) -> Build:
        """Build a variant, or find it in the cache; gives up when ``stopped`` says so."""
        job = self.build_job(variant, config)
        found = find_build(job, self.listener.say)
        if found is not None:
            self.listener.say(f"{variant}: cached {found.key}")
            return found
        from lab.doctor import require

        require("build")
        self.listener.say(f"{variant}: building {job.key} ({job.tree.identity})")
        self.listener.say(f"{variant}: its log is {workbench_of(job).log}")
        if job.sandbox == "auto" and isinstance(why := probe_sandbox(), str):
            self.listener.say(f"{variant}: in no sandbox, as {why} (lab doctor)")
        if job.mends.applied:
            names = ", ".join(mend.name for mend in job.mends.applied)
            self.listener.say(f"{variant}: mended for {job.toolchain.compiler}: {names}")
        built = build(
            job,
            on_step=lambda step: self.listener.step(str(variant), step),
            at_once=self.builds_at_once,
            stopped=stopped,
        )
        self.listener.say(f"{variant}: built {built.release} in {built.duration_s:.0f} s")
        for option in built.gone:
            self.listener.say(f"{variant}: this kernel has {option}")
        return built

    def build_all(self, plan: Plan) -> dict[BuildRequest, Build | Failure]:
        """Build each variant of a plan; one that fails does not stop the others."""
        self._say_choices(plan)
        if self.builds_at_once == 1:
            return {request: self._build_or_failure(request) for request in plan.builds}
        with self._building(plan) as builds:
            return dict(builds)

    @contextmanager
    def building(self, plan: Plan) -> Iterator[Builds]:
        """The plan's builds, one of which is there; the others come, where that pays."""
        if not self.builds_beside_guests:
            yield Built(self.build_all(plan))
            return
        self._say_choices(plan)
        with self._building(plan) as builds:
            builds.wait_for_one()
            yield builds

    def _building(self, plan: Plan) -> Building[BuildRequest, Build | Failure]:
        return Building(plan.builds, self._build_or_failure, self.builds_at_once)

    def _say_choices(self, plan: Plan) -> None:
        for choice in plan.choices:
            self.listener.say(choice.describe())

    def _build_or_failure(
        self, request: BuildRequest, stopped: Callable[[], bool] = lambda: False
    ) -> Build | Failure:
        try:
            return self.build(request.variant, request.config, stopped)
        except Exception as error:
            if stopped():
                raise  # nothing was found out about it
            return Failure(str(request.variant), as_lab_error(error))

    @property
    def builds_at_once(self) -> int:
        """How many variants are built side by side, or ``builds``.

        Most of a variant's build is its link, on one CPU.  Two builds on two CPUs took 0.77 of
        the time of one after the other, but 1.07 when the second workbench had to be copied.
        """
        allowed = min(_cpus() // _CPUS_PER_BUILD, _MOST_BUILDS)
        return self.loaded.config.builds or max(1, allowed)

    @property
    def builds_beside_guests(self) -> bool:
        """Whether guests of what is built already run while the rest is built."""
        return _cpus() >= _CPUS_FOR_BOTH

    def guests_at_once(self, plan: Plan) -> int:
        """How many guests run side by side: what CPUs and memory carry, or ``guests``."""
        config = self.loaded.config
        widest = max(config.machines[job.machine].cpus for job in plan.jobs)
        carried = min(_cpus() // widest, _available_memory() // self._largest(plan))
        return config.guests or max(1, carried)

    def starts_ahead(self, plan: Plan, width: int) -> bool:
        """Whether memory carries one guest more for each of ``width`` side by side."""
        return 2 * width * self._largest(plan) <= _available_memory()

    def _largest(self, plan: Plan) -> int:
        """Bytes that the plan's largest guest may come to have."""
        machines = (self.loaded.config.machines[job.machine] for job in plan.jobs)
        return max(machine.memory + machine.nvdimm for machine in machines)

    def load(self, planned: JobPlan, width: int, builds: int = 0) -> float:
        """How many times slower a job's guest is, at most.

        Args:
            width: Guests side by side.
            builds: Those that are still to be made, beside them.
        """
        compilers = min(builds, self.builds_at_once) * self.toolchain.jobs if builds else 0
        wanted = width * self.loaded.config.machines[planned.machine].cpus + compilers
        return max(1.0, wanted / _cpus())

    @contextmanager
    def guest(
        self,
        variant: str,
        *,
        machine: str = "default",
        config: str = "default",
        tell: Callable[[str], None] | None = None,
    ) -> Iterator[QemuGuest]:
        """A running guest of a variant, or of a kernel in a folder, in a ``with`` block.

        What is left of one that dies stays in ``guests/`` beside the runs, the last ten of them.

        Args:
            tell: Is told what its kernel complains of while the block runs, as it comes.

        Raises:
            UserError: A name that ``lab.toml`` does not define, before anything is built.
        """
        from lab.execution.postmortem import keep, listening, own_folder, trace

        here, (name,) = self.taking([variant])
        asked = resolve(here.loaded, settled(here.loaded, name))
        self.loaded.require("machine", machine)
        built = here.build(asked, config)
        with own_folder(self.results / "guests") as folder:
            try:
                with self.guest_spec(built, machine, folder).guest() as guest:
                    try:
                        with listening(guest, built.release, tell):
                            yield guest
                    finally:
                        if not guest.alive():
                            keep(folder)
            except InfrastructureError as error:
                said = trace(folder, built.bzimage.parent, built.release)
                error.detail = "\n".join(filter(None, (said, error.detail)))
                raise

    def guest_spec(
        self, built: Build, machine: str, folder: Path, programs: Compiled | None = None
    ) -> QemuSpec:
        """All that a guest of a build is made from.

        With the programs of all suites that compile, unless others are given.
        """
        from lab.filesystems.dax import prepare_script
        from lab.guest.qemu.accelerator import choose
        from lab.guest.qemu.command_line import Hardware
        from lab.guest.qemu.guest import QemuSpec
        from lab.guest.qemu.pmem import choose_pmem
        from lab.guest.qemu.tsc import tsc_arguments
        from lab.image import base_image

        config = self.loaded.config
        section = config.machines[machine]
        version = KernelVersion.of_release(built.release)
        deadlines = config.deadlines
        accelerator = choose(
            section.accelerator,
            self.cache,
            deadlines.accelerator,
            built.bzimage,
            self.listener.say,
        )
        return QemuSpec(
            kernel=built.bzimage,
            image=base_image(self.cache),
            programs=(self._all_programs() if programs is None else programs).binaries,
            hardware=Hardware(
                section.memory,
                section.cpus,
                accelerator.name,
                section.type,
                section.nvdimm,
                choose_pmem(section.pmem, version),
            ),
            folder=folder,
            boot_s=deadlines.boot,
            ssh_s=deadlines.ssh,
            command_s=deadlines.setup,
            shutdown_s=deadlines.shutdown,
            append=tsc_arguments(self.cache, built.hz) if accelerator.name == "tcg" else "",
            prepare=prepare_script(version, (option.shown_by for option in built.gone)),
            states=self.cache / "states" if section.saved_state else None,
            stall_s=deadlines.stall,
        )

    def programs(self, suites: Iterable[str]) -> Compiled:
        """The programs of some suites, compiled, and what does not compile.

        Raises:
            UserError: What every guest needs does not compile.
        """
        from lab.suites.c_programs import compile_programs

        asked = self.loaded.config.suites
        names = [name for suite in suites for name in asked[suite].programs]
        self._require_buildable()
        return compile_programs(self.loaded.root / "guest-tests", names, cache=self.cache)

    def _all_programs(self) -> Compiled:
        found = self.programs(self.loaded.config.suites)
        for error in found.failed.values():
            self.listener.say(f"not in the guest: {error}")
        return found

    def refuse_pattern(self, plan: Plan) -> None:
        """Raise UserError when a plan's pattern picks no test of its suites; nothing boots.

        Programs that cannot be asked for their names are taken to have such a test.
        """
        from lab.suites.listing import refuse_pattern

        sources = self.loaded.root / "guest-tests"
        suites = self.loaded.config.suites
        for pattern in {job.pattern for job in plan.jobs} - {None}:
            asked = dict.fromkeys(suite for job in plan.jobs for suite in job.suites)
            names = [program for suite in asked for program in suites[suite].programs]
            try:
                made = self.programs(asked).binaries
            except LabError:
                return
            refuse_pattern(str(pattern), sources, {name: made.get(name) for name in names})

    def test(self, plan: Plan, command: Sequence[str]) -> RunRecord:
        """Build, boot, test and record a plan; goes on with the last run if that was cut short.

        Raises:
            Interrupted: From a signal, with what had ended by then.
        """
        from lab.doctor import require
        from lab.execution.run import run_plan, unfinished

        require("test")
        begun = self.killed or unfinished(self, plan)
        return run_plan(self.going_on_with(begun), plan, command)


def _cpus() -> int:
    return len(os.sched_getaffinity(0))


def _available_memory() -> int:
    """Bytes that can be had without swapping (proc(5), MemAvailable)."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) << 10
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
