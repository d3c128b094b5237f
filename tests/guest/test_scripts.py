# SPDX-License-Identifier: GPL-2.0-only
"""Scripts in a real guest: each way to run them, each kind of output, and what breaks them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.guest.conftest import KERNEL, ROOT, Project, qemus
from tests.guest.test_repro import repeat
from tests.suites.output.judging import HERE

pytestmark = pytest.mark.guest

SCRIPTS = {
    # It runs on the filesystem, reads an end of file, and finds what its table gives.
    "sh.sh": '#!/bin/sh\nset -e\ngrep -q " $PWD ext4 .*dax" /proc/mounts\n'
    'cat >file\n[ "$A/$1" = "b c/-n" ]\necho fine\n',
    "skips.sh": "#!/bin/sh\necho no such thing here\nexit 77\n",
    "fails.sh": "#!/usr/bin/env sh\necho it is 3 >&2\nexit 3\n",
    "nobody.sh": '#!/bin/sh\nset -e\n[ "$(id -u):$HOME" = 65534:/tmp ]\ntouch file\n'
    "! touch ../file 2>/dev/null\npwd\n",
    "arrays.sh": "#!/bin/bash\na=(one two)\n[[ ${a[1]} == t* ]] && echo ${#a[@]} in bash\n",
    "strict.pl": "#!/usr/bin/perl\nuse strict;\nuse warnings;\nmy @a = (1, 2);\n"
    'print scalar(@a), " in perl\\n";\n',
    "tap.sh": "#!/bin/sh\necho 1..2\necho ok 1 - one\necho not ok 2 - two\nexit 1\n",
    "ktap.sh": "#!/bin/sh\necho KTAP version 1\necho 1..1\necho ok 1 k\n",
    "ltp.sh": "#!/bin/sh\ncat <<'EOF' >&2\n"
    + (HERE / "ltp" / "fails.txt").read_text()
    + "EOF\nexit 1\n",
    "check.sh": "#!/bin/sh\ncat <<'EOF'\n"
    + (HERE / "xfstests" / "passes.txt").read_text()
    + "EOF\n",
    "daemon.sh": "#!/bin/sh\nsleep 1000 &\nexit 0\n",
    "missing.sh": "#!/bin/sh\nno-such-tool\nexit 0\n",
    "unread.py": "#!/usr/bin/python3\nprint()\n",
    "flood.sh": "#!/bin/sh\nexec head -c 100000000 /dev/zero\n",
    "slow.sh": "#!/bin/sh\necho begins\nsleep 1000\n",
}
LOCAL = """
[suites.plain]
programs = ["sh.sh"]
arguments = ["-n"]
environment = {A = "b c"}

[suites.ends]
programs = ["skips.sh", "fails.sh", "daemon.sh", "missing.sh", "unread.py"]

[suites.nobody]
programs = ["nobody.sh"]
user = "nobody"

[suites.tools]
programs = ["arrays.sh", "strict.pl"]
tools = ["bash", "perl"]

[suites.tap]
programs = ["tap.sh"]
output = "tap"

[suites.ktap]
programs = ["ktap.sh"]
output = "ktap"

[suites.by-ltp]
programs = ["ltp.sh"]
output = "ltp"

[suites.xfstests]
programs = ["check.sh"]
output = "xfstests"

[suites.floods]
programs = ["flood.sh"]

[suites.slow]
programs = ["slow.sh"]
timeout = 3
"""
FOUND = {
    "sh.sh": "pass",
    "skips.sh": "skip",
    "fails.sh": "fail",
    "nobody.sh": "pass",
    "arrays.sh": "pass",
    "strict.pl": "pass",
    "one": "pass",
    "two": "fail",
    "k": "pass",
    "ltp.sh.1": "pass",
    "ltp.sh.2": "fail",
    "ext4/034": "pass",
    "generic/413": "pass",
    "generic/452": "skip",
    "daemon.sh": "pass",
    "missing.sh": "error",
    "unread.py": "error",
    "flood.sh": "error",
    "slow.sh": "timeout",
}


@pytest.fixture
def project(clean_folder: Path) -> Project:
    project = Project(clean_folder / "project", LOCAL)
    (project.folder / "guest-tests").unlink()
    shutil.copytree(ROOT / "guest-tests", project.folder / "guest-tests")
    for name, text in SCRIPTS.items():
        path = project.folder / "guest-tests" / name
        path.write_text(text)
        path.chmod(0o755)
    return project


def test_each_way_to_run_a_script(project: Project, clean_folder: Path) -> None:
    suites = ("plain", "ends", "nobody", "tools", "tap", "ktap", "by-ltp", "xfstests")
    asked = [word for suite in (*suites, "floods", "slow") for word in ("-s", suite)]
    run = project.json("test", KERNEL, "-f", "ext4-dax", *asked)
    results = {row["test"]: row for row in run["results"]}
    assert {name: row["status"] for name, row in results.items()} == FOUND
    assert results["sh.sh"]["message"] == "fine"
    assert results["arrays.sh"]["message"] == "2 in bash"
    assert results["strict.pl"]["message"] == "2 in perl"
    assert "python3" in results["unread.py"]["message"]
    assert "printed more than 32 MiB" in results["flood.sh"]["message"]
    assert "suites.slow.timeout is 3 s" in results["slow.sh"]["message"]
    assert qemus(clean_folder) == []


def test_what_a_script_came_to_is_repeated_by_hand(project: Project) -> None:
    asked = [word for suite in ("plain", "nobody", "tap", "by-ltp") for word in ("-s", suite)]
    project.json("test", KERNEL, "-f", "ext4-dax", *asked)
    done: subprocess.CompletedProcess[str] = repeat(project, KERNEL)
    assert done.returncode == 1, done.stderr
    # By hand a program of LTP's is one test.
    assert "3 passed, 2 failed, 0 skipped" in done.stderr
