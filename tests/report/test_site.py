# SPDX-License-Identifier: GPL-2.0-only
"""The report as a folder of pages: what is told, where links lead, what may not run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

from lab.analysis.compare import compare
from lab.errors import UserError
from lab.model.planned import JobPlan, Planned
from lab.model.records import GuestUse, JobRecord, RunRecord
from lab.model.status import Status
from lab.model.test_key import TestKey
from lab.model.variant import Variant
from lab.report.site import chart, make_report, write_site
from lab.report.site.changes import changed, unchanged_surprises
from lab.report.site.detail import detail
from lab.report.site.publish import gather
from lab.report.site.site import command_of, headline, kernels_of
from lab.results import Trail
from lab.results.past_endings import End
from lab.results.store import Store
from tests.report.recorded import HOSTILE, OOPS
from tests.results.made import job, noted, result, run


@dataclass
class Page(HTMLParser):
    """What a page links to, what can be linked to in it, and its tags and text."""

    text: str
    links: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tags: list[tuple[str, Mapping[str, str | None]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        self.ids += [found["id"] or ""] if "id" in found else []

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    def of_class(self, *names: str) -> list[Mapping[str, str | None]]:
        """The attributes of tags that have all these classes."""
        wanted = set(names)
        return [
            found for _, found in self.tags if wanted <= set((found.get("class") or "").split())
        ]


def read(path: Path) -> Page:
    return Page(path.read_text())


def written(record: RunRecord, folder: Path, before: RunRecord | None = None) -> Page:
    comparison = compare(before, record) if before else None
    report = make_report(record, Trail((record,)), comparison, ())
    return read(write_site(report, folder / "report"))


@pytest.mark.slow
def test_each_link_leads_somewhere_in_the_folder(site: Path) -> None:
    pages = {path.relative_to(site).as_posix(): read(path) for path in site.rglob("*.html")}
    assert len(pages) > 100
    for name, page in pages.items():
        for link in set(page.links) - {"data:,"}:
            path, fragment = urldefrag(link)
            target = (site / name).parent / unquote(path) if path else site / name
            there = target.resolve().relative_to(site.resolve()).as_posix()
            assert target.exists(), f"{name}: {link}"
            if fragment and fragment != "main":
                assert unquote(fragment) in pages[there].ids, f"{name}: {link}"
        assert len(page.ids) == len(set(page.ids)), name


@pytest.mark.slow
def test_nothing_a_guest_said_is_markup(site: Path) -> None:
    told = 0
    for path in site.rglob("*.html"):
        page = read(path)
        scripts = [found for tag, found in page.tags if tag == "script"]
        assert [set(found) for found in scripts] == [{"src"}], path
        assert not [name for _, found in page.tags for name in found if name.startswith("on")]
        assert "default-src 'none'" in path.read_text()
        told += HOSTILE in "".join(page.said)
    # The test's own page, its groups, its logs, the console, the first page.
    assert told > 6


def test_the_report_needs_no_network(site: Path) -> None:
    for path in site.rglob("*"):
        if path.is_file():
            assert "://" not in path.read_text().replace("file:;", ""), path


def test_two_clicks_from_a_red_cell_to_the_line_that_explains_it(site: Path) -> None:
    index = read(site / "index.html")
    # The cell of the crashed suite: one program's end, named after it.
    cells = [
        str(found["href"]) for found in index.of_class("g") if str(found["href"]).endswith("#mlock")
    ]
    first, fragment = urldefrag(cells[0])
    group = read(site / first)
    assert fragment in group.ids
    lines = [link for link in group.links if "console" in link and "#L" in link]
    log, line = urldefrag(lines[0])
    text = (site / "results" / log).resolve().read_text()
    start = text.index(f'id="{line}"')
    assert OOPS[0] in text[start : text.index("</span>", start)]


def test_an_error_of_the_lab_is_no_failure_of_the_kernel(tmp_path: Path) -> None:
    record = run(job(result(), result("limits", Status.ERROR, message="no plan")))
    page = written(record, tmp_path)
    assert headline(record).text == "1 error of the lab: no verdict on the kernel"
    assert page.of_class("m", "error", "odd")
    legend = 1  # which explains each mark
    assert len(page.of_class("m", "fail", "odd")) == legend


def test_a_complaint_while_no_test_ran_is_on_the_first_page(tmp_path: Path) -> None:
    record = run(job(result(), complaints=(noted(), noted(benign="known"))))
    assert headline(record).text == "1 complaint of the kernel while no test ran"
    page = written(record, tmp_path)
    said = "".join(page.said)
    assert "WARNING in foo" in said
    assert "foo+0x1/0x20 mm/gup.c:12" in said
    legend = 1
    assert len(page.of_class("m", "crash", "odd")) == legend + 2
    worse = run(job(result(status=Status.FAIL), complaints=(noted(),), error="no space"))
    assert headline(worse).text == (
        "1 of 1 not as expected, 1 complaint of the kernel while no test ran, 1 error of the lab"
    )


def test_a_complaint_explains_the_test_it_came_in_and_no_other(tmp_path: Path) -> None:
    crash = [result(name, Status.CRASH) for name in ("a", "b", "mlock")]
    guests = (GuestUse(".", "", ("ext4-dax/mlock.mlock",)),)
    told = noted(filesystem="ext4-dax", program="mlock", test="a")
    record = job(*crash, complaints=(told,))
    record = replace(record, evidence=replace(record.evidence, guests=guests))
    report = make_report(run(record), Trail((run(record),)), None, ())
    (group,) = report.jobs[0].groups
    found = [detail(report, report.jobs[0], group, cell).told for cell in group.cells]
    assert [len(each) for each in found] == [1, 0, 1]


def test_a_kernel_that_was_not_built_is_told_apart_from_errors_of_the_lab(tmp_path: Path) -> None:
    given = job(error="it does not apply", users_fault=True, variant="6.1+mine")
    record = run(job(result()), given)
    assert headline(record).text == "1 kernel not built"
    said = "".join(written(record, tmp_path).said)
    assert "what the lab was given is at fault" in said
    assert "it does not apply" in said
    assert "Errors of the lab" not in said
    assert (
        headline(run(job(result(), error="no space"), given)).text
        == "1 kernel not built, 1 error of the lab"
    )


@pytest.mark.parametrize(
    ("status", "expected", "css"),
    [
        (Status.FAIL, Status.FAIL, "m fail"),
        (Status.FAIL, Status.PASS, "m fail odd"),
        (Status.PASS, Status.FAIL, "m pass odd"),
        (Status.SKIP, Status.PASS, "m skip odd"),
        (Status.CRASH, Status.PASS, "m crash odd"),
    ],
)
def test_what_was_expected_looks_unlike_a_surprise(
    status: Status, expected: Status, css: str, tmp_path: Path
) -> None:
    page = written(run(job(result("x", status, expected=expected, reason="why"))), tmp_path)
    cells = [found.get("class") for tag, found in page.tags if tag == "a" and found.get("title")]
    assert css in cells
    assert (headline(run(job(result("x", status, expected=expected)))).css == "pass") == (
        status is expected and status is not Status.SKIP
    )


def test_a_run_that_proves_nothing_has_no_green_headline() -> None:
    assert headline(run()).css == "error odd"
    assert headline(run(job(error="mkfs.xfs failed"))).css == "error odd"
    assert headline(run(job(result()), finished=None)).css == "error odd"
    assert headline(run(job(result()))).css == "pass"


def bad_night(*results: str, **more: Status) -> RunRecord:
    """A run whose tests of these names have these statuses; all else passes."""
    names = ("mlock.a", "mlock.b", "mlock.c", *results)
    made = [result(name, more.get(name.replace(".", "_"), Status.PASS)) for name in names]
    return run(job(*made), id="20260102-120000-ab12")


def test_changes_come_with_the_worst_first_and_nothing_is_told_twice() -> None:
    before = run(job(*(result(name) for name in ("mlock.a", "mlock.b", "mlock.c"))))
    after = bad_night(mlock_a=Status.FAIL, mlock_b=Status.CRASH)
    # Builds of their own: on one setup a change would be flakiness.
    report = make_report(after, Trail((before, after)), compare(before, after), ())
    (kind,) = changed(report)
    assert kind.word == "regressed"
    assert [row.ends for row in kind.rows] == ["pass → crash", "pass → fail"]
    assert unchanged_surprises(report) == ()


def test_a_surprise_that_was_there_before_stays_in_sight() -> None:
    before = bad_night(mlock_a=Status.FAIL)
    after = bad_night(mlock_a=Status.FAIL)
    report = make_report(after, Trail((before, after)), compare(before, after), ())
    assert changed(report) == ()
    assert [row.what for row in unchanged_surprises(report)] == ["mlock.a"]


def test_one_cause_is_one_row() -> None:
    """What failed alike is one row, with the names in few words and each within reach."""
    names = [f"mlock.shared-{kind}.{size}" for kind in ("ro", "rw") for size in ("2m", "4k")]

    def night(status: Status) -> RunRecord:
        told = [
            replace(result(name, status), filesystem=filesystem, message=f"{n} of 1024 pages")
            for filesystem in ("ext4-dax", "xfs-dax")
            for n, name in enumerate(names)
        ]
        other = result("odd", status, message="another thing")
        died = (
            result(name, status, message=f"oops: at f; {said}", complaint="oops: at f")
            for name, said in (("x", "a"), ("y", "b"))
        )
        return run(job(*told, other, *died), id=f"20260102-120000-{status}")

    before, after = night(Status.PASS), night(Status.FAIL)
    report = make_report(after, Trail((before, after)), compare(before, after), ())
    (kind,) = changed(report)
    assert kind.tests == 11
    for row, odd, died in (
        kind.rows,
        unchanged_surprises(make_report(after, Trail((after,)), None, ())),
    ):
        assert (row.what, row.href, row.bad) == ("4 tests", "", True)
        assert row.names == (("mlock  ", "2m,4k: shared-ro shared-rw"),)
        assert [place.text for place in row.places] == ["6.1 · ext4-dax", "6.1 · xfs-dax"]
        assert [one.name for one in row.each] == names
        assert all(place.href for one in row.each for place in one.places)
        assert (odd.what, odd.names, odd.each) == ("odd", (), ())
        assert [one.name for one in died.each] == ["x", "y"]


def test_the_heading_names_kernels_and_command() -> None:
    kernels = ("6.1", "6.1+a", "6.12", *(f"v{n}" for n in range(9)))
    jobs = [
        replace(
            job(result()),
            variant=Variant(name),
            kernel_release="" if name[0] == "v" else f"{name[:4]}.9",
        )
        for name in kernels
    ]
    made = run(*jobs, command=("/x/.venv/bin/lab", "test", "-k", "mlock.*"))
    assert kernels_of(made) == (
        "6.1 (6.1.9)",
        "6.1+a (6.1+.9)",
        "6.12 (6.12.9)",
        "v0",
        "v1",
        "v2 (not built)",
        "and 6 more",
    )
    assert command_of(made) == "lab test -k 'mlock.*'"
    assert command_of(replace(made, command=("/x/lab/__main__.py", "gc"))) == "lab gc"
    assert kernels_of(run()) == ()
    assert kernels_of(run(*(job(variant=v) for v in ("6.1", "6.1+a")))) == (
        "6.1",
        "6.1+a (6.1.192)",
    )


def test_a_series_is_judged_beside_the_kernel_without_it(site: Path) -> None:
    text = " ".join("".join(read(site / "index.html").said).split())
    bug, patched = "6.1+reintroduce-bug", "6.1+reintroduce-bug+dax-populate"
    assert f"{patched} against {bug}: 96 fixed, 64 still passing" in text
    # 6.1 has a dead guest and failures of its own that night.
    assert f"{bug} against 6.1: " in text
    page = "".join(read(site / "series" / "dax-populate.html").said)
    assert "96 fixed, 64 still passing" in page


def test_tests_that_a_crash_took_along_are_one_line(site: Path) -> None:
    text = "".join(read(site / "index.html").said)
    assert "mlock: 34 tests" in text
    assert "mlock-part.shared-rw.4k" in text
    assert "Show all" not in text


def test_a_first_run_says_that_it_has_no_baseline(tmp_path: Path) -> None:
    assert "nothing to compare with" in "".join(written(run(job(result())), tmp_path).said)


def test_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="something else"):
        written(run(job(result())), tmp_path)
    assert (folder / "thesis.tex").read_text() == "years of work"


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    written(run(job(result("old.test"))), tmp_path)
    written(run(job(result("new.test"))), tmp_path)
    names = {path.name for path in (tmp_path / "report" / "tests").iterdir()}
    assert names == {"mlock.new.test.html"}


def test_names_that_differ_have_pages_that_differ(tmp_path: Path) -> None:
    names = ["a", "A", "../a", "a b", "a/b", "x" * 300, "x" * 301, "\u202ea", ""]
    written(run(job(*map(result, names))), tmp_path)
    folder = tmp_path / "report" / "tests"
    made = {path.name.lower() for path in folder.iterdir()}
    assert len(made) == len(names)
    assert all(len(name) < 120 for name in made)


def test_text_cannot_turn_round_or_hide(tmp_path: Path) -> None:
    message = "a\u202eb\x1b[31mc\x00d\u2066"
    page = written(run(job(result("x", Status.FAIL, message=message))), tmp_path)
    assert "a\ufffdbc\ufffdd\ufffd" in "".join(page.said)


def test_the_baseline_is_the_run_before_with_the_same_kernels() -> None:
    def of(name: str, *variants: str, finished: str | None = "x") -> RunRecord:
        jobs: tuple[JobRecord, ...] = tuple(job(variant=variant) for variant in variants)
        return run(*jobs, id=name, finished=finished)

    whole, part = of("whole", "6.1", "v4.2"), of("part", "6.1")
    dead, other = of("dead", "6.1", "v4.2", finished=None), of("other", "v5.4")
    last = of("last", "6.1", "v4.2")
    assert Trail((whole, part, dead, last)).baseline() == "whole"
    assert Trail((part, dead, last)).baseline() == "part"
    assert Trail((other, dead, last)).baseline() is None


def asked(name: str, *variants: str, pattern: str | None = None) -> Planned:
    names = [Variant(variant) for variant in variants]
    jobs = (JobPlan(n, "default", "default", ("ext4",), ("mlock",), pattern) for n in names)
    return Planned(name, "d", tuple(jobs))


def test_the_baseline_is_the_run_before_that_was_asked_the_same() -> None:
    def of(name: str, pattern: str | None = None) -> RunRecord:
        return run(job(), id=name, planned=asked("named", "6.1", pattern=pattern))

    night, again = of("night"), of("again")
    part = of("part", "mlock")
    assert Trail((night, part, again)).baseline() == "night"
    # Whatever it was called, and however many it was of.
    named = replace(again, planned=asked("default", "6.1"))
    assert Trail((night, part, named)).baseline() == "night"
    assert Trail((part, again)).baseline() == "part"


def test_what_a_run_was_asked_for_that_the_baseline_was_not(tmp_path: Path) -> None:
    first = run(job(result()), id="20260101-120000-aaaa", planned=asked("named", "6.1"))
    last = run(job(result()), id="20260102-120000-aaaa", planned=asked("named", *"abcdef"))
    with Store.open(tmp_path / "lab.db") as store:
        for each in (first, last, replace(last, id="20260103-120000-aaaa")):
            store.begin(each)
            store.add_job(each.id, each.jobs[0])
            store.finish(each.id)
        other, same = (gather(store, tmp_path, run_id).comparison for run_id in (last.id, "latest"))
    assert other is not None
    said = "{} (config default) on machine default: mlock on ext4"
    assert other.notes == (
        f"only {first.id} was asked for {said.format('6.1')}",
        f"only this run was asked for {'; '.join(map(said.format, 'abcd'))}; and 2 more",
    )
    assert same is not None
    assert same.notes == ()


def test_a_history_has_an_end_for_each_run(tmp_path: Path) -> None:
    runs = (run(job(result()), id="a"), run(job(result()), id="b"))
    key = TestKey("6.1", "default", "default", "ext4-dax", "mlock", "mlock.shared-rw.4k")
    ends = (End(0, Status.FAIL, Status.PASS), End(1, Status.PASS, Status.PASS))
    report = make_report(runs[1], Trail(runs, {key: ends}), None, ())
    index = write_site(report, tmp_path / "report")
    page = (index.parent / "tests" / "mlock.mlock.shared-rw.4k.html").read_text()
    assert page.count("<title>fail (expected pass)</title>") == 1
    assert "in the last 2 runs" in page


ODD = (-5.0, 0.0, 1.7e308, 5e-324, 1e-310, float("nan"), float("inf"), 1e15)


@pytest.mark.parametrize("value", ODD)
def test_a_plot_of_a_number_that_no_guest_should_say(value: float) -> None:
    pairs = [chart.Pair("6.1", value, 20.0), chart.Pair("6.2", 30.0, value), chart.Pair("x", 1, 2)]
    drawn = chart.dumbbells("id", "title", "about", pairs, ("a", "b"), "ns")
    assert drawn.svg.count('class="ring"') == 2
    assert len(drawn.svg) < 20_000
    assert not any(f'x="{bad}"' in drawn.svg for bad in ("nan", "inf", "-inf"))
    rows = [chart.Bar("x", (("build", 0.0, value), ("rest", value, 3.0)))]
    assert len(chart.bars("id", "title", "about", rows, "s").svg) < 20_000


def test_a_page_that_cannot_be_made_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("<b>")

    monkeypatch.setattr("lab.report.site.site._Site.plots", broken)
    made = run(job(result()))
    troubles: list[str] = []
    index = write_site(
        make_report(made, Trail((made,)), None, ()), tmp_path / "report", troubles.append
    )
    assert "mlock" in index.read_text()
    assert "ZeroDivisionError: &lt;b&gt;" in (index.parent / "plots.html").read_text()
    assert [trouble.partition(":")[0] for trouble in troubles] == ["plots.html"]
