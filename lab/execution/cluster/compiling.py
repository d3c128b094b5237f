# SPDX-License-Identifier: GPL-2.0-only
"""What a worker does with a build: made with its own compiler, if that is the sender's, too."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from distributed import Worker, get_worker

from lab.build import Build, BuildJob, Step, Toolchain, build, find_build
from lab.build.brought import gather_build, manifest_digest
from lab.build.paths import buildable
from lab.build.sandbox import choose_sandbox
from lab.build.shared import pull_build
from lab.config.model import KernelSection
from lab.doctor import require
from lab.errors import InfrastructureError, UserError
from lab.execution.cluster.disks import require_room
from lab.execution.cluster.host import facts_of_here
from lab.execution.cluster.words import (
    Begun,
    BuildOutcome,
    Built,
    Compiled,
    Failed,
    NotBegun,
    NotBuilt,
    Said,
    Word,
    packed,
)
from lab.execution.cluster.work import (
    Here,
    here,
    host_name,
    is_given_up,
    use_store_of_here,
)
from lab.host import Host
from lab.host.capacity import Capacity
from lab.store.left_there import require_vmlinux
from lab.store.registry import store_of
from lab.trees import Tree, fetch
from lab.unforeseen import as_lab_error

#: How often a build's steps are told, in seconds: it has thousands.
_STEP_S = 0.5
#: How many times slower a build is beside guests that have all of a host's CPUs.
_LOAD = 2.0


@dataclass(frozen=True)
class BuildParcel:
    """A build, and what of the sender's host it speaks of; picklable.

    Attributes:
        run: Names whose it is, by which all of theirs are ended.
        key: What the sender calls it.
        source: Where its tree comes from.
        manifest: SHA-256 of what says what is in that.
        host: Which boot of which host sent it.
        packed: Whether that can unpack what comes.
    """

    run: str
    number: int
    job: BuildJob
    key: str
    source: KernelSection
    manifest: str
    host: str
    packed: bool

    @staticmethod
    def of(run: str, number: int, job: BuildJob, source: KernelSection, host: str) -> BuildParcel:
        """A build of this host's, on its way.

        Raises:
            OSError: What says what is in its tree cannot be read.
        """
        zstd = Host.here().find("zstd") is not None
        return BuildParcel(run, number, job, job.key, source, manifest_digest(job), host, zstd)


def compile_there(content: bytes) -> BuildOutcome:
    """Make the build of a pickled BuildParcel; what went wrong with this host is an outcome."""
    worker = get_worker()
    try:
        # From whoever has a certificate of this cluster, or is on this host.
        parcel: BuildParcel = pickle.loads(content)  # noqa: S301
        return _Compilation(parcel, here(), worker).run()
    except Exception as error:
        return Failed(host_name(), worker.address, as_lab_error(error))


class _Compilation:
    """A build on its way through this worker."""

    def __init__(self, parcel: BuildParcel, mine: Here, worker: Worker) -> None:
        self._parcel, self._mine, self._worker = parcel, mine, worker
        self._key = worker.get_current_task()
        self._over = threading.Event()
        self._told_at = 0.0
        self._log: Path | None = None

    def run(self) -> BuildOutcome:
        parcel = self._parcel
        self._say(Begun(parcel.number, host_name(), self._worker.address, time.time()))
        what = f"build of {parcel.job.variant}"
        with self._mine.at(parcel.run, parcel.number, what, self._over.set) as wanted:
            if not wanted:
                return NotBegun()
            use_store_of_here(self._worker, self._mine, parcel.run)
            job = self._job()
            try:
                return self._sent(self._built(job))
            except UserError as error:
                return NotBuilt(host_name(), error, self._read_log(), self._log)
            except InfrastructureError:
                if self._stopped():
                    return NotBegun()
                raise

    def _job(self) -> BuildJob:
        """The build for this host.

        Raises:
            InfrastructureError: Here it would be another one, or none.
        """
        theirs = self._parcel.job
        try:
            require("build")
            buildable(self._mine.cache)
            choose_sandbox(theirs.sandbox)
            require_room(self._mine.cache)
            toolchain = self._toolchain(theirs.toolchain)
            tree = self._tree()
        except UserError as error:
            # Another host's compiler or folder: nothing that the kernel's is to be blamed for.
            raise InfrastructureError(
                error.what, where=error.where, hint=error.hint, detail=error.detail
            ) from error
        deadline_s = theirs.deadline_s * self._at_once * _LOAD
        job = replace(
            theirs, tree=tree, toolchain=toolchain, cache=self._mine.cache, deadline_s=deadline_s
        )
        if job.key != self._parcel.key:
            raise InfrastructureError(f"it would be another build there: {job.key}")
        return job

    @property
    def _at_once(self) -> int:
        config = self._mine.loaded.config
        return Capacity.of_this_host(config.builds, config.guests).builds_at_once

    def _toolchain(self, theirs: Toolchain) -> Toolchain:
        jobs = self._mine.loaded.config.toolchain.jobs
        ours = Toolchain.probe(theirs.cc, jobs, dict(theirs.env))
        for what in ("compiler", "linker"):
            there, wanted = getattr(ours, what), getattr(theirs, what)
            if there != wanted:
                raise InfrastructureError(f"another {what}: {there} there, {wanted} here")
        if ours.identity != theirs.identity:
            raise InfrastructureError("what [toolchain.env] stands for is another there")
        return ours

    def _tree(self) -> Tree:
        """The sender's tree: as it lies on the disk of this host, or brought in."""
        theirs = self._parcel.job.tree
        same_host = self._parcel.host == facts_of_here(self._mine.cache, {}).boot
        if same_host and theirs.path.is_dir() and self._is_theirs(theirs):
            return theirs
        tree = self._fetched()
        if tree.identity != theirs.identity:
            tree = self._fetched(refresh=True)
        if tree.identity != theirs.identity or not self._is_theirs(tree):
            raise InfrastructureError(
                f"another source: {tree.identity} there, {theirs.identity} here"
            )
        return tree

    def _fetched(self, *, refresh: bool = False) -> Tree:
        loaded = self._mine.loaded
        keyring = loaded.config.paths.keyring
        return fetch(
            self._parcel.job.tree.kernel,
            self._parcel.source,
            cache=self._mine.cache,
            root=loaded.root,
            deadline_s=loaded.config.deadlines.fetch,
            refresh=refresh,
            keyring=keyring and loaded.path(keyring),
        )

    def _is_theirs(self, tree: Tree) -> bool:
        with suppress(OSError):
            return manifest_digest(replace(self._parcel.job, tree=tree)) == self._parcel.manifest
        return False

    def _built(self, job: BuildJob) -> Build:
        if (found := find_build(job)) is not None:
            return found
        store = store_of(job.cache)
        if store is not None and (had := pull_build(job, store)) is not None:
            return had
        return build(
            job,
            on_step=self._step,
            at_once=self._at_once,
            stopped=self._stopped,
            on_log=self._note_log,
        )

    def _sent(self, built: Build) -> BuildOutcome:
        made = gather_build(built, require_vmlinux(built.folder), packed=self._packs)
        return Built(host_name(), self._worker.address, made)

    @property
    def _packs(self) -> bool:
        return self._parcel.packed and Host.here().find("zstd") is not None

    def _stopped(self) -> bool:
        return self._over.is_set() or is_given_up(self._worker, self._key)

    def _note_log(self, log: Path) -> None:
        self._log = log

    def _read_log(self) -> bytes:
        with suppress(OSError):
            return self._log.read_bytes() if self._log is not None else b""
        return b""

    def _step(self, step: Step) -> None:
        if time.monotonic() - self._told_at < _STEP_S:
            return
        self._told_at = time.monotonic()
        number, worker = self._parcel.number, self._worker.address
        self._say(Said(number, worker, f"its build: {step.tool} {step.target}", shown=False))
        self._say(Compiled(number, worker, step))

    def _say(self, word: Word) -> None:
        self._worker.log_event(self._parcel.run, packed(word))


#: What a worker is given to do.
Compile = Callable[[bytes], BuildOutcome]
