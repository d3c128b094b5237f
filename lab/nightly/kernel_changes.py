# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel is made of tonight that it was not made of before."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config.model import KernelSection
from lab.errors import LabError
from lab.model.records import Evidence, JobRecord, RunRecord
from lab.model.tree_identity import TreeIdentity
from lab.process.scratch import write_whole
from lab.trees import Commits, commits_between

if TYPE_CHECKING:
    from lab.session import Lab


@dataclass(frozen=True)
class Since:
    """Variants, with their machines and configs, that came from one state to another together.

    Args:
        before, after: The identity of their source, then and tonight; "" for none then.
        commits: Those between, of a git kernel whose history can be had.
        files: Those that differ, in order; None where nobody knows what was there.
        others: Whatever else went into the build and changed: series, config, compiler.
    """

    variants: tuple[str, ...]
    releases: tuple[str, ...]
    before: str
    after: str
    commits: Commits | None = None
    files: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing is known to have changed."""
        return self.before == self.after and not self.others


def since(lab: Lab, before: RunRecord | None, tonight: RunRecord) -> tuple[Since, ...]:
    """What changed of each variant that was built since the last word there is on it."""
    past = {job.names: job.evidence for job in before.jobs} if before else {}
    found: dict[tuple[str, str, str, tuple[str, ...]], list[JobRecord]] = {}
    for job in tonight.jobs:
        if job.evidence.tree_identity:
            then = past.get(job.names, Evidence())
            others = tuple(_others(then, job.evidence)) if then.tree_identity else ()
            key = job.variant.kernel, then.tree_identity, job.evidence.tree_identity, others
            found.setdefault(key, []).append(job)
    return tuple(_since(lab, *key, jobs) for key, jobs in found.items())


def _since(
    lab: Lab, kernel: str, before: str, after: str, others: tuple[str, ...], jobs: list[JobRecord]
) -> Since:
    made = Since(
        tuple(dict.fromkeys(job.name for job in jobs)),
        tuple(dict.fromkeys(job.kernel_release for job in jobs)),
        before,
        after,
        others=others,
    )
    if not before or before == after:
        return made
    files = Manifests.of(lab).differ(before, after)
    return replace(made, commits=_commits(lab, kernel, before, after), files=files)


def _commits(lab: Lab, kernel: str, before: str, after: str) -> Commits | None:
    section = lab.loaded.config.kernels.get(kernel)
    if not isinstance(section, KernelSection):
        return None
    with suppress(LabError):
        return commits_between(section, lab.loaded.root, TreeIdentity(before), TreeIdentity(after))
    return None


def _others(then: Evidence, now: Evidence) -> Iterator[str]:
    was, are = dict(then.patches), dict(now.patches)
    series = dict(then.series_digests)
    for name, digest in now.series_digests:
        if series.get(name) != digest:
            yield f"series {name}{_patches(name, was, are)}"
    if then.config_digest != now.config_digest:
        yield "the kernel's config"
    if then.compiler != now.compiler:
        yield f"compiler: {then.compiler} -> {now.compiler}"


def _patches(series: str, was: dict[str, str], are: dict[str, str]) -> str:
    """Which patches of a series; nothing, where a record of before does not have them."""
    if not any(name.startswith(f"{series}/") for name in was):
        return ""
    words = []
    for name in sorted({*was, *are}):
        if name.startswith(f"{series}/") and was.get(name) != are.get(name):
            how = "new" if name not in was else "gone" if name not in are else "changed"
            words.append(f"{name.partition('/')[2]} {how}")
    return f": {', '.join(words) or 'the order of its patches'}"


@dataclass(frozen=True)
class Manifests:
    """What the trees of the last nights held: the cache keeps a tree no longer than it likes."""

    folder: Path

    @classmethod
    def of(cls, lab: Lab) -> Manifests:
        """Those of a lab's nights."""
        return cls(lab.results / "nightly" / "trees")

    def keep(self, identity: str, manifest: Path) -> None:
        """Keep what a tree holds; a disk that is full costs the next night's list of files."""
        if not self._path(identity).is_file():
            with suppress(OSError):
                write_whole(self._path(identity), zlib.compress(manifest.read_bytes(), 1))

    def keep_only(self, identities: Iterable[str]) -> None:
        """Forget all others."""
        wanted = {self._path(identity) for identity in identities}
        for path in self.folder.glob("*.manifest"):
            if path not in wanted:
                path.unlink(missing_ok=True)

    def differ(self, before: str, after: str) -> tuple[str, ...] | None:
        """The paths of files that one has and the other has not, or another of it."""
        try:
            sides = [
                set(zlib.decompress(self._path(identity).read_bytes()).split(b"\n"))
                for identity in (before, after)
            ]
        except (OSError, zlib.error):
            return None
        # A line is mode, digest and path.
        lines = [line.split(b" ", 2) for line in sides[0] ^ sides[1] if line]
        if any(len(line) < 3 for line in lines):
            return None
        paths = {line[2] for line in lines}
        return tuple(os.fsdecode(path) for path in sorted(paths))

    def _path(self, identity: str) -> Path:
        name = hashlib.sha256(identity.encode()).hexdigest()[:24]
        return self.folder / f"{name}.manifest"
