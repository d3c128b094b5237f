# SPDX-License-Identifier: GPL-2.0-only
"""Builds of the fake kernel, with a compiler that can be stopped at its first object."""

from __future__ import annotations

import multiprocessing
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from lab.build import Build, BuildJob, Step, Toolchain, build
from lab.config.model import DirKernel
from lab.kconfig import load_fragments
from lab.model.version import KernelVersion
from lab.patches import Overlay
from lab.patches.overlay import Replacement
from lab.trees import Tree, fetch, write_manifest
from lab.trees.manifest import compute_manifest

_CC = """#!/bin/sh
# cc -c -o OBJECT SOURCE
if test -e {hold}; then
    echo torn > "$3"
    touch {reached}
    while test -e {hold}; do sleep 0.02; done
fi
exec gcc "$@"
"""

Files = Mapping[str, str | None]


def until(true: Callable[[], object]) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, "waited 10 s in vain"
        time.sleep(0.01)


@dataclass
class Bench:
    """Makes jobs for one kernel, and builds them."""

    top: Path
    kernel: Path
    cache: Path
    made: list[Step] = field(default_factory=list)

    @property
    def hold(self) -> Path:
        """While it exists the compiler writes half an object and waits."""
        return self.top / "hold"

    @property
    def reached(self) -> Path:
        """Exists once the compiler waits."""
        return self.top / "reached"

    @property
    def place(self) -> Path:
        """The only workbench there is."""
        (place,) = (self.cache / "workbenches").iterdir()
        return place

    def tree(self) -> Tree:
        """The kernel as it is now, a folder of the user's."""
        kernel = DirKernel(kind="dir", path=self.kernel)
        cache = self.top / "trees"
        return fetch("6.1", kernel, cache=cache, root=self.top, deadline_s=10, refresh=False)

    def job(
        self,
        files: Files | None = None,
        *,
        tree: Tree | None = None,
        options: str = "CONFIG_SMP=y\n",
        compiler: str = "gcc 12",
        deadline_s: float = 30,
    ) -> BuildJob:
        """A job with these files laid over the kernel; None deletes one."""
        (self.top / "test.config").write_text(options)
        replacements = {
            path: None if text is None else Replacement(0o100644, text.encode())
            for path, text in (files or {}).items()
        }
        return BuildJob(
            variant="6.1+" + "+".join(replacements),
            tree=tree or self.tree(),
            overlay=Overlay(replacements),
            options=load_fragments(self.top, ["test"]),
            toolchain=Toolchain(str(self.top / "cc"), compiler, "ld 2.40", 2),
            cache=self.cache,
            deadline_s=deadline_s,
        )

    def build(self, job: BuildJob) -> Build:
        """Build, with the steps that make took in ``made``."""
        self.made.clear()
        return build(job, on_step=self.made.append)

    @property
    def steps(self) -> list[str]:
        """The steps of the last build, as text."""
        return [f"{step.tool} {step.target}" for step in self.made]

    @property
    def compiled(self) -> list[str]:
        """The objects compiled by the last build."""
        return sorted(step[3:] for step in self.steps if step.startswith("CC "))

    def from_nothing(self, job: BuildJob) -> bytes:
        """The image of the job, built where nothing was built before."""
        cache = self.top / "other-cache"
        # What was built there before is something, and what it keeps would be taken for new.
        shutil.rmtree(cache, ignore_errors=True)
        return build(_in(cache, job)).image.read_bytes()

    def left_in_builds(self) -> list[str]:
        """What is in the cache's builds, besides the locks."""
        folder = self.cache / "builds"
        if not folder.exists():
            return []
        return [path.name for path in folder.iterdir() if not path.name.startswith(".lock-")]

    def processes(self) -> list[str]:
        """Command lines of other processes that work for this test."""
        return [
            command
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and int(entry.name) != os.getpid()
            if (command := self._working(entry))
        ]

    def _working(self, process: Path) -> str:
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(self.top) in command + str((process / "cwd").readlink()):
                return command
        return ""


def _in(cache: Path, job: BuildJob) -> BuildJob:
    return BuildJob(**{**job.__dict__, "cache": cache})


def immutable(kernel: Path, place: Path) -> Tree:
    """A tree as it comes from a tarball: its files never change."""
    place.mkdir()
    write_manifest(place / "manifest", compute_manifest(kernel))
    version = KernelVersion.read(kernel)
    return Tree("6.1", kernel, "tarball:1", version, place / "manifest")


@contextmanager
def elsewhere(
    job: BuildJob, then: Callable[[Build], None] = lambda _: None
) -> Iterator[BaseProcess]:
    """Another process that builds the job; ``then`` runs in it, after the build."""
    process = multiprocessing.get_context("fork").Process(target=lambda: then(build(job)))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@pytest.fixture
def bench(tmp_path: Path, fake_kernel: Path) -> Bench:
    """The fake kernel with an empty cache."""
    bench = Bench(tmp_path, fake_kernel, tmp_path / "cache")
    script = tmp_path / "cc"
    names = {name: shlex.quote(str(tmp_path / name)) for name in ("hold", "reached")}
    script.write_text(_CC.format(**names))
    script.chmod(0o755)
    return bench
