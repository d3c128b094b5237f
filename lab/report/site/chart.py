# SPDX-License-Identifier: GPL-2.0-only
"""Plots as inline SVG, each with a title, a description and its numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from lab.report.site.render import safe

_LABEL = 275
#: Characters of a label.
_LONGEST = 48
#: The width of a date below a strip.
_DATE = 85
_WIDTH = 900
_ROW = 20
_TOP = 22
#: Nanoseconds, seconds: what is beyond them is in the table alone.
_LEAST, _MOST = 1e-6, 1e12


@dataclass(frozen=True)
class Table:
    """The numbers of a plot."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """A plot; ``about`` says in a sentence what it shows."""

    id: str
    title: str
    about: str
    svg: Markup
    table: Table


@dataclass(frozen=True)
class Pair:
    """Two values of one row, either of which may be missing."""

    label: str
    left: float | None
    right: float | None
    group: str = ""


@dataclass(frozen=True)
class Bar:
    """A row of segments that follow each other: (name, from, to), in the plot's unit."""

    label: str
    parts: tuple[tuple[str, float, float], ...]
    note: str = ""


def dumbbells(
    ident: str, title: str, about: str, pairs: Sequence[Pair], names: tuple[str, str], unit: str
) -> Chart:
    """Pairs on a logarithmic scale: a ring for the left value, a dot for the right one."""
    values = [v for pair in pairs for v in (pair.left, pair.right) if v is not None and _drawn(v)]
    low, high = _decades(values)
    scale = _Scale(math.log10(low), math.log10(high))
    parts: list[str] = []
    y = float(_TOP)
    group = None
    for pair in pairs:
        if pair.group != group:
            group = pair.group
            parts.append(_text(0, y + 13, group, "g"))
            y += _ROW
        parts.append(_pair(pair, y, scale, unit, names))
        y += _ROW
    grid = _grid([(scale.at(math.log10(v)), _number(v)) for v in _powers(low, high)], y)
    rows = tuple(
        (pair.group, pair.label, _value(pair.left), _value(pair.right), _ratio(pair))
        for pair in pairs
    )
    table = Table(("", "kernel", f"{names[0]}, {unit}", f"{names[1]}, {unit}", "ratio"), rows)
    return Chart(ident, title, about, _svg(ident, title, about, grid + parts, y + 4), table)


def bars(ident: str, title: str, about: str, rows: Sequence[Bar], unit: str) -> Chart:
    """Segments from 0 on; each has a pattern of its own besides its shade."""
    rows = [replace(row, parts=tuple(map(_plausible, row.parts))) for row in rows]
    high = max((end for row in rows for _, _, end in row.parts), default=1.0) or 1.0
    ticks = _ticks(high)
    scale = _Scale(0.0, ticks[-1])
    names = list(dict.fromkeys(name for row in rows for name, _, _ in row.parts))
    parts = []
    for number, row in enumerate(rows):
        parts.append(_bar(row, _TOP + number * _ROW, scale, names, unit))
    y = float(_TOP + len(rows) * _ROW)
    grid = _grid([(scale.at(tick), f"{tick:g} {unit}") for tick in ticks], y)
    table = Table(
        ("", *(f"{name}, {unit}" for name in names), ""),
        tuple((row.label, *(_part(row, name) for name in names), row.note) for row in rows),
    )
    return Chart(ident, title, about, _svg(ident, title, about, grid + parts, y + 4), table)


def strip(
    ident: str,
    title: str,
    about: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[tuple[str, str, str]]]],
) -> Chart:
    """A square for each row and column: (css class, sign, words), empty where there is none."""
    left = 8 + 7.1 * min(_LONGEST, max((len(label) for label, _ in rows), default=0))
    step = min(24.0, (_WIDTH - left) / max(1, len(columns)))
    parts = []
    for number, (label, cells) in enumerate(rows):
        y = 4 + number * _ROW
        parts.append(_text(left - 8, y + 13, _shortened(label, _LONGEST), "l", label))
        for place, (css, sign, words) in enumerate(cells):
            if css:
                parts.append(_square(left + place * step, y, step, css, sign, words))
    y = 4 + len(rows) * _ROW
    if columns:
        right = left + len(columns) * step
        parts.append(_text(max(right, left + _DATE), y + 13, columns[-1], "te"))
        if right - left > 2 * _DATE:
            parts.append(_text(left, y + 13, columns[0], "t"))
    table = Table(
        ("", *columns),
        tuple((label, *(words or "not run" for _, _, words in cells)) for label, cells in rows),
    )
    return Chart(ident, title, about, _svg(ident, title, about, parts, y + 20), table)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def at(self, value: float) -> float:
        return _LABEL + (value - self.low) / (self.high - self.low or 1) * (_WIDTH - _LABEL - 60)


