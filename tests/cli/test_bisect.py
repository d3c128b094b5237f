# SPDX-License-Identifier: GPL-2.0-only
"""``lab bisect`` as a user meets it: a history that is really built; no guest boots."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import lab
from tests.cli.test_cli import project as project  # a fixture
from tests.conftest import FAKES
from tests.patches.test_commits import commit, git

pytestmark = pytest.mark.slow

COUNT = 12
#: The first that does not compile; one behind it fails in another way.
BROKEN, OTHERWISE = 6, 9


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that is only to be copied: to make it takes 40 commands of git's."""
    folder = shutil.copytree(FAKES / "kernel", tmp_path_factory.mktemp("history") / "linux")
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "mm/extra.c", "int extra;\n", "Linux 6.1")
    git(folder, "tag", "v0")
    source = (folder / "mm/gup.c").read_text()
    for number in range(1, COUNT + 1):
        text = f"{source}/* {number} */\n"
        if number == OTHERWISE:
            text += "#error another\n"
        elif number >= BROKEN:
            text += "#error broken\n"
        commit(folder, "mm/gup.c", text, f"mm: change {number}")
        git(folder, "tag", f"v{number}")
    return folder


@pytest.fixture
def linux(history: Path, fake_kernel: Path, tmp_path: Path) -> Path:
    """The fake kernel in a repository, with a history in which it stops to build."""
    shutil.rmtree(fake_kernel)
    return shutil.copytree(history, tmp_path / "linux", symlinks=True)


def _bisect(project: Path, line: str) -> Any:
    return lab(project, "bisect", *shlex.split(line))


def _asked(linux: Path, line: str = "--good v0 --bad main --build") -> str:
    return f"--tree {linux} {line}"


def test_the_commit_that_breaks_the_build_is_found_and_proved(project: Path, linux: Path) -> None:
    done = _bisect(project, _asked(linux))
    assert done.returncode == 0, done.stderr
    first = git(linux, "rev-parse", f"v{BROKEN}")[:12]
    assert done.stdout.splitlines()[0] == f'{first} ("mm: change {BROKEN}") is the first bad commit'
    assert f"  {git(linux, 'rev-parse', f'v{BROKEN - 1}')[:12]} passes" in done.stdout
    # What was built is not built again, and nothing is tried a second time.
    again = _bisect(project, _asked(linux, "--good v0 --bad main --build --json"))
    assert again.returncode == 0
    document = json.loads(again.stdout)
    assert document["result"]["found"]["key"] == git(linux, "rev-parse", f"v{BROKEN}")
    assert document["proved"] is True
    assert "step:" not in again.stderr
    assert {step["phase"] for step in document["steps"]} >= {"end", "step", "fails", "passes"}


MEND = """
[{name}]
versions = ""
tools = {{ gcc = ">=4.0" }}
symptom = "it does not build"
commits = ["123456789012"]
kernel_flags = ["-D{name}"]
"""


def test_the_mends_without_which_an_old_kernel_does_not_build(
    project: Path, fake_kernel: Path
) -> None:
    """Each is for another error, and nobody is asked which end is which."""
    for name, file in (("ONE", "mm/gup.c"), ("TWO", "fs/dax.c")):
        with (fake_kernel / file).open("a") as source:
            source.write(f"#ifndef {name}\n#error without {name}\n#endif\n")
    folder = project / "patches/toolchain"
    folder.mkdir(exist_ok=True)
    names = ("NONE", "ONE", "QUICK", "TWO")
    (folder / "mends.toml").write_text("".join(MEND.format(name=name) for name in names))
    told = _bisect(project, "fake --of mends --build -n").stdout.splitlines()
    assert told[1:3] == ["  old: none of 4 mends", "  new: 4 of 4 mends"]
    said = "any of 4 mends, or several together: both ends, at least 2 steps, a proof"
    assert told[3] == f"  {said}"
    assert told[4:] == [f"    {number} mend {name}" for number, name in enumerate(names, start=1)]
    done = _bisect(project, "fake --of mends --build")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[:4] == [
        '2 of 4 mends ("mend ONE, mend TWO") make the difference',
        "  with mend TWO alone it fails: the kernel does not build: #error without ONE",
        "  with mend ONE alone it fails: the kernel does not build: #error without TWO",
        '  with 2 of 4 mends ("mend ONE, mend TWO") it passes 2 of 2',
    ]
    assert done.stderr.splitlines()[1:5] == [
        "lab: end: none of 4 mends",
        "lab:   fails 1 of 1: the kernel does not build: #error without ONE",
        "lab: end: 4 of 4 mends",
        "lab:   passes 1 of 1",
    ]


def test_log_undo_visualize_and_replay(project: Path, linux: Path) -> None:
    assert _bisect(project, "log").returncode == 2
    _bisect(project, _asked(linux))
    shown = _bisect(project, "log").stdout
    assert f"commits of {linux}: build" in shown
    assert "build 0 s, test 0 s" in shown or "build 1 s, test 0 s" in shown
    question, *picture = _bisect(project, "visualize").stdout.splitlines()
    assert question == f"commits of {linux}: build"
    assert picture[0].endswith("(end)")
    assert picture[-1].endswith("(end)")
    assert sum("<- the change" in line for line in picture) == 1
    steps = json.loads(_bisect(project, "log --json").stdout)["steps"]
    undone = _bisect(project, "undo")
    assert f"step {steps[-1]['step']} is undone" in undone.stdout
    left = json.loads(_bisect(project, "log --json").stdout)
    assert len(left["steps"]) == len(steps) - 1
    assert left["proved"] is False
    (log,) = (project / "results/bisects").glob("*/log")
    taken = _bisect(project, f"replay {log}")
    assert taken.returncode == 0
    assert "goes on from there" in taken.stdout
    assert len(list((project / "results/bisects").glob("*/log"))) == 2
    assert _bisect(project, _asked(linux)).returncode == 0


