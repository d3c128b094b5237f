# SPDX-License-Identifier: GPL-2.0-only
"""Where a run's files are."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lab.errors import InfrastructureError
from lab.process.lock import take
from lab.process.scratch import write_whole

#: What was said of mails, beside the runs.
REVIEW_CHECKS = "review-checks"
#: Of a guest, beside its console.
KERNEL_LOG = "kernel.log"
_LONGEST_NAME = 80


@dataclass(frozen=True)
class JobFolder:
    """``jobs/<nn>-<variant>/`` of a run; the folder is made by whoever writes first."""

    path: Path

    def relative(self, path: Path) -> str:
        """A path below the run's folder, as evidence names it."""
        return str(path.relative_to(self.path.parent.parent))

    @property
    def console(self) -> Path:
        """All that the guest's console said."""
        return self.path / "console.log"

    @property
    def kernel_log(self) -> Path:
        """The guest's kernel log."""
        return self.path / KERNEL_LOG

    @property
    def record(self) -> Path:
        """The job's record, as JSON."""
        return self.path / "job.json"

    @property
    def recipe(self) -> Path:
        """All that it takes to build and boot the same by hand, as JSON."""
        return self.path / "recipe.json"

    @property
    def kernel_config(self) -> Path:
        """The kernel's whole ``.config``."""
        return self.path / "build" / "config"

    @property
    def applied(self) -> Path:
        """What the series changed in the tree, as one patch; missing when there is none."""
        return self.path / "build" / "applied.patch"

    def ktap(self, filesystem: str, suite: str, program: str) -> Path:
        """What one program printed on one filesystem, byte for byte."""
        return self.path / slug(filesystem) / f"{slug(suite)}.{slug(program)}.ktap"


@dataclass(frozen=True)
class RunFolder:
    """``<results>/<run id>/``."""

    results: Path
    run_id: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.results / self.run_id

    @property
    def record(self) -> Path:
        """The run's record without its jobs, as JSON: the first file to be there."""
        return self.path / "run" / "run.json"

    @property
    def programs(self) -> Path:
        """The guest programs' sources, as they were."""
        return self.path / "run" / "guest-tests"

    @property
    def hosts(self) -> Path:
        """What other hosts do for it now, as JSON; only while it goes on."""
        return self.path / "hosts.json"

    @property
    def jobs(self) -> Path:
        """The jobs' folders."""
        return self.path / "jobs"

    @property
    def plan(self) -> Path:
        """The plan, as it was shown before the run."""
        return self.path / "run" / "plan.txt"

    @property
    def environment(self) -> Path:
        """The host, its tools and their versions."""
        return self.path / "run" / "environment.json"

    @property
    def store(self) -> Path:
        """What came from the store and went there."""
        return self.path / "run" / "store.json"

    @property
    def document(self) -> Path:
        """The results as JSON."""
        return self.path / "results.json"

    @property
    def verdicts(self) -> Path:
        """The verdicts on a series, where the run verified one, as JSON."""
        return self.path / "verdicts.json"

    @property
    def coverage(self) -> Path:
        """The folder of what ran of a series, where the run counted that."""
        return self.path / "coverage"

    @property
    def steps(self) -> Path:
        """What each patch of a series does, where the run asked for that, as JSON."""
        return self.path / "steps.json"

    @property
    def mutants(self) -> Path:
        """What became of each mutant of a series, where the run asked for that, as JSON."""
        return self.path / "mutants.json"

    def mutant_guests(self, number: int) -> Path:
        """The guests' folders of the mutants on the kernel with that number, from 0."""
        return self.path / "mutants" / f"{number:02d}"

    def job(self, number: int, variant: str) -> JobFolder:
        """The folder of the job with that number, from 0."""
        return JobFolder(self.jobs / f"{number:02d}-{slug(variant)}")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Mark the run as going on, for as long as this process lives.

        Raises:
            InfrastructureError: The folder cannot be made or written.
        """
        mark = self.path / "run" / ".running"
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            handle = mark.open("a")
        except OSError as error:
            raise InfrastructureError(f"cannot write: {error.strerror}", where=mark) from error
        with handle:
            take(handle, mark, wait=True)
            yield
            mark.unlink(missing_ok=True)

    def is_running(self) -> bool:
        """Whether a process of this machine is at it now."""
        mark = self.path / "run" / ".running"
        try:
            with mark.open() as handle:
                return not take(handle, mark, shared=True)
        except OSError:
            return False
        except InfrastructureError:
            # Without locks nobody can tell: what may be going on is left alone.
            return True

    def relative(self, path: Path) -> str:
        """A path below the folder, as evidence names it."""
        return str(path.relative_to(self.path))


def slug(name: str) -> str:
    """A name as part of a path: never hidden, never another folder."""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", name).lstrip(".") or "-"


@lru_cache(maxsize=100_000)
def safe_name(name: str) -> str:
    """A name for a file or a fragment: the name itself where that is harmless.

    Names that differ stay different, on a disk that folds case too.
    """
    plain = slug(name)[:_LONGEST_NAME]
    if plain == name and not re.search("[A-Z]", name):
        return plain
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}"


def write_bytes(path: Path, data: bytes) -> Path:
    """Write a file, the whole of it or nothing; makes its folder; returns ``path``.

    Raises:
        InfrastructureError: It cannot be written.
    """
    try:
        write_whole(path, data)
    except OSError as error:
        raise InfrastructureError(f"cannot write: {error.strerror}", where=path) from error
    return path


def write_text(path: Path, text: str) -> Path:
    """As write_bytes(), UTF-8."""
    return write_bytes(path, text.encode(errors="backslashreplace"))


def write_json(path: Path, value: object) -> Path:
    """As write_bytes(), for what the ``json`` module knows."""
    # A lone surrogate (an undecodable file name) becomes \udcXX: JSON's own escape.
    return write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
