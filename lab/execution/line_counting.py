# SPDX-License-Identifier: GPL-2.0-only
"""How often the lines of a series ran: asked before its jobs, read after them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.binary.image import Image
from lab.build import Build
from lab.build.debug_objects import debug_objects
from lab.builder import Builder
from lab.coverage.assembler import AssemblerLines
from lab.coverage.code_lines import SourceText, read_source
from lab.coverage.counted import Coverage, DiffLine, Hunk, LineCount, LineState
from lab.coverage.counts import PROBES, Probes, read_counts
from lab.coverage.debug_object import DebugObject
from lab.coverage.formulas import FileLines, Formula
from lab.coverage.machine_code import read_code
from lab.coverage.places import PlacedFunction, place
from lab.errors import InfrastructureError, LabError
from lab.execution.cold_check import (
    Booted,
    ColdCheck,
    ColdGuest,
    Compared,
    LineCounts,
    checked,
    named,
)
from lab.execution.file_pairs import C, FilePair, changed_files
from lab.execution.unit_marks import UnitMarks, marked_tests, read_units
from lab.model.job_name import Around
from lab.model.ran import Ran
from lab.model.records import JobRecord, RunRecord
from lab.model.status import Status
from lab.model.variant import Variant
from lab.plan import JobPlan
from lab.results import JobFolder
from lab.store.left_there import require_vmlinux
from lab.unforeseen import as_lab_error

#: What the kernel enters when a guest's program writes to /dev/kmsg, since 4.0 (d3b4f8de4c2c).
_MARK = "devkmsg_write"
#: A header's lines may be in half of the kernel.
_MOST_FUNCTIONS = 500
_MOST_NAMED = 5
#: Programs that a booted guest runs, too: what one leaves out of the lines another may have.
_MOST_COMPARED = 3


@dataclass(frozen=True, eq=False)
class _Side:
    """One kernel of a pair: what tells of its lines, and what its guests count for that.

    Attributes:
        shown: The lines that are told of, by file.
        partly: Files of which the kernel has more places than are counted.
    """

    files: Mapping[str, FileLines | AssemblerLines]
    probes: Probes
    notes: tuple[str, ...] = ()
    shown: tuple[tuple[str, int], ...] = ()
    partly: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """Names what is counted."""
        parts = repr((self.probes, self.shown))
        return hashlib.sha256(parts.encode()).hexdigest()[:24]

    def formula(self, file: str, line: int) -> Formula:
        known = self.files.get(file)
        return Formula(LineState.NOT_CODE) if known is None else known.formula(line)


@dataclass
class LineCounting:
    """Counts the lines of a series in the jobs of one run.

    Attributes:
        pairs: For each kernel the one with the series.
        means: What counts.
    """

    builder: Builder
    pairs: Mapping[Variant, Variant]
    means: str
    _sides: dict[tuple[str, Around], _Side] = field(default_factory=dict)
    _cold: dict[tuple[str, Around], ColdGuest] = field(default_factory=dict)
    _wanting: dict[tuple[str, Around], str] = field(default_factory=dict)

    def probes(self, planned: JobPlan, built: Build, folder: JobFolder) -> Path | None:
        """What the guests of a job count; None, and kept why, where that cannot be found out."""
        key = (str(planned.variant), Around(planned.machine, planned.config))
        try:
            side = self._side(planned, built)
            path = folder.path / PROBES
            side.probes.write(path)
        except Exception as raised:
            error = as_lab_error(raised)
            self._wanting[key] = error.what
            self.builder.listener.say(f"{planned.variant}: its lines are not counted: {error}")
            return None
        self._sides[key] = side
        self._cold[key] = ColdGuest(self.builder, planned, built, path)
        return path

    def _side(self, planned: JobPlan, built: Build) -> _Side:
        request = planned.build
        files = self._files(planned.variant, request.config, request.fragments)
        patched = planned.variant in self.pairs.values()
        return _side_of(built, files, patched=patched)

    def _files(
        self, variant: Variant, config: str, fragments: tuple[str, ...]
    ) -> tuple[FilePair, ...]:
        for base, patched in self.pairs.items():
            if variant in (base, patched):
                jobs = [self.builder.build_job(each, config, fragments) for each in (base, patched)]
                return tuple(changed_files(*jobs))
        return ()

    def of(self, kernel: Variant, around: Around, run: RunRecord, folders: Path) -> Coverage | None:
        """What ran of the series on a kernel; None where nothing of it was counted.

        Args:
            folders: Where the run's folders are.
        """
        patched = self.pairs[kernel]
        jobs = {job.names: job for job in run.jobs}
        found = [
            self._counted(variant, around, jobs.get((variant, *around)), folders / run.id)
            for variant in (kernel, patched)
        ]
        if not any(found):
            return None
        machine, config = around
        files = self._files_of(kernel, around, run)
        hunks = tuple(_hunks(files, *found))
        notes = tuple(dict.fromkeys(note for each in found if each for note in each.notes))
        notes += tuple(
            f"{variant}: not counted: {why}"
            for (variant, where), why in self._wanting.items()
            if where == around and variant in (kernel, patched)
        )
        checks = tuple(check for each in found if each for check in each.checks)
        return Coverage(str(kernel), machine, config, hunks, self.means, notes, checks)

    def _files_of(self, kernel: Variant, around: Around, run: RunRecord) -> tuple[FilePair, ...]:
        fragments = self.builder.loaded.config.machines[around.machine].fragments
        return self._files(kernel, around.config, tuple(fragments))

    def _counted(
        self, variant: Variant, around: Around, job: JobRecord | None, folder: Path
    ) -> _Counted | None:
        side = self._sides.get((str(variant), around))
        if side is None or job is None or not job.evidence.console_path:
            return None
        place = (folder / job.evidence.console_path).parent
        counted = _read(side, job, place)
        if not counted.whole or not any(use.state for use in job.evidence.guests):
            return counted
        return self._checked(counted, self._cold[str(variant), around], job, place)

    def _checked(
        self, counted: _Counted, guest: ColdGuest, job: JobRecord, place: Path
    ) -> _Counted:
        """What was counted, unless a guest that was booted counts otherwise."""

        try:
            some, of = _telling(counted, job)
            compared = Compared(some, _lines_of(counted, some), of)
            asked = _asked(counted.side, job, self.means)
            found = checked(
                guest,
                asked,
                compared,
                lambda number: self._booted(counted, guest, job, some, _cold(place, number)),
            )
        except Exception as raised:
            error = as_lab_error(raised)
            note = f"{job.name}: not compared with a guest that was booted: {error.what}"
            return replace(counted, notes=(*counted.notes, note))
        return _as_found(replace(counted, booting=frozenset(found.outside)), found, job.name)

    def _booted(
        self,
        counted: _Counted,
        guest: ColdGuest,
        job: JobRecord,
        some: tuple[Ran, ...],
        folder: Path,
    ) -> Booted:
        """What a guest that is booted counts of some programs.

        Raises:
            InfrastructureError: Their tests end otherwise there, or it came to no good end.
        """
        self.builder.listener.say(f"{job.name}: does a booted guest count {named(some)} alike?")
        record = guest.run(some, folder)
        for ran in some:
            if _ends(record, ran) != _ends(job, ran):
                raise InfrastructureError(f"tests of {ran.unit} end otherwise there")
        booted = _read(counted.side, record, folder)
        if not booted.whole:
            raise InfrastructureError("; ".join(booted.notes) or "it counted nothing")
        return Booted(_lines_of(booted, some), booted.outside_tests)


def _cold(place: Path, number: int) -> Path:
    return place / ("cold" if number == 1 else f"cold-{number}")


def _as_found(counted: _Counted, found: ColdCheck, name: str) -> _Counted:
    """What was counted, as far as it agrees with what booted guests count."""
    notes = (*counted.notes, *(f"{name}: {doubt}" for doubt in [found.doubt] if doubt))
    if found.unlike:
        why = f"{name}: a booted guest counts otherwise: {found.unlike[0]}"
        return replace(counted, whole=False, notes=(*notes, why))
    checks = (f"{name}: a guest that was booted counts the same: {found.words}",)
    return replace(counted, notes=notes, checks=checks if found.compared else ())


def _asked(side: _Side, job: JobRecord, means: str) -> str:
    """What is compared once: another QEMU or machine may count otherwise, and other means."""
    made = (job.evidence.qemu_version, job.evidence.machine, means)
    parts = (str(_MOST_COMPARED), side.digest, *made)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _telling(counted: _Counted, job: JobRecord) -> tuple[tuple[Ran, ...], int]:
    """A few programs that tested something and ran most of the lines together; how many did.

    The first is the one whose tests ran most, and each after it ran some that none before it did.

    Raises:
        InfrastructureError: None tested anything.
    """
    able = [ran for ran in job.ran if _ends(job, ran)]
    if not able:
        raise InfrastructureError("no program has a result")
    lines = {one: counted.lines_of(one) for one in able}
    did = {one: {line for line, tests in found.items() if tests} for one, found in lines.items()}
    some = [max(able, key=lambda one: sum(map(len, lines[one].values())))]
    seen = set(did[some[0]])
    while len(some) < _MOST_COMPARED:
        following = max(able, key=lambda one: len(did[one] - seen))
        if did[following] <= seen:
            break
        some.append(following)
        seen |= did[following]
    return tuple(some), len(set().union(*did.values()))


def _lines_of(counted: _Counted, some: Iterable[Ran]) -> LineCounts:
    """How often the lines ran in some programs' tests."""
    found: dict[str, dict[Ran, int]] = defaultdict(dict)
    for ran in some:
        for line, tests in counted.lines_of(ran).items():
            found[line].update(tests)
    return found


