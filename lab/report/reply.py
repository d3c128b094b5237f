# SPDX-License-Identifier: GPL-2.0-only
"""The answer to a mail whose patches were verified: the facts, and a tag where they bear it.

Whatever a verdict was when the run ended, it is worked out here again from the run's record.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr, parseaddr
from pathlib import Path
from typing import Any

from lab.analysis.series_verdict import expected_outcome, judge_pair, lost
from lab.analysis.verdict import TestVerdict, Verdict, compare
from lab.config.model import ExpectedVerdict
from lab.errors import Location, UserError
from lab.model.job_name import Around, job_name
from lab.model.records import JobRecord, RunRecord
from lab.model.status import Outcome
from lab.model.variant import Variant
from lab.patches import Series
from lab.patches.beneath import doubt_of
from lab.patches.origin import Origin, OriginPatch
from lab.patches.patch import Patch
from lab.patches.scratch_tree import patch_id
from lab.text import plain

_COLUMNS = 72
#: Of a commit, as Documentation/process/submitting-patches.rst wants them.
_HEXDIGITS = 12
_IDENTITY = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,900}")
#: Headers are never folded: Python would encode a long Message-Id.
_POLICY = SMTP.clone(linesep="\n", max_line_length=998)


@dataclass(frozen=True)
class Answer:
    """What came of one kernel that was asked for, by the record."""

    kernel: str
    outcome: Outcome
    why: str
    expected: Outcome
    tests: tuple[TestVerdict, ...] = ()
    machine: str = ""
    config: str = ""

    @property
    def names(self) -> tuple[str, str, str]:
        """The kernel, and the machine and config that it was tested with."""
        return self.kernel, self.machine, self.config

    @property
    def name(self) -> str:
        """The same for a reader."""
        return job_name(*self.names)

    @property
    def good(self) -> bool:
        """Whether it bears a tag: it is fixed, or all passes as before, and that was expected."""
        if self.outcome is not self.expected:
            return False
        if self.outcome is Outcome.FIXED:
            return True
        passing = {test.verdict for test in self.tests} == {Verdict.STILL_PASSING}
        return self.outcome is Outcome.NO_CHANGE and passing


@dataclass(frozen=True)
class Reply:
    """A mail, ``text``; ``why_no_tag`` says what keeps a ``Tested-by:`` from it."""

    text: str
    why_no_tag: str


@dataclass(frozen=True)
class Person:
    """Who answers, as git knows them."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>"


def read_verdicts(path: Path) -> tuple[str, list[Mapping[str, Any]]]:
    """The series and the kernels that a run was to verify, of its ``verdicts.json``.

    Raises:
        UserError: It verified none, or the file is gone or damaged.
    """
    try:
        document = json.loads(path.read_bytes())
        rows = [row for row in document["kernels"] if isinstance(row["kernel"], str)]
        for row in rows:
            Outcome(row["verdict"])
        return str(document["series"]), rows
    except FileNotFoundError:
        what = "this run verified no series, or its folder is gone"
        raise UserError(what, where=Location(path), hint="lab verify SERIES KERNEL") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        what = f"the verdicts of this run cannot be read: {error}"
        raise UserError(what, where=Location(path), hint="lab verify SERIES KERNEL") from None


def answers(
    run: RunRecord,
    series: str,
    rows: Sequence[Mapping[str, Any]],
    about: Sequence[str],
    verdicts: Sequence[ExpectedVerdict],
) -> list[Answer]:
    """What the record shows of each kernel that was asked for.

    Args:
        about: Globs of the tests that the series is about.
        verdicts: What ``lab.toml`` expects.
    """
    found = []
    for row in rows:
        names = (row["kernel"], str(row.get("machine", "")), str(row.get("config", "")))
        expected, _ = expected_outcome(verdicts, series, row["kernel"])
        outcome, why = Outcome(row["verdict"]), str(row.get("why", ""))
        tests: tuple[TestVerdict, ...] = ()
        if outcome in (Outcome.FIXED, Outcome.NO_CHANGE):
            outcome, why, tests = _again(run, series, names, outcome, about)
        found.append(Answer(names[0], outcome, why, expected, tests, *names[1:]))
    return found


