# SPDX-License-Identifier: GPL-2.0-only
"""Imports inside functions hide who knows whom: outside lab/cli each is named here, with a reason.

The command line has them in each command, so that ``lab --help`` waits for none, and what
pytest loads in each hook, so that a run of other tests waits for none.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import lab
from lab.process import run

PACKAGE = Path(lab.__file__).parent
#: What is imported late, and where: each costs time that whoever else comes there need not spend.
LATE = {
    ("builder/builder.py", "lab.doctor"),
    ("complaints/__init__.py", "lab.complaints"),
    ("doctor/examine.py", "lab.build.sandbox"),
    ("doctor/examine.py", "lab.guest.qemu.accelerator"),
    ("execution/cluster/asked.py", "lab.execution.cluster.builds"),
    ("execution/cluster/asked.py", "lab.execution.cluster.executor"),
    ("execution/resume.py", "lab.results"),
    ("execution/reuse.py", "lab.results"),
    ("guest/qemu/commands.py", "lab.guest.ssh"),
    ("guest/qemu/hang_examiner.py", "lab.guest.qemu.monitor"),
    ("guest/qemu/machine.py", "lab.guest.qemu.counting_means"),
    ("guest/qemu/process.py", "lab.guest.qemu.monitor"),
    ("nightly/night.py", "lab.bisect.records"),
    ("nightly/night.py", "lab.nightly.bisecting"),
    ("nightly/night.py", "lab.nightly.budget"),
    ("nightly/night.py", "lab.report.site"),
    ("nightly/night.py", "lab.results"),
    ("results/__init__.py", "lab.results"),
    ("results/database.py", "lab.results.migrations"),
    ("results/recorder.py", "lab.results.store"),
    ("session.py", "lab.doctor"),
    ("session.py", "lab.execution.postmortem"),
    ("session.py", "lab.execution.prepare"),
    ("session.py", "lab.execution.resume"),
    ("session.py", "lab.execution.run"),
    ("session.py", "lab.execution.verify"),
    ("session.py", "lab.execution.line_counting"),
    ("session.py", "lab.guest.qemu.counting_means"),
    ("session.py", "lab.suites.suite_source"),
    ("store/left_there.py", "lab.store.store"),
    ("store/registry.py", "lab.store.store"),
    ("suites/pytest_programs.py", "lab.suites.pytest_player"),
    ("trees/download.py", "lab.network.http"),
}

#: Beside lab/cli.
ENTRIES = ("pytest_plugin/__init__.py",)


def _late(path: Path) -> Iterator[tuple[str, int]]:
    """The lab's modules that its functions import, with the line."""
    text = path.read_text()
    if not re.search(r"^[ \t]+(from|import) lab\b", text, re.MULTILINE):
        return  # most have none, and to parse all takes a second
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    yield from ((name, node.lineno) for name in _named(node))


def _named(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""]
    else:
        names = [alias.name for alias in node.names]
    yield from (name for name in names if name.partition(".")[0] == "lab")


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if str(name) not in ENTRIES and name.parts[0] != "cli":
            yield str(name), path


def test_no_other_import_is_late() -> None:
    found = {(name, module) for name, path in _modules() for module, _ in _late(path)}
    assert found == LATE


def test_each_says_why() -> None:
    for name, path in _modules():
        lines = path.read_text().splitlines()
        for module, number in _late(path):
            above = [line.strip() for line in lines[max(0, number - 4) : number - 1]]
            assert any(line.startswith("# ") for line in above), f"{name}:{number}: {module}"


def test_what_takes_long_is_not_for_who_only_asks_for_help() -> None:
    script = "import sys; from lab.cli.main import commands; commands(); print(*sys.modules)"
    loaded = set(run([sys.executable, "-c", script]).stdout.split())
    assert "lab.cli.review_check" in loaded
    assert not loaded & {"pydantic", "sqlalchemy", "paramiko", "jinja2", "lab.session"}
