# SPDX-License-Identifier: GPL-2.0-only
"""xfstests whole: each of its tests by its own ``check``, in an image that has it.

It mounts what it tests by itself, and as it likes: so before each test both devices are mounted
as it is told to mount them, and have to be what the lab's own mount was proved to be.  Which
tests there are, its files say (``_begin_fstest``, tools/mkgroupfile), and not what ran.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from lab.build.sandbox import Wanted, choose_sandbox
from lab.config.model import Image, SuiteSource
from lab.errors import LabError, UserError
from lab.model.glob import is_picked
from lab.model.spelling import nearest
from lab.model.status import Status
from lab.process.cache_use import note_use
from lab.process.lock import locked
from lab.process.scratch import scratch_folder
from lab.process.seal import damage, seal
from lab.process.shelf import PROGRAMS
from lab.suites.asked import Asked
from lab.suites.built import copy_source
from lab.suites.by_manner import ByManner
from lab.suites.judge import Ended, Judged
from lab.suites.manner import Manner
from lab.suites.output.xfstests import XFSTESTS
from lab.suites.output.xunit import has_report
from lab.suites.suite import BuiltPrograms, ProgramResult
from lab.suites.suite_source import source_tree
from lab.trees.tree import Tree
from lab.userland.root_build import RootBuild, made_in_root

_SCRIPT = Path(__file__).with_name("xfstests-check.sh")
_LIST = "tests.json"
#: RESULT_BASE of the script, which the guest's own /tmp holds.
_RESULTS = "/tmp/xfstests"  # noqa: S108  # the guest's
_KEPT = ("out.bad", "full", "dmesg")
_GROUPS = re.compile(r"^_begin_fstest +(.*)$", re.MULTILINE)
_NUMBERED = re.compile(r"\d{3,4}(?:-[\w-]+)?")
_SECTION = re.compile(r"^lab: (mounted|TEST_DIR|SCRATCH_MNT|check|end)$", re.MULTILINE)
_BEFORE = re.compile(r"^before: .*$", re.MULTILINE)
#: What of a proof says whether it is DAX.
_SAYS = ("dax_option", "statx_dax", "pfn_in_pmem")
_EARNED = {Status.PASS, Status.FAIL}
#: What its report has to bear out.
_UNCONFIRMED = {Status.PASS}
_NO_REPORT = "check left no report (-R xunit)"
#: Which tests `check` takes: groups, those left out, and their names.
Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Xfstests(ByManner):
    """The tests that ``arguments`` name: ``-g GROUP``, ``-x GROUP``, or tests by their names."""

    source: SuiteSource | None = None
    commands: tuple[str, ...] = ()
    take: tuple[str, ...] = ()
    build_image: tuple[str, Image] | None = None
    deadline_s: float = 0.0
    fetch_s: float = 0.0
    sandbox: Wanted = "auto"

    @property
    def by_hand(self) -> bool:
        """A script would need the image."""
        return False

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """What calls check, for each program; and xfstests itself, for the image."""
        assert self.source is not None
        try:
            tree = source_tree(self.source, self.root, cache, self.fetch_s)
            picked = self._picked(groups_of(tree.path))
            files = {name: _script(name, picked, cache) for name in programs}
            return BuiltPrograms(files, {}, for_image=(self._made(tree, cache),))
        except LabError as error:
            return BuiltPrograms({}, dict.fromkeys(programs, error))

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """None: what other people wrote is named by its identity."""
        return iter(())

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """Those of all filesystems."""
        if built is None:
            return None
        return [name for name in _listed(built) if is_picked(name, pattern)]

    def tests_on(self, type: str, program: str, built: Path, pattern: str) -> Sequence[str]:
        """Those that check itself looks for on a filesystem of a type."""
        folders = {"generic", "shared", type}
        names = (name for name in _listed(built) if name.partition("/")[0] in folders)
        return [name for name in names if is_picked(name, pattern)]

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """The script, which enters the image itself; without a test it runs none."""
        return ["env", *self._variables(), f"/lab/{program}", folder, *filter(None, [test])]

    def left_by(self, test: str) -> Sequence[str]:
        """The output that differed, what the test noted, and the kernel's log."""
        return [f"{_RESULTS}/{test}.{kind}" for kind in _KEPT]

    def judge(
        self,
        program: str,
        output: bytes,
        status: int | None,
        *,
        ended: Ended,
        detail: str,
        selected: bool,
    ) -> ProgramResult:
        """As check and its report have it, on devices that are what they have to be."""
        text = output.decode(errors="replace")
        parts = _sections(text)
        found = XFSTESTS.judge(
            program,
            parts.get("check", "").encode(),
            status,
            ended=ended,
            detail=detail,
            selected=selected,
        )
        if ended is Ended.EXITED and (before := _BEFORE.search(text)) and "check" not in parts:
            return ProgramResult((Judged(program, Status.ERROR, before[0]),))
        if wrong := "; ".join(_unproved(parts)):
            return replace(found, judged=tuple(_unearned(one, wrong) for one in found.judged))
        if ended is Ended.EXITED and not has_report(parts.get("check", "")):
            judged = (_unearned(one, _NO_REPORT, _UNCONFIRMED) for one in found.judged)
            return replace(found, judged=tuple(judged))
        return found

    def _variables(self) -> Iterator[str]:
        return (f"{name}={value}" for name, value in self.manner.environment)

    def _picked(self, groups: Groups) -> list[str]:
        """The tests that ``arguments`` name, in check's order.

        Raises:
            UserError: They are none of check's, or name no test.
        """
        picked = list(_chosen(self.manner.arguments, groups))
        if not picked:
            raise UserError(f"no test is of {' '.join(self.manner.arguments)}", where="arguments")
        return picked

    def _made(self, tree: Tree, cache: Path) -> Path:
        assert self.build_image is not None
        build = RootBuild(
            tree.kernel,
            tree.identity,
            self.commands,
            self.take,
            sandbox=choose_sandbox(self.sandbox) is not None,
        )
        return made_in_root(
            build,
            *self.build_image,
            lambda work: copy_source(tree.path, work),
            cache,
            self.deadline_s,
        )


