# SPDX-License-Identifier: GPL-2.0-only
"""A fix against older kernels: what is tested of it, and what the records come to."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

from lab.analysis.stable_verdict import StableVerdict
from lab.builder.placing import Place
from lab.cli.stable import _keep
from lab.errors import InfrastructureError
from lab.execution.stable import StablePlan, StableReport, as_verification, report_on
from lab.execution.verify import verification_of
from lab.model.records import JobRecord, TestResult
from lab.model.variant import Variant
from lab.patches import Fit, PatchFit, SeriesFit, load_series
from lab.patches.beneath import patch_ids_of
from lab.patches.standing import Stand, Standing
from lab.report import verification_to_json
from lab.report.export.verified import read_verdicts
from lab.report.reply import answers
from lab.results import RunFolder
from lab.session import Lab
from tests.execution.test_verify import FAIL, plan, record
from tests.execution.test_verify import lab as lab  # a fixture
from tests.results.made import result, run

CLEAN = Stand(Standing.CLEAN, "exact blobs")
REFUSED = Stand(Standing.REFUSED, "hunk 1 of mm/gup.c does not apply")
THERE = Stand(Standing.IN, "by content")


def asked(lab: Lab, stand: Stand | None, parent: str | None = "old") -> StablePlan:
    kernels = ["6.1"] if parent is None else [parent, "6.1"]
    error = None if stand else InfrastructureError("the network is down")
    places = {Variant("6.1"): Place(Variant("6.1"), "6.1.192", stand, error)}
    whose = Variant(parent) if parent else None
    return StablePlan(plan(lab, *kernels), places, whose, builder=lab.builder)


def pair(lab: Lab, kernel: str, *base: TestResult) -> tuple[JobRecord, JobRecord]:
    """A kernel without the series, and with it, where every test passes."""
    passing = [result(each.test) for each in base]
    return record(lab, kernel, *base), record(lab, f"{kernel}+mend", *passing)


def judged(lab: Lab, stand: Stand | None, *jobs: JobRecord, parent: str | None = "old") -> str:
    report = report_on(asked(lab, stand, parent), run(*jobs))
    return told(report)


def told(report: StableReport) -> str:
    (kernel,) = report.kernels
    return f"{kernel.verdict}: {kernel.why}"


def test_what_is_tested(lab: Lab) -> None:
    def variants(stand: Stand | None, parent: str | None) -> list[str]:
        return [str(job.variant) for job in asked(lab, stand, parent).jobs().jobs]

    assert variants(CLEAN, "old") == ["old", "old+mend", "6.1", "6.1+mend"]
    assert variants(REFUSED, "old") == ["old", "old+mend", "6.1"]
    assert variants(THERE, None) == ["6.1"]
    assert variants(None, None) == []


def test_each_verdict_is_measured_by_what_the_parent_shows(lab: Lab) -> None:
    parent = pair(lab, "old", result("a", FAIL), result("b"))
    bad, good = pair(lab, "6.1", result("a", FAIL), result("b")), pair(lab, "6.1", result("a"))
    assert judged(lab, CLEAN, *parent, *bad).startswith("needs backport: fixed by it: 1 test")
    assert judged(lab, CLEAN, *parent, *good) == (
        "not affected: 1 test that it mends on its parent old passes without it"
    )
    assert judged(lab, THERE, *parent, good[0]).startswith("already there: by content; 1 test")
    assert judged(lab, REFUSED, *parent, bad[0]).startswith(
        "does not apply: refused: hunk 1 of mm/gup.c does not apply; it has the bug, 1 test"
    )
    report = report_on(asked(lab, CLEAN), run(*parent, *bad))
    assert report.parent == ("old", "fixed", "1 test, 1 pass before and after")


def test_without_a_test_that_fails_on_the_parent_it_is_no_change(lab: Lab) -> None:
    parent, other = pair(lab, "old", result("a")), pair(lab, "6.1", result("a"))
    assert judged(lab, CLEAN, *parent, *other) == (
        "no change: on its parent old it is no change: no test fails without it; 1 pass before "
        "and after; missing is a test that fails without what it does to mm/gup.c (mlock ran)"
    )
    said = judged(lab, CLEAN, *other, parent=None)
    assert said.startswith("no change: no test fails without it anywhere; missing is a test ")


def test_without_a_parent_the_kernels_show_it(lab: Lab) -> None:
    bad = pair(lab, "6.1", result("a", FAIL))
    assert judged(lab, CLEAN, *bad, parent=None).startswith("needs backport")
    # One of them says for the others which tests show it.
    stands = {"6.1": CLEAN, "old": REFUSED}
    places = {Variant(name): Place(Variant(name), "", stand) for name, stand in stands.items()}
    both = StablePlan(plan(lab, *stands), places, None, builder=lab.builder)
    old = report_on(both, run(*bad, record(lab, "old", result("a")))).kernels[1]
    assert (old.verdict, old.why.partition(";")[0]) == (
        StableVerdict.NOT_AFFECTED, "1 test that it mends on another kernel passes without it",
    )  # fmt: skip


def test_what_did_not_run_is_no_verdict(lab: Lab) -> None:
    parent = pair(lab, "old", result("a", FAIL))
    broken = record(lab, "6.1+mend", error="it does not build")
    report = report_on(
        asked(lab, CLEAN), run(*parent, record(lab, "6.1", result("a", FAIL)), broken)
    )
    assert told(report).startswith("inconclusive: patched: ")
    assert report.kernels[0].ours
    lost = report_on(asked(lab, None), run(*parent))
    assert told(lost) == "inconclusive: the network is down"
    assert lost.kernels[0].ours
    gone = report_on(asked(lab, CLEAN), run(*parent[:1]))
    assert gone.parent is not None
    assert gone.parent[1] == "inconclusive"
    assert gone.kernels[0].verdict is StableVerdict.INCONCLUSIVE


def test_a_rebuilt_patch_that_nobody_proved_fixes_nothing(lab: Lab) -> None:
    folder = lab.patches / "mend"
    (folder / "origin.toml").write_text('[[patch]]\nfile = "p.patch"\nnot-proved = "guessed"\n')
    parent, bad = pair(lab, "old", result("a", FAIL)), pair(lab, "6.1", result("a", FAIL))
    assert judged(lab, CLEAN, *parent, *bad).startswith("inconclusive: rebuilt, not proved")


def test_nor_does_one_that_goes_onto_such_a_patch(lab: Lab) -> None:
    below = lab.patches / "below"
    shutil.copytree(lab.patches / "mend", below)
    (below / "origin.toml").write_text('[[patch]]\nfile = "p.patch"\nnot-proved = "guessed"\n')
    ids = ", ".join(f'"{each}"' for each in patch_ids_of(load_series(lab.patches, "below")))
    origin = lab.patches / "mend" / "origin.toml"
    origin.write_text(f'[[beneath]]\nseries = "below"\npatch-ids = [{ids}]\n')
    bad = pair(lab, "6.1", result("a", FAIL))
    said = "below, beneath it: rebuilt, not proved to be what was sent: p.patch: guessed"
    assert judged(lab, CLEAN, *bad, parent=None) == f"inconclusive: {said}"
    question = asked(lab, CLEAN, None)
    assert as_verification(question, report_on(question, run(*bad))).doubt == said
    # As lab verify has it.
    chosen = question.plan
    fit = {chosen.kernels[0]: SeriesFit("mend", (PatchFit("p.patch", Fit.EXACT),))}
    assert verification_of(lab.builder, chosen, fit, run(*bad)).doubt == said


def kept(lab: Lab, stand: Stand, *jobs: JobRecord) -> list[tuple[str, str, bool]]:
    """Kernel, verdict, and whether the test's own verdict is beside it, as ``lab reply`` reads."""
    question = asked(lab, stand)
    report = report_on(question, run(*jobs))
    found = as_verification(question, report)
    rows = verification_to_json(found)["kernels"]
    again = answers(
        run(*jobs), "mend", rows, lab.loaded.config.series["mend"].tests, lab.loaded.config.verdict
    )
    assert [one.kernel for one in again] == ["old", "6.1"]
    # What the record shows is what was kept.
    assert [one.outcome for one in again] == [one.outcome for one in found.kernels]
    return [(one.kernel, one.outcome.value, one.good) for one in again]