def _ends(job: JobRecord, ran: Ran) -> frozenset[tuple[str, Status]]:
    """How the tests of a program ended."""
    return frozenset(
        (result.test, result.status)
        for result in job.results
        if result.ran
        and _is_of(Ran(result.filesystem, result.suite, result.program, result.test), ran)
    )


def _is_of(test: Ran, ran: Ran) -> bool:
    """Whether a test is one of what ran: of a program's all, of one that ran alone that one."""
    return test[:3] == ran[:3] and ran.test in ("", test.test)


def _side_of(built: Build, files: Sequence[FilePair], *, patched: bool) -> _Side:
    written = {each.name: each.text(patched=patched) for each in files}
    texts = {
        name: read_source("\n".join(text)) for name, text in written.items() if name.endswith(C)
    }
    shown = {each.name: each.shown(patched=patched) for each in files}
    interest = {
        name: frozenset(_around(texts[name], numbers)) if name in texts else numbers
        for name, numbers in shown.items()
    }
    made = debug_objects(built.job, written)
    vmlinux = require_vmlinux(built.folder)
    image = Image.read(vmlinux)
    objects = [DebugObject.read(path, made.source) for path in made.paths]
    placed = _Placed.of(objects, image, interest, vmlinux)
    notes = (f"of those that include {name} only some were looked at" for name in made.cut)
    functions = placed.functions

    def may_have(name: str) -> bool:
        return any(each.may_have(name) for each in objects)

    known: dict[str, FileLines | AssemblerLines] = {
        name: FileLines(name, text, functions, name in made.compiled, placed.lost, may_have)
        for name, text in texts.items()
    }
    known |= {
        name: AssemblerLines(name, text, functions, name in made.compiled, placed.lost)
        for name, text in written.items()
        if name not in texts
    }
    addresses = {each for one in functions for each in one.addresses}
    edges = {each for one in functions for each in one.code.edges}
    return _Side(
        known,
        Probes.of(addresses, edges, _mark(image)),
        (*notes, *placed.notes),
        tuple((name, number) for name, numbers in shown.items() for number in sorted(numbers)),
        # A line that some lost function has may have run there.
        frozenset(written if placed.is_cut else made.cut),
    )


