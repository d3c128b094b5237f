# SPDX-License-Identifier: GPL-2.0-only
"""From a tree, an overlay and a config to a kernel in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.arch import ARCH
from lab.build.applied_mends import Mended
from lab.build.kept_objects import KeptObjects
from lab.build.key import build_key, config_digest, config_lines
from lab.build.make import OUT_OF_SOURCE, Make, Step
from lab.build.nearest_workbench import differing, note_kind, start_from_nearest
from lab.build.old_builds import adopt
from lab.build.paths import buildable
from lab.build.product import NoProduct, is_product, product, read_product
from lab.build.release import checked_release, read_release
from lab.build.rules import runs_while_built
from lab.build.sandbox import Sandbox, Wanted, choose_sandbox
from lab.build.source_check import written
from lab.build.steps import Steps, known_steps
from lab.build.toolchain import Toolchain
from lab.build.workbench import Workbench, wanted_rows
from lab.build.wrapper import wrapped
from lab.errors import InfrastructureError, LabError, UserError
from lab.kconfig import Gone, Option, check_config, options_for, parse_config
from lab.patches import Overlay
from lab.process.cache_use import note_use
from lab.process.deadline import Deadline
from lab.process.lock import locked
from lab.process.scratch import scratch_folder, write_whole
from lab.process.seal import SEAL, damage, seal
from lab.process.shelf import BUILDS, WORKBENCHES
from lab.process.stored import read_stored
from lab.store.note import VMLINUX, is_left, note_of
from lab.trees import Tree, read_rows

_PRODUCTS = (
    (ARCH.image_path, ARCH.image),
    ("vmlinux", "vmlinux"),
    ("System.map", "System.map"),
    (".config", "config"),
)
_MOST_NAMED = 5
#: What is taken from a build in the cache: as it was made, or not at all.
SEALED = ("build.json", *(name for _, name in _PRODUCTS))


@dataclass(frozen=True)
class BuildJob:
    """All that a build is made from; picklable.

    ``overlay`` has what ``mends`` changes, and the series above it.
    """

    variant: str
    tree: Tree
    overlay: Overlay
    options: tuple[Option, ...]
    toolchain: Toolchain
    cache: Path
    deadline_s: float
    series: tuple[tuple[str, str], ...] = ()
    mends: Mended = field(default_factory=Mended.none)
    #: Where it is built, which makes it no other build.
    sandbox: Wanted = "none"
    #: How much others go before it, which makes it no other build, either.
    nice: int = 0
    #: Numbers of the workbenches it may be built on, whichever is nearest; () is as they come.
    benches: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The build's name: a hash of everything that goes in."""
        flags = self.mends.flags_digest
        return build_key(self.tree, self.overlay, self.wanted, self.toolchain, flags)

    @property
    def folder(self) -> Path:
        """Where the finished build is, or will be."""
        return BUILDS.place(self.cache, self.key)

    @property
    def config_digest(self) -> str:
        """SHA-256 of the options asked for."""
        return config_digest(self.wanted)

    @property
    def wanted(self) -> tuple[Option, ...]:
        """The options meant for this kernel's version."""
        return options_for(self.options, self.tree.version)


@dataclass(frozen=True)
class Build:
    """A finished build: ``folder`` holds the image, vmlinux, System.map, config, log."""

    job: BuildJob
    release: str
    cached: bool
    duration_s: float
    #: Options that this kernel has no more.
    gone: tuple[Gone, ...] = ()
    #: Bytes that came from the store for it, when it was had from there now.
    brought: int = 0
    #: The host that made it.
    host: str = ""
    #: The worker that made it now, where its objects are.
    worker: str = ""

    @property
    def origin(self) -> str:
        """Where it is from: a store, who put it there and when, or a host; "" for this one.

        A host that has another name since made its builds as another.
        """
        note = note_of(self.folder)
        if note is not None:
            return f"{note.url}, by {note.host} at {note.made}"
        return "" if self.host in ("", platform.node()) else f"made on {self.host}"

    @property
    def variant(self) -> str:
        """The variant's name."""
        return self.job.variant

    @cached_property
    def key(self) -> str:
        """The build's name."""
        return self.job.key

    @property
    def folder(self) -> Path:
        """Where it is."""
        return BUILDS.place(self.job.cache, self.key)

    @property
    def hz(self) -> int | None:
        """CONFIG_HZ: its ticks in a second; None if its config does not say."""
        with suppress(OSError, KeyError, ValueError):
            return int(parse_config((self.folder / "config").read_text())["HZ"])
        return None

    @property
    def image(self) -> Path:
        """The kernel QEMU boots."""
        return self.folder / ARCH.image


