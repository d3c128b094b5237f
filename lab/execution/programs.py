# SPDX-License-Identifier: GPL-2.0-only
"""What goes into a guest: the programs of its suites, and those that every guest needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from lab.build import Build
from lab.config import LoadedConfig
from lab.config.kinds import IMAGES, C
from lab.config.model import Image
from lab.errors import LabError, UserError
from lab.filesystems import filesystem_of
from lab.model.maker import made_by
from lab.suites import suite_for, suite_of
from lab.suites.manner import IN_IMAGE
from lab.suites.suite import BuiltPrograms, Suite, bound
from lab.userland.userland import Userland

#: Seconds; what is there already takes less.
_SILENT_S = 3.0
#: PID 1, and what the SSH server starts with.
EVERY_GUEST = ("init", "ssh-waits.so")
#: Takes the image's name, its table, the cache, a deadline in seconds, and what it has beside.
MakeUserland = Callable[[str, Image, Path, float, Sequence[Path]], Userland]


@dataclass(frozen=True)
class Programs:
    """Programs by their suite, each once.

    Attributes:
        needed: Those without which no guest can be used.
        images: The tables of the images that some run in, by name, with the programs' names.
        making_s: The deadline for one that is made, in seconds.
    """

    by_suite: Mapping[Suite, tuple[str, ...]]
    needed: tuple[str, ...]
    images: Mapping[str, tuple[Image, tuple[str, ...]]] = field(default_factory=dict)
    making_s: float = inf

    @classmethod
    def of(cls, loaded: LoadedConfig, suites: Iterable[str]) -> Programs:
        """Those of some suites of ``lab.toml``, what proves its filesystems, and every guest's.

        Raises:
            UserError: Two kinds of suites have programs of one name, or two programs would be
                told apart by nothing but where a dot stands.
        """
        found: dict[Suite, dict[str, None]] = {}
        suites = tuple(dict.fromkeys(suites))
        _refuse_one_file(loaded, suites)
        for name in suites:
            section = loaded.config.suites[name]
            for program in section.programs:
                found.setdefault(suite_for(section, loaded.root, program, loaded.config), {})[
                    program
                ] = None
        images = _images(loaded, suites)
        needed = (*_proving(loaded), *EVERY_GUEST, *([IN_IMAGE] if images else []))
        found.setdefault(suite_of(C, loaded.root), {}).update(dict.fromkeys(needed))
        _refuse_twins(found, loaded)
        by_suite = {suite: tuple(names) for suite, names in found.items()}
        return cls(by_suite, needed, images, loaded.config.deadlines.fetch)

    def build(
        self, cache: Path, kernel: Build | None = None, say: Callable[[str], None] = lambda _: None
    ) -> BuiltPrograms:
        """Build them, as far as they can be built.

        Args:
            kernel: Whose tree some of them are made from; without it these are left out.
            say: Told what takes long; from any thread.

        Raises:
            LabError: What every guest needs cannot.
        """
        files: dict[str, Path] = {}
        failed: dict[str, LabError] = {}
        for_image: dict[Path, None] = {}
        for suite, names in self.by_suite.items():
            with _telling(say, f"{_some(names)}: being built"):
                built = bound(suite, kernel).build(names, cache)
            if twice := sorted(_in_both(files, built.files)):
                what = f"two kinds of suites would put a file {twice[0]!r} into the guest"
                raise UserError(what, hint="another name for one of them")
            files.update(built.files)
            failed.update(built.failed)
            for_image |= dict.fromkeys(built.for_image)
        for name in self.needed:
            if name in failed:
                raise failed[name]
        return self._with_image(
            BuiltPrograms(files, failed, for_image=tuple(for_image)), cache, say
        )

    def _with_image(
        self, built: BuiltPrograms, cache: Path, say: Callable[[str], None]
    ) -> BuiltPrograms:
        """The same with the image that programs run in; those that cannot have it do not run."""
        made: Userland | None = None
        failed = dict(built.failed)
        for name, (table, programs) in self.images.items():
            if failed.keys() >= set(programs):
                continue
            try:
                make: MakeUserland = made_by(IMAGES[table.kind])
                with _telling(say, f"image {name!r}: being made, once"):
                    made = make(name, table, cache, self.making_s, built.for_image)
            except LabError as error:
                failed |= dict.fromkeys(programs, error)
        return BuiltPrograms(built.files, failed, made)

    def sources(self) -> Iterator[tuple[str, Path]]:
        """(name, file) pairs of all that they are built from.

        Raises:
            UserError: One cannot be read.
        """
        for suite, names in self.by_suite.items():
            yield from suite.sources(names)


@contextmanager
def _telling(say: Callable[[str], None], what: str) -> Iterator[None]:
    """Have it told what takes longer than anybody waits without a word."""
    timer = threading.Timer(_SILENT_S, say, (what,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _some(names: Sequence[str]) -> str:
    return ", ".join((*names[:3], *(["..."] if len(names) > 3 else ())))


def _images(
    loaded: LoadedConfig, suites: Iterable[str]
) -> dict[str, tuple[Image, tuple[str, ...]]]:
    """Each image that suites name, and the programs that run in it.

    Raises:
        UserError: There are two: a guest has one.
    """
    tables = [loaded.config.suites[name] for name in suites]
    wanted = dict.fromkeys(table.image for table in tables if table.image is not None)
    if len(wanted) > 1:
        what = f"a guest has one image, and these suites want {', '.join(wanted)}"
        raise UserError(what, where=loaded.toml, hint="a run for each: lab test -s SUITE")
    return {
        name: (
            loaded.config.images[name],
            tuple(one for table in tables if table.image == name for one in table.programs),
        )
        for name in wanted
    }


def _in_both(files: Mapping[str, Path], more: Mapping[str, Path]) -> Iterator[str]:
    """Names that two kinds have; a tool that both bring, by its path, is one."""
    for name in files.keys() & more.keys():
        if not name.startswith("/") or files[name] != more[name]:
            yield name


def _proving(loaded: LoadedConfig) -> Iterator[str]:
    """What the filesystems of ``lab.toml`` are proved with."""
    for name, section in loaded.config.filesystems.items():
        for proof in filesystem_of(name, section).prove():
            yield from proof.programs


def _refuse_one_file(loaded: LoadedConfig, suites: Iterable[str]) -> None:
    """``b.c`` of a suite ``a`` and ``c`` of ``a.b`` would write over each other's output."""
    files: dict[str, str] = {}
    for suite in suites:
        for program in loaded.config.suites[suite].programs:
            file, names = f"{suite}.{program}", f"{program!r} of suite {suite!r}"
            other = files.setdefault(file, names)
            if other != names:
                raise UserError(
                    f"{other} and {names} would be kept in one file, {file}.ktap",
                    where=loaded.locate("suites", suite),
                    hint="another name for one of the suites",
                )


def _refuse_twins(found: Mapping[Suite, Iterable[str]], loaded: LoadedConfig) -> None:
    names = [name for of_kind in found.values() for name in of_kind]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        tables = [name for name, suite in loaded.config.suites.items() if twice in suite.programs]
        raise UserError(
            f"suites {' and '.join(tables)} have a program {twice!r} and run it in two manners: a "
            "guest can have one of that name",
            where=loaded.locate("suites", tables[-1]) if tables else loaded.toml,
            hint="a copy of it by another name for one of them, or one suite at a time",
        )
