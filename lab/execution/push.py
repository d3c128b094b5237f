# SPDX-License-Identifier: GPL-2.0-only
"""What a plan is made of, put into the store: for others to have it from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lab.build import Build
from lab.build.shared import push_build
from lab.builder import Builder, Failure
from lab.errors import InfrastructureError, LabError
from lab.execution.prepare import Preparer
from lab.plan import Plan
from lab.process.seal import SEAL
from lab.process.shelf import BUILDS, PROGRAMS
from lab.store.bundle import push_folder
from lab.store.left_there import require_vmlinux
from lab.trees.shared import push_tree
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.store.store import Store


def push_plan(builder: Builder, plan: Plan, store: Store) -> list[tuple[str, LabError]]:
    """Build a plan and put all that it takes there; gives what could not be built, and why."""
    failed: list[tuple[str, LabError]] = []
    suites = dict.fromkeys(suite for job in plan.jobs for suite in job.suites)
    for request, built in builder.build_all(plan).items():
        if isinstance(built, Failure):
            failed.append((request.name, built.error))
            continue
        try:
            push_tree(built.job.tree, store)
            _push_build(built, store)
            for folder in _programs(builder, suites, built):
                push_folder(PROGRAMS.kind, folder)
        except Exception as error:
            failed.append((request.name, as_lab_error(error)))
    return failed


def _push_build(built: Build, store: Store) -> None:
    """Put a build there with all that is of it: what another store kept is had from that.

    Raises:
        InfrastructureError: It is not there now, though what is pushed is taken.
    """
    if store.pushes and not store.has(BUILDS.kind, built.key):
        require_vmlinux(built.folder)
    if not push_build(built, store) and store.pushes:
        raise InfrastructureError(
            "its build was not put there",
            where=built.folder,
            hint=f"rm -r {built.folder}: the same command then makes it anew",
        )


def _programs(builder: Builder, suites: dict[str, None], built: Build) -> Iterator[Path]:
    """The folders of the cache that hold the programs of some suites."""
    shelf = PROGRAMS.place(builder.cache)
    files = Preparer(builder).programs(suites, built).files.values()
    for folder in dict.fromkeys(path.parent for path in files):
        if folder.parent == shelf and (folder / SEAL).is_file():
            yield folder