def find_build(job: BuildJob, tell: Callable[[str], None] = lambda _: None) -> Build | None:
    """The build when it is in the cache and as it was made, else None.

    Args:
        tell: Told in a line what is wrong with one that has to be made again.
    """
    if not job.folder.exists():
        return None
    if why := _damage(job.folder):
        tell(f"{job.variant}: the build {job.key} in the cache is damaged: {why}")
        return None
    try:
        record = read_stored(job.folder / "build.json", dict[str, Any]) or {}
        gone = tuple(Gone(**row) for row in record.get("gone", ()))
        host = str(record.get("host", ""))
        found = Build(job, checked_release(record["release"]), True, 0.0, gone, host=host)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        tell(f"{job.variant}: the build {job.key} in the cache is not one of this lab's")
        return None
    note_use(job.folder)
    return found


def _damage(folder: Path) -> str | None:
    """What is wrong with a build in the cache; who reads vmlinux, 20 to 400 MB, looks at that."""
    if not (folder / VMLINUX).is_file() and not is_left(folder, VMLINUX):
        return "its vmlinux is gone"
    if not (folder / SEAL).exists():
        return None if adopt(folder, SEALED) else "nothing says what was written"
    return damage(folder, (name for name in SEALED if name != VMLINUX))


def build(
    job: BuildJob,
    *,
    on_step: Callable[[Step], None] | None = None,
    at_once: int = 1,
    stopped: Callable[[], bool] = lambda: False,
    on_log: Callable[[Path], None] = lambda _: None,
) -> Build:
    """Build, or find the same build in the cache.

    Args:
        at_once: Variants of its kernel that may be built side by side.
        stopped: Asked now and then whether to give up.
        on_log: Told where make's output is going to be, once that is known.

    Raises:
        UserError: An option does not stick, the kernel does not compile, or the
            cache is where kbuild cannot build.
        InfrastructureError: No space, a missing tool, a deadline.
    """
    found = find_build(job)
    if found is not None:
        return found
    started = time.monotonic()
    # Two kernels of one identity have two benches, and their builds one name.
    lock = BUILDS.lock_of(job.cache, job.key)
    try:
        with _held_workbench(job, at_once) as (bench, held), locked(lock):
            if stopped():
                raise InfrastructureError(f"the build of {job.variant} was stopped")
            # Somebody else may have built it while this one waited.
            if (found := find_build(job)) is not None:
                return found
            on_log(bench.log)
            return _build_on(bench, job, started, on_step, held, stopped)
    except OSError as error:
        raise InfrastructureError(
            f"the build of {job.variant} failed: {error.strerror}",
            where=error.filename or job.cache,
            hint="lab doctor shows the disk's free space",
        ) from error


@contextmanager
def _held_workbench(job: BuildJob, at_once: int) -> Iterator[tuple[Workbench, int]]:
    """The first of a kernel's workbenches that nobody builds on, and its lock's descriptor."""
    own, others = _workbenches(job, at_once)
    with ExitStack() as stack:
        while True:
            # The others start as copies of the first one.
            for bench in (own, *others) if own.is_whole else (own,):
                held = _held(bench, stack)
                if held is not None:
                    yield bench, held
                    return
            with own.at_rest():
                pass  # somebody else has built on it


