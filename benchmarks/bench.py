# SPDX-License-Identifier: GPL-2.0-only
"""Runs every benchmark and writes what it measured into the tables of benchmarks/README.md.

Usage: bench.py [SECTION | SECTION:PART]...   (all without a name; --list names them)

A row says when, at which commit and on which machine it was measured; rows of parts
that are not asked for stay as they are.  Exit status 1: something misses its limit or
could not be measured, each told at the end.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "benchmarks" / "README.md"
#: Modules beside this one, each with PARTS; the quick ones first.
SECTIONS = ("growth", "records", "report", "boot", "measure", "bisecting", "fleet")
_HEADER = ("part", "the lab", "beside it", "ratio", "wanted", "measured")
_TABLE = re.compile(r"(?<=<!-- measured: (?P<section>NAME) -->\n).*?(?=<!-- end -->)", re.DOTALL)
_LEGEND = re.compile(r"- \*\*(?P<letter>\w+)\*\*: (?P<machine>.+)")


@dataclass(frozen=True)
class Row:
    """What one part measured, in words for a table.

    Args:
        part: Names the row.
        lab, beside: What the lab took, and what was measured beside it.
        wanted: The limit, "" for none; ``holds`` is whether it is met.
    """

    part: str
    lab: str
    beside: str = ""
    ratio: str = ""
    wanted: str = ""
    holds: bool = True

    @classmethod
    def against(
        cls, part: str, ours: float, other: float, limit: float | None = None, *, what: str = ""
    ) -> Row:
        """Seconds of the lab's beside seconds of something else; ``limit`` is for the ratio."""
        ratio = ours / other
        return cls(
            part,
            f"{ours:.2f} s",
            f"{what} {other:.2f} s".strip(),
            f"{ratio:.2f}",
            f"at most {limit:g}" if limit else "",
            limit is None or ratio <= limit,
        )

    @classmethod
    def alone(cls, part: str, seconds: float, limit: float | None = None) -> Row:
        """Seconds of the lab's, which ``limit`` is for too."""
        wanted = f"under {limit:g} s" if limit else ""
        return cls(part, f"{seconds:.2f} s", wanted=wanted, holds=limit is None or seconds < limit)

    def __str__(self) -> str:
        said = [self.lab, self.beside, f"ratio {self.ratio}" if self.ratio else "", self._wanted]
        return f"{self.part}: {', '.join(filter(None, said))}"

    @property
    def _wanted(self) -> str:
        return self.wanted if self.holds else f"{self.wanted}, **missed**"

    def cells(self, measured: str) -> tuple[str, ...]:
        """The row of a table."""
        return (self.part, self.lab, self.beside, self.ratio, self._wanted, measured)


#: Measures, and gives a row as soon as it has one.
Part = Callable[[], Iterable[Row]]


def run(parts: Mapping[str, Part], names: Sequence[str]) -> int:
    """Measure parts of one section and print their rows: what a script does by itself."""
    holds = True
    for name in names or parts:
        if name not in parts:
            print(f"no part {name}; there are {', '.join(parts)}")
            return 2
        for row in parts[name]():
            holds = holds and row.holds
            print(row, flush=True)
    return 0 if holds else 1


@dataclass(frozen=True)
class Where:
    """What rows were measured on: the lab's commit, the machine."""

    commit: str
    machine: str

    @classmethod
    def here(cls) -> Where:
        """This checkout on this machine."""
        return cls(_commit(), _machine())

    def now(self) -> str:
        """When a part began, for the cells of its rows."""
        return f"{datetime.now(UTC):%Y-%m-%d}, {self.commit}, load {os.getloadavg()[0]:.1f}"


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _commit() -> str:
    # The tables are not the lab: a run of another section is no change.
    changed = _said("git", "status", "--porcelain", "--", ".", f":!{README.relative_to(ROOT)}")
    return _said("git", "rev-parse", "--short", "HEAD") + ("-dirty" if changed else "")


