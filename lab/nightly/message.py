# SPDX-License-Identifier: GPL-2.0-only
"""A night in words: a line for a subject, and a text of 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lab.analysis.run_status import unbuilt_jobs, uncompiled_programs
from lab.model.records import TestResult
from lab.model.tree_identity import TreeIdentity
from lab.nightly.bisected import Bisected
from lab.nightly.judgement import Finding, Kind, VerdictChange
from lab.nightly.kernel_changes import Since
from lab.report.cause import Cause, Spot, cause_in, group_causes, name_lines, said_cause
from lab.text import replace_controls

if TYPE_CHECKING:
    from lab.nightly.night import Night

_WIDTH = 79
#: Files of one kernel, and causes of one kind; `lab compare -v` lists all tests.
_MOST = 12
#: Bisections that came to an end, of which the state tells.
_MOST_BISECTED = 20


def subject_of(night: Night) -> str:
    """What happened, in a line."""
    counts = Counter(found.kind for found in night.judgement.findings if found.news)
    parts = [f"{count} {kind}" for kind in Kind if (count := counts[kind])]
    verdicts = len(night.judgement.verdicts)
    if verdicts and night.baseline:
        parts.insert(0, f"{verdicts} {'verdict' if verdicts == 1 else 'verdicts'} changed")
    if night.judgement.back:
        parts.append(f"{len(night.judgement.back)} with a result again")
    if unbuilt := unbuilt_jobs(night.run):
        parts.append(f"{len(unbuilt)} not built")
    parts += _bisected_parts(night.bisected)
    if night.troubles:
        parts.append("errors of the lab")
    what = _first(night) if not night.baseline else ", ".join(parts) or "nothing changed"
    host = f" on {night.run.host.name}" if night.run.host.name else ""
    return _one_line(f"lab nightly {night.matrix}{host}: {what}{_of_what(night)}")


def _bisected_parts(bisected: Sequence[Bisected]) -> Iterator[str]:
    for one in bisected:
        if one.culprit is not None:
            yield f"bisected to {one.culprit.commit[:12]}"
    others = sum(one.is_news and one.culprit is None for one in bisected)
    if others:
        yield f"{_count(others, 'bisection')} without a commit"


def _of_what(night: Night) -> str:
    """What a maintainer asks next: of which kernel, since when, in which tests."""
    news = [found for found in night.judgement.findings if found.news]
    # The worst comes first, and is what somebody has to look at.
    worst = [found for found in news if found.kind is news[0].kind] if night.baseline else []
    if not worst:
        return ""
    kernels = dict.fromkeys(found.key.job_name for found in worst)
    names = dict.fromkeys(found.key.test or found.key.suite for found in worst)
    first = next(iter(kernels))
    made = next((_step(one) for one in night.since if first in one.variants), "")
    return f": {_some(list(kernels), 2)}{made}: {_some(list(names), 2)}"


def _step(one: Since) -> str:
    """How far a kernel is from where it was, in a word or two."""
    if one.commits is not None:
        return f" ({_count(one.commits.count, 'commit')} later)"
    if one.before and one.before != one.after:
        before, after = TreeIdentity(one.before), TreeIdentity(one.after)
        return f" ({before.short}..{after.short_digest})"
    return (
        ""
        if not one.others
        else f" (other {_some([text.partition(':')[0] for text in one.others], 2)})"
    )


def _some(names: Sequence[str], most: int) -> str:
    more = [f"{len(names) - most} more"] if names[most:] else []
    return ", ".join([*names[:most], *more])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _first(night: Night) -> str:
    results = len(night.run.results)
    surprises = night.judgement.surprises
    said = f"{surprises} not as expected" if surprises else "all as expected"
    errors = ", errors of the lab" if night.troubles or night.judgement.of(Kind.UNTESTED) else ""
    jobs = unbuilt_jobs(night.run)
    unbuilt = f", {len(jobs)} not built" if jobs else ""
    tested = f"{results} results, {said}" if results else "nothing could be tested"
    return f"first night, {tested}{unbuilt}{errors}"


def text_of(night: Night) -> str:
    """All that changed, the worst first, and where to look."""
    lines = [*_wrapped(subject_of(night), ""), *_made_of(night), ""]
    lines += _wrapped(f"Run {night.run.id or 'none'}, begun {night.run.started}", "")
    if night.baseline:
        lines.append(f"Compared with {night.baseline} and the nights before it")
    if night.reruns is not None:
        lines.append(f"What got worse was repeated in {night.reruns.id}")
    lines += _listed("NOT THE KERNEL ALONE CHANGED", night.judgement.around)
    lines += _verdicts(night.judgement.verdicts)
    for kind in Kind:
        lines += _section(kind, _told(night, kind))
        if kind is Kind.REGRESSED:
            lines += _bisections(night.bisected)
    if night.judgement.back:
        lines += ["", f"{len(night.judgement.back)} tests have a result again, as before"]
    lines += _troubles(night)
    lines += ["", *_standing(night), "", *_look(night)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _made_of(night: Night) -> Iterator[str]:
    """Which kernels, and what of each is not as it was the last time."""
    yield from [""] if night.since else []
    for one in night.since:
        releases = f" ({', '.join(one.releases)})" if any(one.releases) else ""
        same = ": source, series, config and compiler are the same" if one.same else ""
        yield from _wrapped(f"{', '.join(one.variants)}{releases}{same}", "")
        yield from _apart(one)


def _apart(one: Since) -> Iterator[str]:
    if not one.before:
        yield from _wrapped(f"{TreeIdentity(one.after).short}, for the first time", "  ")
    elif one.before != one.after:
        apart = f"{TreeIdentity(one.before).short} -> {TreeIdentity(one.after).short}"
        yield from _wrapped(apart, "  ")
    if one.commits is not None:
        undone = f", and {_count(one.commits.undone, 'commit')} of before not in it"
        said = f"{_count(one.commits.count, 'commit')}{undone if one.commits.undone else ''}"
        yield from _wrapped(f"{said}, the newest:" if one.commits.subjects else said, "  ")
        for subject in one.commits.subjects:
            yield from _wrapped(subject, "    ")
    if one.files is not None:
        names = f": {_some(one.files, _MOST)}" if one.files else ""
        yield from _wrapped(f"{_count(len(one.files), 'file')} changed{names}", "  ")
    for other in one.others:
        yield from _wrapped(f"changed: {other}", "  ")


def _told(night: Night, kind: Kind) -> tuple[Finding, ...]:
    found = night.judgement.of(kind)
    if night.baseline or kind not in (Kind.NEW, Kind.FIXED):
        return found
    # In the first night all is new: only what is not as expected is told.
    return tuple(one for one in found if one.surprising)


def _section(kind: Kind, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield from ("", f"{kind.row.title} ({len(findings)})")
    if kind is Kind.UNTESTED:
        for _, group in groupby(findings, lambda found: (found.key.job, found.key.filesystem)):
            yield from _untested(list(group))
        return
    causes = group_causes(findings, _cause_of, _spot)
    for cause in causes[:_MOST]:
        yield from _paragraph(cause)
    if left := sum(len(cause.items) for cause in causes[_MOST:]):
        yield f"  and {left} more, each of another cause"


def _spot(found: Finding) -> Spot:
    key = found.key
    of = key.suite if key.program in ("", key.suite) else f"{key.suite}/{key.program}"
    return Spot(key.job_name, key.filesystem, f"{of}  {key.test}")


def _cause_of(found: Finding) -> Hashable:
    bad = _bad(found)
    said = said_cause(bad) if bad else ""
    return _way(found), cause_in(found.why, found.key.test), found.news, said


def _untested(findings: Sequence[Finding]) -> Iterator[str]:
    spot = _spot(findings[0])
    yield f"  {spot.kernel}{f' on {spot.filesystem}' if spot.filesystem else ''}"
    yield from _alike(findings)


def _paragraph(cause: Cause[Finding]) -> Iterator[str]:
    """What has one cause: where, in which tests, how it went, and what one of them said."""
    for block in cause.blocks:
        for kernels, filesystems in block.places:
            where = f" on {' '.join(filesystems)}" if any(filesystems) else ""
            yield from _wrapped(f"{', '.join(kernels)}{where}", "  ")
        for suite, names in groupby(block.tests, lambda name: name.partition("  ")[0]):
            for head, rest in name_lines(name.partition("  ")[2] for name in names):
                yield from _wrapped(f"{suite}: {head}{rest}", "    ")
    yield from _wrapped("; ".join(_said_of(cause.first)), "      ")
    bad = _bad(cause.first)
    if bad is not None and bad.message:
        yield from _wrapped(bad.message[:300], "      | ")


def _alike(findings: Sequence[Finding]) -> Iterator[str]:
    """What a whole job lost for one reason is said once."""
    whys = Counter((found.why, found.news) for found in findings)
    for (why, news), count in whys.items():
        tests = "1 test" if count == 1 else f"{count} tests"
        yield from _wrapped(f"{tests}{'' if news else ', as before'}: {why}", "    ")


def _way(found: Finding) -> str:
    was = found.before.status.value if found.before else "nothing"
    now = ", ".join(
        f"{count} {status}" if count > 1 else f"{status}"
        for status, count in Counter(result.status.value for result in found.after).items()
    )
    return f"{was} -> {now or 'nothing'}"


def _said_of(found: Finding) -> Iterator[str]:
    yield _way(found)
    if len(found.after) > 1 and found.kind in (Kind.REGRESSED, Kind.FLAKY):
        yield str(found.rate)
    yield from filter(None, (found.why, "" if found.news else "known before"))
    if found.surprising and found.kind in (Kind.CHANGED, Kind.NEW, Kind.FIXED):
        yield f"NOT AS EXPECTED ({found.after[-1].expected})"


def _bad(found: Finding) -> TestResult | None:
    return next((result for result in found.after if not result.as_expected), None)


def _verdicts(verdicts: Sequence[VerdictChange]) -> Iterator[str]:
    if not verdicts:
        return
    yield from ("", f"VERDICTS ({len(verdicts)})")
    for change in verdicts:
        was = f"{change.before} -> " if change.before else ""
        wrong = "" if change.after.as_expected else f" (NOT AS EXPECTED: {change.after.expected})"
        yield from _wrapped(f"{change.after.name}: {was}{change.after.outcome}{wrong}", "  ")
        yield from _wrapped(change.after.why, "    ")


def _bisections(bisected: Sequence[Bisected]) -> Iterator[str]:
    if not bisected:
        return
    yield from ("", f"BISECTED ({len(bisected)})")
    for one in bisected:
        key = one.what.key
        where = f" on {key.filesystem}" if key.filesystem else ""
        more = f", and {one.what.more} more of the same" if one.what.more else ""
        yield from _wrapped(f"{key.job_name}{where}: {key.suite}  {key.test}{more}", "  ")
        yield from _wrapped(f"{one.what.old[:12]}..{one.what.new[:12]}: {one.ending}", "    ")
        for line in one.lines:
            blanks = len(line) - len(line.lstrip())
            yield from _wrapped(line, " " * (4 + blanks))
        if one.bisection:
            yield f"    lab bisect log {one.bisection}"


def _troubles(night: Night) -> Iterator[str]:
    unbuilt = [f"{job.name}: {job.error}" for job in unbuilt_jobs(night.run)]
    unbuilt += [f"guest-tests: {why}" for why in uncompiled_programs(night.run).values()]
    yield from _listed("AT FAULT: what the lab was given, and no kernel", unbuilt)
    yield from _listed("ERRORS OF THE LAB, not of a kernel", night.troubles)


def _listed(title: str, troubles: Sequence[str]) -> Iterator[str]:
    if troubles:
        yield from ("", title)
        for trouble in troubles:
            for line in trouble.splitlines():
                yield from _wrapped(line, "  ")


def _standing(night: Night) -> Iterator[str]:
    results = len(night.run.results)
    surprises = night.judgement.surprises
    said = f"{surprises} not as lab.toml expects, told tonight or before" if surprises else ""
    yield from _wrapped(f"In all {results} results, {said or 'all as lab.toml expects'}.", "")


def _look(night: Night) -> Iterator[str]:
    if not night.run.jobs:
        return
    yield "To look:"
    yield f"  lab show {night.run.id}"
    if night.baseline:
        yield f"  lab compare {night.baseline} {night.run.id} -v"
    if night.report is not None:
        # A path is of no use when it is broken.
        yield f"  {night.report}"


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        _one_line(text),
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or ([indent.rstrip()] if text else [])


def _one_line(text: str) -> str:
    # A guest may have said it: no control characters, which could start a header too.
    return replace_controls(" ".join(text.split()))


def document_of(night: Night) -> dict[str, Any]:
    """The night as values the ``json`` module knows; ``text`` is what chat services show."""
    return {
        "text": subject_of(night),
        "matrix": night.matrix,
        "host": night.run.host.name,
        "run": night.run.id or None,
        "baseline": night.baseline or None,
        "reruns": night.reruns.id if night.reruns else None,
        "exit_status": int(night.status),
        "news": night.judgement.is_news or any(one.is_news for one in night.bisected),
        "counts": {kind.value: len(night.judgement.of(kind)) for kind in Kind},
        "not_as_expected": night.judgement.surprises,
        "around": list(night.judgement.around),
        "since": [asdict(one) for one in night.since],
        "findings": [_finding(found) for found in night.judgement.findings],
        "with_a_result_again": len(night.judgement.back),
        "verdicts": [
            {
                "kernel": change.kernel,
                "machine": change.after.machine,
                "config": change.after.config,
                "before": change.before or None,
                "verdict": change.after.outcome.value,
                "expected": change.after.expected.value,
                "why": change.after.why,
            }
            for change in night.judgement.verdicts
        ],
        "bisected": [_bisection(one) for one in night.bisected],
        "errors": list(night.troubles),
        "not_built": {job.name: str(job.error) for job in unbuilt_jobs(night.run)},
        "report": str(night.report) if night.report else None,
        "told": list(night.told),
    }


def _bisection(one: Bisected) -> dict[str, Any]:
    what = one.what
    return {
        **what.key._asdict(),
        "old": what.old,
        "new": what.new,
        "complaint": what.complaint or None,
        "more": what.more,
        "ending": one.ending.value,
        "bisection": one.bisection or None,
        "commit": asdict(one.culprit) if one.culprit else None,
        "proved": one.proved,
        "probability": one.probability,
        "left": [asdict(left) for left in one.left],
        "left_count": one.left_count,
        "steps": one.steps,
        "goes_on": one.goes_on,
        "said": list(one.lines),
    }


def kept(past: Sequence[Mapping[str, Any]], tonight: Sequence[Bisected]) -> tuple[Any, ...]:
    """What the next night is to know of bisections that came to an end: those of the last."""
    ended = (_bisection(one) for one in tonight if not one.goes_on)
    return (*past, *ended)[-_MOST_BISECTED:]


def _finding(found: Finding) -> dict[str, Any]:
    return {
        **found.key._asdict(),
        "change": found.kind.value,
        "before": found.before.status.value if found.before else None,
        "after": [result.status.value for result in found.after],
        "failed": found.rate.bad,
        "ran": found.rate.total,
        "as_expected": not found.surprising,
        "message": found.after[-1].message if found.after else "",
        "why": found.why,
        "news": found.news,
    }