def _workbenches(job: BuildJob, at_once: int) -> tuple[Workbench, list[Workbench]]:
    """The workbench that a build waits for, and those that it takes where that is in use."""
    if not job.benches:
        others = [workbench_of(job, number) for number in range(2, at_once + 1)]
        return workbench_of(job), others
    own, *others = (workbench_of(job, number) for number in near_benches(job))
    return own, others


def near_benches(job: BuildJob) -> list[int]:
    """The numbers of the workbenches that a job may be built on and that have a kernel, the
    nearest first; the first of all where none has."""
    benches = {number: workbench_of(job, number) for number in job.benches}
    wanted = wanted_rows(job.tree, job.overlay)
    # What was built on none yet is a copy of another: a step on what is there is sooner.
    whole = [number for number, bench in benches.items() if bench.is_whole]

    def files(number: int) -> int:
        return differing(read_rows(benches[number].manifest), wanted)

    return sorted(whole, key=files) or list(job.benches[:1])


def _held(bench: Workbench, stack: ExitStack) -> int | None:
    with suppress(BlockingIOError):
        return stack.enter_context(bench.building(wait=False))
    return None


def workbench_of(job: BuildJob, number: int = 1) -> Workbench:
    """The workbench that a build uses, shared by all variants of its kernel.

    Args:
        number: Of those that are built side by side.

    Raises:
        UserError: The cache is where kbuild cannot build.
    """
    name = _bench_name(job) + (f".{number}" if number > 1 else "")
    return Workbench(WORKBENCHES.place(buildable(job.cache), name))


def kept_objects(job: BuildJob) -> KeptObjects:
    """What the workbenches of a job's kernel, config and compiler have compiled before."""
    return KeptObjects(workbench_of(job).folder / "kept")


def _taken_back(kept: KeptObjects, bench: Workbench, stale: frozenset[str]) -> list[str]:
    taken = kept.take_back(bench, stale)
    with bench.log.open("a") as log:
        log.writelines(f"lab: {name} was compiled before\n" for name in taken)
    return taken


def _bench_name(job: BuildJob) -> str:
    parts = f"{job.config_digest}\n{_compilers(job)}"
    return f"{job.tree.family}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"


def _compilers(job: BuildJob) -> str:
    return f"{job.toolchain.identity}{job.mends.flags_digest}"


def _build_on(
    bench: Workbench,
    job: BuildJob,
    started: float,
    on_step: Callable[[Step], None] | None,
    held: int,
    stopped: Callable[[], bool],
) -> Build:
    options = job.wanted
    sandbox = choose_sandbox(job.sandbox)
    with scratch_folder(job.folder) as folder:
        _write_record(folder, job, release=None, duration_s=None)
        started_from = _start(bench, job)
        kept = replace(kept_objects(job), stopped=stopped)
        stale = kept.leave(bench, wanted_rows(job.tree, job.overlay))
        bench.sync(job.tree, job.overlay)
        if sandbox is None:
            bench.part()
        from_nothing = not bench.objects.exists()
        bench.objects.mkdir(exist_ok=True)
        log = bench.log
        log.write_text("".join(f"lab: mend {mend}\n" for mend in job.mends.applied))
        make = replace(_make(bench, job, log, held), stopped=stopped, sandbox=sandbox)
        steps = Steps(on_step)
        with _objects_trusted(bench, job):
            with _source_kept(bench, job, sandbox):
                gone = _configure(make, bench, job, options)
                taken = _taken_back(kept, bench, stale)
                if not (bench.objects / "vmlinux").exists():
                    steps.expect(_known_steps(job) if from_nothing else None, make)
                make(ARCH.image, on_step=steps)
            release = read_release(bench.objects)
            copy_products(bench, folder)
            # It is built: who stops it now has it all the same.
            kept_objects(job).keep(bench, stale.difference(taken))
            kept.done(bench)
        shutil.copyfile(log, folder / "build.log")
        duration = time.monotonic() - started
        _write_record(
            folder,
            job,
            release=release,
            duration_s=duration,
            started_from=started_from,
            taken_back=len(taken),
            gone=gone,
            steps=steps.done if from_nothing else None,
            sandbox=sandbox.version if sandbox else None,
        )
        seal(folder, SEALED)
    return Build(job, release, False, duration, gone, host=platform.node())