def _svg(ident: str, title: str, about: str, parts: Iterable[str], height: float) -> Markup:
    label = safe(ident)
    return Markup(  # noqa: S704  # each part went through safe()
        f'<svg viewBox="0 0 {_WIDTH} {height:g}" role="img" '
        f'aria-labelledby="{label}-t {label}-d"><title id="{label}-t">{safe(title)}</title>'
        f'<desc id="{label}-d">{safe(about)}</desc>{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, css: str, whole: str = "") -> str:
    title = f"<title>{safe(whole)}</title>" if whole and whole != text else ""
    return f'<text x="{x:g}" y="{y:g}" class="{css}">{title}{safe(text)}</text>'


def _grid(ticks: Sequence[tuple[float, str]], bottom: float) -> list[str]:
    lines = []
    for x, label in ticks:
        lines.append(f'<path d="M{x:.1f} {_TOP - 4}V{bottom:g}" class="grid"/>')
        lines.append(_text(round(x, 1), _TOP - 9, label, "tick"))
    return lines


def _pair(pair: Pair, y: float, scale: _Scale, unit: str, names: tuple[str, str]) -> str:
    middle = y + _ROW / 2
    said = ", ".join(
        f"{name} {_value(value)} {unit}"
        for name, value in zip(names, (pair.left, pair.right), strict=True)
    )
    parts = [f"<g><title>{safe(f'{pair.label}: {said}')}</title>"]
    parts.append(_text(_LABEL - 8, y + 14, _shortened(pair.label), "l", pair.label))
    points = [
        scale.at(math.log10(v)) if v is not None and _drawn(v) else None
        for v in (pair.left, pair.right)
    ]
    left, right = points
    if left is not None and right is not None:
        parts.append(f'<path d="M{left:.1f} {middle:g}H{right:.1f}" class="link"/>')
        parts.append(_text(max(left, right) + 10, y + 14, _ratio(pair), "r"))
    for x, css in ((left, "ring"), (right, "dot")):
        if x is not None:
            parts.append(f'<circle cx="{x:.1f}" cy="{middle:g}" r="4.5" class="{css}"/>')
    return "".join([*parts, "</g>"])


def _bar(row: Bar, y: float, scale: _Scale, names: list[str], unit: str) -> str:
    parts = [_text(_LABEL - 8, y + 14, _shortened(row.label), "l", row.label)]
    for name, start, end in row.parts:
        x, width = scale.at(start), scale.at(end) - scale.at(start)
        words = safe(f"{row.label}: {name} {end - start:.2f} {unit}")
        parts.append(
            f'<rect x="{x:.1f}" y="{y + 3:g}" width="{max(width, 1):.1f}" height="{_ROW - 6}" '
            f'class="s{names.index(name) % 4}"><title>{words}</title></rect>'
        )
    end = max((end for _, _, end in row.parts), default=0.0)
    parts.append(_text(round(scale.at(end) + 6, 1), y + 14, f"{end:.1f} {unit}", "r"))
    return "".join(parts)


def _square(x: float, y: float, step: float, css: str, sign: str, words: str) -> str:
    size = min(step - 2, 16)
    return (
        f'<g class="{css}"><title>{safe(words)}</title>'
        f'<rect x="{x:.1f}" y="{y:g}" width="{size:.1f}" height="16" rx="2"/>'
        f'<text x="{x + size / 2:.1f}" y="{y + 12:g}">{safe(sign)}</text></g>'
    )


def _part(row: Bar, name: str) -> str:
    found = [end - start for part, start, end in row.parts if part == name]
    return f"{found[0]:.2f}" if found else ""


def _drawn(value: float) -> bool:
    """Whether a logarithmic scale has a place for it: a guest may say it measured -5 or 1e308."""
    return _LEAST <= value <= _MOST


def _plausible(part: tuple[str, float, float]) -> tuple[str, float, float]:
    """A segment that a scale from 0 on can hold, whatever was recorded."""
    start, end = (v if _drawn(v) else _MOST * (v > _MOST) for v in part[1:])
    return part[0], start, end


def _decades(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 1.0, 10.0
    low = 10.0 ** math.floor(math.log10(min(values)))
    high = 10.0 ** math.ceil(math.log10(max(values)))
    return low, max(high, low * 10)


def _powers(low: float, high: float) -> list[float]:
    count = round(math.log10(high / low))
    return [low * 10**number for number in range(count + 1)]


def _ticks(high: float) -> list[float]:
    """Round numbers from 0 to at least ``high``, about five."""
    rough = high / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [step * number for number in range(math.ceil(high / step) + 1)]


def _number(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _value(value: float | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001
    if value and not _drawn(abs(value)):
        return f"{value:g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(pair: Pair) -> str:
    if not pair.left or not pair.right or not (_drawn(pair.left) and _drawn(pair.right)):
        return ""
    return f"{pair.left / pair.right:.1f}×"  # noqa: RUF001


def _shortened(text: str, most: int = 38) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
