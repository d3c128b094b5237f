# SPDX-License-Identifier: GPL-2.0-only
"""A plan's jobs, made: everything filled in that they need to run anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.build import Build
from lab.builder import Builder
from lab.complaints.benign import Benign
from lab.errors import LabError, UserError
from lab.execution.host_run import tests_of
from lab.execution.job import Job
from lab.execution.programs import Programs
from lab.execution.unit import Unit
from lab.filesystems import filesystem_of
from lab.filesystems.filesystem import Filesystem
from lab.filesystems.pmem import prepare_script
from lab.guest.guest import GuestSpec
from lab.guest.machines import spec_for
from lab.guest.request import GuestRequest
from lab.model.records import Evidence
from lab.model.version import KernelVersion
from lab.plan import JobPlan, Plan
from lab.results import JobFolder
from lab.suites import suite_for
from lab.suites.listing import refuse_pattern
from lab.suites.on_host import OnHost
from lab.suites.suite import BuiltPrograms, OneByOne, Suite


@dataclass(frozen=True)
class Preparer:
    """Makes guests' specs and jobs of what a builder built.

    Attributes:
        probes: What the guests of a job count, as a file that says it; None: nothing.
    """

    builder: Builder
    probes: Callable[[JobPlan, Build, JobFolder], Path | None] = lambda *_: None
    _known: dict[tuple[str, ...], BuiltPrograms] = field(
        default_factory=dict, repr=False, compare=False
    )

    def guest_spec(
        self,
        built: Build,
        machine: str,
        folder: Path,
        programs: BuiltPrograms | None = None,
        probes: Path | None = None,
    ) -> GuestSpec:
        """All that a guest of a build is made from.

        With the programs of all suites of ``guest-tests/`` that compile, unless others are given.
        """
        config = self.builder.loaded.config
        version = KernelVersion.of_release(built.release)
        brought = self.all_programs() if programs is None else programs
        asked = GuestRequest(
            built=built,
            machine=config.machines[machine],
            deadlines=config.deadlines,
            programs=brought.files,
            userland=brought.userland,
            probes=probes,
            prepare=prepare_script(
                version,
                (option.shown_by for option in built.gone),
                config.machines[machine].pmem,
            ),
            folder=folder,
            cache=self.builder.cache,
            say=self.builder.listener.say,
        )
        return spec_for(asked)

    def job(self, planned: JobPlan, built: Build, folder: JobFolder) -> Job:
        """A plan's job, with everything filled in that it needs to run anywhere."""
        config = self.builder.loaded.config
        compiled = self.programs(planned.suites, built)
        probes = self.probes(planned, built, folder)
        spec = self.guest_spec(built, planned.machine, folder.path, compiled, probes)
        version = KernelVersion.of_release(built.release)
        recipes = {
            name: filesystem_of(name, config.filesystems[name]).for_kernel(
                version, self.builder.cache
            )
            for name in planned.used_filesystems
        }
        units = [
            self._unit(recipes[filesystem], suite, program, kind)
            for filesystem, suite in planned.places
            for _, program, kind in self._programs_of([suite])
        ]
        tests, uncompiled = by_test(units, compiled.files, compiled.failed, planned)
        job = Job(
            variant=planned.variant,
            machine=planned.machine,
            config=planned.config,
            release=built.release,
            guest=spec,
            units=tuple(tests),
            uncompiled=tuple(uncompiled),
            pattern=planned.pattern,
            program_s=config.deadlines.program,
            expect=config.expect,
            evidence=replace(
                _evidence(built, spec, folder, compiled.digests()),
                patches=tuple(_patches(self.builder, built.job.series)),
            ),
            fresh=config.machines[planned.machine].fresh,
            benign=tuple(Benign.make(row.title, row.versions, row.reason) for row in config.benign),
            settle_s=config.deadlines.settle,
            stall_s=config.deadlines.stall,
            repeat=planned.repeat,
            counts=probes is not None,
            near=built.worker,
        )
        return job.stretched(config.configs[planned.config].slower * spec.describe().slower)

    def programs(self, suites: Iterable[str], kernel: Build | None = None) -> BuiltPrograms:
        """The programs of some suites, built, and what cannot be built.

        All jobs of a kernel have the same, whatever is edited meanwhile.

        Args:
            kernel: Whose tree some of them are made from.

        Raises:
            UserError: What every guest needs does not compile.
        """
        key = (kernel.key if kernel else "", *suites)
        found = self._known.get(key)
        if found is None or not all(path.exists() for path in _files(found)):
            self.builder.require_buildable()
            asked = Programs.of(self.builder.loaded, key[1:])
            found = asked.build(self.builder.cache, kernel, self.builder.listener.say)
            # An image, and whoever could not be built, is looked at anew.
            if not found.failed and found.userland is None:
                self._known[key] = found
        return found

    def _programs_of(self, suites: Iterable[str]) -> Iterator[tuple[str, str, Suite]]:
        """Each program of some suites, with its suite's name and kind."""
        loaded = self.builder.loaded
        for name in suites:
            section = loaded.config.suites[name]
            for program in section.programs:
                yield name, program, suite_for(section, loaded.root, program, loaded.config)

    def _unit(self, filesystem: Filesystem, suite: str, program: str, kind: Suite) -> Unit:
        section = self.builder.loaded.config.suites[suite]
        return Unit(
            filesystem,
            suite,
            program,
            kind,
            timeout_s=section.timeout,
            output=section.output or "",
            prints=section.prints or "",
            tools=section.tools,
        )

    def all_programs(self) -> BuiltPrograms:
        """The programs of the lab's own suites but those that have an image.

        What cannot be built is told.
        """
        config = self.builder.loaded.config
        own = (name for name in config.own_suites if config.suites[name].image is None)
        found = self.programs(own)
        for error in found.failed.values():
            self.builder.listener.say(f"not in the guest: {error}")
        return found

    def refuse_pattern(self, plan: Plan) -> None:
        """Raise UserError when a plan's pattern picks no test of its suites; nothing boots.

        Programs that cannot be asked for their names are taken to have such a test.
        """
        for pattern in {job.pattern for job in plan.jobs} - {None}:
            asked = dict.fromkeys(suite for job in plan.jobs for suite in job.suites)
            programs = [(kind, program) for _, program, kind in self._programs_of(asked)]
            try:
                files = self.programs(asked).files
            except LabError:
                return
            refuse_pattern(str(pattern), programs, files)


