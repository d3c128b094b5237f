# SPDX-License-Identifier: GPL-2.0-only
"""A test run by pytest's own rules, and what that comes to for a lab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from lab.errors import InfrastructureError
from lab.guest.wire import Message, Wire, WireEnded
from lab.pytest_plugin.stage import Stage, on_stage
from lab.suites.pytest_programs import BROKEN, FAILED, PASSED, SKIPPED, last_line

_CONSOLE_LINES = 60
_LOG_LINES = 200
#: What a test says of the kernel.  All else that it raises says something of the test.
_WORDS = (AssertionError, pytest.fail.Exception)
_RAISED: pytest.StashKey[dict[str, bool]] = pytest.StashKey()
#: What pytest passes over with a warning, and is no pass.
_NO_PASSES = ("PytestReturnNotNoneWarning", "PytestUnhandledThreadExceptionWarning")
#: Whatever such a test found, it is no word on a kernel.
_NOTHING_ASKED = "asked its guest nothing: run a command there, or move a file"


@dataclass(frozen=True)
class Played:
    """Pytest's reports of a test, and what they come to: an exit status, in a few words.

    Attributes:
        parts: Those of its subtests that failed; pytest has shown them.
    """

    test: str
    reports: Sequence[pytest.TestReport]
    status: int
    message: str
    parts: Sequence[pytest.TestReport] = ()

    @property
    def output(self) -> str:
        """What a lab keeps of it."""
        text = "\n".join(_told([*self.parts, *self.reports]))
        return f"{text}\n{last_line(self.test, self.message)}\n"


def note_raised(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Keep whether what a test raised first is its word on the kernel."""
    assert call.excinfo is not None
    said = isinstance(call.excinfo.value, _WORDS)
    item.stash.setdefault(_RAISED, {}).setdefault(call.when, said)


def note_part(report: pytest.TestReport) -> None:
    """Keep the report of a subtest of the test that runs, if one does."""
    if _TURNS:
        _TURNS[-1].parts.append(report)


def play(item: pytest.Item, wire: Wire, asked: Message) -> Played:
    """Run a test that a lab asks for; the end of its guest is no end of this.

    What its file has set up stays for the tests that follow, if these are of the same.
    """
    module: Any = item.getparent(pytest.Module)
    item.session._setupstate.teardown_exact(module)
    for warning in _NO_PASSES:
        item.add_marker(pytest.mark.filterwarnings(f"error::pytest.{warning}"))
    _TURNS.append(_Turn(Stage.of(wire, asked), str(asked["test"])))
    try:
        # As pytest's own loop does: others are told of it, too.
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=module)
    finally:
        turn = _TURNS.pop()
    assert turn.played is not None
    return turn.played


def take_turn(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Run the test whose turn it is."""
    turn = _TURNS[-1]
    turn.played = _played(item, nextitem, turn)


@dataclass
class _Turn:
    stage: Stage
    test: str
    parts: list[pytest.TestReport] = field(default_factory=list)
    played: Played | None = None


_TURNS: list[_Turn] = []


def _played(item: pytest.Item, nextitem: pytest.Item | None, turn: _Turn) -> Played:
    item.stash[_RAISED] = {}
    with on_stage(turn.stage):
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
        bad = [report for report in reports if report.failed]
        for report in bad[:1]:
            report.sections += _logs(turn.stage)
    status, message = _outcome(item, [*turn.parts, *reports])
    if status == PASSED and not turn.stage.asked:
        status, message = BROKEN, _NOTHING_ASKED
    return Played(turn.test, reports, status, message, turn.parts)


def _logs(stage: Stage) -> Iterator[tuple[str, str]]:
    """Console and kernel log, as far as they can be had."""
    with suppress(InfrastructureError, WireEnded):
        yield "Guest's console", stage.guest.console(_CONSOLE_LINES)
    with suppress(InfrastructureError, WireEnded, AssertionError):
        lines = stage.guest.dmesg().splitlines()[-_LOG_LINES:]
        yield "Guest's kernel log", "\n".join(lines)


def _outcome(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> tuple[int, str]:
    """The worst of setup, call and teardown."""
    failed = [report for report in reports if report.failed]
    if failed:
        words: dict[str, bool] = item.stash[_RAISED]
        first = failed[0]
        return (FAILED if words.get(first.when) else BROKEN), _why(first)
    skipped = next((report for report in reports if report.skipped), None)
    if skipped is None:
        return PASSED, ""
    if hasattr(skipped, "wasxfail"):
        # What is expected to fail is for lab.toml to say.
        return FAILED, f"XFAIL: {skipped.wasxfail}".rstrip(": ")
    return SKIPPED, _why_skipped(skipped)


def _why(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash is not None else str(report.longrepr)
    first = next((line for line in said.splitlines() if line.strip()), "")
    return first if report.when == "call" else f"{report.when}: {first}"


def _why_skipped(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def _told(reports: Sequence[pytest.TestReport]) -> Iterator[str]:
    for report in reports:
        if report.failed:
            yield report.longreprtext
    # Each report has those of the ones before it.
    for title, text in reports[-1].sections if reports else ():
        yield f"--- {title} ---"
        yield text.rstrip()
