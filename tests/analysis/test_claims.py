# SPDX-License-Identifier: GPL-2.0-only
"""Claims: shown by recorded results, or said not to be, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.analysis.claims import (
    Answer,
    Claim,
    ClaimAnswer,
    Claims,
    find_pairs,
    judge_claim,
    load_claims,
)
from lab.errors import UserError
from lab.model.job_error import JobError
from lab.model.metric import Metric
from lab.model.records import RunRecord, TestResult
from lab.model.status import Status
from lab.model.unrun import Unrun
from lab.report.claims import (
    ClaimsReport,
    claims_to_json,
    claims_to_markdown,
    report_claims,
)
from tests.results.made import EVIDENCE, job, result, run, slow_and_fast

ROOT = Path(__file__).parents[2]
DIGEST = ("fix", "cd" * 32)
FAIL, SKIP = Status.FAIL, Status.SKIP
MLOCK: dict[str, Any] = {
    "quote": "mlock() fails",
    "kernels": ["6.1"],
    "shows": [{"side": "base", "tests": ["mlock.*"], "status": "fail", "says": ["ENOMEM"]}],
}
FAST: dict[str, Any] = {
    "quote": "major improvement",
    "kernels": ["6.1"],
    "shows": [
        {
            "side": "patched",
            "tests": ["first.*"],
            "status": "pass",
            "measure": [
                {
                    "metric": "first_access_ns_per_page",
                    "of": {"populate": "no"},
                    "over": {"populate": "yes"},
                    "at_least": 5,
                }
            ],
        }
    ],
}

SHOWING = """source = "s"
[[claim]]
quote = "q"
kernels = [{1}]
shows = [{{side = "base", tests = ["a"], status = "pass", measure = {0}}}]
"""


def failed(name: str = "mlock.a", **more: Any) -> TestResult:
    return result(name, FAIL, diagnostics=("mlock: ENOMEM", "0 pages"), **more)


def recorded(*base: TestResult, patched: tuple[TestResult, ...] = (), **more: Any) -> RunRecord:
    without = replace(EVIDENCE, build_key="base", series_digests=())
    with_it = replace(EVIDENCE, build_key="patched", series_digests=(DIGEST,))
    first = replace(job(*base), evidence=without)
    second = replace(job(*(patched or (result(),)), variant="6.1+fix"), evidence=with_it)
    return run(first, second, **more)


def judged(claim: dict[str, Any], *runs: RunRecord) -> ClaimAnswer:
    model = Claim.model_validate(claim)
    pairs = find_pairs(runs, DIGEST, ["6.1"], config=model.config)
    (shown,) = judge_claim(model, pairs)
    return shown


def test_shown() -> None:
    shown = judged(MLOCK, recorded(failed(), failed(filesystem="ext4-dax")))
    assert shown.shown, shown
    assert shown.why == "base: 2 fail on ext4-dax, `ENOMEM`"
    assert shown.run == "20260101-120000-ab12"


@pytest.mark.parametrize(
    ("results", "why"),
    [
        ([failed(), result("mlock.b")], "base: mlock.b on ext4-dax: pass, not fail"),
        (
            [failed(), result("mlock.b", FAIL, message="EFAULT")],
            "base: mlock.b on ext4-dax: does not say 'ENOMEM'",
        ),
        ([failed(), failed("mlock.b", filesystem="xfs-dax")], "base: mlock.b on xfs-dax: nothing"),
        ([result("mlock.b", Status.ERROR)], "base: mlock.b on ext4-dax: "),
        ([result("mlock.b", SKIP, message="no")], "base: every one of 1 tests like mlock.* was"),
        ([failed("other")], "base: no test has a name like mlock.*"),
    ],
)
def test_not_shown(results: list[TestResult], why: str) -> None:
    shown = judged(MLOCK, recorded(*results))
    assert not shown.shown
    assert shown.why.startswith(why)


def test_a_claim_of_a_config_wants_that_one() -> None:
    record = recorded(failed())
    plain = judged({**MLOCK, "config": "probes"}, record)
    assert plain.answer is Answer.NOT_TESTED
    assert plain.why.endswith("without and with the series with config probes")
    probed = replace(record, jobs=tuple(replace(job, config="probes") for job in record.jobs))
    assert judged({**MLOCK, "config": "probes"}, record, probed).answer is Answer.SHOWN


def wrong(*results: TestResult) -> ClaimAnswer:
    """Of a claim that is known to be wrong: lo is not set, and on ext4, a control, it is."""
    shows = [
        {"side": "base", "tests": ["mlock.*"], "filesystems": [name], "status": "pass",
         "says": [says]}
        for name, says in (("ext4-dax", "not lo"), ("ext4", "set lo"))
    ]  # fmt: skip
    claim = {"quote": "sets it", "wrong": "it does not", "kernels": ["6.1"], "shows": shows}
    record = recorded(*results)
    ext4: dict[str, Any] = {
        "promises": (*EVIDENCE.promises, ("ext4", ())),
        "proofs": (*EVIDENCE.proofs, ("ext4", ())),
    }
    first = replace(record.jobs[0], evidence=replace(record.jobs[0].evidence, **ext4))
    return judged(claim, replace(record, jobs=(first, record.jobs[1])))


SET = result("mlock.a", filesystem="ext4", message="set lo")
UNSET = result("mlock.a", filesystem="ext4-dax", message="not lo")


@pytest.mark.parametrize(
    ("results", "answer", "why"),
    [
        (
            (UNSET, SET),
            Answer.REFUTED,
            "base: 1 pass on ext4-dax, `not lo`; base: 1 pass on ext4, `set lo`",
        ),
        # Its control wants to be seen to say the opposite.
        ((UNSET,), Answer.NOT_TESTED, "base: no test has a name like"),
        ((UNSET, replace(SET, message="not lo")), Answer.NOT_TESTED, "base: mlock.a on ext4: does"),
        # What fails for another reason refutes nothing.
        ((replace(UNSET, status=FAIL), SET), Answer.NOT_TESTED, "base: mlock.a on ext4-dax: fail"),
        ((replace(UNSET, message="set lo"), SET), Answer.NOT_TESTED, "base: mlock.a on ext4-dax"),
    ],
)
def test_what_is_wrong_is_refuted_beside_its_control(
    results: tuple[TestResult, ...], answer: Answer, why: str
) -> None:
    given = wrong(*results)
    assert given.answer is answer
    assert given.why.startswith(why)


def test_exit_status_wants_the_answer_that_is_due() -> None:
    known = Claim.model_validate({**MLOCK, "shows": MLOCK["shows"] * 2, "wrong": "it does not"})
    for claim, due in ((Claim.model_validate(MLOCK), Answer.SHOWN), (known, Answer.REFUTED)):
        for answer in Answer:
            judged_so = ((claim, (ClaimAnswer("6.1", answer, ""),)),)
            report = ClaimsReport("fix", "s", {}, judged_so, {})
            assert (report.status == 0) == (answer is due), (claim.wrong, answer)


@pytest.mark.parametrize(
    ("promises", "why"),
    [
        ((), "base: 1 fail on plain, `ENOMEM`"),
        (("dax",), "base: mlock.a on plain: nothing proves that it was DAX"),
        (("quota",), "base: mlock.a on plain: nothing proves that it was quota"),
    ],
)
def test_what_a_filesystem_promised_is_what_it_owes(promises: tuple[str, ...], why: str) -> None:
    record = recorded(failed(filesystem="plain"))
    owes: dict[str, Any] = {"promises": (("plain", promises),), "proofs": (("plain", ()),)}
    first = replace(record.jobs[0], evidence=replace(record.jobs[0].evidence, **owes))
    shown = judged(MLOCK, replace(record, jobs=(first, record.jobs[1])))
    assert (shown.shown, shown.why) == (not promises, why)


def test_a_skip_beside_what_shows_it() -> None:
    shown = judged(MLOCK, recorded(failed(), result("mlock.b", SKIP)))
    assert (shown.shown, shown.why) == (True, "base: 1 fail on ext4-dax, `ENOMEM`, 1 skipped")


def test_what_ran_shows_nothing_of_what_was_skipped() -> None:
    claim = {**MLOCK, "shows": [{**MLOCK["shows"][0], "tests": ["mlock.a", "mlock.b"]}]}
    shown = judged(claim, recorded(failed(), result("mlock.b", SKIP, message="no room")))
    why = "base: every one of 1 tests like mlock.b was skipped: no room"
    assert (shown.shown, shown.why) == (False, why)


@pytest.mark.parametrize(
    ("unrun", "shown"),
    [
        ({}, False),
        # On another filesystem, too: the claim is about each.
        ({"filesystem": "xfs-dax"}, False),
        # The name of a test, once it is known.
        ({"test": "mlock.b", "program": "other"}, False),
        ({"program": "other"}, True),
        ({"suite": "other"}, True),
    ],
)
def test_what_ran_shows_nothing_of_what_did_not(unrun: dict[str, Any], shown: bool) -> None:
    left = result("mlock", Status.ERROR, program="mlock", unrun=Unrun.ENOUGH)
    left = replace(left, message="did not run: that will do", **unrun)
    told = judged(MLOCK, recorded(failed(program="mlock"), left))
    assert told.shown == shown
    if not shown:
        assert told.why == f"base: {left.test} on {left.filesystem} did not run: that will do"


def test_the_other_side_shows_nothing() -> None:
    shown = judged(MLOCK, recorded(result("mlock.a"), patched=(failed(),)))
    assert not shown.shown


def test_a_job_that_ended_early() -> None:
    record = recorded(failed())
    cut = replace(record.jobs[0], error=JobError("no space"))
    early = replace(record, jobs=(cut, record.jobs[1]))
    assert judged(MLOCK, early).why == "base: the job ended early: no space"


def test_runs_that_show_nothing() -> None:
    good = recorded(failed(), id="good")
    other = replace(good.jobs[1], evidence=replace(good.jobs[1].evidence, series_digests=()))
    useless = [
        replace(good, id="unfinished", finished=None),
        replace(good, id="edited", jobs=(good.jobs[0], other)),
        replace(good, id="half", jobs=good.jobs[:1]),
        replace(good, id="empty", jobs=(good.jobs[0], replace(good.jobs[1], results=()))),
    ]
    for record in useless:
        assert not judged(MLOCK, record).shown, record.id
    assert judged(MLOCK, *useless, good).run == "good"


def test_the_newest_run_counts_even_if_it_shows_less() -> None:
    new, old = recorded(result("mlock.a"), id="new"), recorded(failed(), id="old")
    shown = judged(MLOCK, new, old)
    assert (shown.shown, shown.run) == (False, "new")
    # Also where an older run is looked at for another kernel.
    pairs = find_pairs([new, old], DIGEST, ["6.1", "v4.1"])
    assert {kernel: pair.run.id for kernel, pair in pairs.items()} == {"6.1": "new"}


def test_a_number_that_was_measured() -> None:
    fast = result("first.a", metrics=slow_and_fast())
    assert judged(FAST, recorded(failed(), patched=(fast,))).shown
    same = Metric("first_access_ns_per_page", (("populate", "yes"),), 700.0)
    slow = replace(fast, metrics=(slow_and_fast()[0], same))
    shown = judged(FAST, recorded(failed(), patched=(fast, replace(slow, test="first.b"))))
    assert (shown.shown, shown.why) == (
        False,
        "patched: first.b on ext4-dax: first_access_ns_per_page is 1.16, not at least 5",
    )
    unmeasured = judged(FAST, recorded(failed(), patched=(replace(fast, metrics=()),)))
    assert "did not measure" in unmeasured.why


@pytest.mark.parametrize(
    ("bounds", "shown", "says"),
    [
        ({"at_most": 1.2}, True, "m populate=no over populate=yes: at most 1.2"),
        ({"at_most": 1.1}, False, "m populate=no over populate=yes: at most 1.1"),
        ({"at_least": 1.2}, False, "m populate=no over populate=yes: at least 1.2"),
        (
            {"at_least": 1.1, "at_most": 1.2},
            True,
            "m populate=no over populate=yes: at least 1.1, at most 1.2",
        ),
    ],
)
def test_bounds_of_a_number(bounds: dict[str, float], shown: bool, says: str) -> None:
    rows = [
        Metric("m", (("populate", kind),), value) for kind, value in (("no", 115), ("yes", 100))
    ]
    measure = {"metric": "m", "of": {"populate": "no"}, "over": {"populate": "yes"}, **bounds}
    claim = Claim.model_validate(
        {**FAST, "shows": [{**FAST["shows"][0], "tests": ["first.a"], "measure": [measure]}]}
    )
    record = recorded(failed(), patched=(result("first.a", metrics=tuple(rows)),))
    (found,) = judge_claim(claim, find_pairs([record], DIGEST, ["6.1"]))
    assert (found.shown, str(claim.shows[0].measure[0])) == (shown, says)


def test_runs_are_looked_at_until_every_kernel_is_found() -> None:
    """A generator is not read on: each run that it gives is read from the database."""
    first, second = recorded(failed(), id="first"), recorded(failed(), id="second")
    runs = iter([first, second])
    assert find_pairs(runs, DIGEST, ["6.1", "6.1"])["6.1"].run.id == "first"
    assert next(runs) is second


def test_kernels_by_the_names_that_results_have() -> None:
    claims = Claims.model_validate({"source": "a mail", "claim": [MLOCK, FAST]})
    named = claims.of_kernels(lambda name: f"{name}.192")
    assert [claim.kernels for claim in named.claim] == [("6.1.192",), ("6.1.192",)]
    assert named.claim[0].shows == claims.claim[0].shows


ISSUES: dict[str, Any] = {
    "quote": "DAX has issues",
    "kernels": ["6.1"],
    "shows": [
        {"side": "base", "filesystems": ["*-dax"], "tests": ["mlock.*"], "status": "fail"},
        {"side": "base", "filesystems": ["ext4", "tmpfs"], "tests": ["mlock.*"], "status": "pass"},
    ],
}


def with_controls(*controls: TestResult, **more: Any) -> RunRecord:
    """A run with a test on DAX that fails, and these; each filesystem kept its promise."""
    record = recorded(failed(filesystem="ext4-dax"), *controls, patched=(result(), *controls))
    names = dict.fromkeys(one.filesystem for one in controls)
    jobs = [
        replace(job, evidence=replace(
            job.evidence,
            promises=(*job.evidence.promises, *((name, ("not-dax",)) for name in names)),
            proofs=(*job.evidence.proofs, *(
                (name, (("not-dax", (("pfn_in_pmem", "no"),)),)) for name in names
            )),
        ))
        for job in record.jobs
    ]  # fmt: skip
    return replace(record, jobs=tuple(jobs), **more)


def on(filesystem: str, status: Status = Status.PASS, **more: Any) -> TestResult:
    return result("mlock.a", status, filesystem=filesystem, **more)


def judged_own(claim: dict[str, Any], *runs: RunRecord) -> ClaimAnswer:
    made = Claim.model_validate(claim)
    (shown,) = judge_claim(made, find_pairs(runs, DIGEST, ["6.1"], made.filesystems))
    return shown


def test_a_claim_of_some_filesystems_is_shown_by_these() -> None:
    shown = judged_own(ISSUES, with_controls(on("ext4"), on("tmpfs")))
    assert (shown.answer, shown.why) == (
        "shown",
        "base: 1 fail on ext4-dax; base: 2 pass on ext4 tmpfs",
    )


@pytest.mark.parametrize(
    ("controls", "answer", "why"),
    [
        # One that fails refutes it, whatever else is wanting.
        (
            (on("ext4", FAIL), on("tmpfs", Status.ERROR)),
            "refuted",
            "base: mlock.a on ext4: fail, not pass",
        ),
        (
            (on("ext4"), on("tmpfs", Status.ERROR)),
            "not tested",
            "base: mlock.a on tmpfs: error, not pass",
        ),
        (
            (on("ext4"), on("tmpfs", SKIP, message="no room")),
            "not tested",
            "base: every such test was skipped on tmpfs: no room",
        ),
    ],
)
def test_answers_of_a_claim_of_some_filesystems(
    controls: tuple[TestResult, ...], answer: str, why: str
) -> None:
    shown = judged_own(ISSUES, with_controls(*controls))
    assert (shown.answer, shown.why) == (answer, why)


def test_an_unproved_control_shows_nothing() -> None:
    record = with_controls(on("ext4"), on("tmpfs"))
    evidence = replace(record.jobs[0].evidence, proofs=record.jobs[0].evidence.proofs[:-1])
    jobs = (replace(record.jobs[0], evidence=evidence), record.jobs[1])
    shown = judged_own(ISSUES, replace(record, jobs=jobs))
    assert (shown.answer, shown.why) == (
        "not tested",
        "base: mlock.a on tmpfs: nothing proves that it was without DAX",
    )


def test_a_run_without_the_filesystems_of_a_claim_says_nothing_of_it() -> None:
    """A newer one of the usual two does not hide the older one with controls."""
    newer, older = recorded(failed(), id="newer"), with_controls(on("ext4"), on("tmpfs"), id="old")
    assert judged_own(ISSUES, newer, older).run == "old"
    one = with_controls(on("ext4"), id="half")
    alone = judged_own(ISSUES, one)
    assert (alone.answer, alone.run) == ("not tested", "")
    assert alone.why.endswith("without and with the series on *-dax ext4 tmpfs")
    # Whoever asks of that run alone is told what is not in it.
    (shown,) = judge_claim(
        Claim.model_validate(ISSUES), {"6.1": find_pairs([one], DIGEST, ["6.1"])["6.1"]}
    )
    assert (shown.answer, shown.why) == ("not tested", "base: no such test ran on tmpfs")


def test_what_runs_elsewhere_is_no_word_on_a_claim_of_some_filesystems() -> None:
    """A control that passes does not refute what is said of DAX, nor does one that did not run."""
    claim = {**MLOCK, "shows": [{**MLOCK["shows"][0], "filesystems": ["*-dax"]}]}
    record = with_controls(on("ext4"), on("tmpfs", Status.ERROR, unrun=Unrun.ENOUGH))
    assert judged_own(claim, record).why == "base: 1 fail on ext4-dax, `ENOMEM`"


def test_document_of_a_claim_of_some_filesystems() -> None:
    fast = {**FAST["shows"][0], "filesystems": ["*-dax"]}
    claims = Claims.model_validate(
        {"source": "a mail", "claim": [ISSUES, {**FAST, "shows": [fast]}]}
    )
    first = result("first.a", metrics=slow_and_fast(), filesystem="ext4-dax")
    controls = (on("ext4", FAIL), replace(first, filesystem="tmpfs"))
    record = with_controls(*controls)
    record = replace(
        record,
        jobs=(record.jobs[0], replace(record.jobs[1], results=(first, *controls))),
    )
    pairs = find_pairs([record], DIGEST, ["6.1"])
    report = report_claims("fix", claims, {}, {0: pairs, 1: pairs})
    text = claims_to_markdown(report)
    assert "## 1. Refuted\n\n> DAX has issues\n" in text
    assert "- base: `mlock.*` on `ext4`, `tmpfs`; each must pass" in text
    assert "| 6.1 | **no** | base: mlock.a on ext4: fail, not pass |" in text
    assert text.count(f"| {record.id} |") == 1
    assert "| 6.1 | ext4-dax | a |" in text
    assert "| 6.1 | tmpfs | a |" not in text
    answers = [one["answer"] for one in claims_to_json(report)["claims"]]
    assert answers == ["refuted", "shown"]


def test_document() -> None:
    claims = Claims.model_validate(
        {
            "source": "a mail",
            "claim": [
                MLOCK,
                {**FAST, "kernels": ["6.1", "v4.1"]},
                {"quote": "q", "untested": "no"},
            ],
        }
    )
    fast = result("first.a", metrics=slow_and_fast())
    pairs = find_pairs([recorded(failed(), patched=(fast,))], DIGEST, ["6.1"])
    report = report_claims("fix", claims, pairs)
    text = claims_to_markdown(report)
    assert report.status == 1
    assert "1 of 2 claims are shown on every kernel named for them, and 1 are not tested." in text
    assert "## 1. Shown\n\n> mlock() fails\n" in text
    assert "## 2. Not shown on every kernel\n" in text
    assert "| v4.1 | not tested | no finished run has this kernel" in text
    assert "| 6.1 | ext4-dax | a | not measured | 812 → 81 (10.0 times) |" in text
    assert "## 3. Not tested\n\n> q\n\nNot shown: no.\n" in text
    assert [claim["shown"] for claim in claims_to_json(report)["claims"]] == [True, False, None]
    (first, *_) = claims.claim
    alone = Claims(source="a mail", claim=(first,))
    assert report_claims("fix", alone, pairs).status == 0


def test_nothing_is_recorded() -> None:
    claims = Claims.model_validate({"source": "a mail", "claim": [MLOCK]})
    report = report_claims("fix", claims, {})
    assert report.status == 1
    assert "| none recorded |" in claims_to_markdown(report)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ('[[claim]]\nquote = "q"\nuntested = "no"\n', 1, "Field required"),
        ('source = "s"\n[[claim]]\nquote = "q"\n', 2, "needs either shows, or untested"),
        ('source = "s"\n[[claim]]\nquote = "q"\nuntestd = "no"\n', 4, "Extra inputs"),
        (SHOWING.format('[{metric = "m"}]', '"6.1"'), 1, "bounds nothing"),
        (SHOWING.format("[]", ""), 1, "names no kernels"),
    ],
)
def test_mistake_in_the_file(tmp_path: Path, text: str, line: int, what: str) -> None:
    (tmp_path / "fix").mkdir()
    (tmp_path / "fix" / "claims.toml").write_text(text)
    with pytest.raises(UserError) as caught:
        load_claims(tmp_path, "fix")
    assert what in caught.value.what
    assert f"claims.toml:{line}" in str(caught.value.where) or line == 1


def test_series_that_claims_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no claims\.toml"):
        load_claims(tmp_path, "fix")


def test_claims_of_the_mail() -> None:
    """Each quotation is the mail's, word for word."""
    claims = load_claims(ROOT / "patches", "dax-populate")
    mail = (ROOT / "patches/dax-populate/mm-fix-map_populate-and-mlock-for-dax.patch").read_text()
    words = " ".join(mail.replace("\n- ", "\n").split())
    for claim in claims.claim:
        for part in claim.quote.split(" […] "):
            assert part in words, part
    assert any(claim.shows and claim.shows[0].measure for claim in claims.claim)
