# SPDX-License-Identifier: GPL-2.0-only
"""A workbench for many kernels that differ in the content of one file each."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.arch import ARCH
from lab.binary.relocatable import object_digest
from lab.build.build import Build, BuildJob, copy_products, ready_workbench, workbench_of
from lab.build.make import Make
from lab.build.product import is_product, product, read_product
from lab.build.recorded import record
from lab.build.release import read_release
from lab.build.workbench import UNKNOWN, Workbench
from lab.errors import UserError
from lab.patches.overlay import Replacement
from lab.process.scratch import write_whole
from lab.trees import read_rows, write_rows

#: Of a workbench's folder: what its make may run, and nobody else's.
_TOOLS = "bin"


@dataclass
class MutantBench:
    """Compiles one file in many versions, and links each: the rest is as the job has it.

    What make runs for a file is written down, and run again for the next version: the first
    kernel is made by make, and before another is made by the script, that has to give the
    job's own kernel again, down to the byte.  Where it does not make does all of it.

    Attributes:
        tell: Is told how kernels are made where it is not the quick way.
    """

    job: BuildJob
    bench: Workbench
    make: Make
    scripts: Path
    tell: Callable[[str], None] = lambda _: None
    own: str = ""
    changed: str | None = None
    known: set[str] = field(default_factory=set)
    trusted: dict[str, bool] = field(default_factory=dict)
    by_make: set[str] = field(default_factory=set)
    parts: dict[str, bool] = field(default_factory=dict)

    def begin(self) -> None:
        """Make the job's own kernel, which is what all others are measured by."""
        self.make(ARCH.image)
        self.own = self._image()

    def compiles(self, file: str) -> bool:
        """Whether the kernel is made of a file; of a header nobody can tell."""
        if not file.endswith(".c") or self._object(file) is not None:
            return True
        if file not in self.parts:
            self.parts[file] = self._is_part(file)
        return self.parts[file]

    def _object(self, file: str) -> str | None:
        """The object that a C file is; None of what is made part of something else."""
        target = f"{file.removesuffix('.c')}.o"
        is_one = file.endswith(".c") and _note(self.bench.objects / target).exists()
        return target if is_one else None

    def _is_part(self, file: str) -> bool:
        """Whether kbuild noted a file of anything that it made: others include it, or run it."""
        wanted = re.compile(rf"(?:/|\s){re.escape(file)}(?:\s|$)", re.MULTILINE)
        objects = self.bench.objects
        names = (str(note.relative_to(objects)) for note in objects.rglob(".*.cmd"))
        return any(
            wanted.search(read_product(objects, name))
            for name in names
            if is_product(objects, name)
        )

    def is_own(self) -> bool:
        """Whether the kernel that was linked last is the job's own, down to the byte."""
        return self._image() == self.own

    def compile(self, file: str, content: bytes) -> str:
        """Compile a file with this content; the digest of its object.

        "" of a header, and of a C file that others include: link() sees to those.

        Raises:
            UserError: It does not compile, or this config compiles it nowhere.
        """
        self._write(file, content)
        target = self._object(file)
        if target is None:
            return ""
        script = self._script(file, "object")
        # What is not made now must not be taken for what is.
        (self.bench.objects / target).unlink(missing_ok=True)
        if script.exists():
            self.make.shell(f"sh {shlex.quote(str(script))}")
        else:
            self._record_object(target, script)
        return self._digest(target)

    def _record_object(self, target: str, script: Path) -> None:
        """Make an object, and keep how if that makes the same again."""
        if target in self.by_make:
            self.make(target)
            return
        record(self.make, target, self.bench.folder / _TOOLS, script)
        made = self._digest(target)
        (self.bench.objects / target).unlink()
        with suppress(UserError):
            self.make.shell(f"sh {shlex.quote(str(script))}")
            if self._digest(target) == made:
                return
        self.by_make.add(target)
        script.unlink()
        self.make(target)

    def _digest(self, target: str) -> str:
        return object_digest(product(self.bench.objects, target), self.bench.folder)

    def link(self, folder: Path) -> Build:
        """Make the kernel of what was compiled last, below a folder of the caller's.

        Raises:
            UserError: It does not compile, of what link() sees to; or it cannot be linked.
        """
        assert self.changed is not None
        file, script = self.changed, self._script(self.changed, "image")
        if self._object(file) is None or self.trusted.get(file) is False:
            self.make(ARCH.image)
        elif not script.exists():
            record(self.make, ARCH.image, self.bench.folder / _TOOLS, script)
        else:
            self._link_again(file, script)
        content = (self.bench.source / file).read_bytes()
        overlay = self.job.overlay.over({file: Replacement(0o100644, content)})
        job = replace(self.job, cache=folder, overlay=overlay)
        job.folder.mkdir(parents=True)
        copy_products(self.bench, job.folder)
        return Build(job, read_release(self.bench.objects), True, 0.0)

    def _link_again(self, file: str, script: Path) -> None:
        if file not in self.trusted:
            content = (self.bench.source / file).read_bytes()
            self.trusted[file] = self._gives_own(file, script)
            if not self.trusted[file]:
                self.tell(f"{file}: what make ran does not give the same kernel again: make does")
            self.compile(file, content)
        if self.trusted[file]:
            self.make.shell(f"sh {shlex.quote(str(script))}")
        else:
            self.make(ARCH.image)

    def _gives_own(self, file: str, script: Path) -> bool:
        """Whether the script makes of another kernel the job's own, as make did."""
        if self._image() == self.own:
            return False  # what the script does would not be seen
        self.compile(file, self._patched(file))
        with suppress(UserError):
            self.make.shell(f"sh {shlex.quote(str(script))}")
            return self._image() == self.own
        return False

    def restore(self) -> None:
        """Have the source as the job has it; when it is built next, make sees to the objects."""
        if self.changed is not None:
            self._write(self.changed, self._patched(self.changed))

    def _image(self) -> str:
        digest = hashlib.sha256()
        for name in ("vmlinux", ARCH.image_path):
            digest.update(product(self.bench.objects, name).read_bytes())
        return digest.hexdigest()

    def _patched(self, file: str) -> bytes:
        found = self.job.overlay.files[file]
        assert found is not None
        return found.content

    def _script(self, file: str, what: str) -> Path:
        name = hashlib.sha256(file.encode()).hexdigest()[:12]
        return self.scripts / f"{name}.{what}"

    def _write(self, file: str, content: bytes) -> None:
        if self.changed not in (None, file):
            self.restore()
        if file not in self.known:
            # From here on nobody vouches for it: a build that comes after a kill writes it anew.
            rows = read_rows(self.bench.manifest)
            write_rows(self.bench.manifest, {**rows, file: UNKNOWN})
            self.known.add(file)
        self.changed = file
        write_whole(self.bench.source / file, content)