def test_ends_that_do_not_differ_are_refused(project: Path, linux: Path) -> None:
    done = _bisect(project, _asked(linux, "--good v0 --bad v3 --build"))
    assert done.returncode == 2
    assert "the bad end" in done.stderr
    assert "passes: build" in done.stderr
    done = _bisect(project, _asked(linux, "--good v7 --bad main --build"))
    assert done.returncode == 2
    assert "fails too: build" in done.stderr


def test_what_it_would_do(project: Path, linux: Path) -> None:
    done = _bisect(project, _asked(linux, "--good v0 --bad main -k populate -n"))
    assert done.returncode == 0, done.stderr
    assert f"{COUNT} can be the first bad commit: both ends, about 4 steps, a proof" in done.stdout
    assert not (project / "results/bisects").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--good v0 --bad main", "what is to be asked of each kernel between the ends?"),
        ("--good v0 --bad main --build --boot", "--boot and --build: that is more than one"),
        ("--good v0 --build", "there is no --bad end"),
        ("--good v0 --new main --build", "--good and --bad, or --old and --new"),
        ("--good v0 --bad main --metric fast -k a", '"fast" is no threshold'),
        ("--good v0 --bad main --build --confidence 1", "--confidence 1 is not between 0 and 1"),
        ("--good main --bad v0 --build", "v0 is in the history of main"),
        ("--good v0 --bad none --build", "none"),
        ("--good v0 --bad main --build --machine defualt", "defualt"),
        ("--good v0 --bad main --build --config defualt", "defualt"),
    ],
)
def test_a_slip_is_told(project: Path, linux: Path, line: str, said: str) -> None:
    done = _bisect(project, _asked(linux, line))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (project / "results/bisects").exists()


def test_a_series_that_was_edited_is_bisected_anew(project: Path) -> None:
    series = project / "patches/three"
    series.mkdir(parents=True)
    line = "fake --of patches --with three --build"
    for broken in (3, 2):
        _write_series(series, broken)
        done = _bisect(project, line)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f'{broken} of 3 ("mm: change {broken}") is the first bad')
        told = "which asked the same: what is built or tested with has changed since"
        assert (told in done.stderr) == (broken == 2)
    assert "step:" not in _bisect(project, line).stderr


def _write_series(folder: Path, broken: int) -> None:
    """Three patches, each of a file of its own, of which one adds what does not compile."""
    files = ("mm/gup.c", "mm/mlock.c", "fs/dax.c")
    names = [f"{number}.patch" for number in (1, 2, 3)]
    (folder / "series").write_text("".join(f"{name}\n" for name in names))
    for number, (name, file) in enumerate(zip(names, files, strict=True), start=1):
        function = Path(file).stem
        text = "#error broken" if number == broken else f"int extra{number};"
        (folder / name).write_text(
            f"From: t <t@example.org>\nSubject: mm: change {number}\n\nWhy.\n---\n"
            f"--- a/{file}\n+++ b/{file}\n@@ -1,4 +1,5 @@\n"
            f" // SPDX-License-Identifier: GPL-2.0-only\n+{text}\n"
            f" int {function}(void)\n {{\n \treturn 0;\n"
        )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fake --of patches --build", "the patches of which series?"),
        ("fake --of patches --with bug --good one --build", "one is no number of patches"),
        ("fake --of options --good default --bad default --build", "ask the same of"),
        ("fake --of options --good default --bad defualt --build", "defualt"),
        ("fake --of options --good default --build", "there is no --bad end"),
        ("fake --of options --good default --bad debug --build --config default", "--config: the"),
        ("--of options --good default --bad debug --build", "on which kernel?"),
        ("fake --of releases --good fake --bad fake --build", "fake is both ends"),
        ("fake --of revisions --good bug --bad bug --build", "is no later revision than"),
        ("fake --of toolchains --good gcc --bad gcc --build", "there is no difference"),
        ("fake --of mends --build", "there is no difference"),
        ("fake --of mends --good none --bad all --build", "mends have no ends"),
        ("fake --of mends --first-parent --build", "there are no commits in mends"),
    ],
)
def test_other_kinds_say_what_they_lack(project: Path, line: str, said: str) -> None:
    series = project / "patches/bug"
    series.mkdir(parents=True, exist_ok=True)
    (series / "series").write_text("")
    done = _bisect(project, line)
    assert done.returncode == 2
    assert said in done.stderr


def test_where_the_commits_are_has_to_be_known(project: Path, linux: Path) -> None:
    done = _bisect(project, "--good v0 --bad main --build")
    assert "commits of what?" in done.stderr
    done = _bisect(project, "fake --good v0 --bad main --build")
    assert "fake is no git kernel: it has no commits" in done.stderr
    done = _bisect(project, f"fake --tree {linux} --good v0 --bad main --build")
    assert "fake and --tree: which has the commits?" in done.stderr