def _files(programs: BuiltPrograms) -> Iterator[Path]:
    yield from programs.files.values()
    yield from programs.for_image


def by_test(
    units: Iterable[Unit],
    files: Mapping[str, Path],
    failed: Mapping[str, LabError],
    planned: JobPlan,
) -> tuple[list[Unit], list[tuple[Unit, LabError]]]:
    """What can run, test by test where these are known; and what cannot, with the reason."""
    good: list[Unit] = []
    bad: list[tuple[Unit, LabError]] = []
    for unit in units:
        if unit.program in failed:
            bad.append((unit, failed[unit.program]))
        elif isinstance(unit.kind, OneByOne):
            tests = _singles(unit, unit.kind, files[unit.program], planned.pattern or "")
            good += tests
            if not tests and planned.pattern is None:
                bad.append((unit, _none_for(unit)))
        elif not isinstance(unit.kind, OnHost):
            good.append(unit)
        else:
            try:
                good += tests_of(unit, unit.kind, planned.variant, planned.pattern or "")
            except LabError as error:
                bad.append((unit, error))
    return good, bad


def _singles(unit: Unit, kind: OneByOne, built: Path, pattern: str) -> list[Unit]:
    """A unit for each test of a program on its filesystem."""
    return list(unit.singles(kind.tests_on(unit.filesystem.type, unit.program, built, pattern)))


def _none_for(unit: Unit) -> UserError:
    return UserError(
        f"none of its tests is for {unit.filesystem.type}",
        where=f"suites.{unit.suite}",
        hint="another --filesystem, or `filesystem` in its table",
    )


def _patches(builder: Builder, applied: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, digest in applied:
        series = builder.series(name)
        # One that was edited since is not what was built.
        if series.digest == digest:
            yield from ((f"{name}/{patch.name}", patch.digest) for patch in series.patches)


def _evidence(
    built: Build, spec: GuestSpec, folder: JobFolder, programs: tuple[tuple[str, str], ...]
) -> Evidence:
    job, guest = built.job, spec.describe()
    return Evidence(
        accelerator=guest.accelerator,
        qemu_version=spec.version(),
        machine_description=guest.hardware,
        hardware=guest.hardware_key,
        build_key=built.key,
        tree_identity=job.tree.identity,
        tree_signature=job.tree.signature,
        config_digest=job.config_digest,
        series_digests=job.series,
        compiler=job.toolchain.compiler,
        console_path=folder.relative(folder.console),
        ktap_path=folder.relative(folder.path),
        kernel_log_path=folder.relative(folder.kernel_log),
        programs_digest=hashlib.sha256(repr(programs).encode()).hexdigest()[:24],
        programs=programs,
        image_digest=guest.image,
        cost=tuple(_cost(built)),
        build_from=built.origin,
    )


def _cost(built: Build) -> Iterator[tuple[str, float]]:
    if not built.cached:
        yield "build_s", round(built.duration_s, 3)
    if built.brought:
        yield "store_bytes", built.brought
