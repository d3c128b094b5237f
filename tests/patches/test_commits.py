# SPDX-License-Identifier: GPL-2.0-only
"""Commits of real repositories as series: each shape taken, or refused in a clear word."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.patches import load_series
from lab.patches.intake.commits import CommitIntake, read_commits
from lab.patches.intake.link import mail_of
from lab.process import run
from lab.trees import blob_digest

pytestmark = pytest.mark.slow

IDENTITY = ("-c", "user.name=A U Thor", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=no")
GUP = "".join(f"a{number}\n" for number in range(1, 41))


def git(folder: Path, *arguments: str) -> str:
    return run(["git", *IDENTITY, *arguments], cwd=folder).stdout.strip()


def commit(folder: Path, name: str, content: str | bytes, message: str = "") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message or f"mm: change {name}")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On main: a root, two commits to mm/gup.c; on wip/fix, from the first of them, two more."""
    folder = tmp_path_factory.mktemp("commits") / "linux"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "Documentation").mkdir()
    (folder / "Documentation/Kconfig").write_text("# nothing\n")
    commit(folder, "mm/gup.c", GUP, "Linux 6.1")
    commit(folder, "mm/gup.c", GUP.replace("a9\n", "A9\n"), "mm: raise nine\n\nIt was low.\n")
    git(folder, "tag", "-am", "v", "v6.1.1")
    git(folder, "checkout", "-qb", "wip/fix")
    commit(folder, "mm/mlock.c", "one\n", "mm: add mlock")
    commit(folder, "mm/mlock.c", "two\n", "mm: mend mlock")
    git(folder, "checkout", "-q", "main")
    commit(folder, "mm/gup.c", GUP.replace("a9\n", "B9\n"), "mm: another nine")
    return folder


@pytest.fixture
def linux(made: Path, tmp_path: Path) -> Path:
    """The same, to do with as one likes."""
    return shutil.copytree(made, tmp_path / "linux", symlinks=True)


def taken(folder: Path, given: str) -> CommitIntake:
    return read_commits(given, folder, folder.parent / "patches")


def refusal(folder: Path, given: str) -> str:
    with pytest.raises(UserError) as caught:
        taken(folder, given)
    assert caught.value.hint
    return str(caught.value)


def test_a_commit_is_a_series_of_its_own_on_its_parent(linux: Path) -> None:
    tip = git(linux, "rev-parse", "v6.1.1^{commit}")
    for given in ("v6.1.1", "main~1", tip[:10], tip, ":/mm: raise"):
        found = taken(linux, given)
        assert (found.base, found.told) == (git(linux, "rev-parse", f"{tip}^"), ())
    assert found.intake.name == "mm-raise-nine"
    found.intake.write()
    (patch,) = load_series(linux.parent / "patches", "mm-raise-nine").patches
    assert (patch.subject, patch.author) == ("mm: raise nine", "A U Thor <a@example.org>")
    assert "It was low." in patch.message
    blobs = [git(linux, "rev-parse", f"{name}:mm/gup.c") for name in (f"{tip}^", tip)]
    assert f"index {blobs[0]}..{blobs[1]} 100644\n".encode() in patch.content
    origin = tomllib.loads((found.intake.folder / "origin.toml").read_text())
    assert (origin["tree"], origin["base-commit"]) == (str(linux), found.base)
    assert origin["patch"][0]["commit"] == tip
    diff = git(linux, "diff", f"{tip}^", tip) + "\n"
    said = run(["git", "patch-id", "--stable"], input=diff.encode()).stdout
    assert origin["patch"][0]["patch-id"] == said.split()[0]
    assert taken(linux, tip).intake.known


def test_a_range_goes_onto_where_it_begins(linux: Path) -> None:
    found = taken(linux, "wip/fix~2..wip/fix")
    assert [name for name in found.intake.files if name != "series"] == [
        "0001-mm-add-mlock.patch", "0002-mm-mend-mlock.patch",
    ]  # fmt: skip
    assert found.base == git(linux, "rev-parse", "wip/fix~2")
    assert found.told == ()
    git(linux, "checkout", "-q", "wip/fix")
    assert taken(linux, "main~1..").intake.files == found.intake.files


def test_a_range_off_another_branch_goes_onto_where_they_part(linux: Path) -> None:
    found = taken(linux, "main..wip/fix")
    assert found.base == git(linux, "merge-base", "main", "wip/fix")
    assert found.told == (
        f"wip/fix is not on top of main: the base is where they part, {found.base[:12]}",
    )
    assert len(found.intake.choice.patches) == 2


