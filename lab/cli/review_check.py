# SPDX-License-Identifier: GPL-2.0-only
"""``lab review-check``: what ``b4 review`` asks of a check, in its own protocol.

b4 0.16 gives a mail on standard input - the cover letter or the first patch to
``b4.review-series-check-cmd``, each patch to ``b4.review-perpatch-check-cmd`` - and takes a
JSON list.  It keeps one line for each Message-Id and tool, so each kernel is a tool.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli.commands import File, Filesystems, Pattern, Suites, app, open_lab
from lab.cli.verify import Kernels
from lab.errors import ExitStatus, UserError
from lab.unforeseen import as_lab_error

if TYPE_CHECKING:
    from lab.analysis.series_verdict import KernelVerdict, Verification
    from lab.patches.intake import Intake
    from lab.patches.intake.letter import Letter
    from lab.plan import SeriesPlan
    from lab.session import Lab

Rows = list[dict[str, str]]
_MOST_BYTES = 64 << 20


@app.command("review-check", hidden=True)
def review_check(
    kernels: Kernels = None,
    filesystem: Filesystems = None,
    suite: Suites = None,
    pattern: Pattern = None,
    file: File = None,
) -> int:
    """What b4 review asks of a check: a mail on stdin, a JSON list on stdout.

    A series is asked for by its cover letter or its first patch, and got by b4; of its
    other patches nothing is said.  What was said of a mail is said again without a guest.
    """
    try:
        rows = _rows(open_lab(file), kernels or (), filesystem or (), suite or (), pattern)
    except Exception as caught:
        # Nothing was tested: a kernel's name with a slip in it is no word on the patch.
        error = as_lab_error(caught)
        rows = [_row("lab", "warn", error.what, details=str(error))]
    sys.stdout.write(json.dumps(rows) + "\n")
    # b4 reads the list, and takes any other status for a check that broke.
    return ExitStatus.EXPECTED


def _rows(
    opened: Lab,
    kernels: Sequence[str],
    filesystems: Sequence[str],
    suites: Sequence[str],
    pattern: str | None,
) -> Rows:
    from lab.cli.intake import on_what_it_goes_onto
    from lab.plan import plan_series
    from lab.process.stored import read_stored

    letter, raw = _mail()
    if (letter.subject.number or 0) > 1:
        return []
    intake = _intake(opened, letter, raw, kernels)
    opened = opened.with_series(intake.name)
    opened, laid = on_what_it_goes_onto(opened, intake.name, intake, kernels)
    opened, bases = opened.taking(laid)
    plan = plan_series(opened.loaded, intake.name, bases, filesystems, suites, pattern)
    kept = opened.results / "review-checks" / f"{_key(opened, plan, letter, intake)}.json"
    if (known := read_stored(kept, Rows)) is not None:
        return known
    intake.write()
    verification = _verified(opened, plan)
    rows = list(_told(verification))
    if not any(kernel.ours for kernel in verification.kernels):
        from lab.results import write_json

        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json(kept, rows)
    return rows


def _mail() -> tuple[Letter, bytes]:
    from lab.patches.intake.decoded_mail import undecoded_headers_dropped
    from lab.patches.intake.letter import letters_of

    raw = undecoded_headers_dropped(sys.stdin.buffer.read(_MOST_BYTES))
    found = list(letters_of(raw, ""))
    if len(found) != 1 or not found[0].identity:
        hint = "it is b4 that calls this: git config b4.review-series-check-cmd"
        raise UserError("there is not one mail with a Message-Id", where="stdin", hint=hint)
    return found[0], raw


def _intake(opened: Lab, letter: Letter, raw: bytes, kernels: Sequence[str]) -> Intake:
    """The series that a mail begins, or the patch that it is."""
    from lab.cli.intake import trees_of
    from lab.patches.intake import is_thread, read_intake
    from lab.process.temporary import temporary_folder

    trees = trees_of(opened, kernels, quiet=True)
    if letter.subject.number == 0 or (letter.subject.total or 1) > 1:
        if not is_thread(letter.identity):
            # A mail may call itself - or by the name of a file.
            what = f"<{letter.identity}> is no Message-Id that an archive can be asked for"
            raise UserError(what, where="stdin", hint="lab patch import FILE, with the thread")
        # The thread may hold a later revision: b4 shows what is said beside this one.
        return read_intake(letter.identity, opened.patches, pick=letter.identity, trees=trees)
    with temporary_folder("mail") as folder:
        path = folder / "mail.eml"
        path.write_bytes(raw)
        return read_intake(str(path), opened.patches, trees=trees)


def _key(opened: Lab, plan: SeriesPlan, letter: Letter, intake: Intake) -> str:
    """Names the mail, its patches, the kernels' source, and all that judges them."""
    digest = hashlib.sha256()
    trees = [opened.builder.tree(kernel.kernel).identity for kernel in plan.kernels]
    beneath = [opened.builder.series(name).digest for each in plan.kernels for name in each.series]
    said = (letter.identity, *plan.plan.describe(), *trees, *beneath, repr(opened.loaded.config))
    for text in said:
        digest.update(text.encode(errors="surrogateescape") + b"\0")
    for content in (*intake.files.values(), *_programs(opened.loaded.root / "guest-tests")):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]


def _programs(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.rglob("*.[ch]")):
        yield path.read_bytes()


def _verified(opened: Lab, plan: SeriesPlan) -> Verification:
    from lab.cli.progress import Show

    opened.refuse_pattern(plan.plan)
    with Show(opened.cache, quiet=True) as show:
        return opened.telling(show).verify(plan, sys.argv)


def _told(verification: Verification) -> Iterator[dict[str, str]]:
    run = verification.run
    url = Path(run.folder).absolute().as_uri() if run is not None and run.folder else ""
    for kernel in verification.kernels:
        status = _status(kernel)
        if verification.doubt and status == "pass":
            status = "warn"
        summary = f"{kernel.outcome}: {kernel.why}" if kernel.why else kernel.outcome.value
        details = "\n".join(
            [verification.doubt, *(f"{name}: {fit}" for name, fit in kernel.patches)]
        )
        yield _row(f"lab {kernel.name}", status, summary, url, details.strip())


def _status(kernel: KernelVerdict) -> str:
    from lab.analysis.verdict import Verdict
    from lab.model.status import Outcome

    passing = {test.verdict for test in kernel.tests} == {Verdict.STILL_PASSING}
    if kernel.outcome is Outcome.NO_CHANGE and passing:
        return Outcome.FIXED.row.review
    return kernel.outcome.row.review


def _row(tool: str, status: str, summary: str, url: str = "", details: str = "") -> dict[str, str]:
    row = {"tool": tool, "status": status, "summary": summary, "url": url, "details": details}
    from lab.text import plain

    return {key: plain(value) for key, value in row.items()}
