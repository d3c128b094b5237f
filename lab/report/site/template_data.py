# SPDX-License-Identifier: GPL-2.0-only
"""Logs and details as the templates take them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from lab.model.log_mark import read_mark
from lab.report.site.complaint import ShownComplaint
from lab.report.site.detail import Detail
from lab.report.site.log import Excerpt, Log
from lab.report.site.page_data import Cell, log_page, test_page
from lab.report.site.render import safe

_MOST_LINES = 20_000
_MOST_OF_SPAN = 80
_MOST_WANTED = 100
_GAP = Markup("<span>      …\n</span>")


@dataclass(frozen=True)
class ShownExcerpt:
    """Some lines of a log, each a link to its place in the whole."""

    title: str
    page: str
    line: int
    html: Markup

    @staticmethod
    def of(excerpt: Excerpt) -> ShownExcerpt:
        """As a page one folder down shows it."""
        page = log_page(excerpt.log.page)
        html = Markup("").join(
            _line(number, text, f"../{page}", number == excerpt.line)
            for number, text in excerpt.numbered
        )
        here = log_page(excerpt.log.page, excerpt.line)
        return ShownExcerpt(excerpt.log.title, here, excerpt.line, html)


@dataclass(frozen=True)
class ShownDetail:
    """A result in full; the paths are the report's."""

    cell: Cell
    told: tuple[ShownComplaint, ...]
    excerpts: tuple[ShownExcerpt, ...]
    said: str
    #: The program's own words are among the excerpts.
    ktap: bool
    test: str
    repro: str
    metrics: tuple[str, ...]
    test_page: str

    @staticmethod
    def of(found: Detail) -> ShownDetail:
        """As a page one folder down shows it."""
        said = log_page(found.said[0].page, found.said[1]) if found.said else ""
        logs = {excerpt.log.page for excerpt in found.excerpts}
        return ShownDetail(
            found.cell,
            found.told,
            tuple(map(ShownExcerpt.of, found.excerpts)),
            said,
            found.said is not None and found.said[0].page in logs,
            found.test,
            found.repro,
            found.metrics,
            test_page(found.cell.key.suite, found.cell.key.test),
        )


def shortened(span: Excerpt) -> Excerpt:
    """The first lines of a long span."""
    return replace(span, end=min(span.end, span.start + _MOST_OF_SPAN))


def log_html(log: Log, hot: Collection[int], also: Collection[int] = ()) -> tuple[Markup, str]:
    """All lines of a log, and what was left out of a very long one.

    ``hot`` are lines that a complaint starts in; what is about them, and about the lines
    ``also``, is kept.
    """
    kept = _kept(log, [*hot, *also])
    parts = []
    for before, number in zip((log.first - 1, *kept), kept, strict=False):
        if number != before + 1:
            parts.append(_GAP)
        parts.append(_line(number, log.line(number), "", number in hot))
    left = log.last - len(kept)
    said = f"{left:,} of {log.last:,} lines are left out; the whole is in the run's folder."
    return Markup("").join(parts), said if left > 0 else ""


def _kept(log: Log, wanted: Collection[int]) -> Sequence[int]:
    everything = range(log.first, log.last + 1)
    if len(everything) <= _MOST_LINES:
        return everything
    kept = {*everything[:2000], *everything[-_MOST_LINES // 2 :]}
    for number in list(wanted)[:_MOST_WANTED]:
        kept.update(range(max(log.first, number - 50), min(log.last, number + 100) + 1))
    return sorted(kept)


def _line(number: int, text: str, page: str, hot: bool) -> Markup:
    css = ' class="hot"' if hot else ' class="run"' if read_mark(text) else ""
    anchor = "" if page else f' id="L{number}"'
    return Markup(  # noqa: S704  # each part went through safe()
        f'<span{anchor}{css}><a href="{safe(page)}#L{number}">{number}</a>{safe(text)}\n</span>'
    )
