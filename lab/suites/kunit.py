# SPDX-License-Identifier: GPL-2.0-only
"""KUnit's suites: a kernel that has them built in runs them as it boots, and logs their KTAP.

A program is such a suite, by the name that its report has: ``# Subtest: NAME``.  It is read in
the guest's log, where other lines of the kernel's may stand in the middle of it; the format is
that of Documentation/dev-tools/ktap.rst and, before 5.18, of lib/kunit/test.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.model.status import Status
from lab.suites.judge import Ended, Judged, bad_end, told_apart
from lab.suites.output.ktap import IN_KTAP
from lab.suites.suite import BuiltPrograms, ProgramResult

_NONE = 77
#: kunit_run_tests() is what runs a suite, in all versions.
_LOG = f"grep -q ' kunit_run_tests$' /proc/kallsyms || exit {_NONE}; exec dmesg"
#: What printk() puts before a line: the time, and with CONFIG_PRINTK_CALLER a thread or CPU.
_PREFIX = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")
_SKIP = re.compile(r"#\s*skip\b", re.IGNORECASE)
_SUBTEST = re.compile(r"(\s+)# Subtest: (.*\S)\s*")
_PLAN = re.compile(r"\s*1\.\.\d+\s*")
_LINE = re.compile(r"(not )?ok \d+ ?(?:- )?(\S+)(.*)")


@dataclass(frozen=True)
class KUnit:
    """Suites of KUnit's, whatever project names them."""

    root: Path
    by_hand: bool = False

    def build(self, programs: Sequence[str], cache: Path) -> BuiltPrograms:
        """Nothing: they are in the kernel."""
        return BuiltPrograms({}, {})

    def sources(self, programs: Iterable[str]) -> Iterator[tuple[str, Path]]:
        """None but the tree's."""
        return iter(())

    def tests(self, program: str, built: Path | None, pattern: str = "") -> Sequence[str] | None:
        """Nobody knows before the kernel boots."""
        return None

    def command(self, program: str, folder: str, pattern: str, test: str) -> list[str]:
        """The kernel's log."""
        return ["sh", "-c", _LOG]

    def listing(self, program: str, folder: str, pattern: str) -> list[str] | None:
        """They ran: nobody picks any."""
        return None

    def listed(self, stdout: str, status: int) -> tuple[str, ...] | None:
        """Nothing is ever listed."""
        return None

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
        """Each test of the suite's report, and the line that the suite itself has."""
        if (bad := bad_end(ended, status, detail)) is not None:
            return _one(program, *bad)
        if status == _NONE:
            return _one(program, Status.SKIP, "this kernel has no KUnit built in: CONFIG_KUNIT")
        suites = tuple(_found(program, output.decode(errors="replace").splitlines()))
        if not suites:
            what = f"the log has no report of KUnit's suite {program}: is it in the config, by that"
            return _one(program, Status.ERROR, f"{what} name?")
        if len(suites) > 1:
            what = f"the log has {len(suites)} reports of KUnit's suite {program}"
            return _one(program, Status.ERROR, f"{what}: nobody knows which of them counts")
        suite = suites[0]
        report = "".join(f"{line}\n" for line in ("KTAP version 1", *_planned(suite.lines)))
        found = IN_KTAP.judge(
            program, report.encode(), 0, ended=ended, detail=detail, selected=selected
        )
        judged = told_apart((*found.judged, *_own(program, suite, found.judged)))
        return ProgramResult(judged, found.report)


@dataclass(frozen=True)
class _Suite:
    """What of a log is one suite's: its lines, and the match of its own at the end."""

    lines: tuple[str, ...]
    end: re.Match[str] | None


def _found(name: str, log: Sequence[str]) -> Iterator[_Suite]:
    """The reports of suites of a name; a test with parameters, further in, is none."""
    lines = [_PREFIX.sub("", line) for line in log]
    begins = re.compile(rf"( {{4}}|\t)# Subtest: {re.escape(name)}\s*")
    for number, line in enumerate(lines):
        if found := begins.fullmatch(line):
            yield _report(name, found[1], lines[number + 1 :])


def _report(name: str, indent: str, lines: Iterable[str]) -> _Suite:
    own: list[str] = []
    for line in lines:
        end = _LINE.match(line)
        if end is not None and end[2] == name:
            return _Suite(tuple(own), end)
        begun = _SUBTEST.fullmatch(line)
        if end is not None or (begun is not None and begun[1] == indent):
            break  # another suite's: this one has no end
        if line.startswith(indent):
            own.append(line.removeprefix(indent))
    return _Suite(tuple(own), None)


def _planned(lines: Sequence[str]) -> Iterator[str]:
    """The same with the plan of each test that has parameters, of which KUnit prints none.

    It counts them afterwards: ``# TEST: pass:2 fail:0 skip:0 total:2``, where there are two.
    """
    for number, line in enumerate(lines):
        yield line
        found = _SUBTEST.fullmatch(line)
        if found is None or _PLAN.fullmatch("".join(lines[number + 1 : number + 2])):
            continue
        counted = re.compile(rf"\s*# {re.escape(found[2])}: pass:.* total:(\d+)\s*")
        totals = (match[1] for later in lines[number:] if (match := counted.fullmatch(later)))
        yield f"{found[1]}1..{next(totals, 1)}"


def _own(program: str, suite: _Suite, judged: Sequence[Judged]) -> Iterator[Judged]:
    """What the suite's own line says that its tests do not."""
    if suite.end is None:
        yield Judged(program, Status.ERROR, "its report has no end")
    elif suite.end[1] and not any(one.status is Status.FAIL for one in judged):
        yield Judged(program, Status.FAIL, "the suite itself failed, and none of its tests")
    elif _SKIP.search(suite.end[3]) and not judged:
        yield Judged(program, Status.SKIP, suite.end[3].strip("# "))


def _one(program: str, status: Status, message: str) -> ProgramResult:
    return ProgramResult((Judged(program, status, message),))