def copy_products(bench: Workbench, folder: Path) -> None:
    """Copy what a build gives from its objects.

    Raises:
        NoProduct: Something else lies in the place of one.
    """
    for made, name in _PRODUCTS:
        shutil.copyfile(product(bench.objects, made), folder / name)


@contextmanager
def ready_workbench(job: BuildJob, log: Path, number: int = 1) -> Iterator[tuple[Workbench, Make]]:
    """A workbench with a job's source and config, and ``make`` there; no kernel is made.

    Args:
        number: Of those that its kernel has; whoever builds on it is waited for.

    Raises:
        UserError: An option does not stick, or what is made in the block writes elsewhere.
    """
    sandbox = choose_sandbox(job.sandbox)
    bench = workbench_of(job, number)
    with bench.building() as held:
        _start(bench, job)
        bench.sync(job.tree, job.overlay)
        if sandbox is None:
            bench.part()
        bench.objects.mkdir(exist_ok=True)
        make = replace(_make(bench, job, log, held), sandbox=sandbox)
        with _objects_trusted(bench, job), _source_kept(bench, job, sandbox):
            _configure(make, bench, job, job.wanted)
            yield bench, make


@contextmanager
def _objects_trusted(bench: Workbench, job: BuildJob) -> Iterator[None]:
    """Keep no objects of a build that puts something else in a product's place, or locks them up.

    Those in which more than a kernel's own Makefiles ran are for variants of it alone.
    """
    brought = job.overlay.files.items() - job.mends.overlay.files.items()
    if runs_while_built({name for name, _ in brought}, bench.source):
        bench.doubted.touch()
    try:
        yield
    except NoProduct:
        bench.forget()
        raise
    finally:
        if bench.doubted.exists() and bench.is_closed():
            bench.forget()


@contextmanager
def _source_kept(bench: Workbench, job: BuildJob, sandbox: Sandbox | None) -> Iterator[None]:
    """Refuse a build that wrote into its source; a sandbox does not let it.

    Raises:
        UserError: It did; nothing that was built from it is kept.
        InfrastructureError: Of what does not build there, that what it was built from is not all.
    """
    if sandbox is not None:
        try:
            yield
        except UserError as error:
            _refuse_gone(bench, job, error)
            raise
        return
    since = time.time_ns()
    try:
        yield
    except LabError as error:
        try:
            _refuse_written(bench, job, since)
        except InfrastructureError:
            bench.forget()  # nobody can say what it holds
            raise error from None
        raise
    _refuse_written(bench, job, since)


def _refuse_written(bench: Workbench, job: BuildJob, since: int) -> None:
    names = written(bench.source, wanted_rows(job.tree, job.overlay), since)
    if not names:
        return
    bench.forget()
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    raise UserError(
        f"the build wrote into its source: {', '.join(names[:_MOST_NAMED])}{more}",
        where=job.variant,
        detail="nothing that was built from it is kept; the tree is as it was",
        hint=OUT_OF_SOURCE,
    )


def _refuse_gone(bench: Workbench, job: BuildJob, error: UserError) -> None:
    """Raise where files went that no build can remove: that it fails is no word on the kernel."""
    gone = bench.miss(wanted_rows(job.tree, job.overlay))
    if not gone:
        return
    more = f" and {len(gone) - _MOST_NAMED} more" if len(gone) > _MOST_NAMED else ""
    raise InfrastructureError(
        f"the build stopped: its source has lost {', '.join(gone[:_MOST_NAMED])}{more}",
        where=bench.source,
        detail=str(error),
        hint="the same again: it is written anew",
    ) from error


def _start(bench: Workbench, job: BuildJob) -> Workbench | None:
    """What an empty workbench was started from, if there was anything near."""
    note_kind(bench, job.config_digest, _compilers(job))
    if bench.manifest.exists():
        return None
    wanted = wanted_rows(job.tree, job.overlay)
    return start_from_nearest(bench, wanted, job.wanted, job.config_digest, _compilers(job))


