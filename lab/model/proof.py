# SPDX-License-Identifier: GPL-2.0-only
"""What filesystems promise, and whether a record has the proof of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.model.records import Evidence

#: What a proof said: (source, what it said) pairs.
Said = tuple[tuple[str, str], ...]
#: The proofs of one filesystem, by name.
Proofs = tuple[tuple[str, Said], ...]

DAX = "dax"
NOT_DAX = "not-dax"
#: What each filesystem promised in records that do not tell.
_PROMISED_BEFORE = (DAX,)
_MOUNTED = "mounted"
_IN_WORDS = {DAX: "DAX", NOT_DAX: "without DAX", "device-dax": "device DAX"}


def in_words(proof: str) -> str:
    """What it proves, after "that it was"."""
    return _IN_WORDS.get(proof, proof)


def promised(evidence: Evidence, filesystem: str) -> tuple[str, ...]:
    """The names of the proofs that a filesystem owed."""
    return dict(evidence.promises).get(filesystem, _PROMISED_BEFORE)


def proofs_of(evidence: Evidence, filesystem: str) -> Mapping[str, Mapping[str, str]]:
    """What was said for each thing that a filesystem promised, by the proof's name."""
    return {name: dict(said) for name, said in dict(evidence.proofs).get(filesystem, ())}


def unproved(evidence: Evidence, filesystem: str) -> str:
    """What nothing proves that a filesystem was, and should be; "" when all is proved.

    One that promised nothing must at least have been mounted.
    """
    if filesystem not in dict(evidence.proofs):
        return in_words(next(iter(promised(evidence, filesystem)), _MOUNTED))
    found = proofs_of(evidence, filesystem)
    return next(
        (in_words(name) for name in promised(evidence, filesystem) if not found.get(name)), ""
    )


def proof_lines(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(filesystem, what it proved to be and by what) pairs: ``DAX: mount option, statx``.

    Nothing of records that do not tell what was promised.
    """
    for filesystem, _ in evidence.promises:
        found = proofs_of(evidence, filesystem).items()
        said = [f"{in_words(name)}: {proof.get('proved_by', 'yes')}" for name, proof in found]
        if wanting := unproved(evidence, filesystem):
            said = [f"nothing proves that it was {wanting}"]
        yield filesystem, "; ".join(said) or "nothing promised"
