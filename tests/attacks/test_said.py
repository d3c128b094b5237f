# SPDX-License-Identifier: GPL-2.0-only
"""What a guest, a patch or a server says, on its way to a terminal, a script and a format."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import junitparser
import pytest
from kcidb_io.schema import V5_3

from lab.cli.lines import say, say_lines
from lab.cli.progress import Show
from lab.errors import InfrastructureError
from lab.model.complaint import Complaint, Kind
from lab.model.records import PlacedComplaint, RunRecord, TestResult
from lab.model.status import Status
from lab.model.variant import Variant
from lab.report.claims import _cell
from lab.report.export.exporter import exported
from lab.report.repro import _environment, repro_script
from lab.suites.ktap import parse
from tests.report.test_repro import UNIT, checked, recorded
from tests.results.made import EVIDENCE, job, result, run

#: A window's title, a cursor's movement, a bell, C1's way to begin both, a return, and an
#: order of reading.
NASTY = "\x1b]0;owned\x07 \x1b[2Jx \x9b2Jy\rlab: all passed\u202egnp\u2066"
RUNS = "$(touch {0}) `touch {0}` '; touch {0} #\" \n touch {0} #"


def is_clean(text: str) -> bool:
    return not set(text) & set("\x1b\x07\x9b\r\u202e\u2066")


def test_an_error_moves_no_cursor() -> None:
    error = InfrastructureError(
        f"the guest died: {NASTY}\nlab: all passed",
        where=NASTY,
        hint=NASTY,
        detail=f"{NASTY}\n{NASTY}",
    )
    assert is_clean(str(error))
    assert "owned" in str(error)
    # No line of it can be taken for one of the lab's own.
    assert all(line.startswith("  ") for line in str(error).splitlines()[1:])


def test_a_carriage_return_before_a_line_feed_is_a_line_end() -> None:
    assert str(InfrastructureError("x", detail="a\r\nb\r\n")) == "x\n    a\n    b"


def test_what_is_printed_moves_no_cursor(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    say(NASTY)
    say(NASTY, err=True)
    say_lines([NASTY])
    with Show(tmp_path) as show:
        show.say(NASTY)
    said = capsys.readouterr()
    assert said.out.count("owned") == 2
    assert said.err.count("owned") == 2
    assert is_clean(said.out + said.err)


def hostile(text: str) -> TestResult:
    return result(f"t {text}", Status.FAIL, message=text, diagnostics=(text, f"Subtest: {text}"))


SAID = (
    "bad # SKIP\nok 1 all\n    ok 2 all\r\nKTAP version 1\n1..0 # SKIP\nSubtest: x \\# \x1b[2J\x85"
)
RUN = run(
    replace(
        job(hostile(SAID), result("b", filesystem=SAID), error=SAID),
        kernel_release=f"6.1.7\nok 1 all\n{SAID}",
        variant=Variant(f"6.1+{SAID}"),
        evidence=replace(EVIDENCE, build_key="k", machine_description=SAID, compiler=SAID),
        complaints=(PlacedComplaint(Complaint(Kind.WARNING, SAID, (SAID,), headline=SAID)),),
    )
)


def test_ktap_holds_no_result_that_a_guest_made() -> None:
    text = exported(RUN, "ktap")
    assert is_clean(text)
    lines = [line.strip() for line in text.splitlines()]
    results = [line for line in lines if line.startswith(("ok ", "not ok "))]
    # The job, two suites, its complaint and its error, and two tests.
    assert len(results) == 7
    assert [line for line in lines if line.startswith("KTAP")] == ["KTAP version 1"] * 4
    assert not [line for line in lines if line.startswith("# Subtest")]
    (whole,) = parse(text.encode()).tests
    assert len(list(whole.walk())) == len(results)


def test_other_formats_stay_what_they_are() -> None:
    (suites,) = [junitparser.JUnitXml.fromstring(exported(RUN, "junit").encode())]
    assert sum(len(suite) for suite in suites) == 4
    document = json.loads(exported(RUN, "kcidb"))
    V5_3.validate(document)
    assert _cell("a | b\n| `c` [d](e) <f> \x1b[2J") == "a \\| b \\| \\`c\\` \\[d\\](e) \\<f>"


def script_of(folder: Path, text: str) -> str:
    unit = {**UNIT, "filesystem": text, "mount_point": text, "set_up": text, "program": "mlock"}
    record: RunRecord = recorded(
        folder / "run",
        release=f"6.1.7\n{text}",
        tree=text,
        compiler=text,
        mends=[text],
        cc=text,
        kernel_flags=[text],
        prepare=text,
        arguments=text,
        units=[unit],
        sha256={"bzImage": text},
        source={"kind": "tarball", "url": f"http://h/{text}", "sha256": text},
        environment={text: text},
    )
    return checked(repro_script(record, "0", pattern=text))


def test_a_script_runs_nothing_that_a_kernel_says(tmp_path: Path) -> None:
    """Each line of it up to the first that needs a tool is run, and what defines functions."""
    touched = tmp_path / "touched"
    script = script_of(tmp_path, RUNS.format(touched))
    # Nothing is installed there: it ends where it looks for a compiler, what is above has run.
    subprocess.run(
        ["sh"], input=script, text=True, cwd=tmp_path, capture_output=True, check=False,
        env={"PATH": "/usr/bin:/bin", "WORK": str(tmp_path / "work"), "KERNEL_SRC": "/nothing"},
    )  # fmt: skip
    assert not touched.exists()
    # The rest line by line: no command of it begins with what was said.
    assert not [line for line in script.splitlines() if line.strip() == f"touch {touched} #"]


def test_a_script_takes_nothing_that_is_not_quoted() -> None:
    with pytest.raises(TypeError, match="not quoted"):
        _environment().from_string("echo {{ text }}").render(text="a; b")
    assert _environment().from_string("{{ text | sh }}").render(text="a; b") == "'a; b'"
