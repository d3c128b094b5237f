# SPDX-License-Identifier: GPL-2.0-only
"""Commits in the order that git has them, and one taken out of a later one."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from lab.bisect.point import Point
from lab.bisect.search import Found
from lab.bisect.subjects.commits import CommitOrder, Commits, open_commits
from lab.bisect.told import Side, Told
from lab.errors import InfrastructureError, UserError
from lab.model.tree_identity import TreeIdentity
from lab.process import ProcessFailed, run
from lab.session import Lab
from lab.trees import Tree
from lab.trees.git import GIT
from lab.trees.repository import open_repository
from tests.bisect.made_repository import Repository, git, make_project

pytestmark = pytest.mark.slow

PATH = os.environ["PATH"]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_project(tmp_path)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.begin(tmp_path / "linux")


def _merge(repository: Repository) -> tuple[str, str]:
    """A side branch of three commits, with the bug in its second, merged into main."""
    git(repository.folder, "checkout", "-q", "-b", "side")
    repository.add("fs/dax.c", "// side 1")
    bug = repository.put_bug_in()
    repository.add("fs/dax.c", "// side 3")
    git(repository.folder, "checkout", "-q", "main")
    for number in range(3):
        repository.add("mm/mlock.c", f"// main {number}")
    git(repository.folder, "merge", "-q", "--no-ff", "-m", "merge", "side")
    merge = git(repository.folder, "rev-parse", "HEAD")
    repository.add("mm/mlock.c", "// after")
    return bug, merge


def _found(subject: Commits, has_bug: frozenset[str]) -> tuple[Point, int]:
    told: list[Told] = []
    while not isinstance(step := subject.search.next(told), Found):
        assert isinstance(step, Point)
        told.append(Told(step, Side.NEW if step.key in has_bug else Side.OLD))
    return step.point, len(told)


def test_the_order_is_gits(repository: Repository) -> None:
    first = git(repository.folder, "rev-parse", "HEAD")
    _merge(repository)
    with open_repository(repository.folder) as opened:
        order = CommitOrder(opened)
        head = opened.resolve("HEAD")
        found = order.candidates([first], head)
        assert {one.key for one in found} == set(
            git(repository.folder, "rev-list", f"{first}..HEAD").split()
        )
        assert found[-1].key == head
        places = {one.key: place for place, one in enumerate(found)}
        for one in found:
            parents = [places[key] for key in order.parents(one.key) if key in places]
            assert all(place < places[one.key] for place in parents)
        halves = git(repository.folder, "rev-list", "--bisect", f"{first}..HEAD")
        assert places[halves] in [
            place for key, place in places.items()
            if found[place].splits == max(one.splits for one in found)
        ]  # fmt: skip
        assert order.candidates([head], first) == ()


def test_a_bug_on_a_side_branch_is_found_there(repository: Repository, lab: Lab) -> None:
    first = git(repository.folder, "rev-parse", "HEAD")
    bug, _ = _merge(repository)
    has_bug = frozenset(
        git(repository.folder, "rev-list", "--ancestry-path", f"{bug}..HEAD").split()
    ) | {bug}
    with open_commits(lab, repository.folder, [first], "main") as subject:
        found, _ = _found(subject, has_bug)
        assert found == Point(bug, bug[:12], "mm/gup: a bug")
        assert [point.title for point in subject.search.before(found)] == ["fs/dax.c: // side 1"]


def test_by_first_parents_the_merge_is_found(repository: Repository, lab: Lab) -> None:
    first = git(repository.folder, "rev-parse", "HEAD")
    bug, merge = _merge(repository)
    has_bug = frozenset(
        git(repository.folder, "rev-list", "--ancestry-path", f"{bug}..HEAD").split()
    )
    opened = open_commits(lab, repository.folder, [first], "main", first_parent=True)
    with opened as subject:
        found, _ = _found(subject, has_bug)
        assert found.key == merge
        assert [point.title for point in subject.search.before(found)] == ["mm/mlock.c: // main 2"]


def test_a_thousand_commits_take_ten_steps(repository: Repository, lab: Lab) -> None:
    first = git(repository.folder, "rev-parse", "HEAD")
    tree = git(repository.folder, "rev-parse", "HEAD^{tree}")
    lines = []
    for number in range(1, 1025):
        parent = first if number == 1 else f":{number - 1}"
        lines.append(
            f"commit refs/heads/made\nmark :{number}\ncommitter t <t@example.org> {number} +0000\n"
            f"data 4\n{number:4}\nfrom {parent}\n"
        )
    run(["git", "fast-import", "--quiet"], cwd=repository.folder, input="".join(lines).encode())
    assert git(repository.folder, "rev-parse", "made^{tree}") == tree
    keys = git(repository.folder, "rev-list", "--reverse", f"{first}..made").split()
    with open_commits(lab, repository.folder, [first], "made") as subject:
        for bug in (0, 1, 511, 699, 1022, 1023):
            found, steps = _found(subject, frozenset(keys[bug:]))
            assert found.key == keys[bug]
            assert steps <= 10


def test_an_end_of_another_branch_brings_the_fork(repository: Repository, lab: Lab) -> None:
    fork = git(repository.folder, "rev-parse", "HEAD")
    git(repository.folder, "checkout", "-q", "-b", "other")
    good = repository.add("fs/dax.c", "// other")
    git(repository.folder, "checkout", "-q", "main")
    repository.put_bug_in()
    with open_commits(lab, repository.folder, ["other"], "main") as subject:
        assert [point.key for point in subject.old] == [good, fork]


def test_history_that_ends_between_the_ends_is_refused(repository: Repository, lab: Lab) -> None:
    """Where it ends, nothing could show that what is before passes."""
    good = git(repository.folder, "rev-parse", "HEAD")
    git(repository.folder, "checkout", "-q", "-b", "side")
    repository.put_bug_in()
    for number in range(3):
        repository.add("fs/dax.c", f"// side {number}")
    git(repository.folder, "checkout", "-q", "main")
    repository.add("mm/mlock.c", "// main")
    git(repository.folder, "merge", "-q", "--no-ff", "-m", "merge", "side")
    shallow = repository.folder.parent / "shallow"
    git(shallow.parent, "clone", "-q", "--depth=3", f"file://{repository.folder}", "shallow")
    cut = git(shallow, "rev-parse", "main^2~1")
    with (
        pytest.raises(UserError, match=f"the history of {cut[:12]} is not in this") as no,
        open_commits(lab, shallow, [good], "main"),
    ):
        pass
    assert "--unshallow" in str(no.value.hint)
    # By first parents nothing is asked that is not here.
    with open_commits(lab, shallow, [good], "main", first_parent=True) as subject:
        assert subject.search.left(()) == 2


def test_ends_that_have_nothing_between(repository: Repository, lab: Lab) -> None:
    repository.put_bug_in()
    with (
        pytest.raises(UserError, match="are the same commit"),
        open_commits(lab, repository.folder, ["main"], "HEAD"),
    ):
        pass
    with (
        pytest.raises(UserError, match="is in the history of main") as refused,
        open_commits(lab, repository.folder, ["main"], "HEAD~1"),
    ):
        pass
    assert "--old and --new" in str(refused.value.hint)
    git(repository.folder, "checkout", "-q", "--orphan", "alone")
    repository.commit("alone")
    with (
        pytest.raises(UserError, match="no commit in common"),
        open_commits(lab, repository.folder, ["alone"], "main"),
    ):
        pass


def test_a_commit_is_taken_out_of_the_end(repository: Repository, lab: Lab) -> None:
    first = git(repository.folder, "rev-parse", "HEAD")
    bug = repository.put_bug_in()
    last = repository.add("fs/dax.c", "// later")
    before = _state(repository)
    with open_commits(lab, repository.folder, [first], last) as subject:
        reverted = subject.reverted(subject.order.point(bug))
        assert reverted is not None
        assert reverted.title == 'Revert "mm/gup: a bug"'
        assert subject.reverted(subject.order.point(bug)) == reverted
        setup = subject.setup(reverted)
        tree = setup.builder.tree(setup.variant.kernel)
    assert tree.identity == f"git:{reverted.key}"
    assert "return 0;" in (tree.path / "mm/gup.c").read_text()
    assert (tree.path / "fs/dax.c").read_text().endswith("// later\n")
    assert _state(repository) == before


def test_what_was_taken_out_is_taken_out_by_hand_as_well(
    repository: Repository, lab: Lab, tmp_path: Path
) -> None:
    """A commit of the lab's own is in no repository: a script makes it again, and the same."""
    first = git(repository.folder, "rev-parse", "HEAD")
    bug = repository.put_bug_in()
    last = repository.add("fs/dax.c", "// later")
    with open_commits(lab, repository.folder, [first], last) as subject:
        reverted = subject.reverted(subject.order.point(bug))
        assert reverted is not None
        setup = subject.setup(reverted)
        tree = setup.builder.tree(setup.variant.kernel)
        usual = subject.setup(subject.order.point(last)).builder.tree(last[:12])
    assert "reverts" not in usual.provenance
    source = _by_hand(tree, tmp_path / "by-hand")
    assert git(source, "rev-parse", "HEAD") == last
    for path in ("mm/gup.c", "fs/dax.c"):
        assert (source / path).read_bytes() == (tree.path / path).read_bytes()
    other = {**tree.provenance, "message": "another\n"}
    with pytest.raises(ProcessFailed, match=r"without .* it is not"):
        _by_hand(replace(tree, provenance=other), tmp_path / "other")