@dataclass(frozen=True)
class _Placed:
    """The functions that are counted, and what is to be said of others."""

    functions: tuple[PlacedFunction, ...]
    lost: tuple[str, ...]
    notes: tuple[str, ...]
    is_cut: bool

    @staticmethod
    def of(
        objects: Iterable[DebugObject],
        image: Image,
        interest: Mapping[str, frozenset[int]],
        vmlinux: Path,
    ) -> _Placed:
        found = [
            place(debug, image, interest, lambda one: read_code(vmlinux, one.address, one.size))
            for debug in objects
        ]
        functions = tuple(each for placing in found for each in placing.functions)
        lost = tuple(name for placing in found for name in placing.lost)
        notes = []
        if lost:
            named = ", ".join(f"{name}()" for name in lost[:_MOST_NAMED])
            more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
            notes.append(f"not in the kernel as it was compiled again: {named}{more}")
        if len(functions) > _MOST_FUNCTIONS:
            notes.append(f"only {_MOST_FUNCTIONS} of {len(functions)} functions are counted")
        is_cut = bool(lost) or len(functions) > _MOST_FUNCTIONS
        return _Placed(functions[:_MOST_FUNCTIONS], lost, tuple(notes), is_cut)


def _around(text: SourceText, shown: Iterable[int]) -> Iterator[int]:
    """The lines of all functions that some lines are in."""
    for line in shown:
        function = text.function_at(line)
        if function is not None:
            yield from range(function.first, function.last + 1)


