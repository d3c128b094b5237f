# SPDX-License-Identifier: GPL-2.0-only
"""What a job leaves so that it can be repeated by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from lab.build import Build
from lab.build.key import KBUILD_ENVIRONMENT
from lab.config import LoadedConfig
from lab.errors import UserError
from lab.execution.artifacts import keep_build
from lab.execution.job import Job
from lab.execution.unit import Unit
from lab.filesystems.set_up import script
from lab.model.recipe import FORMAT, Boot, Recipe, RecipeUnit, WantedProof
from lab.plan import JobPlan
from lab.results import JobFolder
from lab.results.recipe import parse_recipe, write_recipe
from lab.suites.suite import Suite


def keep_recipe(
    loaded: LoadedConfig, planned: JobPlan, built: Build, folder: JobFolder, job: Job
) -> None:
    """Write what it takes to repeat the job by hand."""
    made = built.job
    digests = keep_build(folder, built)
    boot = job.guest.recipe()
    # The same on each filesystem.
    programs = dict.fromkeys((unit.kind, unit.program) for unit in job.units)
    scripts = {program: _is_script(program) for program in programs}
    section = loaded.config.kernels[planned.variant.kernel]
    recipe = Recipe(
        format=FORMAT,
        variant=job.variant,
        release=job.release,
        tree=made.tree.identity,
        version=str(made.tree.version),
        # What a commit of the lab's own was made of, its tree alone knows.
        source={**made.tree.provenance, **section.model_dump(mode="json")},
        # As lab.toml has it: "$NAME" is for whoever repeats it to have a value for.
        environment={**dict(made.toolchain.env), **KBUILD_ENVIRONMENT},
        cc=made.toolchain.cc,
        compiler=made.toolchain.compiler,
        mends=tuple(str(mend) for mend in made.mends.applied),
        kernel_flags=tuple(made.mends.kernel_flags),
        host_flags=tuple(made.mends.host_flags),
        sha256=digests,
        hardware=boot.hardware if boot else None,
        arguments=boot.arguments if boot else "",
        prepare=boot.prepare if boot else "",
        units=tuple(_unit(unit, scripts[unit.kind, unit.program]) for unit in job.units),
        fresh=job.fresh.value,
        pattern=job.pattern,
        program_s=job.program_s,
    )
    write_recipe(folder.recipe, recipe)


def keep_boot(folder: JobFolder, boot: Boot) -> None:
    """Write into a job's recipe how its guests were started on the host that it ran on.

    Raises:
        InfrastructureError: It cannot be written.
    """
    if not folder.recipe.is_file():
        return
    kept = parse_recipe(folder.recipe.read_bytes())
    write_recipe(
        folder.recipe,
        replace(kept, hardware=boot.hardware, arguments=boot.arguments, prepare=boot.prepare),
    )


def _unit(unit: Unit, is_script: bool) -> RecipeUnit:
    filesystem = unit.filesystem
    return RecipeUnit(
        filesystem=filesystem.name,
        type=filesystem.type,
        mount_point=filesystem.mount_point,
        set_up=script(filesystem),
        suite=unit.suite,
        program=unit.program,
        tools=filesystem.tools,
        proofs=tuple(WantedProof(one.programs, one.by_hand) for one in filesystem.prove()),
        by_hand=unit.kind.by_hand,
        command=_own_command(unit),
        output=_output(unit),
        script=is_script,
        brings=unit.tools,
        timeout_s=unit.timeout_s,
    )


# A C program's sources are read for it, which was most of what making a job took.
@lru_cache
def _is_script(of: tuple[Suite, str]) -> bool:
    """Whether a program's file is run as it is; of what cannot be read those tell who keep it."""
    kind, program = of
    try:
        return any(name == program for name, _ in kind.sources([program]))
    except UserError:
        return False


def _output(unit: Unit) -> str:
    """How it tells of its tests; what can list them prints KTAP."""
    lists = unit.kind.listing(unit.program, unit.filesystem.mount_point, "") is not None
    return unit.output or ("ktap" if lists else "exit")


def _own_command(unit: Unit) -> tuple[str, ...]:
    """The command of a program that is not run as those of ``guest-tests/`` are."""
    folder = unit.filesystem.mount_point
    words = unit.kind.command(unit.program, folder, "", "")
    return () if words == [f"/lab/{unit.program}", folder] else tuple(words)