def _by_hand(tree: Tree, work: Path) -> Path:
    """What a script without the lab does, indented as there."""
    work.mkdir()
    commands = GIT.by_hand(TreeIdentity(tree.identity), tree.provenance)
    indented = "".join(f"\t{line}\n" for line in commands.splitlines())
    head = 'set -eu\nwork=$PWD source=$PWD/source\nstop() { echo "$*" >&2; exit 3; }\n'
    run(["sh", "-c", f"{head}fetch() {{\n{indented}}}\nfetch"], cwd=work)
    return work / "source"


def test_what_others_are_on_top_of_is_not_taken_out(repository: Repository, lab: Lab) -> None:
    first = git(repository.folder, "rev-parse", "HEAD")
    bug = repository.put_bug_in()
    repository.change("mm/gup.c", "return 1;", "return 2;", "more of it")
    _, merge = _merge(repository)
    with open_commits(lab, repository.folder, [first], "main") as subject:
        assert subject.reverted(subject.order.point(bug)) is None
        assert subject.reverted(subject.order.point(merge)) is None
        assert subject.reverted(subject.order.point(first)) is None


def test_what_this_machine_could_not_do_is_no_word_on_a_revert(
    repository: Repository, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a disk that was full says that a change cannot be taken out, and that is recorded."""
    first = git(repository.folder, "rev-parse", "HEAD")
    bug = repository.put_bug_in()
    with open_commits(lab, repository.folder, [first], "main") as subject:
        for status, said in (
            (128, "fatal: unable to write loose object file: No space left on device"),
            (1, "error: unable to create backing store: No space left on device"),
            (128, "fatal: Unable to create index.lock: Read-only file system"),
        ):
            with monkeypatch.context() as patched:
                patched.setenv("PATH", f"{_git_that_fails(tmp_path, status, said)}:{PATH}")
                with pytest.raises(InfrastructureError, match="cannot be tried on a commit"):
                    subject.reverted(subject.order.point(bug))
        assert subject.reverted(subject.order.point(bug)) is not None


def _git_that_fails(folder: Path, status: int, said: str) -> Path:
    """A folder with a git that cannot apply a patch."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    script = f"""\
#!/bin/sh
case " $* " in *" apply "*) echo '{said}' >&2; exit {status} ;; esac
PATH='{PATH}' exec git "$@"
"""
    (tools / "git").write_text(script)
    (tools / "git").chmod(0o755)
    return tools


def test_half_a_patch_is_no_patch(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git looks whether it could write its stdout, and not the file that --output names."""
    first = git(repository.folder, "rev-parse", "HEAD")
    bug = repository.put_bug_in()
    (tmp_path / "patch").symlink_to("/dev/full")

    def no_bytes(_: Path) -> bytes:
        # What is read of /dev/full has no end.
        raise AssertionError("half a patch is read")

    with open_repository(repository.folder) as opened:
        assert b"+\treturn 1;" in opened.diff(first, bug)
        monkeypatch.setattr(
            "lab.trees.repository.temporary_folder", lambda _: nullcontext(tmp_path)
        )
        monkeypatch.setattr(Path, "read_bytes", no_bytes)
        with pytest.raises(InfrastructureError, match="write failure on standard output"):
            opened.diff(first, bug)


def _state(repository: Repository) -> list[str]:
    """All that a repository is: refs, objects, index, files."""
    files = sorted(path for path in repository.folder.rglob("*") if path.is_file())
    return [f"{path} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files]