def _make(bench: Workbench, job: BuildJob, log: Path, held: int) -> Make:
    # The scripts stay where they are: their path is in every command that kbuild saves.
    folder, cc, mends = bench.folder / "bin", job.toolchain.cc, job.mends
    arguments = job.toolchain.arguments_with(
        wrapped(folder, "cc", cc, mends.kernel_flags_for(bench.source)),
        wrapped(folder, "hostcc", cc, mends.host_flags),
    )
    environment = job.toolchain.environment
    return Make(
        bench.source,
        bench.objects,
        arguments,
        log,
        Deadline("build", job.deadline_s),
        (held,),
        environment,
        compilers=(cc,),
        tools=(folder,),
        nice=job.nice,
    )


def _configure(
    make: Make, bench: Workbench, job: BuildJob, options: Sequence[Option]
) -> tuple[Gone, ...]:
    """Bring ``.config`` to tinyconfig plus the fragments, unless it is that already.

    Returns:
        The options that this kernel has no more.
    """
    stamp = bench.configured
    wanted = _config_stamp(job)
    config = bench.objects / ".config"
    usable = is_product(bench.objects, config.name)
    if not (usable and stamp.exists() and stamp.read_bytes() == wanted.encode()):
        stamp.unlink(missing_ok=True)
        if not usable:
            config.unlink(missing_ok=True)  # what a build before this one left there
        make("tinyconfig")
        text = read_product(bench.objects, config.name)
        # Beside it under a name that no build knows: it could lead elsewhere.
        write_whole(config, f"{text}\n{config_lines(options)}\n".encode())
        make("olddefconfig")
        gone = _check(options, bench, job)
        stamp.write_text(wanted)
        return gone
    return _check(options, bench, job)


def _check(options: Sequence[Option], bench: Workbench, job: BuildJob) -> tuple[Gone, ...]:
    present = parse_config(read_product(bench.objects, ".config"))
    return check_config(options, present, bench.source, job.tree.version)


def _known_steps(job: BuildJob) -> int | None:
    return known_steps(job.folder.parent, job.config_digest, job.tree.version)


def _config_stamp(job: BuildJob) -> str:
    """Changes when the options do, or a Kconfig file of the tree or a patch."""
    digest = hashlib.sha256(job.config_digest.encode())
    rows = wanted_rows(job.tree, job.overlay)
    for path in sorted(filter(_shapes_config, rows)):
        digest.update(os.fsencode(f"{path} {rows[path]}\n"))
    return digest.hexdigest()


def _shapes_config(path: str) -> bool:
    return "Kconfig" in path or path.startswith("scripts/") or path.endswith(".config")


def _write_record(
    folder: Path,
    job: BuildJob,
    *,
    release: str | None,
    duration_s: float | None,
    started_from: Workbench | None = None,
    taken_back: int = 0,
    gone: Sequence[Gone] = (),
    steps: int | None = None,
    sandbox: str | None = None,
) -> None:
    """Written before the build too, so that a killed one still says what it was."""
    record = {
        "variant": job.variant,
        "key": job.key,
        "tree": job.tree.identity,
        "version": str(job.tree.version),
        "overlay": job.overlay.digest,
        "files": sorted(job.overlay.files),
        "series": dict(job.series),
        "config": job.config_digest,
        "toolchain": asdict(job.toolchain),
        "mends": [asdict(mend) for mend in job.mends.applied],
        "mends_carried": list(job.mends.carried),
        "gone": [asdict(option) for option in gone],
        "host": platform.node(),
        "cpus": os.cpu_count(),
        "release": release,
        "duration_s": duration_s,
        "started_from": started_from and started_from.folder.name,
        # Objects that a build before it had compiled.
        "taken_back": taken_back,
        # Of a build from nothing: how many the next one is going to take.
        "steps": steps,
        "sandbox": sandbox,
    }
    (folder / "build.json").write_text(json.dumps(record, indent=2) + "\n")