def _machine() -> str:
    from lab.guest.qemu.accelerator import choose, qemu_version
    from lab.session import Lab

    lab = Lab.open(ROOT / "lab.toml")
    config = lab.loaded.config
    deadline_s = config.deadlines.accelerator
    accelerator = choose(config.machines["default"].accelerator, lab.cache, deadline_s)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    system = re.search(r'^PRETTY_NAME="?([^"\n]+)', Path("/etc/os-release").read_text(), re.M)
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return ", ".join(
        (
            f"{len(os.sched_getaffinity(0))} CPUs ({model[1] if model else 'of an unknown kind'})",
            f"{memory:.0f} GB",
            accelerator.name,
            qemu_version().replace("QEMU emulator version", "QEMU"),
            f"gcc {_said('gcc', '-dumpfullversion')}",
            system[1] if system else "an unknown system",
        )
    )


@dataclass
class Table:
    """A table of the README: rows by their first cell, machines by their letter."""

    rows: dict[str, tuple[str, ...]]
    machines: dict[str, str]

    @classmethod
    def read(cls, text: str) -> Table:
        """The table that this text is."""
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        cells = [tuple(map(str.strip, line.strip("|").split(" | "))) for line in lines[2:]]
        legends = map(_LEGEND.match, text.splitlines())
        machines = {match["letter"]: match["machine"] for match in legends if match}
        return cls({row[0]: row for row in cells}, machines)

    def letter(self, machine: str) -> str:
        """The letter of a machine, a new one if it has none."""
        for letter, known in self.machines.items():
            if known == machine:
                return letter
        letter = next(each for each in "abcdefghijklmnopqrstuvwxyz" if each not in self.machines)
        self.machines[letter] = machine
        return letter

    def text(self) -> str:
        """The table, and the machines that its rows were measured on."""
        used = {row[-1].rpartition(", ")[2] for row in self.rows.values()}
        lines = [_line(_HEADER), _line(("---",) * len(_HEADER)), *map(_line, self.rows.values())]
        legends = [f"- **{k}**: {said}" for k, said in self.machines.items() if k in used]
        return "\n".join(["", *lines, "", *legends, ""])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') or ' ' for cell in cells)} |"


def write(section: str, rows: Mapping[Row, str], machine: str) -> None:
    """Put rows, each with what says when it was measured, into a section's table."""
    pattern = re.compile(_TABLE.pattern.replace("NAME", re.escape(section)), re.DOTALL)
    readme = README.read_text(encoding="utf-8")
    match = pattern.search(readme)
    assert match is not None, f"{README} has no place for {section}"
    table = Table.read(match[0])
    letter = table.letter(machine)
    for row, measured in rows.items():
        table.rows[row.part] = row.cells(f"{measured}, {letter}")
    README.write_text(
        readme[: match.start()] + table.text() + readme[match.end() :], encoding="utf-8"
    )


def measure(section: str, names: Sequence[str], where: Where) -> Iterator[str]:
    """Measure a section, or parts of it, and write them down; gives what is wrong."""
    try:
        parts: Mapping[str, Part] = importlib.import_module(section).PARTS
    except ImportError as error:
        yield f"{section}: {error}"
        return
    for name in names or parts:
        now, rows = where.now(), dict[Row, str]()
        try:
            for row in parts[name]():
                print(f"{section}: {row}", flush=True)
                rows[row] = now
                if not row.holds:
                    yield f"{section}: {row}"
        except Exception:
            traceback.print_exc()
            yield f"{section}: {name} could not be measured"
        # At once: a later part may take long, and be interrupted.
        write(section, rows, where.machine)


def _asked(arguments: Sequence[str]) -> dict[str, list[str]]:
    """The parts of each section; none where all of them are asked for."""
    asked: dict[str, list[str]] = {}
    for argument in arguments or SECTIONS:
        section, _, part = argument.partition(":")
        if section not in SECTIONS:
            raise SystemExit(f"bench: no section {section}; there are {', '.join(SECTIONS)}")
        asked.setdefault(section, []).extend([part] if part else [])
    return asked


def main() -> int:
    """Measure what the command line names, or all there is."""
    if sys.argv[1:] == ["--list"]:
        for section in SECTIONS:
            print(f"{section}: {', '.join(importlib.import_module(section).PARTS)}")
        return 0
    asked, where = _asked(sys.argv[1:]), Where.here()
    wrong = [text for section, names in asked.items() for text in measure(section, names, where)]
    print("\n".join(["", *wrong, f"bench: {len(wrong)} missed or not measured"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