def test_what_is_no_series(linux: Path) -> None:
    root = git(linux, "rev-list", "--max-parents=0", "main")
    assert f'{root[:12]} ("Linux 6.1") has no parent' in refusal(linux, root)
    assert f'{root[:12]} ("Linux 6.1") has no parent' not in refusal(linux, "nothing")
    assert "there is no commit nothing" in refusal(linux, "nothing")
    assert "main..main~1 has no commit: main has all that main~1 has" in (
        said := refusal(linux, "main..main~1")
    )
    assert "try: main~1..main" in said
    assert "try: BASE..TIP" in refusal(linux, "main..main")
    assert "no series" in (said := refusal(linux, "main...wip/fix"))
    assert "try: main..wip/fix" in said
    assert "HEAD:mm is a tree, no commit" in str(_error(linux, "HEAD:mm"))
    assert "names no commit" in refusal(linux, "--all")


def _error(folder: Path, given: str) -> UserError:
    with pytest.raises(UserError) as caught:
        taken(folder, given)
    return caught.value


def test_a_merge_is_no_patch_and_neither_is_a_range_with_one(linux: Path) -> None:
    into, of = (git(linux, "rev-parse", name)[:12] for name in ("main", "wip/fix"))
    git(linux, "merge", "-q", "--no-ff", "-m", "Merge branch 'wip/fix'", "wip/fix")
    commit(linux, "mm/later.c", "later\n")
    for given in ("main~1", "v6.1.1..main"):
        said = refusal(linux, given)
        assert "(\"Merge branch 'wip/fix'\") is a merge, and no patch" in said
        assert f"try: {into}..{of}" in said
    assert len(taken(linux, f"{into}..{of}").intake.choice.patches) == 2


def test_an_id_that_two_objects_have(linux: Path) -> None:
    # Contents are searched for until two have names that begin with the same four digits.
    seen: dict[str, bytes] = {}
    for number in range(2000):
        content = b"%d" % number
        name = blob_digest(content)[:4]
        if name in seen:
            break
        seen[name] = content
    for one in (seen[name], content):
        made = run(["git", "hash-object", "-w", "--stdin"], cwd=linux, input=one)
        assert made.stdout.startswith(name)
    said = refusal(linux, name)
    assert f"{name} is ambiguous: more than one object begins so" in said
    assert " blob" in said


def test_a_name_that_two_refs_have(linux: Path) -> None:
    git(linux, "branch", "v6.1.1", "main~2")
    said = refusal(linux, "v6.1.1")
    assert "v6.1.1 is ambiguous: more than one ref is called so" in said
    assert taken(linux, "refs/tags/v6.1.1").intake.name == "mm-raise-nine"