def _again(
    run: RunRecord, series: str, names: tuple[str, str, str], said: Outcome, about: Sequence[str]
) -> tuple[Outcome, str, tuple[TestVerdict, ...]]:
    """The verdict by the run's record; ``said`` is what it was when the run ended."""
    base, patched = _pair(run, series, *names)
    if base is None and patched is None and said is Outcome.NO_CHANGE:
        return said, "nothing was tested: the kernel has these patches", ()
    wanting = lost(base, "base") or lost(patched, "patched")
    if wanting or base is None or patched is None:
        return Outcome.INCONCLUSIVE, wanting, ()
    digest = dict(patched.evidence.series_digests).get(series, "")
    asked = [
        place
        for job in run.question
        if job.names == base.names and job.pattern is None
        for place in job.places
    ]
    tests = compare(base, patched, (series, digest), asked)
    outcome, why = judge_pair(tests, about)
    if outcome is not said:
        return Outcome.INCONCLUSIVE, f"it was called {said}, and the record shows {outcome}", tests
    return outcome, why, tests


def _pair(
    run: RunRecord, series: str, kernel: str, machine: str, config: str
) -> tuple[JobRecord | None, JobRecord | None]:
    """The two jobs; what an older lab wrote names no machine and config, and had one of each."""
    asked = Around(machine, config)
    jobs = {job.variant: job for job in run.jobs if not any(asked) or job.around == asked}
    return jobs.get(Variant(kernel)), jobs.get(Variant(kernel, (series,)))


def reply(
    run: RunRecord,
    series: Series,
    origin: Origin,
    found: Sequence[Answer],
    person: Person | None,
) -> Reply:
    """The mail that says what came of the patches of another.

    Args:
        series: As it is on disk now.
        person: Who answers; without a name there is no tag.
    """
    why = no_tag(run, series, origin, found, person)
    verdicts = _verdicts(found, origin, doubt_of(series.path.parent))
    body = [*_quoted(origin), "", *verdicts, "", *_setups(run, series.name, found)]
    if run.problems:
        body += ["", *_wrapped("", f"Of the run: {'; '.join(run.problems)}")]
    if not why and person is not None:
        body += ["", f"Tested-by: {person}"]
    mail = EmailMessage(policy=_POLICY)
    for name, value in _headers(origin, person).items():
        mail[name] = value
    mail.set_content("\n".join(body) + "\n", cte="8bit")
    return Reply(mail.as_bytes().decode(errors="replace"), why)


def no_tag(
    run: RunRecord,
    series: Series,
    origin: Origin,
    found: Sequence[Answer],
    person: Person | None,
) -> str:
    """What keeps a ``Tested-by:`` from the mail; nothing where the record bears it."""
    bad = next((answer for answer in found if not answer.good), None)
    if bad is not None or not found:
        return f"{bad.name}: {bad.outcome}: {bad.why}" if bad else "no kernel was asked for"
    if run.problems:
        return run.problems[0]
    if doubt := doubt_of(series.path.parent):
        return doubt
    if (edited := _edited(run, series, origin)) is not None:
        return edited
    return "" if person else "git knows no user.name and user.email"


def _edited(run: RunRecord, series: Series, origin: Origin) -> str | None:
    """Whether other patches were tested than were sent."""
    tested = {
        digest
        for job in run.jobs
        for name, digest in job.evidence.series_digests
        if name == series.name
    }
    if tested != {series.digest}:
        return f"{series.path.parent} was changed since the run"
    sent = {patch.file: patch for patch in origin.patches}
    for patch in series.patches:
        if patch.name not in sent or not _as_sent(patch, sent[patch.name]):
            return f"{patch.name} is not as it was sent"
    return None if len(sent) == len(series.patches) else "patches of the mail are left out"