def test_the_verdicts_are_kept_as_those_of_lab_verify(lab: Lab) -> None:
    parent = pair(lab, "old", result("a", FAIL), result("b"))
    bad, good = pair(lab, "6.1", result("a", FAIL), result("b")), pair(lab, "6.1", result("a"))
    fixed = ("old", "fixed", True)
    lab = Lab(replace(lab.loaded, config=lab.loaded.config.model_copy(update={"verdict": ()})))
    assert kept(lab, CLEAN, *parent, *bad) == [fixed, ("6.1", "fixed", True)]
    assert kept(lab, CLEAN, *parent, *good) == [fixed, ("6.1", "no change", False)]
    # The series was not laid over these: nothing of it is a word on the patch there.
    assert kept(lab, THERE, *parent, good[0]) == [fixed, ("6.1", "already fixed upstream", False)]
    for base in (bad[0], good[0]):
        assert kept(lab, REFUSED, *parent, base) == [fixed, ("6.1", "does not apply", False)]
    assert kept(lab, CLEAN, *parent, bad[0]) == [fixed, ("6.1", "inconclusive", False)]


def test_the_answers_are_beside_the_verdicts(lab: Lab) -> None:
    jobs = pair(lab, "old", result("a", FAIL)) + pair(lab, "6.1", result("a", FAIL))
    question = asked(lab, CLEAN)
    report = report_on(question, run(*jobs))
    _keep(lab, question, report, {"exit_status": 1, "kernels": []})
    folder = RunFolder(lab.results, run().id)
    document = json.loads(folder.verdicts.read_text())
    assert document["stable"] == {"exit_status": 1, "kernels": []}
    found = read_verdicts(folder)
    assert found is not None
    assert (found.series, found.exit_status) == ("mend", 1)
    assert [row.why.partition(":")[0] for row in found.kernels] == [
        "1 test, 0 pass before and after",
        "needs backport",
    ]
