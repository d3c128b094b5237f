# SPDX-License-Identifier: GPL-2.0-only
"""``lab verify`` on real kernels: one that the series mends, and one that needs no mending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.guest.conftest import KERNEL, Project, leftovers, qemus

pytestmark = pytest.mark.guest

PLAIN = KERNEL
BUGGY = f"{KERNEL}+reintroduce-bug"
#: Of mm/gup.c with the bug, and of that mended.
BLOBS = {"6.1": "a6d2b881f529..485844b16c70", "6.12": "f7687e304f0f..bcf93d76f8b9"}
MENDED = f"{BUGGY}+dax-populate"


class Verified:
    """One ``lab verify dax-populate`` on ext4-dax, and what is recorded of it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.document: dict[str, Any] = project.json(
            "verify", "dax-populate", PLAIN, BUGGY, "-f", "ext4-dax"
        )
        self.folder = Path(self.document["folder"])

    def verdict(self, kernel: str, test: str) -> dict[str, Any]:
        (found,) = (
            row
            for row in self.document["verdicts"]
            if (row["kernel"], row["test"]) == (kernel, test)
        )
        return dict(found)


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Verified:
    return Verified(Project(tmp_path_factory.mktemp("verify") / "project"))


def test_verdict_of_each_kernel(verified: Verified) -> None:
    plain, buggy = verified.document["kernels"]
    assert (plain["verdict"], plain["commit"]) == ("already fixed upstream", "1027e4436b6a")
    assert (buggy["verdict"], buggy["commit"]) == ("fixed", "")
    assert plain["as_expected"]
    assert buggy["as_expected"]
    assert verified.document["exit_status"] == 0
    (patch,) = buggy["patches"]
    assert patch["fit"] == f"applies, exact blob: mm/gup.c {BLOBS[KERNEL]}"


def test_what_was_booted(verified: Verified) -> None:
    """The base of the fixed kernel is tested too; nothing is tested that cannot be."""
    assert [job["variant"] for job in verified.document["jobs"]] == [PLAIN, BUGGY, MENDED]


def test_verdicts_of_the_mail(verified: Verified) -> None:
    for call in ("populate", "mlock"):
        for mapping in ("shared-rw", "shared-ro", "private-ro"):
            row = verified.verdict(BUGGY, f"{call}.{mapping}.4k")
            assert (row["base"], row["patched"], row["verdict"]) == ("fail", "pass", "fixed")
        row = verified.verdict(BUGGY, f"{call}.private-rw.4k")
        assert (row["base"], row["patched"], row["verdict"]) == ("pass", "pass", "still passing")
        row = verified.verdict(PLAIN, f"{call}.shared-rw.4k")
        assert (row["base"], row["patched"], row["verdict"]) == ("pass", None, "not applicable")


def test_every_result_has_its_verdict(verified: Verified) -> None:
    rows = [row for row in verified.document["verdicts"] if row["kernel"] == BUGGY]
    for variant in (BUGGY, MENDED):
        names = {
            result["test"]
            for result in verified.document["results"]
            if result["variant"] == variant
        }
        assert names == {row["test"] for row in rows}
    assert {row["verdict"] for row in rows} == {"fixed", "still passing"}


def test_verdicts_are_recorded(verified: Verified) -> None:
    assert json.loads((verified.folder / "verdicts.json").read_text()) == verified.document


def test_claims_that_the_run_shows(verified: Verified) -> None:
    claims = verified.project.json("claims", "dax-populate", verified.document["run"])["claims"]
    assert len(claims) == 13
    # The run has no filesystem without DAX, and no kernel of config probes.
    wanting = [claims[place] for place in (2, 3, 8, 9, 12)]
    for claim in wanting:
        assert {row["answer"] for row in claim["kernels"]} == {"not tested"}, claim
    for claim in (claim for claim in claims if claim not in wanting):
        shown = {row["kernel"]: row["shown"] for row in claim["kernels"]}
        assert shown.pop(BUGGY) is True, claim
        # Nothing of 4.1 and 4.2 is recorded here, so nothing is shown of them.
        assert set(shown.values()) <= {False}


def test_nothing_is_left(verified: Verified) -> None:
    assert qemus(verified.project.folder) == []
    assert leftovers(verified.project.folder) == []


EXPECTED_OTHERWISE = """
[[verdict]]
series = "dax-populate"
verdict = "no change"
reason = "a fix that is not foretold"
"""


def test_verdict_that_is_not_expected_is_exit_status_1(clean_folder: Path) -> None:
    project = Project(clean_folder / "project", EXPECTED_OTHERWISE)
    picked = ("-f", "ext4-dax", "-s", "populate", "-k", "populate.shared-rw.4k")
    done = project.lab("verify", "dax-populate", BUGGY, *picked)
    assert done.returncode == 1, done
    assert f"{BUGGY}  ✗ fixed: 1 test, 0 pass before and after" in done.stdout
    assert "expected no change: a fix that is not foretold" in done.stdout


def test_pattern_that_picks_nothing_is_the_users_error(clean_folder: Path) -> None:
    project = Project(clean_folder / "project")
    done = project.lab("verify", "dax-populate", BUGGY, "-k", "no.such.test", "-f", "ext4-dax")
    assert done.returncode == 2, done
    assert "lab: -k: no test has a name like 'no.such.test'" in done.stderr
