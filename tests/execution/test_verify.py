# SPDX-License-Identifier: GPL-2.0-only
"""A series verified: how it goes onto each kernel, and what its jobs showed, in one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lab.analysis.series_verdict import KernelVerdict
from lab.errors import InfrastructureError, LabError, UserError
from lab.execution.verify import verification_of
from lab.model.records import JobRecord, TestResult
from lab.model.status import Outcome, Status
from lab.model.variant import Variant
from lab.model.version import VersionRange
from lab.patches import Fit, PatchFit, SeriesFit, Upstream
from lab.plan import SeriesPlan, plan_series
from lab.process.seal import seal
from lab.process.shelf import BUILDS
from lab.session import Lab
from tests.binary.test_difference import BASE, LONGER, OTHER, linked
from tests.plan.test_plan import TOML, write
from tests.results.made import EVIDENCE, job, result, run

PATCH = """\
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,3 +1,3 @@
 a
-b
+c
 d
"""
VERDICTS = """
[[verdict]]
series = "mend"
kernels = ["6.1"]
verdict = "already fixed upstream"
reason = "since 4.3"
"""
APPLIES = SeriesFit("mend", (PatchFit("p.patch", Fit.EXACT),))
UPSTREAM = Upstream("1027e4436b6a", VersionRange.parse(">=4.3"), "mm: mend it")
FIXED = SeriesFit("mend", (PatchFit("p.patch", Fit.UPSTREAM),), UPSTREAM)
REFUSED = SeriesFit("mend", (PatchFit("p.patch", Fit.REFUSED, "hunk 1 does not"),))
FAIL, PASS = Status.FAIL, Status.PASS
#: The machine of the records.
MINE = ["default"]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    loaded = write(tmp_path, TOML + VERDICTS)
    folder = tmp_path / "patches" / "mend"
    (folder / "series").write_text("p.patch\n")
    (folder / "p.patch").write_text(PATCH)
    return Lab(loaded)


def plan(lab: Lab, *kernels: str) -> SeriesPlan:
    return plan_series(lab.loaded, "mend", kernels, ["ext4-dax"], ["mlock"], machines=MINE)


def record(lab: Lab, variant: str, *results: TestResult, error: str | None = None) -> JobRecord:
    digests = tuple(
        (name, lab.builder.series("mend").digest) for name in Variant.parse(variant).series
    )
    evidence = replace(EVIDENCE, build_key=variant, series_digests=digests)
    return replace(job(*results, error=error), variant=Variant(variant), evidence=evidence)


def verdict(
    lab: Lab, fit: SeriesFit | LabError, *jobs: JobRecord, kernel: str = "6.1"
) -> KernelVerdict:
    chosen = plan(lab, kernel)
    fits: Mapping[Variant, SeriesFit | LabError] = {chosen.kernels[0]: fit}
    (found,) = verification_of(lab.builder, chosen, fits, run(*jobs) if jobs else None).kernels
    return found


def test_fixed(lab: Lab) -> None:
    found = verdict(
        lab,
        APPLIES,
        record(lab, "old", result("a", FAIL), result("b")),
        record(lab, "old+mend", result("a"), result("b")),
        kernel="old",
    )
    assert found.outcome is Outcome.FIXED
    assert found.why == "1 test, 1 pass before and after"
    assert found.as_expected
    assert found.patches == (("p.patch", "applies, exact blob"),)
    assert len(found.tests) == 2


def test_regressed(lab: Lab) -> None:
    jobs = record(lab, "6.1", result("a")), record(lab, "6.1+mend", result("a", FAIL))
    found = verdict(lab, APPLIES, *jobs)
    assert (found.outcome, found.as_expected) == (Outcome.REGRESSED, False)


def test_only_a_part_of_what_was_asked_for(lab: Lab) -> None:
    """Nothing ran in one suite, on neither side: that is no fix."""
    both = ["ext4-dax", "xfs-dax"]
    chosen = plan_series(lab.loaded, "mend", ["6.1"], both, ["mlock"], machines=MINE)
    jobs = record(lab, "6.1", result("a", FAIL)), record(lab, "6.1+mend", result("a"))
    (found,) = verification_of(
        lab.builder, chosen, {chosen.kernels[0]: APPLIES}, run(*jobs)
    ).kernels
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "xfs-dax" in found.why
    chosen = plan_series(lab.loaded, "mend", ["6.1"], both, ["mlock"], "a", machines=MINE)
    (picked,) = verification_of(
        lab.builder, chosen, {chosen.kernels[0]: APPLIES}, run(*jobs)
    ).kernels
    assert picked.outcome is Outcome.FIXED


def test_series_that_was_edited_since(lab: Lab) -> None:
    jobs = record(lab, "6.1", result("a", FAIL)), record(lab, "6.1+mend", result("a"))
    path = lab.loaded.root / "patches" / "mend" / "p.patch"
    path.write_text(PATCH.replace("+c", "+e"))
    assert verdict(lab, APPLIES, *jobs).outcome is Outcome.INCONCLUSIVE


def test_side_that_could_not_be_built(lab: Lab) -> None:
    base = record(lab, "6.1", result("a", FAIL))
    found = verdict(lab, APPLIES, base, record(lab, "6.1+mend", error="gcc: no\nlog"))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.why == "patched: gcc: no"
    assert verdict(lab, APPLIES, base).why == "there is no record of patched"
    assert verdict(lab, APPLIES).why == "there is no record of base"


def test_job_that_ended_early(lab: Lab) -> None:
    jobs = (
        record(lab, "6.1", result("a", FAIL)),
        record(lab, "6.1+mend", result("a"), error="the disk is full"),
    )
    found = verdict(lab, APPLIES, *jobs)
    assert (found.outcome, found.ours) == (Outcome.INCONCLUSIVE, True)


def test_already_fixed_upstream(lab: Lab) -> None:
    found = verdict(lab, FIXED, record(lab, "6.1", result("a")))
    assert (found.outcome, found.commit) == (Outcome.UPSTREAM, "1027e4436b6a")
    assert (found.as_expected, found.reason) == (True, "since 4.3")


def test_said_to_be_fixed_upstream(lab: Lab) -> None:
    found = verdict(lab, FIXED, record(lab, "6.1", result("a", FAIL)))
    assert (found.outcome, found.as_expected) == (Outcome.INCONCLUSIVE, False)
    assert "1 test fails without the series" in found.why
    assert verdict(lab, FIXED).outcome is Outcome.INCONCLUSIVE


def test_does_not_apply(lab: Lab) -> None:
    found = verdict(lab, REFUSED)
    assert found.outcome is Outcome.DOES_NOT_APPLY
    assert found.why == "p.patch: hunk 1 does not"


@pytest.mark.parametrize("fit", [Fit.FUZZ, Fit.ALTERED])
def test_what_the_lab_would_not_apply(lab: Lab, fit: Fit) -> None:
    found = verdict(lab, SeriesFit("mend", (PatchFit("p.patch", fit),)))
    assert found.outcome is Outcome.DOES_NOT_APPLY
    assert str(fit) in found.why


def test_already_applied(lab: Lab) -> None:
    found = verdict(lab, SeriesFit("mend", (PatchFit("p.patch", Fit.APPLIED),)))
    assert found.outcome is Outcome.NO_CHANGE
    half = (PatchFit("p.patch", Fit.APPLIED), PatchFit("q.patch", Fit.EXACT))
    assert verdict(lab, SeriesFit("mend", half)).outcome is Outcome.DOES_NOT_APPLY


@pytest.mark.parametrize(
    ("error", "ours"), [(InfrastructureError("no network"), True), (UserError("no ref"), False)]
)
def test_kernel_that_cannot_be_had(lab: Lab, error: LabError, ours: bool) -> None:
    found = verdict(lab, error)
    assert (found.outcome, found.ours) == (Outcome.INCONCLUSIVE, ours)
    assert found.why == error.what


def test_the_others_go_on(lab: Lab) -> None:
    chosen = plan(lab, "old", "6.1")
    fits: dict[Variant, SeriesFit | LabError] = {
        chosen.kernels[0]: InfrastructureError("no network"),
        chosen.kernels[1]: FIXED,
    }
    verification = verification_of(lab.builder, chosen, fits, run(record(lab, "6.1", result("a"))))
    assert [kernel.outcome for kernel in verification.kernels] == [
        Outcome.INCONCLUSIVE,
        Outcome.UPSTREAM,
    ]


def test_base_and_patched_are_of_one_machine(lab: Lab) -> None:
    """A base of another machine is none, and each machine has a verdict of its own."""
    base, patched = record(lab, "old", result("a", FAIL)), record(lab, "old+mend", result("a"))
    chosen = plan_series(
        lab.loaded, "mend", ["old"], ["ext4-dax"], ["mlock"], machines=["default", "big"]
    )
    fits: Mapping[Variant, SeriesFit | LabError] = {chosen.kernels[0]: APPLIES}
    jobs = (replace(base, machine="big"), base, patched)
    for order in (jobs, jobs[::-1]):
        small, big = verification_of(lab.builder, chosen, fits, run(*order)).kernels
        assert (small.name, small.outcome) == ("old", Outcome.FIXED)
        assert (big.name, big.why) == ("old machine big", "there is no record of patched")
        assert {test.on for test in small.tests} == {"old"}


@pytest.mark.slow
@pytest.mark.parametrize("patched_source", [BASE, LONGER])
def test_what_runs_with_the_series_is_looked_at(
    lab: Lab, tmp_path: Path, patched_source: str
) -> None:
    """A difference between two runs of one binary is no word on the series."""
    for key, source in (("old", BASE), ("old+mend", patched_source)):
        folder = BUILDS.place(lab.builder.cache, key)
        folder.mkdir(parents=True)
        linked(tmp_path, f"made-{key}", source, OTHER).rename(folder / "vmlinux")
        seal(folder, ["vmlinux"])
    found = verdict(
        lab,
        APPLIES,
        record(lab, "old", result("a", FAIL)),
        record(lab, "old+mend", result("a")),
        kernel="old",
    )
    assert found.binary is not None
    if patched_source == BASE:
        assert (found.outcome, found.why) == (Outcome.NO_CHANGE, "the binary is the same")
    else:
        assert (found.outcome, found.binary.names) == (Outcome.FIXED, ("first",))
    (BUILDS.place(lab.builder.cache, "old") / "vmlinux").write_bytes(b"cut")
    jobs = record(lab, "old", result("a", FAIL)), record(lab, "old+mend", result("a"))
    blind = verdict(lab, APPLIES, *jobs, kernel="old")
    assert (blind.outcome, blind.binary) == (Outcome.FIXED, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "program"),
    [
        ("mm/gup.c", "other"),
        ("arch/x86/boot/main.c", "same"),
        ("lib/decompress_unlz4.c", "same"),
    ],
)
def test_what_runs_and_is_in_no_vmlinux_is_judged_by_its_tests(
    lab: Lab, tmp_path: Path, path: str, program: str
) -> None:
    """What starts a kernel, and selftests that are made of its tree."""
    patch = lab.loaded.root / "patches" / "mend" / "p.patch"
    patch.write_text(PATCH.replace("mm/gup.c", path))
    jobs = []
    for key, digest, status in (("old", "same", PASS), ("old+mend", program, FAIL)):
        folder = BUILDS.place(lab.builder.cache, key)
        folder.mkdir(parents=True)
        linked(tmp_path, f"made-{key}", BASE, OTHER).rename(folder / "vmlinux")
        seal(folder, ["vmlinux"])
        made = record(lab, key, result("a", status))
        programs = (("cow", digest),)
        jobs.append(replace(made, evidence=replace(made.evidence, programs=programs)))
    outcome = Outcome.INCONCLUSIVE if program == "other" else Outcome.REGRESSED
    assert verdict(lab, APPLIES, *jobs, kernel="old").outcome is outcome
