# SPDX-License-Identifier: GPL-2.0-only
"""The lab as a library: one ``lab.toml``, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from lab.builder import Builder, Listener, Silent
from lab.config import LoadedConfig, load, with_commit, with_folders, with_names
from lab.errors import InfrastructureError
from lab.model.url import Url
from lab.plan import Plan, SeriesPlan, resolve, settled

if TYPE_CHECKING:
    from lab.analysis.series_verdict import Verification
    from lab.execution.line_counting import LineCounting
    from lab.execution.prepare import Preparer
    from lab.guest.guest import Guest, GuestSpec
    from lab.model.records import RunRecord
    from lab.model.variant import Variant
    from lab.trees import Tree


@dataclass(frozen=True)
class Lab:
    """Everything the lab does, with one ``lab.toml``.

    >>> lab = Lab.open()
    >>> with lab.guest("6.1") as guest:
    ...     print(guest.run("uname -r").stdout)
    """

    loaded: LoadedConfig
    listener: Listener = field(default_factory=Silent)
    #: A run that was killed, which test() goes on with if it is of the same plan.
    killed: RunRecord | None = None
    #: After how many results that are not as expected test() ends; 0 is never.
    max_fail: int = 0

    @staticmethod
    def open(path: Path | None = None) -> Lab:
        """Read ``lab.toml`` here or above; raises UserError when it is wrong."""
        return Lab(load(path))

    def telling(self, listener: Listener) -> Lab:
        """The same lab, telling ``listener`` what it does."""
        return replace(self, listener=listener)

    def taking(self, variants: Iterable[str]) -> tuple[Lab, tuple[str, ...]]:
        """The same lab, where folders among these variants are kernels too, and their names."""
        loaded, names = with_folders(self.loaded, variants)
        return replace(self, loaded=loaded), names

    def with_commit(self, repository: Path, commit: str) -> tuple[Lab, str]:
        """The same lab, where a commit of a repository is a kernel too, and its name."""
        loaded, name = with_commit(self.loaded, repository, commit)
        return replace(self, loaded=loaded), name

    def with_series(self, name: str) -> Lab:
        """The same lab, where this is a series of which no table says more."""
        if name in self.loaded.config.series:
            return self
        config = with_names(self.loaded.config, [name])
        return replace(self, loaded=replace(self.loaded, config=config))

    def suite_sources(self, suites: Iterable[str], *, refresh: bool) -> list[Tree]:
        """The sources that suites of ``lab.toml`` are built from, but the tree under test.

        Args:
            suites: Their names.
            refresh: Whether what the cache has is asked for again.
        """
        # Only `lab fetch` asks.
        from lab.suites.suite_source import source_tree, sources_of_suites

        loaded = self.loaded
        return [
            source_tree(
                source,
                loaded.root,
                self.cache,
                loaded.config.deadlines.fetch,
                refresh=refresh,
                progress=self.listener.say,
            )
            for source in sources_of_suites(loaded.config.suites[name] for name in suites)
        ]

    def with_config(self, loaded: LoadedConfig) -> Lab:
        """The same lab, with another config."""
        return replace(self, loaded=loaded)

    @property
    def patches(self) -> Path:
        """The folder of the series' folders."""
        return self.loaded.root / "patches"

    def going_on_with(self, killed: RunRecord | None) -> Lab:
        """The same lab; its test() repeats nothing that this run has done already."""
        return replace(self, killed=killed)

    def stopping_after(self, failures: int) -> Lab:
        """The same lab; its test() ends at so many results that are not as expected."""
        return replace(self, max_fail=failures)

    @property
    def cache(self) -> Path:
        """Where trees, builds and images are kept."""
        return self.loaded.path(self.loaded.config.paths.cache)

    @property
    def results(self) -> Path:
        """The folder of the runs' folders."""
        return self.loaded.results

    @property
    def database(self) -> Path | Url:
        """Where runs are recorded: a file, or a server's URL."""
        return self.loaded.database

    @cached_property
    def builder(self) -> Builder:
        """What brings trees in and builds kernels."""
        return Builder(self.loaded, self.listener)

    @property
    def preparer(self) -> Preparer:
        """What makes guests and jobs of what was built."""
        # Guests: SSH, images, suites; a build that is there already needs none of them.
        from lab.execution.prepare import Preparer

        return Preparer(self.builder)

    @contextmanager
    def guest(
        self,
        variant: str,
        *,
        machine: str = "default",
        config: str = "default",
        tell: Callable[[str], None] | None = None,
        changed: Callable[[GuestSpec], GuestSpec] = lambda spec: spec,
    ) -> Iterator[Guest]:
        """A running guest of a variant, or of a kernel in a folder, in a ``with`` block.

        What is left of one that dies stays in ``guests/`` beside the runs, the last ten of them.

        Args:
            tell: Is told what its kernel complains of while the block runs, as it comes.
            changed: Makes of what it would be made from what it is.

        Raises:
            UserError: A name that ``lab.toml`` does not define, before anything is built.
        """
        # Guests: see preparer.
        from lab.execution.postmortem import keep, listening, own_folder, trace

        here, (name,) = self.taking([variant])
        asked = resolve(here.loaded, settled(here.loaded, name))
        self.loaded.require("machine", machine)
        fragments = self.loaded.config.machines[machine].fragments
        built = here.builder.build(asked, config, fragments=fragments)
        with own_folder(self.results / "guests") as folder:
            try:
                slower = self.loaded.config.configs[config].slower
                spec = here.preparer.guest_spec(built, machine, folder).stretched(slower)
                with changed(spec).guest() as guest:
                    try:
                        with listening(guest, built.release, tell):
                            yield guest
                    finally:
                        if not guest.alive():
                            keep(folder)
            except InfrastructureError as error:
                said = trace(folder, built.image.parent, built.release)
                error.detail = "\n".join(filter(None, (said, error.detail)))
                raise

    def refuse_pattern(self, plan: Plan) -> None:
        """Raise UserError when a plan's pattern picks no test of its suites; nothing boots."""
        self.preparer.refuse_pattern(plan)

    def test(
        self,
        plan: Plan,
        command: Sequence[str],
        bases: Mapping[Variant, Variant] | None = None,
        counting: LineCounting | None = None,
        *,
        again: bool = False,
    ) -> RunRecord:
        """Build, boot, test and record a plan; goes on with the last run if that was cut short.

        Args:
            bases: For a variant the one of which it is not tested if its binary is the same.
            counting: Counts the lines of a series meanwhile.
            again: Test also what is its base again.

        Raises:
            Interrupted: From a signal, with what had ended by then.
        """
        # Guests: see preparer; and the tools of this machine.
        from lab.doctor import require
        from lab.execution.resume import unfinished
        from lab.execution.run import Runner

        require("test")
        if counting is not None:
            # What a run has counted that was cut short, nobody kept.
            runner = Runner(self.builder, None, self.max_fail, bases or {}, counting, again)
            return runner.run(plan, command)
        begun = self.killed or unfinished(self.loaded, plan, self.listener.say)
        runner = Runner(self.builder, begun, self.max_fail, bases or {}, again=again)
        return runner.run(plan, command)

    def verify(
        self,
        plan: SeriesPlan,
        command: Sequence[str],
        *,
        again: bool = False,
        coverage: bool = False,
    ) -> Verification:
        """Test base against patched on each kernel of a plan, and judge the series.

        Args:
            again: Also where the series changes nothing in the binary.
            coverage: Count how often its lines run; guests run under TCG then, see emulated().

        Raises:
            InfrastructureError: Lines are to be counted, and what counts cannot be made.
        """
        # Guests: see preparer.
        from lab.execution.verify import verify

        bases = {plan.patched(kernel): kernel for kernel in plan.kernels}
        test = partial(self.test, command=command, bases=bases, again=again)
        if not coverage:
            return verify(self.builder, plan, test)
        # Debug information is read by who counts alone.
        from lab.execution.line_counting import LineCounting
        from lab.guest.qemu.counting_means import counting_means

        means = counting_means(self.cache, self.listener.say)
        pairs = {kernel: plan.patched(kernel) for kernel in plan.kernels}
        counting = LineCounting(self.builder, pairs, means.said)
        return verify(self.builder, plan, partial(test, counting=counting), counting)

    def emulated(self) -> Lab:
        """The same lab, where all machines run under TCG: QEMU counts nothing of what KVM runs."""
        machines = {
            name: machine.model_copy(update={"accelerator": "tcg"})
            for name, machine in self.loaded.config.machines.items()
        }
        config = self.loaded.config.model_copy(update={"machines": machines})
        return replace(self, loaded=replace(self.loaded, config=config))
