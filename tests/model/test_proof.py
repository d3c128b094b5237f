# SPDX-License-Identifier: GPL-2.0-only
"""What filesystems promised, and whether a record has the proof of it."""

from __future__ import annotations

import pytest

from lab.model.proof import in_words, promised, proof_lines, proofs_of, unproved
from lab.model.records import Evidence

SAID = (("mount", "rw,dax"), ("proved_by", "mount option, statx"))
#: One that owes nothing, one that owes DAX, one more thing, one that was never mounted.
EVIDENCE = Evidence(
    promises=(("plain", ()), ("d", ("dax",)), ("both", ("dax", "quota")), ("gone", ("dax",))),
    proofs=(("plain", ()), ("d", (("dax", SAID),)), ("both", (("dax", SAID), ("quota", ())))),
)


def test_what_was_promised_is_recorded() -> None:
    assert promised(EVIDENCE, "plain") == ()
    assert promised(EVIDENCE, "both") == ("dax", "quota")
    # Nobody said: before that was recorded each promised DAX.
    assert promised(EVIDENCE, "another") == promised(Evidence(), "d") == ("dax",)


def test_what_was_said() -> None:
    assert proofs_of(EVIDENCE, "d") == {"dax": dict(SAID)}
    assert proofs_of(EVIDENCE, "both") == {"dax": dict(SAID), "quota": {}}
    assert proofs_of(EVIDENCE, "plain") == proofs_of(EVIDENCE, "gone") == {}


@pytest.mark.parametrize(
    ("filesystem", "wanting"),
    [("plain", ""), ("d", ""), ("both", "quota"), ("gone", "DAX"), ("another", "DAX")],
)
def test_what_nothing_proves(filesystem: str, wanting: str) -> None:
    assert unproved(EVIDENCE, filesystem) == wanting


def test_who_owes_nothing_was_mounted_at_least() -> None:
    assert unproved(Evidence(promises=(("plain", ()),)), "plain") == "mounted"


def test_a_proof_in_words() -> None:
    assert (in_words("dax"), in_words("quota")) == ("DAX", "quota")


def test_each_filesystem_in_a_line() -> None:
    assert list(proof_lines(EVIDENCE)) == [
        ("plain", "nothing promised"),
        ("d", "DAX: mount option, statx"),
        ("both", "nothing proves that it was quota"),
        ("gone", "nothing proves that it was DAX"),
    ]
    two = Evidence(
        promises=(("both", ("dax", "quota")),),
        proofs=(("both", (("dax", SAID), ("quota", (("on", "1"),)))),),
    )
    assert list(proof_lines(two)) == [("both", "DAX: mount option, statx; quota: yes")]
    assert list(proof_lines(Evidence(proofs=EVIDENCE.proofs))) == []