def _as_sent(patch: Patch, sent: OriginPatch) -> bool:
    # A patch-id has no white space, and no place of a hunk.
    if sent.digest:
        return patch.digest == sent.digest
    return bool(sent.patch_id) and patch_id(patch.for_git) == sent.patch_id


def _headers(origin: Origin, person: Person | None) -> dict[str, str]:
    """Each on one line, whatever a mail that came in said."""
    name, address = parseaddr(_line(origin.patches[0].author) if origin.patches else "")
    subject = _line(origin.headline or f"[PATCH] {origin.subject}")
    again = subject if subject.lower().startswith("re:") else f"Re: {subject}"
    identity = origin.identity if _IDENTITY.fullmatch(origin.identity) else ""
    headers = {
        "From": formataddr((person.name, person.address)) if person else "",
        "To": formataddr((name, address)) if "@" in address and address.isascii() else "",
        "Subject": again,
        "In-Reply-To": f"<{identity}>" if identity else "",
        "References": f"<{identity}>" if identity else "",
    }
    return {name: value for name, value in headers.items() if value}


def _line(text: str) -> str:
    # An encoded word that a mail hides in another would be decoded here, line ends and all.
    return " ".join(plain(text).replace("=?", "= ?").split())[:900]


def _quoted(origin: Origin) -> Iterator[str]:
    first = origin.patches[0] if origin.patches else None
    if first is not None and first.author:
        when = f"On {_line(first.date)}, " if first.date else ""
        yield from _wrapped("", f"{when}{_line(first.author)} wrote:")
    yield from _wrapped("> ", _line(origin.headline or origin.subject), "> ")


def _verdicts(found: Sequence[Answer], origin: Origin, doubt: str) -> Iterator[str]:
    yield from _wrapped("", "Tested each kernel without these patches and with them:")
    yield ""
    for answer in found:
        why = f": {_line(answer.why)}" if answer.why else ""
        yield from _wrapped("  ", f"{answer.name}: {answer.outcome}{why}", "    ")
        if answer.outcome is not answer.expected:
            yield from _wrapped("    ", f"expected {answer.expected}")
    if origin.commits:
        # Who took the mail may have changed what it sends.
        yield ""
        yield from _wrapped("", f"What was tested was {_line(_commits(origin))}")
    if doubt:
        yield ""
        yield from _wrapped("", f"What was tested was {_line(doubt)}")


def _commits(origin: Origin) -> str:
    first, *more = (commit[:_HEXDIGITS] for commit in origin.commits.values())
    return f"commits {first} to {more[-1]}" if more else f"commit {first}"


def _setups(run: RunRecord, series: str, found: Sequence[Answer]) -> Iterator[str]:
    yield "What ran:"
    for answer in found:
        _, patched = _pair(run, series, *answer.names)
        if patched is None:
            yield from _wrapped("  ", f"{answer.name}: nothing", "    ")
            continue
        evidence = patched.evidence
        said = (
            f"kernel {patched.kernel_release or 'that did not build'}",
            f"QEMU {evidence.qemu_version or 'never ran'}",
            f"accelerator {evidence.accelerator or 'none'}",
            f"config {patched.config} ({evidence.config_digest[:12] or 'none'})",
            f"machine {patched.machine}",
            *([evidence.compiler] if evidence.compiler else []),
        )
        yield from _wrapped("  ", _line(f"{answer.name}: {', '.join(said)}"), "    ")
        for (filesystem, suite), count in _counts(patched).items():
            yield from _wrapped("    ", f"{suite} on {filesystem}: {count} tests", "      ")


def _counts(job: JobRecord) -> Counter[tuple[str, str]]:
    return Counter((one.filesystem, one.suite) for one in job.results if one.ran)


def _wrapped(begin: str, text: str, after: str | None = None) -> list[str]:
    # What somebody said never begins a line: a tag does.
    following = f"{begin}  " if after is None else after
    return textwrap.wrap(
        text, _COLUMNS, initial_indent=begin, subsequent_indent=following, break_on_hyphens=False
    )
