# SPDX-License-Identifier: GPL-2.0-only
"""A night in words: a line for a subject, and a text of 80 columns."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from lab.nightly.judge import Finding, Kind, VerdictChange
from lab.report.status import given_errors
from lab.suites.plain import replace_controls

if TYPE_CHECKING:
    from lab.nightly.night import Night

_WIDTH = 79
#: Of one kind in one job and filesystem; `lab compare -v` lists all.
_MOST = 12
_TITLES = {
    Kind.REGRESSED: "REGRESSED",
    Kind.CHANGED: "CHANGED",
    Kind.FLAKY: "FLAKY: ends now so, now so; no regression",
    Kind.GONE: "GONE: the test is no longer there",
    Kind.NEW: "NEW",
    Kind.FIXED: "FIXED",
    Kind.UNTESTED: "NO RESULT: no word on the kernel, good or bad",
}


def subject_of(night: Night) -> str:
    """What happened, in a line."""
    counts = Counter(found.kind for found in night.judgement.findings if found.news)
    parts = [f"{count} {kind}" for kind in Kind if (count := counts[kind])]
    verdicts = len(night.judgement.verdicts)
    if verdicts and night.baseline:
        parts.insert(0, f"{verdicts} {'verdict' if verdicts == 1 else 'verdicts'} changed")
    if night.judgement.back:
        parts.append(f"{len(night.judgement.back)} with a result again")
    if given := given_errors(night.run):
        parts.append(f"{len(given)} not built")
    if night.troubles:
        parts.append("errors of the lab")
    what = _first(night) if not night.baseline else ", ".join(parts) or "nothing changed"
    host = f" on {night.run.host.name}" if night.run.host.name else ""
    return _one_line(f"lab nightly {night.matrix}{host}: {what}")


def _first(night: Night) -> str:
    results = len(night.run.results)
    surprises = night.judgement.surprises
    said = f"{surprises} not as expected" if surprises else "all as expected"
    errors = ", errors of the lab" if night.troubles or night.judgement.of(Kind.UNTESTED) else ""
    given = given_errors(night.run)
    unbuilt = f", {len(given)} not built" if given else ""
    tested = f"{results} results, {said}" if results else "nothing could be tested"
    return f"first night, {tested}{unbuilt}{errors}"


def text_of(night: Night) -> str:
    """All that changed, the worst first, and where to look."""
    lines = [subject_of(night), ""]
    lines += _wrapped(f"Run {night.run.id or 'none'}, begun {night.run.started}", "")
    if night.baseline:
        lines.append(f"Compared with {night.baseline} and the nights before it")
    if night.reruns is not None:
        lines.append(f"What got worse was repeated in {night.reruns.id}")
    lines += _listed("NOT THE KERNEL ALONE CHANGED", night.judgement.around)
    lines += _verdicts(night.judgement.verdicts)
    for kind in Kind:
        lines += _section(kind, _told(night, kind))
    if night.judgement.back:
        lines += ["", f"{len(night.judgement.back)} tests have a result again, as before"]
    lines += _troubles(night)
    lines += ["", *_standing(night), "", *_look(night)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _told(night: Night, kind: Kind) -> tuple[Finding, ...]:
    found = night.judgement.of(kind)
    if night.baseline or kind not in (Kind.NEW, Kind.FIXED):
        return found
    # In the first night all is new: only what is not as expected is told.
    return tuple(one for one in found if one.surprising)


def _section(kind: Kind, findings: Sequence[Finding]) -> Iterator[str]:
    if not findings:
        return
    yield from ("", f"{_TITLES[kind]} ({len(findings)})")
    for _, group in groupby(findings, lambda found: (found.key.job, found.key.filesystem)):
        yield from _group(list(group))


def _group(findings: Sequence[Finding]) -> Iterator[str]:
    key = findings[0].key
    around = [name for name in (key.machine, key.config) if name != "default"]
    where = f" on {key.filesystem}" if key.filesystem else ""
    yield f"  {' '.join([key.variant, *around])}{where}"
    if findings[0].kind is Kind.UNTESTED:
        yield from _alike(findings)
        return
    for found in findings[:_MOST]:
        yield from _lines(found)
    if len(findings) > _MOST:
        yield f"    and {len(findings) - _MOST} more"


def _alike(findings: Sequence[Finding]) -> Iterator[str]:
    """What a whole job lost for one reason is said once."""
    whys = Counter((found.why, found.news) for found in findings)
    for (why, news), count in whys.items():
        tests = "1 test" if count == 1 else f"{count} tests"
        yield from _wrapped(f"{tests}{'' if news else ', as before'}: {why}", "    ")


def _lines(found: Finding) -> Iterator[str]:
    of = found.key.suite
    if found.key.program not in ("", of):
        of = f"{of}/{found.key.program}"
    yield from _wrapped(f"{of}  {found.key.test}", "    ")
    was = found.before.status.value if found.before else "nothing"
    now = ", ".join(
        f"{count} {status}" if count > 1 else f"{status}"
        for status, count in Counter(result.status.value for result in found.after).items()
    )
    said = [f"{was} -> {now or 'nothing'}"]
    if len(found.after) > 1 and found.kind in (Kind.REGRESSED, Kind.FLAKY):
        said.append(str(found.rate))
    said += [found.why] if found.why else []
    said += ["known before"] if not found.news else []
    if found.surprising and found.kind in (Kind.CHANGED, Kind.NEW, Kind.FIXED):
        said.append(f"NOT AS EXPECTED ({found.after[-1].expected})")
    yield from _wrapped("; ".join(said), "      ")
    bad = next((result for result in found.after if not result.as_expected), None)
    if bad is not None and bad.message:
        yield from _wrapped(bad.message[:300], "      | ")


def _verdicts(verdicts: Sequence[VerdictChange]) -> Iterator[str]:
    if not verdicts:
        return
    yield from ("", f"VERDICTS ({len(verdicts)})")
    for change in verdicts:
        was = f"{change.before} -> " if change.before else ""
        wrong = "" if change.after.as_expected else f" (NOT AS EXPECTED: {change.after.expected})"
        yield from _wrapped(f"{change.kernel}: {was}{change.after.outcome}{wrong}", "  ")
        yield from _wrapped(change.after.why, "    ")


def _troubles(night: Night) -> Iterator[str]:
    given = [f"{job.variant}: {job.error}" for job in given_errors(night.run)]
    yield from _listed("NOT BUILT: what the lab was given is at fault", given)
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
        "news": night.judgement.is_news,
        "counts": {kind.value: len(night.judgement.of(kind)) for kind in Kind},
        "not_as_expected": night.judgement.surprises,
        "around": list(night.judgement.around),
        "findings": [_finding(found) for found in night.judgement.findings],
        "with_a_result_again": len(night.judgement.back),
        "verdicts": [
            {
                "kernel": change.kernel,
                "before": change.before or None,
                "verdict": change.after.outcome.value,
                "expected": change.after.expected.value,
                "why": change.after.why,
            }
            for change in night.judgement.verdicts
        ],
        "errors": list(night.troubles),
        "not_built": {job.variant: job.error for job in given_errors(night.run)},
        "report": str(night.report) if night.report else None,
        "told": list(night.told),
    }


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
