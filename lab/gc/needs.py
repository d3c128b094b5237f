# SPDX-License-Identifier: GPL-2.0-only
"""What baselines, the newest run and running labs need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from lab.results.folder import RunFolder

if TYPE_CHECKING:
    from lab.config import LoadedConfig
    from lab.results.store import Store


@dataclass(frozen=True)
class Needs:
    """Why things must stay, by what names them: build keys, trees' identities, run ids.

    Args:
        known: The runs that the database has: the folder of any other is all there is of it.
        since: All that was used from then on is a running lab's; None when none runs.
        recent: All that was used from then on stays.
        using: Folders of the cache that labs that run have used, whatever the clock said.
    """

    builds: dict[str, str] = field(default_factory=dict)
    trees: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    since: float | None = None
    recent: float = inf
    using: frozenset[Path] = frozenset()

    def with_those_of(self, other: Needs, project: Path) -> Needs:
        """These, and what another project needs of the same cache."""
        of = f" of {project}"
        builds = {key: why + of for key, why in other.builds.items()} | self.builds
        trees = {key: why + of for key, why in other.trees.items()} | self.trees
        return replace(self, builds=builds, trees=trees)


def needs_of(store: Store, loaded: LoadedConfig, since: float | None = None) -> Needs:
    """What is needed by runs that bear a name, go on, or are the newest.

    Raises:
        InfrastructureError: The database cannot be read; then nothing may go.
    """
    builds: dict[str, str] = {}
    trees: dict[str, str] = {}
    runs: dict[str, str] = {}
    known = store.known()
    for run_id, why in _kept_runs(store, loaded.results, known):
        runs.setdefault(run_id, why)
        for job in store.stream(run_id) if run_id in known else ():
            builds.setdefault(job.evidence.build_key, why)
            trees.setdefault(job.evidence.tree_identity, why)
    for names in (builds, trees):
        names.pop("", None)
    return Needs(builds, trees, runs, known, since)


def _kept_runs(store: Store, results: Path, known: frozenset[str]) -> Iterator[tuple[str, str]]:
    for name, run_id in store.baselines().items():
        yield run_id, f"baseline {name}"
    for summary in store.runs(1):
        yield summary.run.id, "newest run"
    for folder in results.iterdir() if results.is_dir() else ():
        if RunFolder(results, folder.name).is_running():
            yield folder.name, "running"