def _mark(image: Image) -> int:
    found = [each.address for each in image.symbols if each.name.name == _MARK]
    if len(found) != 1:
        what = f"the kernel has no {_MARK}(), by which tests are told apart"
        raise InfrastructureError(what, hint="CONFIG_PRINTK=y, and a kernel from 4.0 on")
    return found[0]


@dataclass(frozen=True, eq=False)
class _Counted:
    """What the guests of a job counted: by number, how often in which test.

    Attributes:
        outside: By number, how often in no test.
        booting: Lines, FILE:NUMBER, that run in no test of a guest that is booted.
        checks: With what these counts were compared, and found the same.
    """

    side: _Side
    by_number: Mapping[int, Counter[Ran]]
    bad: frozenset[Ran]
    notes: tuple[str, ...]
    whole: bool
    outside: Counter[int] = field(default_factory=Counter)
    booting: frozenset[str] = frozenset()
    checks: tuple[str, ...] = ()

    @property
    def outside_tests(self) -> tuple[str, ...]:
        """The lines that ran in no test, FILE:NUMBER."""
        return tuple(f"{file}:{n}" for file, n in self.side.shown if self._ran_outside(file, n))

    def _ran_outside(self, file: str, number: int) -> bool:
        formula, numbers = self.side.formula(file, number), self.side.probes.numbers
        plus = sum(self.outside[numbers[each]] for each in formula.plus)
        minus = sum(self.outside[numbers[each]] for each in formula.minus)
        return plus > minus or f"{file}:{number}" in self.booting

    def lines_of(self, ran: Ran) -> LineCounts:
        """How often the lines that are shown ran in a program's tests."""
        return {
            f"{file}:{number}": {
                test: count for test, count in self.line(file, number).tests if _is_of(test, ran)
            }
            for file, number in self.side.shown
        }

    def line(self, file: str, number: int) -> LineCount:
        formula = self.side.formula(file, number)
        is_code = formula.state is not LineState.NOT_CODE
        if is_code and file in self.side.partly and not self._sum(formula):
            # It may have run where nobody counted.
            why = "not all places are counted that the kernel has of it"
            return LineCount(number, LineState.UNKNOWN, why=why)
        if not formula.tells:
            merged = formula.state is LineState.MERGED
            idle = formula.absent or (merged and self._is_idle(file, number))
            return LineCount(number, formula.state, why=formula.why, idle=idle)
        if not self.whole:
            return LineCount(number, LineState.UNKNOWN, why="not all guests say what they counted")
        counts = self._sum(formula)
        total = sum(counts.values())
        if not total and self._ran_outside(file, number):
            why = "it ran, and in no test: as a guest booted, was set up or unmounted"
            return LineCount(number, LineState.UNKNOWN, why=why)
        tests = tuple(sorted(counts.items()))
        state = LineState.RAN if total else LineState.NEVER
        if total and all(test in self.bad for test, _ in tests):
            state = LineState.FAILING
        return LineCount(number, state, total, tests, formula.why)

    def _is_idle(self, file: str, number: int) -> bool:
        """Whether it is known that nothing of the function ran that a line is in."""
        around = self.side.files[file].around(number)
        numbers = self.side.probes.numbers
        return (
            self.whole
            and bool(around)
            and all(each in numbers and not self.by_number.get(numbers[each]) for each in around)
        )

    def _sum(self, formula: Formula) -> Counter[Ran]:
        numbers = self.side.probes.numbers
        found: Counter[Ran] = Counter()
        for each in formula.plus:
            found.update(self.by_number.get(numbers[each], {}))
        for each in formula.minus:
            found.subtract(self.by_number.get(numbers[each], {}))
        return +found