@contextmanager
def mutant_bench(
    job: BuildJob,
    number: int,
    folder: Path,
    stopped: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[MutantBench]:
    """One of several workbenches for versions of a job's files; the kernel's first is free.

    Args:
        number: From 1: no two at once have the same.
        folder: For its log and scripts, while the block lasts.

    Raises:
        UserError, InfrastructureError: As build() does.
    """
    log = folder / f"make-{number}.log"
    log.touch()
    if (bench := workbench_of(job, number + 1)).is_held:
        tell(f"{bench.folder}: another lab builds there, and is waited for")
    with ready_workbench(job, log, number + 1) as (bench, make):
        scripts = bench.folder / _TOOLS / "mutants"
        yield from _used(job, bench, replace(make, stopped=stopped), scripts, tell)


def _used(
    job: BuildJob, bench: Workbench, make: Make, scripts: Path, tell: Callable[[str], None]
) -> Iterator[MutantBench]:
    # Those of an earlier time may be of another compiler, or of half a run.
    scripts.mkdir(parents=True, exist_ok=True)
    for script in scripts.iterdir():
        script.unlink()
    found = MutantBench(job, bench, make, scripts, tell)
    try:
        yield found
    finally:
        found.restore()


def _note(target: Path) -> Path:
    """Where kbuild notes how it made an object, if it did."""
    return target.with_name(f".{target.name}.cmd")
