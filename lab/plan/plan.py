# SPDX-License-Identifier: GPL-2.0-only
"""What a run will build, boot and test, decided before any of it starts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from lab.config import (
    LabConfig,
    LoadedConfig,
    Matrix,
    Noun,
    base_problems,
    name_problems,
    variant_problems,
    variants_of,
)
from lab.config.kinds import FILESYSTEMS
from lab.config.model import OwnSuite
from lab.model.job_name import DEFAULT, Around
from lab.model.planned import BuildRequest, JobPlan, Planned
from lab.model.problem import Problem
from lab.model.variant import Variant
from lab.plan.choice import Choice, choices, settled

#: The name of a plan that somebody put together for once.
_CHOSEN = "chosen"


@dataclass(frozen=True)
class Plan:
    """The jobs of a run, in order; ``name`` is the matrix they come from.

    ``choices`` are what the names in it left open.
    """

    name: str
    jobs: tuple[JobPlan, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def builds(self) -> tuple[BuildRequest, ...]:
        """What has to be built, each once, in the order of the jobs."""
        return tuple(dict.fromkeys(job.build for job in self.jobs))

    @cached_property
    def numbers(self) -> Mapping[tuple[Variant, Around], tuple[int, ...]]:
        """Which of the jobs are of a variant, with a config on a machine."""
        found: dict[tuple[Variant, Around], tuple[int, ...]] = {}
        for number, job in enumerate(self.jobs):
            place = (job.variant, job.around)
            found[place] = (*found.get(place, ()), number)
        return found

    def to_json(self) -> dict[str, object]:
        """The plan as values the ``json`` module knows."""
        return {"name": self.name, "jobs": [job.to_json() for job in self.jobs]}

    def recorded(self) -> Planned:
        """The plan as a run's record has it."""
        whole = json.dumps(self.to_json(), sort_keys=True)
        return Planned(self.name, hashlib.sha256(whole.encode()).hexdigest()[:24], self.jobs)

    def repeated(self, times: int) -> Plan:
        """The plan with all of each job done so many times."""
        return replace(self, jobs=tuple(replace(job, repeat=times) for job in self.jobs))

    def describe(self) -> list[str]:
        """Lines for a reader: a summary, one for each choice, then one for each job."""
        runs = sum(len(job.places) * job.repeat for job in self.jobs)
        counts = (
            _counted(len(self.builds), "build"),
            _counted(len(self.jobs), "guest"),
            _counted(runs, "suite run"),
        )
        choices = (f"  {choice.describe()}" for choice in self.choices)
        jobs = (f"  {job.describe()}" for job in self.jobs)
        return [f"{self.name}: {', '.join(counts)}", *choices, *jobs]


def plan_matrix(loaded: LoadedConfig, name: str, pattern: str | None = None) -> Plan:
    """The plan of ``[matrix.NAME]``, the matrices it includes first.

    Args:
        pattern: Selects tests.

    Raises:
        UserError: There is no such matrix.
    """
    config = loaded.config
    loaded.require("matrix", name)
    return _plan(loaded, name, config.matrix[name], variants_of(config, name), pattern)


def plan_variants(
    loaded: LoadedConfig,
    variants: Iterable[str],
    filesystems: Iterable[str] = (),
    suites: Iterable[str] = (),
    pattern: str | None = None,
    *,
    machines: Iterable[str] = (),
    configs: Iterable[str] = (),
) -> Plan:
    """A plan for what somebody asked for by name.

    What is not named comes from ``[matrix.default]``; a name given twice counts once.

    Args:
        variants: As ``6.1+dax-populate``; they need not be in any matrix.
        pattern: Selects tests.
        machines, configs: Instead of those of ``[matrix.default]``.

    Raises:
        UserError: Names that are not defined, all of them.
    """
    known, default = loaded.config, _default_matrix(loaded.config)
    asked = tuple(dict.fromkeys(variants))
    changes = {
        "filesystems": tuple(dict.fromkeys(filesystems)) or default.filesystems,
        "suites": tuple(dict.fromkeys(suites)) or default.suites,
        "machines": tuple(dict.fromkeys(machines)) or default.on_machines,
        "configs": tuple(dict.fromkeys(configs)) or default.with_configs,
    }
    matrix = default.model_copy(update=changes)
    loaded.refuse([*_asked_problems(known, asked), *_matrix_problems(known, matrix)])
    is_default = not asked and not pattern and _as_lists(default) == _as_lists(matrix)
    names = asked or variants_of(known, DEFAULT)
    return _plan(loaded, DEFAULT if is_default else _CHOSEN, matrix, names, pattern or None)


@dataclass(frozen=True)
class SeriesPlan:
    """Kernels with and without a series: what ``lab verify`` would do if it applied to all.

    ``plan`` holds, for each of ``kernels``, the job without it and the one with it, with
    each config on each machine.
    """

    series: str
    kernels: tuple[Variant, ...]
    plan: Plan

    def patched(self, kernel: Variant) -> Variant:
        """The kernel with the series on top."""
        return Variant(kernel, (self.series,))

    @property
    def arounds(self) -> tuple[Around, ...]:
        """What each kernel is tested with: a verdict is given for each."""
        return tuple(dict.fromkeys(job.around for job in self.plan.jobs))

    def keeping(self, variants: Collection[Variant]) -> Plan:
        """The jobs of these variants alone."""
        jobs = tuple(job for job in self.plan.jobs if job.variant in variants)
        return replace(self.plan, jobs=jobs)


