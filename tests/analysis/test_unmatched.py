# SPDX-License-Identifier: GPL-2.0-only
"""Rules that nothing in a run was about."""

from __future__ import annotations

from typing import Any

from lab.analysis.unmatched import unmatched
from lab.config.model import BenignSection, Expectation, LabConfig, Matrix
from lab.model.status import Status
from tests.results.made import job, noted, result, run

RUN = run(job(result("mlock.a"), result("mmap[4k]"), complaints=(noted(),)))


def silent(*expect: Expectation, benign: tuple[BenignSection, ...] = ()) -> list[str]:
    config = LabConfig.model_construct(expect=expect, benign=benign, matrix={})
    return [what for _, what in unmatched(config, RUN)]


def rule(*tests: str, **more: Any) -> Expectation:
    return Expectation(tests=tests, status=Status.FAIL, reason="why", **more)


def test_a_glob_that_no_test_matches_is_named() -> None:
    config = LabConfig.model_construct(
        expect=(rule("mlock.*"), rule("mlock.a", "mlok.*")), matrix={}
    )
    ((keys, what),) = unmatched(config, RUN)
    assert keys == ("expect", 1, "tests", 1)
    assert "'mlok.*'" in what


def test_rules_that_match_are_not_named() -> None:
    assert silent(rule("mlock.*"), rule("mmap[4k]")) == []


def test_rules_for_what_the_run_has_not_are_not_named() -> None:
    assert (
        silent(
            rule("x", variants=("v4.2",)),
            rule("x", filesystems=("xfs-dax",)),
            rule("x", suites=("populate",)),
            rule("x", versions="<4.3"),
        )
        == []
    )


def test_a_rule_for_any_suite_may_be_about_one_of_another_matrix() -> None:
    matrix = {"mine": Matrix(variants=("6.1",), suites=("mlock",))}
    rules = (rule("*.2m"), rule("*.4m", suites=("*lock",)))
    config = LabConfig.model_construct(expect=rules, matrix=matrix)
    assert len(list(unmatched(config, RUN))) == 2
    others = {**matrix, "others": Matrix(variants=("6.1",), suites=("ltp",))}
    (((_, number, *_), _),) = unmatched(config.model_copy(update={"matrix": others}), RUN)
    assert number == 1


def test_benign_rules() -> None:
    (complaint,) = RUN.jobs[0].complaints
    title = str(complaint.complaint)
    rows = (
        BenignSection(title=title, reason="known"),
        BenignSection(title="oops: *", reason="known"),
        BenignSection(title="kasan: *", versions="<4.3", reason="known"),
    )
    assert title == "warning: WARNING in foo"
    assert silent(benign=rows) == ["no complaint was like 'oops: *': it excused nothing"]