def _read(side: _Side, job: JobRecord, folder: Path) -> _Counted:
    by_number: dict[int, Counter[Ran]] = defaultdict(Counter)
    outside: Counter[int] = Counter()
    notes = list(side.notes)
    whole = bool(job.evidence.guests)
    for use in job.evidence.guests:
        place = folder / use.folder
        try:
            counts = read_counts(place, side.probes)
            # Of a guest in which nothing could run nobody noted what did.
            units = read_units(place) if use.units else ()
            _require_marks(units)
            tests, unsure = _tests(units, marked_tests(place / "console.log"))
        except (LabError, OSError, ValueError) as error:
            notes.append(f"{job.name}: {error}")
            whole = False
            continue
        notes += unsure
        for marks, found in counts.items():
            ran = tests.get(marks)
            for number, count in found.items():
                if ran is None:
                    outside[number] += count
                else:
                    by_number[number][ran] += count
    return _Counted(side, by_number, _bad(job), tuple(notes), whole, outside)


def _require_marks(units: Sequence[UnitMarks]) -> None:
    """Raise ValueError where a program's own mark was not counted: then nothing was."""
    for unit in units:
        if unit.after <= unit.before:
            raise ValueError(f"no mark of {unit.ran.unit} was counted")


def _tests(
    units: Sequence[UnitMarks], marked: Sequence[tuple[str, ...]]
) -> tuple[Mapping[int, Ran], list[str]]:
    """Which test ran before which of a guest's marks, and of which programs nobody can tell."""
    found: dict[int, Ran] = {}
    unsure = []
    for number, unit in enumerate(units):
        names = marked[number] if len(marked) == len(units) else None
        tests = None if names is None else unit.tests(names)
        if tests is None:
            unsure.append(
                f"{unit.ran.unit}: its tests are not told apart: its marks are not all there"
            )
            tests = dict.fromkeys(range(unit.before + 1, unit.after + 1), unit.ran)
        found.update(tests)
    return found, unsure


def _bad(job: JobRecord) -> frozenset[Ran]:
    """The tests, and programs, of which no result is a pass."""
    good: set[Ran] = set()
    seen: set[Ran] = set()
    for result in job.results:
        for test in (result.test, ""):
            ran = Ran(result.filesystem, result.suite, result.program, test)
            seen.add(ran)
            if result.status is Status.PASS:
                good.add(ran)
    return frozenset(seen - good)


def _hunks(
    files: Sequence[FilePair], base: _Counted | None, patched: _Counted | None
) -> Iterator[Hunk]:
    for each in files:
        for pairs in each.hunks:
            lines = (
                DiffLine(
                    pair.change,
                    pair.text,
                    _line(base, each.name, pair.base),
                    _line(patched, each.name, pair.patched),
                )
                for pair in pairs
            )
            yield Hunk(each.name, tuple(lines))


def _line(side: _Counted | None, file: str, number: int | None) -> LineCount | None:
    if number is None:
        return None
    if side is None:
        return LineCount(number, LineState.UNKNOWN, why="this kernel was not counted")
    return side.line(file, number)
