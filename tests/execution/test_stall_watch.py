# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest is good for more, of which programs were asked for their end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lab.execution.complaint_watch import ComplaintWatch
from lab.execution.stall_watch import StallWatch
from lab.process.cpu_waits import Times
from tests.execution.test_complaint_watch import WARN, P

OOPS = (
    "BUG: unable to handle page fault for address: ffffc90000000000\n"
    "Oops: 0000 [#1] SMP\nRIP: 0010:foo+0x1/0x20\n---[ end trace 0000000000000000 ]---\n"
)


class Silent:
    """A guest of which only the console is looked at."""

    def stop(self) -> None:
        raise AssertionError("nothing hangs here")

    def heard(self) -> int:
        return 0

    def times(self) -> Mapping[int, Times]:
        return {}


@pytest.mark.parametrize(("said", "breaks"), [(WARN, False), (OOPS, True)])
def test_what_began_ahead_makes_the_one_before_no_last_one(
    tmp_path: Path, said: str, *, breaks: bool
) -> None:
    """Its end is asked for first, in the guest that it ran in; then nothing more runs there."""
    watch = ComplaintWatch(tmp_path, tmp_path, "6.1.192", ())
    stall = StallWatch(watch, Silent(), 60.0, lambda _: None)
    (tmp_path / "console.log").write_text(P + "lab: run ext4 s/q\n" + said)
    with stall.looking():
        pass
    watch.ran(alive=True, ahead=True)
    assert (stall.sound, stall.broken) == (True, False)
    watch.ran(alive=False)
    assert (stall.sound, stall.broken) == (False, breaks)


def test_a_complaint_of_the_one_before_ends_it(tmp_path: Path) -> None:
    watch = ComplaintWatch(tmp_path, tmp_path, "6.1.192", ())
    stall = StallWatch(watch, Silent(), 60.0, lambda _: None)
    (tmp_path / "console.log").write_text("lab: run ext4 s/p\n" + WARN + "lab: ran ext4 s/p\n")
    with stall.looking():
        pass
    watch.ran(alive=True, ahead=True)
    assert not stall.sound
