# SPDX-License-Identifier: GPL-2.0-only
"""A session of pytest's that was started by hand: a lab beside it has the guests, and records."""

from __future__ import annotations

import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lab.guest.wire import Message, Wire, WireEnded
from lab.process import Child, ProcessTimeout, spawn
from lab.pytest_plugin import DRIVEN, takes_guest
from lab.pytest_plugin.order import own_name, place_of
from lab.pytest_plugin.places import opened
from lab.pytest_plugin.played import Played, play

#: What a lab may take to end its guests and record what it has.
_LEAVING_S = 30.0
_MOST_SAID = 4000
#: What has the guests.
DRIVER = "lab.pytest_plugin.driver"
_Key = tuple[str, str, str, str]


class Driven:
    """A lab that runs this session's tests.

    Attributes:
        finished: What it says when all of them ran, or it was told to end.
    """

    def __init__(self, config: pytest.Config, items: Iterable[pytest.Item]) -> None:
        self.finished: Message | None = None
        self._config = config
        self._results: dict[_Key, Message] = {}
        self._stack = ExitStack()
        self._said = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        ours, theirs = socket.socketpair()
        self._wire = Wire(self._stack.enter_context(ours))
        with theirs:
            self._child: Child = self._stack.enter_context(
                spawn(
                    [sys.executable, "-m", DRIVER, str(theirs.fileno())],
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    stdout=self._said,
                    stderr=self._said,
                    pass_fds=(theirs.fileno(),),
                )
            )
        self._wire.send(
            file=str(opened(config).loaded.toml),
            command=sys.argv,
            rows=[_row(item) for item in items],
        )

    def asked(self) -> Message | None:
        """Wait until the lab asks for a test: whose kernel is there first; None if no more do."""
        while (message := self._hear()) is not None:
            if message.get("do") == "play":
                return message
        return None

    def play(self, item: pytest.Item, asked: Message) -> None:
        """Run a test, and report it as the lab judges it."""
        with _logged(item) as log:
            for report in self._played(item, asked):
                log(report=report)

    def leave_out(self, item: pytest.Item) -> None:
        """Report a test that the lab did not ask for, and why."""
        with _logged(item) as log:
            log(report=_unplayed(item, self._why_not(key_of(item))))

    def refuse(self) -> None:
        """There is no such test as was asked for."""
        self._wire.send(played={"status": None, "output": ""})

    def _played(self, item: pytest.Item, asked: Message) -> Sequence[pytest.TestReport]:
        played = play(item, self._wire, asked)
        with suppress(WireEnded):
            self._wire.send(played={"status": played.status, "output": played.output})
        while key_of(item) not in self._results and self._hear() is not None:
            pass
        return as_judged(item, played, self._results.get(key_of(item)))

    def _hear(self) -> Message | None:
        """The next message that is of a test; None when the lab has no more to say."""
        if self.finished is not None:
            return None
        try:
            message = self._wire.receive()
        except WireEnded:
            self.finished = {"lost": self._last_words()}
            return None
        if "result" in message:
            result = message["result"]
            names = (result["variant"], result["filesystem"], result["program"], result["test"])
            self._results.setdefault(names, result)
        elif "finished" in message:
            self.finished = message["finished"]
        elif "say" in message:
            self._say(str(message["say"]))
        return message

    def _say(self, text: str) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and reporter.verbosity >= 0:
            reporter.ensure_newline()
            reporter.write_line(f"lab: {text}")

    def _why_not(self, key: _Key) -> str:
        result = self._results.get(key) or self._whole(key)
        if result is not None:
            return "\n".join((str(result["message"]), *result["diagnostics"]))
        finished = self.finished or {}
        errors = dict(finished.get("errors", ()))
        return str(errors.get(key[0]) or finished.get("lost") or "the lab did not run it")

    def _whole(self, key: _Key) -> Message | None:
        """What became of the test's file as a whole, there."""
        return self._results.get((*key[:3], key[2]))

    def _last_words(self) -> str:
        self._said.seek(0)
        text = self._said.read().decode(errors="replace").strip()[-_MOST_SAID:]
        return f"the lab ended: {text or 'without a word'}"

    def end(self) -> None:
        """Have the lab end, and record what ran."""
        try:
            if self.finished is None:
                with suppress(WireEnded):
                    self._wire.send(stop=True)
                while self._hear() is not None:
                    pass
            with suppress(ProcessTimeout):
                self._child.wait(_LEAVING_S)
        finally:
            self._stack.close()