def xfstests(asked: Asked) -> Xfstests:
    """The suite of a table."""
    section = asked.section
    assert section.build_image is not None
    image = None if asked.build_image is None else (section.build_image, asked.build_image)
    return Xfstests(
        asked.root,
        Manner.of(section),
        section.source,
        section.build,
        section.take,
        image,
        asked.deadline_s,
        asked.fetch_s,
        asked.sandbox,
    )


def groups_of(source: Path) -> dict[str, tuple[str, ...]]:
    """The groups of each test of xfstests' source, in check's order.

    Raises:
        UserError: It has none.
    """
    found = {
        f"{path.parent.name}/{path.name}": tuple(said[1].split())
        for path in sorted(source.glob("tests/*/*"))
        if _NUMBERED.fullmatch(path.name)
        and (said := _GROUPS.search(path.read_text(errors="replace")))
    }
    if not found:
        what = "no test of it says which groups it is of: xfstests since v2021.07.05 has these"
        raise UserError(what, where=source / "tests", hint="another source of the suite")
    return found


def _chosen(arguments: Sequence[str], groups: Groups) -> Iterator[str]:
    wanted: set[str] = set()
    left: set[str] = set()
    words = iter(arguments)
    for word in words:
        if word in ("-g", "-x"):
            named = next(words, "").split(",")
            _refuse_unknown(named, groups)
            (wanted if word == "-g" else left).update(named)
        elif word in groups:
            wanted.add(word)
        else:
            what = f"{word!r} is neither -g, -x nor a test of this source"
            raise UserError(what, where="arguments", hint='arguments = ["-g", "dax"]')
    for name, of in groups.items():
        if wanted & {name, *of} and not left & {name, *of}:
            yield name


def _refuse_unknown(named: Iterable[str], groups: Groups) -> None:
    """Of several, one that is misspelt would leave out its tests, or none, and nobody would know.

    Raises:
        UserError: One is neither a group nor a test.
    """
    known = {*groups, *chain.from_iterable(groups.values())}
    for name in named:
        if name not in known:
            what = f"no test of this source is of a group {name!r}"
            raise UserError(what, where="arguments", hint=nearest(name, known))


def _script(program: str, tests: Sequence[str], cache: Path) -> Path:
    """The script under a program's name, beside the list of its tests."""
    content, listed = _SCRIPT.read_bytes(), json.dumps(tests)
    digest = hashlib.sha256(b"\0".join((program.encode(), content, listed.encode())))
    final = PROGRAMS.place(cache, f"xfstests-{digest.hexdigest()[:24]}")
    with locked(PROGRAMS.lock_of(cache, final.name)):
        if damage(final, [program, _LIST]):
            with scratch_folder(final) as scratch:
                (scratch / program).write_bytes(content)
                (scratch / _LIST).write_text(listed)
                seal(scratch, [program, _LIST])
        note_use(final)
    return final / program


def _listed(built: Path) -> list[str]:
    return [str(name) for name in json.loads(built.with_name(_LIST).read_text())]


def _sections(text: str) -> dict[str, str]:
    """What stands after each of the script's lines, up to the next."""
    _, *pieces = _SECTION.split(text)
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def _unproved(parts: Mapping[str, str]) -> Iterator[str]:
    """What of its devices is not shown to be as the lab's own mount is."""
    own = _dax(parts.get("mounted", ""))
    for place in ("TEST_DIR", "SCRATCH_MNT"):
        if (said := _dax(parts.get(place, ""))) != own or None in own:
            shown = ", ".join(f"{key}={value}" for key, value in zip(_SAYS, said, strict=True))
            yield f"{place} is not proved to be what is under test: {shown}"


def _dax(said: str) -> tuple[str | None, ...]:
    found = dict(line.partition("=")[::2] for line in said.splitlines())
    return tuple(found.get(key) for key in _SAYS)


def _unearned(judged: Judged, wrong: str, of: Collection[Status] = _EARNED) -> Judged:
    if judged.status not in of:
        return judged
    message = f"{wrong}; the test itself: {judged.status}"
    return replace(judged, status=Status.ERROR, message=message)
