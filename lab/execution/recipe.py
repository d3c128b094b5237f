# SPDX-License-Identifier: GPL-2.0-only
"""What a job leaves so that it can be repeated by hand."""

from __future__ import annotations

from lab.build import Build
from lab.build.key import KBUILD_ENVIRONMENT
from lab.config import LoadedConfig
from lab.execution.artifacts import keep_build
from lab.execution.job import Job
from lab.execution.unit import Unit
from lab.filesystems.set_up import script
from lab.plan import JobPlan
from lab.results import JobFolder, write_json


def keep_recipe(
    loaded: LoadedConfig, planned: JobPlan, built: Build, folder: JobFolder, job: Job
) -> None:
    """Write what it takes to repeat the job by hand."""
    made = built.job
    digests = keep_build(folder, built)
    recipe = {
        "variant": job.variant,
        "release": job.release,
        "tree": made.tree.identity,
        "version": str(made.tree.version),
        "source": loaded.config.kernels[planned.variant.kernel].model_dump(mode="json"),
        # As lab.toml has it: "$NAME" is for whoever repeats it to have a value for.
        "environment": {**dict(made.toolchain.env), **KBUILD_ENVIRONMENT},
        "cc": made.toolchain.cc,
        "compiler": made.toolchain.compiler,
        "mends": [str(mend) for mend in made.mends.applied],
        "kernel_flags": list(made.mends.kernel_flags),
        "host_flags": list(made.mends.host_flags),
        "sha256": digests,
        **job.guest.recipe(),
        "units": [_unit(unit) for unit in job.units],
        "fresh": job.fresh.value,
        "pattern": job.pattern,
        "program_s": job.program_s,
    }
    write_json(folder.recipe, recipe)


def _unit(unit: Unit) -> dict[str, object]:
    filesystem = unit.recipe
    return {
        "filesystem": filesystem.name,
        "type": filesystem.type,
        "mount_point": filesystem.mount_point,
        "set_up": script(filesystem),
        "tools": filesystem.tools,
        "proofs": [
            {"programs": proof.programs, "wanting": proof.by_hand} for proof in filesystem.prove()
        ],
        "suite": unit.suite,
        "program": unit.program,
        "by_hand": unit.kind.by_hand,
    }