def test_a_shallow_history_lacks_a_parent(linux: Path, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth=2", f"file://{linux}", str(shallow))
    assert taken(shallow, "main").intake.name == "mm-another-nine"
    said = refusal(shallow, "main~1")
    assert "the history of this repository ends at" in said
    assert "its parent is not here" in said
    assert f"try: git -C {shallow} fetch --deepen=1" in said
    assert "its parent is not here" in refusal(shallow, f"{git(shallow, 'rev-parse', 'main~1')}")


def test_what_no_kernel_is_built_from(linux: Path) -> None:
    commit(linux, "Documentation/mm/gup.rst", "how\n", "Documentation: how")
    assert "changes nothing that a kernel is built from: Documentation/mm/gup.rst" in refusal(
        linux, "main"
    )
    assert taken(linux, "main~2..main").intake.name == "mm-another-nine"
    commit(linux, "Documentation/Kconfig", "config X\n", "Documentation: built")
    assert taken(linux, "main").intake.name == "documentation-built"
    git(linux, "commit", "-q", "--allow-empty", "-m", "mm: nothing")
    assert "main changes no file" in str(_error(linux, "main"))


def test_renames_modes_bytes_and_a_message_with_a_diff_in_it(linux: Path) -> None:
    latin = commit(linux, "mm/latin.c", b"/* \xe9 */\n" * 9, "mm: a\n\ndiff --git a/x b/x\n--- y\n")
    (series,) = [taken(linux, latin).intake]
    assert b"/* \xe9 */" in series.files["0001-mm-a.patch"]
    assert b"\n diff --git a/x b/x\n --- y\n" in series.files["0001-mm-a.patch"]
    git(linux, "mv", "mm/latin.c", "mm/other.c")
    git(linux, "commit", "-qm", "mm: move")
    assert b"rename from mm/latin.c\n" in taken(linux, "main").intake.files["0001-mm-move.patch"]
    (linux / "mm/other.c").chmod(0o755)
    git(linux, "commit", "-qam", "mm: run")
    assert b"new mode 100755\n" in taken(linux, "main").intake.files["0001-mm-run.patch"]


def test_what_is_not_committed_is_told_and_not_used(linux: Path) -> None:
    before = taken(linux, "main")
    # What has another time stamp alone is not changed.
    (linux / "mm/gup.c").touch()
    assert taken(linux, "main").told == ()
    (linux / "mm/gup.c").write_text("mine\n")
    (linux / "mm/unknown.c").write_text("mine\n")
    found = taken(linux, "main")
    assert found.told == (f"{linux} has changes that are not committed, and not used: mm/gup.c",)
    assert found.intake.files == before.intake.files
    git(linux, "add", "-A")
    assert taken(linux, "main").told[0].endswith("mm/gup.c and 1 more")


def test_bare_ones_and_worktrees_and_folders_of_neither(linux: Path, tmp_path: Path) -> None:
    wanted = taken(linux, "main").intake.files
    git(tmp_path, "clone", "-q", "--bare", str(linux), "bare.git")
    assert taken(tmp_path / "bare.git", "main").intake.files == wanted
    git(linux, "worktree", "add", "-q", str(tmp_path / "other"), "wip/fix")
    assert taken(tmp_path / "other", "HEAD").intake.name == "mm-mend-mlock"
    assert "this is no git repository" in refusal(linux / "mm", "main")
    assert "there is no such folder" in refusal(tmp_path / "none", "main")
    git(tmp_path, "init", "-q", "--object-format=sha256", "long")
    assert "named by sha256" in str(_error(tmp_path / "long", "main"))


def test_nothing_of_a_repository_is_run_nor_written(linux: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    script.chmod(0o755)
    commit(linux, ".gitattributes", "*.c diff=x filter=x\n", "attributes")
    commit(linux, "mm/gup.c", "later\n")
    for key in (
        "core.fsmonitor", "diff.external", "diff.x.textconv", "diff.x.command", "core.pager",
        "filter.x.clean", "filter.x.smudge", "core.sshCommand", "format.signatureFile",
    ):  # fmt: skip
        git(linux, "config", key, str(script))
    git(linux, "config", "core.hooksPath", str(tmp_path))
    git(linux, "config", "diff.noprefix", "true")
    git(linux, "config", "format.pretty", "oneline")
    (tmp_path / "ran").unlink(missing_ok=True)
    (linux / "mm/gup.c").write_text("mine\n")
    before = listing(linux)
    found = taken(linux, "HEAD")
    assert found.told[0].endswith(": mm/gup.c")
    (patch,) = (found.intake.files[name] for name in found.intake.files if name != "series")
    assert b"diff --git a/mm/gup.c b/mm/gup.c\n" in patch
    assert listing(linux) == before
    assert not (tmp_path / "ran").exists()


def test_what_the_environment_asks_of_diffs(linux: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git diff-tree minds it; a hunk without context is refused."""
    wanted = taken(linux, "HEAD").intake.files
    monkeypatch.setenv("GIT_DIFF_OPTS", "--unified=0")
    assert taken(linux, "HEAD").intake.files == wanted


def listing(folder: Path) -> list[tuple[str, int, int]]:
    stats = ((path, path.lstat()) for path in sorted(folder.rglob("*")))
    return [(str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats]


MESSAGE = """mm: mend nine

Link: https://lore.kernel.org/r/report@x.org
Signed-off-by: A U Thor <a@example.org>
"""


@pytest.mark.parametrize(
    ("below", "identity"),
    [
        ("Link: https://lore.kernel.org/r/20260101.1-1-a@x.org\n", "20260101.1-1-a@x.org"),
        ("Link: https://patch.msgid.link/20260101.1-1-a@x.org\n", "20260101.1-1-a@x.org"),
        ("Link: https://lore.kernel.org/linux-mm/a%2Bb@x.org/\n", "a+b@x.org"),
        ("Link: http://lkml.kernel.org/r/a@x.org\n" * 2, "a@x.org"),
        ("", ""),
        ("Link: https://bugzilla.kernel.org/show_bug.cgi?id=1@2\n", ""),
        ("Link: https://lore.kernel.org/r/a@x.org # [1]\n", ""),
        ("Link: https://lore.kernel.org/r/a@x.org\nLink: https://lore.kernel.org/r/b@x.org\n", ""),
        ("Link: https://lore.kernel.org/all/none\n", ""),
    ],
)  # fmt: skip
def test_the_mail_that_a_commit_was_made_of(below: str, identity: str) -> None:
    assert mail_of(f"{MESSAGE}{below}Signed-off-by: M <m@example.org>\n") == identity
    # Who has signed nothing above it may speak of the bug.
    assert mail_of(f"mm: mend nine\n\n{below}") == ""


def test_the_mail_of_a_commit_is_kept_beside_it(linux: Path) -> None:
    link = "Link: https://lore.kernel.org/r/fix@x.org\n"
    tip = commit(linux, "mm/gup.c", "other\n", f"{MESSAGE}{link}")
    intake = taken(linux, tip).intake
    assert intake.kept_origin is not None
    assert intake.kept_origin.identity == "fix@x.org"
    # The patch itself is as it was.
    assert b"Message-Id" not in intake.files["0001-mm-mend-nine.patch"]
    later = commit(linux, "mm/gup.c", "more\n")
    both = taken(linux, f"{tip}^..{later}").intake
    assert both.kept_origin is not None
    assert both.kept_origin.identity == ""
