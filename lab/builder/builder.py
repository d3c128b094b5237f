# SPDX-License-Identifier: GPL-2.0-only
"""Trees, patches, config and toolchain put together: a build of each variant of a plan."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Semaphore
from typing import TYPE_CHECKING, TypeAlias

from lab.build import Build, BuildJob, Step, Toolchain, build, find_build, mend_tree
from lab.build.paths import buildable
from lab.build.sandbox import probe_sandbox
from lab.build.shared import forgotten, is_due, other_files, pull_build, push_build
from lab.builder.elsewhere import MOST, Elsewhere, WantedBuild, maker_for
from lab.builder.listener import Listener, Silent
from lab.builder.parallel_builds import Building, FinishedBuilds
from lab.config import FirstKernel, LoadedConfig
from lab.config.model import KernelSection
from lab.errors import LabError, UserError
from lab.host.capacity import Capacity
from lab.kconfig import Option, load_fragments
from lab.model.variant import Variant
from lab.model.version import VersionRange
from lab.patches import Overlay, Series, SeriesFit, apply_series, fit_series, load_series
from lab.patches.patched_tree import View
from lab.plan import BuildRequest, Plan, settled
from lab.process.cache_use import use_cache
from lab.results.hosts import Doing
from lab.results.under_way import building_shown
from lab.store.registry import store_of, use_store
from lab.trees import Tree, fetch, find
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.store.store import Store


@dataclass(frozen=True)
class Failure:
    """A variant whose build failed, and why."""

    variant: str
    error: LabError


#: Of a plan; a build that failed is why.
Builds: TypeAlias = (
    Building[BuildRequest, Build | Failure] | FinishedBuilds[BuildRequest, Build | Failure]
)


class _Overlays(dict[tuple[Path, str, str, str], Overlay]):
    """What series made of trees: variants that begin alike have that in common."""


@dataclass(frozen=True)
class Builder:
    """Builds what ``lab.toml`` names, or finds it in the cache.

    Attributes:
        nice: How much others go before what it compiles, as nice(1) has it.
        benches: Of a kernel's workbenches those that it builds on; () is as they come.
        options: What is asked for in place of the fragments of a config, by its name.
        mends: The mends that a tree gets, whatever the toolchain; None for those it needs.
        elsewhere: Who makes what nobody has; None is this host.
        turn: Is held while this host makes what nobody elsewhere could.
    """

    loaded: LoadedConfig
    listener: Listener = field(default_factory=Silent)
    nice: int = 0
    benches: tuple[int, ...] = ()
    options: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    mends: frozenset[str] | None = None
    elsewhere: Elsewhere | None = field(default=None, repr=False, compare=False)
    turn: AbstractContextManager[object] = field(
        default_factory=nullcontext, repr=False, compare=False
    )
    _applied: _Overlays = field(default_factory=_Overlays, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Have all that makes something for this cache ask the store first."""
        use_store(self.cache, self.loaded.store, self.listener.say)

    @property
    def cache(self) -> Path:
        """Where trees, builds and images are kept."""
        return self.loaded.path(self.loaded.config.paths.cache)

    @property
    def capacity(self) -> Capacity:
        """What this host carries, now."""
        config = self.loaded.config
        return Capacity.of_this_host(config.builds, config.guests)

    @cached_property
    def toolchain(self) -> Toolchain:
        """The compiler and linker of this machine."""
        section = self.loaded.config.toolchain
        return Toolchain.probe(section.cc, section.jobs, section.env)

    def tree(self, kernel: str, *, refresh: bool = False) -> Tree:
        """A kernel's source; brought in when it is not in the cache, or ``refresh``."""
        self.loaded.require("kernel", kernel)
        self.require_buildable()
        use_cache(self.cache, self.loaded.toml)
        keyring = self.loaded.config.paths.keyring
        return fetch(
            settled(self.loaded, kernel),
            self._source(kernel),
            cache=self.cache,
            root=self.loaded.root,
            deadline_s=self.loaded.config.deadlines.fetch,
            refresh=refresh,
            progress=self.listener.say,
            keyring=keyring and self.loaded.path(keyring),
            locate=self.loaded.locate,
        )

    def tree_here(self, kernel: str) -> Tree | None:
        """A kernel's source where it is on this machine; None where it would be downloaded."""
        self.loaded.require("kernel", kernel)
        use_cache(self.cache, self.loaded.toml)
        return find(
            settled(self.loaded, kernel),
            self._source(kernel),
            cache=self.cache,
            root=self.loaded.root,
            deadline_s=self.loaded.config.deadlines.fetch,
            locate=self.loaded.locate,
        )

    def _source(self, kernel: str) -> KernelSection:
        """Where a kernel's tree comes from."""
        section = self.loaded.config.kernels[settled(self.loaded, kernel)]
        assert not isinstance(section, FirstKernel)
        return section

    def require_buildable(self) -> None:
        """Before a kernel is downloaded that could not be built."""
        buildable(self.cache, self.loaded.locate("paths", "cache"))

    def series(self, name: str) -> Series:
        """A series of ``patches/``, as its files are now."""
        return load_series(self.loaded.root / "patches", name)

    def fit(self, variant: Variant, series: str) -> SeriesFit:
        """Whether a series goes onto a variant; nothing is built.

        Raises:
            UserError: The variant's own series do not apply.
        """
        tree = self.tree(variant.kernel)
        start = self.beneath(tree, variant)
        return fit_series(tree, self.series(series), start)

    def view(self, variant: Variant) -> View:
        """A variant's source, file by file; nothing is built.

        Raises:
            UserError: The variant's own series do not apply.
        """
        tree = self.tree(variant.kernel)
        return View(tree, self.beneath(tree, variant))

    def beneath(self, tree: Tree, variant: Variant) -> Overlay:
        """What the variant's own series make of its tree.

        Raises:
            UserError: They do not apply.
        """
        return self._overlay(tree, variant, Overlay.empty())

    def _overlay(self, tree: Tree, variant: Variant, overlay: Overlay) -> Overlay:
        for name in variant.series:
            series = self.series(name)
            # Variants that begin alike have that in common; git takes 0.1 s for it.
            key = (tree.manifest, tree.identity, overlay.digest, series.digest)
            if key not in self._applied:
                self._applied[key] = apply_series(tree, series, overlay)
            overlay = self._applied[key]
        return overlay

    def build_job(self, variant: Variant, config: str, fragments: tuple[str, ...] = ()) -> BuildJob:
        """What a build of the variant is made from.

        Args:
            fragments: What a machine wants beside those of the config.

        Raises:
            UserError: A series, or the config, is not meant for this kernel, or does not apply.
        """
        tree = self.tree(variant.kernel)
        folder = self.loaded.root / "patches" / "toolchain"
        mends = mend_tree(tree, self.toolchain, folder, self.mends)
        self.loaded.require("config", config)
        section = self.loaded.config.configs[config]
        if not VersionRange.parse(section.versions).contains(tree.version):
            what = f"config {config} is for kernels {section.versions}, and this is {tree.version}"
            where = self.loaded.locate("configs", config, "versions")
            raise UserError(what, where=where, hint="another --config")
        return BuildJob(
            variant=str(variant),
            tree=tree,
            overlay=self._overlay(tree, variant, mends.overlay),
            options=self.asked(config, fragments),
            toolchain=self.toolchain,
            cache=self.cache,
            # Those that are built beside it take their share of the CPUs.
            deadline_s=self.loaded.config.deadlines.build * self.capacity.builds_at_once,
            series=tuple((name, self.series(name).digest) for name in variant.series),
            mends=mends,
            sandbox=self.loaded.config.build.sandbox,
            nice=self.nice,
            benches=self.benches,
        )

    def asked(self, config: str, fragments: Sequence[str] = ()) -> tuple[Option, ...]:
        """The options that a config asks for, whatever kernel each is for.

        Raises:
            UserError: A fragment cannot be read.
        """
        folder = self.loaded.root / "kconfigs"
        if config in self.options:
            return (*self.options[config], *load_fragments(folder, fragments))
        own = self.loaded.config.configs[config].fragments
        return load_fragments(folder, tuple(dict.fromkeys((*own, *fragments))))

    def build(
        self,
        variant: Variant,
        config: str,
        stopped: Callable[[], bool] = lambda: False,
        fragments: tuple[str, ...] = (),
    ) -> Build:
        """Build a variant, or find it in the cache; gives up when ``stopped`` says so."""
        name = BuildRequest(variant, config, fragments).name
        job = self.build_job(variant, config, fragments)
        found = find_build(job, self.listener.say)
        if found is not None:
            self.listener.say(f"{name}: cached {found.key}")
            return found
        store = store_of(self.cache)
        make = partial(self._made, WantedBuild(job, name, self._source(variant.kernel), stopped))
        if store is None:
            return make()
        if (found := pull_build(job, store)) is not None:
            self.listener.say(f"{name}: had {found.key} from the store")
            if not is_due(job, store):
                return found
            return self._compared(found, name, store, stopped)
        built = make()
        if push_build(built, store):
            self.listener.say(f"{name}: put into the store")
        return built

    def _made(self, wanted: WantedBuild) -> Build:
        """A build that nobody has, made by another host or, one of a few at once, by this one."""
        if self.elsewhere is None:
            return self._made_here(wanted.job, wanted.name, wanted.stopped)
        if (built := self.elsewhere.made(wanted)) is not None:
            return built
        with self.turn:
            return self._made_here(wanted.job, wanted.name, wanted.stopped)

    def _made_here(self, job: BuildJob, name: str, stopped: Callable[[], bool]) -> Build:
        """A build that nobody has, made by this host."""
        # 4 ms, which a build that is there need not wait for.
        from lab.doctor import require

        require("build")
        self.listener.say(f"{name}: building {job.key} ({job.tree.identity})")
        if job.sandbox == "auto" and isinstance(why := probe_sandbox(), str):
            self.listener.say(f"{name}: in no sandbox, as {why} (lab doctor)")
        if job.mends.applied:
            names = ", ".join(mend.name for mend in job.mends.applied)
            self.listener.say(f"{name}: mended for {job.toolchain.compiler}: {names}")
        with self._stepping(name) as step:
            built = build(
                job,
                on_step=step,
                at_once=self.capacity.builds_at_once,
                stopped=stopped,
                on_log=lambda log: self.listener.say(f"{name}: its log is {log}"),
            )
        self.listener.say(f"{name}: built {built.release} in {built.duration_s:.0f} s")
        for option in built.gone:
            self.listener.say(f"{name}: this kernel has {option}")
        return built

    @contextmanager
    def _stepping(self, name: str) -> Iterator[Callable[[Step], None]]:
        """What each step of a build here is told to: who listens, and who looks at results."""
        row = Doing(platform.node(), name, "begins")

        def step(made: Step) -> None:
            nonlocal row
            row = replace(row, said=str(made))
            self.listener.step(name, made)

        with building_shown(self.loaded.results, lambda: (row,)):
            yield step

    def _compared(
        self, found: Build, name: str, store: Store, stopped: Callable[[], bool]
    ) -> Build:
        """A build that was had, made here all the same: it is that again, or its key is wrong."""
        self.listener.say(f"{name}: made here too, to compare (store.rebuild_every)")
        origin, theirs = found.origin, forgotten(found)
        built = self._made_here(found.job, name, stopped)
        others = other_files(theirs, built)
        store.account.rebuilt += 1
        store.account.other += bool(others)
        if others:
            self.listener.say(
                f"{name}: {', '.join(others)} made here is NOT what the store has ({origin}): "
                "something shapes it that is not in its key; the one made here is used"
            )
        else:
            self.listener.say(f"{name}: it is the same, byte for byte")
        return built

    def build_all(self, plan: Plan) -> dict[BuildRequest, Build | Failure]:
        """Build each variant of a plan; one that fails does not stop the others."""
        self._say_choices(plan)
        if self.capacity.builds_at_once == 1 and self.loaded.config.executor.kind == "local":
            return {request: self._build_or_failure(request) for request in plan.builds}
        with self._building(plan) as builds:
            return dict(builds)

    @contextmanager
    def building(self, plan: Plan) -> Iterator[Builds]:
        """The plan's builds, one of which is there; the others come, where that pays."""
        guests_are_here = self.loaded.config.executor.kind == "local"
        if guests_are_here and not self.capacity.builds_beside_guests:
            yield FinishedBuilds(self.build_all(plan))
            return
        self._say_choices(plan)
        with self._building(plan) as builds:
            with building_shown(self.loaded.results, lambda: builds.doing):
                builds.wait_for_one()
            yield builds

    @contextmanager
    def _building(self, plan: Plan) -> Iterator[Building[BuildRequest, Build | Failure]]:
        with ExitStack() as stack:
            maker = maker_for(self.loaded, self.listener, stack)
            builder, width = self, self.capacity.builds_at_once
            doing: Callable[[], Sequence[Doing]] = tuple
            if maker is not None:
                # Only then: what this one has found out, of the compiler say, is not the other's.
                builder = replace(self, elsewhere=maker, turn=Semaphore(width))
                width, doing = min(MOST, len(plan.builds)), maker.doing
            make = builder._build_or_failure
            yield stack.enter_context(Building(plan.builds, make, width, doing))

    def _say_choices(self, plan: Plan) -> None:
        for choice in plan.choices:
            self.listener.say(choice.describe())

    def _build_or_failure(
        self, request: BuildRequest, stopped: Callable[[], bool] = lambda: False
    ) -> Build | Failure:
        try:
            return self.build(request.variant, request.config, stopped, request.fragments)
        except Exception as error:
            if stopped():
                raise  # nothing was found out about it
            return Failure(str(request.variant), as_lab_error(error))
