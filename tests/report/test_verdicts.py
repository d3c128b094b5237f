# SPDX-License-Identifier: GPL-2.0-only
"""A verification as it is printed, as JSON, and as an exit status."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from lab.analysis.series_verdict import KernelVerdict, Verification
from lab.analysis.verdict import TestVerdict, Verdict
from lab.binary.difference import Difference
from lab.binary.image import Name
from lab.model.status import Outcome, Status
from lab.report import print_verification, verification_status, verification_to_json
from tests.results.made import job, result, run


def kernel(outcome: Outcome, expected: Outcome = Outcome.FIXED, **more: Any) -> KernelVerdict:
    return KernelVerdict("6.1+bug", outcome, "a reason", expected, **more)


def verification(*kernels: KernelVerdict, **more: Any) -> Verification:
    return Verification("mend", "mends it", kernels, **more)


def some() -> tuple[TestVerdict, ...]:
    kernel = "6.1+bug"
    fixed = [
        TestVerdict(
            kernel,
            filesystem,
            "mlock",
            f"mlock.{kind}.4k",
            Status.FAIL,
            Status.PASS,
            Verdict.FIXED,
            said=("1 of 1024 pages", ""),
        )
        for filesystem in ("ext4-dax", "xfs-dax")
        for kind in ("shared-rw", "shared-ro")
    ]
    lost = TestVerdict(
        kernel, "xfs-dax", "mlock", "odd", Status.PASS, None, Verdict.INCONCLUSIVE, "it is gone"
    )
    same = TestVerdict(
        kernel, "xfs-dax", "mlock", "same", Status.PASS, Status.PASS, Verdict.STILL_PASSING
    )
    return (*fixed, lost, same)


def printed(
    found: Verification,
    *,
    terminal: bool = False,
    verbose: bool = False,
    encoding: str = "utf-8",
    width: int = 80,
) -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    console = Console(file=file, force_terminal=terminal, width=width, no_color=True)
    print_verification(found, console, verbose)
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize(
    ("kernels", "status"),
    [
        ([kernel(Outcome.FIXED)], 0),
        ([kernel(Outcome.UPSTREAM, Outcome.UPSTREAM)], 0),
        ([kernel(Outcome.UPSTREAM)], 1),
        ([kernel(Outcome.FIXED, Outcome.UPSTREAM)], 1),
        ([kernel(Outcome.FIXED), kernel(Outcome.REGRESSED)], 1),
        ([kernel(Outcome.DOES_NOT_APPLY)], 1),
        ([kernel(Outcome.INCONCLUSIVE)], 1),
        ([kernel(Outcome.INCONCLUSIVE, ours=True)], 3),
        ([kernel(Outcome.FIXED), kernel(Outcome.INCONCLUSIVE, ours=True)], 3),
        # What CI would try again must not hide what was seen.
        ([kernel(Outcome.NO_CHANGE), kernel(Outcome.INCONCLUSIVE, ours=True)], 1),
    ],
)
def test_exit_status(kernels: list[KernelVerdict], status: int) -> None:
    assert verification_status(verification(*kernels)) == status


def test_a_line_a_kernel() -> None:
    good = KernelVerdict("6.1", Outcome.UPSTREAM, "9 tests pass", Outcome.UPSTREAM, commit="10ab")
    bad = kernel(Outcome.NO_CHANGE, reason="it is old")
    lines = printed(verification(good, bad)).splitlines()
    assert lines == [
        "mend: mends it",
        "",
        "  6.1      ✓ already fixed upstream (10ab): 9 tests pass",
        "  6.1+bug  ✗ no change: a reason",
        "             expected fixed: it is old",
        "",
        "✗ 2 kernels: 1 not as expected.",
    ]


def test_what_differs_is_told_once_and_the_rest_not_at_all() -> None:
    text = printed(verification(kernel(Outcome.INCONCLUSIVE, tests=some())))
    assert (
        "inconclusive (1)\n"
        "  pass → none: it is gone\n"
        "    6.1+bug  on xfs-dax\n"
        "      odd\n"
        "fixed (4)\n"
        "  fail → pass\n"
        "    6.1+bug  on ext4-dax xfs-dax\n"
        "      mlock  4k: shared-rw shared-ro\n"
        "      base, e.g. 1 of 1024 pages\n"
    ) in text
    assert "same" not in text
    verbose = printed(verification(kernel(Outcome.INCONCLUSIVE, tests=some())), verbose=True)
    assert "still passing (1)\n" in verbose
    assert "same" in verbose


@pytest.mark.parametrize("width", [80, 50, 30])
def test_fits_a_terminal(width: int) -> None:
    name = "6.1+reintroduce-bug+a-series-of-a-long-name"
    long_name = KernelVerdict(name, Outcome.FIXED, "")
    long = KernelVerdict("6.1", Outcome.DOES_NOT_APPLY, "these lines are nowhere " * 9)
    found = verification(long, long_name, kernel(Outcome.FIXED, tests=some()))
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed(found, terminal=True, width=width))
    assert max(map(len, text.splitlines())) <= width
    assert " ".join(text.split()).count("these lines are nowhere") == 9
    assert name in "".join(text.split())
    assert "  6.1  ✗ does" in text or width == 80


def test_what_one_complaint_broke_is_one_paragraph() -> None:
    worse = tuple(
        TestVerdict(
            "6.1", "ext4-dax", "mlock", name, Status.PASS, Status.CRASH, Verdict.REGRESSED,
            "crash with the series only", ("", f"oops: at f; {said}"), complaint="oops: at f",
        )
        for name, said in (("m.4k", "a"), ("m.2m", "b"))
    )  # fmt: skip
    text = printed(verification(kernel(Outcome.REGRESSED, tests=worse)))
    assert text.count("crash with the series only") == 1


def test_what_only_inlines_what_is_another_is_told_apart() -> None:
    names = tuple(Name("", word, 0) for word in ("own", "through"))
    apart = Difference(False, names).told_apart({"own"})
    said = printed(verification(kernel(Outcome.FIXED, binary=apart)), width=120)
    assert "binary: own; through what they inline or include: through\n" in said
    only = Difference(False, names).told_apart(())
    said = printed(verification(kernel(Outcome.FIXED, binary=only)), width=120)
    assert "binary: through what they inline or include: own, through\n" in said
    said = printed(verification(kernel(Outcome.FIXED, binary=Difference(False))), width=120)
    assert "binary: no function or datum that has a name\n" in said


def test_plain_ascii() -> None:
    text = printed(verification(kernel(Outcome.FIXED, tests=some())), encoding="ascii")
    assert "  6.1+bug  + fixed" in text
    assert "fail -> pass" in text
    assert "?" not in text


def test_json() -> None:
    record = run(job(result()))
    found = verification(kernel(Outcome.NO_CHANGE, tests=some()), run=record)
    document = json.loads(json.dumps(verification_to_json(found)))
    assert document["run"] == record.id
    assert len(document["results"]) == 1
    # Of the verdicts, not of the results.
    assert document["exit_status"] == 1
    assert document["kernels"][0]["verdict"] == "no change"
    assert document["kernels"][0]["as_expected"] is False
    first = document["verdicts"][0]
    assert {key: first[key] for key in ("kernel", "filesystem", "test", "verdict")} == {
        "kernel": "6.1+bug",
        "filesystem": "ext4-dax",
        "test": "mlock.shared-rw.4k",
        "verdict": "fixed",
    }
    assert (first["base"], first["patched"]) == ("fail", "pass")
    assert document["verdicts"][4]["patched"] is None


def test_json_without_a_run() -> None:
    document = verification_to_json(verification(kernel(Outcome.DOES_NOT_APPLY)))
    assert (document["run"], document["results"], document["verdicts"]) == (None, [], [])
