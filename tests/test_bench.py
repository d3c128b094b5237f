# SPDX-License-Identifier: GPL-2.0-only
"""The tables of benchmarks/README.md: written by who measures, and read back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "bench.py"
TEXT = "# Benchmarks\n\n<!-- measured: boot -->\n<!-- end -->\n\nWords.\n"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bench", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text(TEXT)
    return module


def rows(bench: ModuleType) -> list[str]:
    text = bench.README.read_text()
    return [line for line in text.splitlines() if line.startswith(("| ", "- "))][2:]


def test_rows_are_replaced_by_name_and_keep_their_machine(bench: ModuleType) -> None:
    first, second = bench.Row("one", "1 s"), bench.Row.against("two", 3.0, 2.0, 1.4, what="`make`")
    bench.write("boot", {first: "2026-01-01, abc", second: "2026-01-01, abc"}, "a slow one")
    bench.write("boot", {bench.Row("one", "2 s"): "2026-02-02, def"}, "a quick one")
    assert rows(bench) == [
        "| one | 2 s |   |   |   | 2026-02-02, def, b |",
        "| two | 3.00 s | `make` 2.00 s | 1.50 | at most 1.4, **missed** | 2026-01-01, abc, a |",
        "- **a**: a slow one",
        "- **b**: a quick one",
    ]
    bench.write("boot", {first: "2026-03-03, fed", second: "2026-03-03, fed"}, "a quick one")
    assert [line for line in rows(bench) if line.startswith("- ")] == ["- **b**: a quick one"]
    assert bench.README.read_text().endswith("<!-- end -->\n\nWords.\n")


def test_what_misses_its_limit_or_fails_is_told(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError("no guest")

    parts = {"slow": lambda: [bench.Row.alone("slow", 2.0, 1.0)], "fails": fails}
    monkeypatch.setitem(sys.modules, "boot", ModuleType("boot"))
    monkeypatch.setattr(sys.modules["boot"], "PARTS", parts, raising=False)
    wrong = list(bench.measure("boot", [], bench.Where("abc", "one")))
    assert wrong == [
        "boot: slow: 2.00 s, under 1 s, **missed**",
        "boot: fails could not be measured",
    ]
    assert [row.split(" | ")[0] for row in rows(bench) if row[0] == "|"] == ["| slow"]
    assert bench.run({"slow": parts["slow"]}, []) == 1


def test_every_section_has_its_place_in_the_readme(bench: ModuleType) -> None:
    text = (FILE.parent / "README.md").read_text()
    assert [f"measured: {name} -->" in text for name in bench.SECTIONS] == [True] * 7