def drive(session: pytest.Session) -> None:
    """Run a session's tests: those that take no guest, and then the others as guests are had."""
    if session.testsfailed and not session.config.option.continue_on_collection_errors:
        raise session.Interrupted("some tests could not be collected")
    others = [item for item in session.items if not takes_guest(item)]
    for item, following in zip(others, [*others[1:], None], strict=False):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        _end_if_asked(session)
    mine = _by_key(item for item in session.items if takes_guest(item))
    driven = session.config.stash[DRIVEN] = Driven(session.config, mine.values())
    with _terminated_as_interrupted():
        _play_all(session, driven, mine)
    session._setupstate.teardown_exact(None)
    for item in mine.values():
        driven.leave_out(item)
        _end_if_asked(session)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, of which pytest knows nothing, is as Ctrl-C: what has ended is recorded."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _play_all(session: pytest.Session, driven: Driven, mine: dict[_Key, pytest.Item]) -> None:
    """Play what the lab asks for, in its order; what it did not ask for is left."""
    while (asked := driven.asked()) is not None:
        place = asked["place"]
        key = (place["variant"], place["filesystem"], asked["program"], asked["test"])
        if key in mine:
            driven.play(mine.pop(key), asked)
            _end_if_asked(session)
        else:
            driven.refuse()


def _by_key(items: Iterable[pytest.Item]) -> dict[_Key, pytest.Item]:
    """The tests by what names their results.

    Raises:
        pytest.UsageError: Two tests would be one, or two files.
    """
    found: dict[_Key, pytest.Item] = {}
    files: dict[str, Path] = {}
    for item in items:
        if (path := files.setdefault(item.path.name, item.path)) != item.path:
            raise pytest.UsageError(
                f"{item.path} and {path}: files of tests on guests need names of their own, which "
                "their results have"
            )
        if (other := found.setdefault(key_of(item), item)) is not item:
            raise pytest.UsageError(f"{item.nodeid} and {other.nodeid} would be one result")
    return found


def _end_if_asked(session: pytest.Session) -> None:
    """As pytest's own loop does after each test."""
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


@contextmanager
def _logged(item: pytest.Item) -> Iterator[Callable[..., object]]:
    where = {"nodeid": item.nodeid, "location": item.location}
    item.ihook.pytest_runtest_logstart(**where)
    yield item.ihook.pytest_runtest_logreport
    item.ihook.pytest_runtest_logfinish(**where)


def finish(session: pytest.Session) -> None:
    """Have the lab record what ran; what no test tells of is no success either."""
    driven: Driven = session.config.stash[DRIVEN]
    driven.end()
    finished = driven.finished or {}
    if session.exitstatus == pytest.ExitCode.OK and (finished.get("status") or "lost" in finished):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def say_summary(reporter: Any, config: pytest.Config) -> None:
    """Where it is recorded, and what no test tells of."""
    finished = config.stash[DRIVEN].finished or {}
    reporter.section("lab")
    for line in finished.get("told", ()):
        reporter.write_line(str(line))
    if "lost" in finished:
        reporter.write_line(str(finished["lost"]))
    if "run" in finished:
        reporter.write_line(f"recorded as {finished['run']}: {finished['folder']}")


def key_of(item: pytest.Item) -> _Key:
    """What names a test's result."""
    place = place_of(item)
    return place.variant, place.filesystem, item.path.name, own_name(item)


def _row(item: pytest.Item) -> dict[str, object]:
    variant, filesystem, program, test = key_of(item)
    return {
        "program": program,
        "test": test,
        "variants": [variant],
        "filesystems": [filesystem],
        "path": str(item.path),
    }


def as_judged(
    item: pytest.Item, played: Played, result: Mapping[str, Any] | None
) -> Sequence[pytest.TestReport]:
    """Pytest's reports, as the lab's result has it: that knows what the kernel said."""
    reports = list(played.reports)
    if result is None:
        return [*reports, _unplayed(item, "the lab gave no result of it", when="teardown")]
    status, expected = result["status"], result["expected"]
    if result["as_expected"]:
        return reports if status == "pass" else _foretold(reports, str(result["reason"]))
    if any(report.failed for report in reports) or status == "skip":
        _add(next((one for one in reports if one.failed), reports[-1]), result)
        return reports
    said = f"lab: {status}: {result['message']}"
    if status == "pass":
        said = f"lab: passed, and lab.toml expects {expected}: {result['reason']}"
    call = next((report for report in reports if report.when == "call"), reports[0])
    call.outcome, call.longrepr = "failed", said
    _add(call, result)
    return reports


def _foretold(reports: list[pytest.TestReport], reason: str) -> list[pytest.TestReport]:
    """A failure that lab.toml expects, as pytest shows one that is expected."""
    for report in reports:
        if report.failed:
            report.outcome = "skipped"
            report.wasxfail = f"lab.toml: {reason}"
    return reports


def _add(report: pytest.TestReport, result: Mapping[str, Any]) -> None:
    if result["message"]:
        # What pytest shows itself is not said twice.
        more = (line for line in result["diagnostics"] if line not in report.longreprtext)
        lines = (f"{result['status']}: {result['message']}", *more)
        report.sections.append(("lab", "\n".join(lines)))


def _unplayed(item: pytest.Item, why: str, when: str = "setup") -> pytest.TestReport:
    """The report of a test that no guest was had for."""
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=f"lab: {why}",
        when=when,  # type: ignore[arg-type]
    )
