# SPDX-License-Identifier: GPL-2.0-only
"""docs/ci.md: its files by the schemas of their systems, and its commands by the lab's own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lab.cli.main import commands

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "ci.md").read_text()
BLOCKS = {
    section: (language, block)
    for section, language, block in re.findall(
        r"^## (\w+)$.*?^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE
    )
}
COMMAND = re.compile(r"(?:(?<=[\s(\"'])|^)(?:\.venv/bin/)?(lab (?:[a-z]+)[^|)'\n]*)")


def test_each_system_has_its_file() -> None:
    languages = {section: language for section, (language, _) in BLOCKS.items()}
    assert languages == {"GitHub": "yaml", "GitLab": "yaml", "Jenkins": "groovy"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "schema", "more"),
    [
        ("GitHub", "vendor.github-workflows", ()),
        ("GitLab", "vendor.gitlab-ci", ("--data-transform", "gitlab-ci")),
    ],
)
def test_a_file_is_as_its_system_wants_it(
    section: str, schema: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "file.yml"
    file.write_text(BLOCKS[section][1])
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("section", BLOCKS)
def test_the_lab_has_the_commands(section: str) -> None:
    group, named = commands(), set()
    for line in COMMAND.findall(BLOCKS[section][1]):
        _, name, *words = shlex.split(line)
        # Parsed, and not run: what a command does not know it refuses.
        group.commands[name].make_context(name, words)
        named.add(name)
    assert {"verify", "doctor", "report"} <= named