def plan_series(
    loaded: LoadedConfig,
    series: str,
    kernels: Iterable[str] = (),
    filesystems: Iterable[str] = (),
    suites: Iterable[str] = (),
    pattern: str | None = None,
    *,
    machines: Iterable[str] = (),
    configs: Iterable[str] = (),
) -> SeriesPlan:
    """A plan to verify a series; what is not named is its own table's, or the default's.

    Args:
        kernels: As ``6.1`` or ``6.1+reintroduce-bug``: what the series is laid over.
        machines, configs: Instead of those of ``[matrix.default]``.

    Raises:
        UserError: Names that are not defined, all of them, or no kernel at all.
    """
    known = loaded.config
    loaded.require("series", series)
    bases = tuple(dict.fromkeys(kernels)) or known.series[series].kernels
    problems = [found for base in bases for found in base_problems(known, series, base)]
    if not bases:
        what = f"no kernel is named, and [series.{series}] has no kernels"
        # Not by its name: what was given may be a file, which nothing has kept yet.
        problems = [Problem(what, "one after it, as 6.1: lab verify SERIES KERNEL")]
    loaded.refuse(problems)
    chosen = plan_variants(
        loaded,
        _with_and_without(series, bases),
        filesystems,
        suites,
        pattern,
        machines=machines,
        configs=configs,
    )
    return _series_plan(loaded, series, bases, replace(chosen, name=f"verify {series}"))


def plan_series_matrix(
    loaded: LoadedConfig, name: str, pattern: str | None = None
) -> SeriesPlan | None:
    """The plan of a ``[matrix.NAME]`` with a series; None for one without."""
    config = loaded.config
    matrix = config.matrix.get(name)
    if matrix is None or matrix.series is None:
        return None
    bases = variants_of(config, name)
    plan = _plan(loaded, name, matrix, _with_and_without(matrix.series, bases), pattern)
    return _series_plan(loaded, matrix.series, bases, plan)


def _with_and_without(series: str, bases: Iterable[str]) -> tuple[str, ...]:
    return tuple(text for base in bases for text in (base, Variant(base, (series,))))


def _series_plan(loaded: LoadedConfig, series: str, bases: Iterable[str], plan: Plan) -> SeriesPlan:
    kernels = dict.fromkeys(Variant.parse(settled(loaded, base)) for base in bases)
    return SeriesPlan(series, tuple(kernels), plan)


def _default_matrix(config: LabConfig) -> Matrix:
    # Without a [matrix.default] what every matrix defaults to; its variants are nobody's.
    return config.matrix.get(DEFAULT) or Matrix(variants=(DEFAULT,))


def _as_lists(matrix: Matrix) -> Matrix:
    """The matrix as one would write it who names each of its machines and configs."""
    lists = {"machines": matrix.on_machines, "configs": matrix.with_configs}
    return matrix.model_copy(update={**lists, "machine": DEFAULT, "config": DEFAULT})


def _asked_problems(config: LabConfig, asked: tuple[str, ...]) -> list[Problem]:
    if not asked and DEFAULT not in config.matrix:
        return [Problem("no variant is named, and there is no [matrix.default]", "naming one")]
    return [problem for text in asked for problem in variant_problems(config, text)]


def _matrix_problems(config: LabConfig, matrix: Matrix) -> list[Problem]:
    """The names in ``matrix`` that are not defined; load() has seen only those in the file."""
    lists: tuple[tuple[Noun, tuple[str, ...]], ...] = (
        ("filesystem", matrix.filesystems),
        ("suite", matrix.suites),
        ("machine", matrix.on_machines),
        ("config", matrix.with_configs),
    )
    return [found for noun, names in lists for found in name_problems(config, noun, names)]


def _plan(
    loaded: LoadedConfig, name: str, matrix: Matrix, variants: Collection[str], pattern: str | None
) -> Plan:
    named = dict.fromkeys(settled(loaded, text) for text in variants)
    jobs = _jobs(loaded.config, matrix, named, pattern)
    loaded.refuse(dict.fromkeys(found for job in jobs for found in _strangers(loaded.config, job)))
    return Plan(name, jobs, choices(loaded, variants))


def _jobs(
    config: LabConfig, matrix: Matrix, variants: Iterable[str], pattern: str | None
) -> tuple[JobPlan, ...]:
    """Kernels that are built, and shown, beside each other come one after the other."""
    suites = matrix.suites or config.named_suites
    return tuple(
        JobPlan(
            variant=Variant.parse(text),
            config=name,
            machine=machine,
            filesystems=matrix.filesystems or config.usual_filesystems,
            suites=suites,
            pattern=pattern,
            own=config.own_filesystems(suites),
            fragments=config.machines[machine].fragments,
        )
        for name, machine, text in product(matrix.with_configs, matrix.on_machines, variants)
    )


def _strangers(config: LabConfig, job: JobPlan) -> Iterator[Problem]:
    """Suites on a device that is not their own: their files would be the guest's, and they pass."""
    for filesystem, suite in job.places:
        is_own = suite in dict(job.own) or isinstance(config.suites[suite], OwnSuite)
        if FILESYSTEMS[config.filesystems[filesystem].type].is_device and not is_own:
            what = f"suite {suite} knows nothing of {filesystem}, a device without files"
            yield Problem(what, f'suites that have filesystem = "{filesystem}" in their table')


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
