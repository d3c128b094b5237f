# SPDX-License-Identifier: GPL-2.0-only
"""A cache on disk, with real locks: what goes, in which order, and what never does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from lab.cli.gc import removal_lines
from lab.config import LoadedConfig
from lab.config.model import GitKernel, Suite
from lab.errors import UserError
from lab.gc import (
    Freed,
    Needs,
    Removal,
    free,
    inventory,
    needs_of,
    other_projects,
    plan_removal,
    with_needs_of,
)
from lab.gc.inventory import _Place
from lab.gc.item import Usage, files_below
from lab.process.cache_use import projects_of, sole_user, use_cache, used_now
from lab.process.lock import locked
from lab.process.shelf import MIRRORS, SHELVES
from lab.results import RunFolder
from lab.results.store import Store
from tests.cli.test_cli import ROOT, lab
from tests.config.conftest import Project
from tests.results.made import EVIDENCE, job, result, run
from tests.rights import NOBODY, as_a_user

MB = 1 << 20
IDS = [f"2026010{n}-120000-aaaa" for n in range(1, 6)]


class Disk:
    """A project with a cache of its own; things are made older by the number of days."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        self.cache.mkdir()
        self.project = Project(root)
        self.project.append('[paths]\ncache = "cache"\n')
        self.loaded: LoadedConfig = self.project.load()

    def make(self, name: str, days: float, *, megabytes: int = 1, **record: object) -> Path:
        path = self.cache / name
        path.mkdir(parents=True)
        (path / "content").write_bytes(os.urandom(megabytes * MB))
        kind = "tree.json" if name.startswith("trees") else "build.json"
        (path / kind).write_text(json.dumps(record))
        return self.age(path, days)

    def age(self, path: Path, days: float) -> Path:
        then = time.time() - days * 86400
        os.utime(path, (then, then))
        return path

    def run(self, run_id: str, build: str, *, tree: str = "apt:x", days: float = 9) -> Path:
        evidence = replace(EVIDENCE, build_key=build, tree_identity=tree)
        with Store.open(self.loaded.database) as store:
            store.begin(run(id=run_id))
            store.add_job(run_id, replace(job(result("a")), evidence=evidence))
            store.finish(run_id)
        return self.folder(run_id, days)

    def folder(self, run_id: str, days: float = 9) -> Path:
        path = self.loaded.results / run_id
        (path / "run").mkdir(parents=True)
        (path / "console.log").write_bytes(os.urandom(MB))
        return self.age(path, days)

    def needs(self, since: float | None = None) -> Needs:
        with Store.open(self.loaded.database) as store:
            return needs_of(store, self.loaded, since)

    def plan(self, megabytes: float, needs: Needs | None = None) -> Removal:
        found = inventory(self.loaded, self.cache, needs or self.needs())
        return plan_removal(found, (self.cache, self.loaded.results), int(megabytes * MB))

    def free(self, megabytes: float, needs: Needs | None = None) -> Freed:
        return free(self.plan(megabytes, needs))


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    # What a killed test left in the folder for such things would go as well.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return Disk(tmp_path)


def names(removal: Removal) -> list[str]:
    return [item.path.name for item, _ in removal.items]


def test_oldest_first_and_no_more_than_needed(disk: Disk) -> None:
    for name, days in (("b1", 3), ("b2", 9), ("b3", 6)):
        disk.make(f"builds/{name}", days)
    disk.make("states/s1", 7)
    removal = disk.plan(2.5)
    assert names(removal) == ["b2", "s1"]
    assert removal.before - removal.after == pytest.approx(2 * MB, abs=MB // 4)
    assert removal.fits
    freed = free(removal)
    assert sorted(path.name for path in (disk.cache / "builds").iterdir()) == ["b1", "b3"]
    assert [item.path.name for item in freed.items] == ["b2", "s1"]
    usage = Usage()
    usage.add(files_below(disk.cache))
    assert usage.total == pytest.approx(2 * MB, abs=MB // 4)
    assert names(disk.plan(2.5)) == []


def test_what_lab_toml_speaks_of_goes_last(disk: Disk) -> None:
    """The newest build of a variant of this project, however old, after all others."""
    disk.make("builds/current", 9, variant="6.1+bug", config="c")
    disk.make("builds/foreign", 1, variant="9.9", config="c")
    disk.make("builds/before", 10, variant="6.1+bug", config="c")
    disk.make("trees/111111111111-6.1", 20, kernel="6.1", identity="apt:1")
    disk.make("trees/222222222222-6.1", 2, kernel="6.1", identity="apt:2")
    memory = disk.cache / "trees" / "by-kernel" / "6.1-0123456789ab.json"
    memory.parent.mkdir()
    memory.write_text('{"identity": "apt:1"}')
    disk.make("workbenches/6.1-aaaa", 30)
    disk.make("workbenches/6.1-bbbb", 25)
    assert names(disk.plan(0.1)) == [
        "6.1-aaaa", "before", "222222222222-6.1", "foreign",
        "6.1-bbbb", "111111111111-6.1", "current",
    ]  # fmt: skip


def test_every_shelf_has_who_finds_its_things(disk: Disk) -> None:
    place = _Place(disk.loaded, disk.cache, disk.needs(), (disk.loaded,))
    assert tuple(place.finders()) == SHELVES


def test_a_mirror_goes_last_while_a_kernel_comes_from_git(disk: Disk) -> None:
    mirror = disk.make("git/mirror.git", 9)
    disk.make("builds/younger", 2)
    # All commits would have to be fetched again.
    assert any(isinstance(one, GitKernel) for one in disk.loaded.config.kernels.values())
    assert names(disk.plan(0)) == ["younger", "mirror.git"]
    others = {
        name: kernel
        for name, kernel in disk.loaded.config.kernels.items()
        if not isinstance(kernel, GitKernel)
    }
    config = disk.loaded.config.model_copy(update={"kernels": others})
    disk.loaded = replace(disk.loaded, config=config)
    assert names(disk.plan(0)) == ["mirror.git", "younger"]
    with locked(MIRRORS.lock_of(disk.cache)):
        assert names(disk.plan(0)) == ["younger"]
    disk.free(0)
    assert not mirror.exists()


def test_the_source_of_a_suite_is_spoken_of(disk: Disk) -> None:
    """As a kernel's tree it goes after what nobody names, and a mirror stays for it."""
    disk.make("trees/111111111111-source-theirs", 20, kernel="source-theirs", identity="git:1")
    disk.make("trees/222222222222-source-gone", 2, kernel="source-gone", identity="git:2")
    memory = disk.cache / "trees" / "by-kernel" / "source-theirs-0123456789ab.json"
    memory.parent.mkdir()
    memory.write_text('{"identity": "git:1"}')
    disk.make("git/mirror.git", 30)
    order = ["mirror.git", "111111111111-source-theirs", "222222222222-source-gone"]
    apt = {n: k for n, k in disk.loaded.config.kernels.items() if not isinstance(k, GitKernel)}
    bare = disk.loaded.config.model_copy(update={"kernels": apt})
    disk.loaded = replace(disk.loaded, config=bare)
    assert names(disk.plan(0)) == order
    source = {"kind": "git", "url": "https://h/x/theirs.git", "ref": "main"}
    table = {"kind": "built", "programs": ["a"], "take": ["a"], "source": source}
    suites = {**bare.suites, "theirs": Suite.model_validate(table)}
    disk.loaded = replace(disk.loaded, config=bare.model_copy(update={"suites": suites}))
    assert names(disk.plan(0)) == [order[2], order[0], order[1]]


def test_what_mkfs_answered_can_go(disk: Disk) -> None:
    answer = disk.cache / "mkfs" / "abc.json"
    answer.parent.mkdir()
    answer.write_text("[]")
    disk.age(answer, 9)
    assert names(disk.plan(0)) == ["abc.json"]


def test_baselines_and_the_newest_run_stay(disk: Disk) -> None:
    for number, run_id in enumerate(IDS[:4]):
        disk.make(f"builds/b{number}", 9 - number)
        disk.make(f"trees/{number}11111111111-x", 9, kernel="x", identity=f"t{number}")
        disk.run(run_id, f"b{number}", tree=f"t{number}")
    with Store.open(disk.loaded.database) as store:
        store.set_baseline("nightly", IDS[1])
    removal = disk.plan(0.1)
    gone = names(removal)
    assert {"b0", "b2", IDS[0], IDS[2]} <= set(gone)
    assert not {"b1", "b3", IDS[1], IDS[3], "111111111111-x", "311111111111-x"} & set(gone)
    assert not removal.fits
    assert {item.keep for item in removal.kept} == {"baseline nightly", "newest run"}
    free(removal)
    with Store.open(disk.loaded.database) as store:
        assert len(store.load(IDS[0]).results) == 1


def test_runs_that_go_on_and_runs_nobody_recorded_stay(disk: Disk) -> None:
    disk.run(IDS[3], "x")
    running, unrecorded, nothing = (disk.folder(IDS[n]) for n in range(3))
    (unrecorded / "jobs" / "00-6.1").mkdir(parents=True)
    (unrecorded / "jobs" / "00-6.1" / "job.json").write_text("{}")
    with RunFolder(disk.loaded.results, running.name).held():
        assert names(disk.plan(0.1)) == [nothing.name]
    assert names(disk.plan(0.1)) == [running.name, nothing.name]


def test_locked_things_stay(disk: Disk) -> None:
    held = [
        (disk.make("builds/b1", 9), disk.cache / "builds" / ".lock-b1"),
        (disk.make("workbenches/6.1-aaaa", 9), disk.cache / "workbenches/6.1-aaaa/lock"),
        (disk.make("states/s1", 9), disk.cache / "states" / ".s1.lock"),
        (disk.make("programs/p1", 9), disk.cache / "programs" / ".p1.lock"),
        (disk.make("trees/111111111111-old", 9, kernel="old"), disk.cache / "trees/.lock-old"),
        (disk.make("trees/dir-1111", 9), disk.cache / "trees" / "dir-1111" / ".lock"),
    ]
    for path, lock in held:
        with locked(lock):
            assert path.name not in names(disk.plan(0.1)), path
        assert path.name in names(disk.plan(0.1)), path


def test_somebody_begins_between_the_plan_and_the_removal(disk: Disk) -> None:
    one, other = disk.make("builds/b1", 9), disk.make("builds/b2", 9)
    removal = disk.plan(0.1)
    os.utime(one)
    with locked(disk.cache / "builds" / ".lock-b2"):
        freed = free(removal)
    assert freed.items == []
    assert (one / "content").is_file()
    assert (other / "content").is_file()
    assert [why for _, why in freed.passed_over] == ["it was used just now", "somebody is at it"]


def test_leftovers_go_whatever_the_budget(disk: Disk) -> None:
    dead = disk.make("builds/.b1.x1y2z3w4", 0)
    live = disk.make("builds/.b2.x1y2z3w4", 0)
    partial = disk.make("trees/.6.1~partial", 0)
    half_gone = disk.make("builds/.gc-123-b3", 0)
    key = disk.make("identity", 0)
    download = disk.cache / "downloads" / f"{'ab' * 32}.part"
    download.parent.mkdir()
    download.write_bytes(b"half")
    with locked(disk.cache / "builds" / ".lock-b1"):
        pass
    with locked(disk.cache / "builds" / ".lock-b2"):
        disk.free(1000)
    assert live.is_dir()
    assert not any(path.exists() for path in (dead, partial, half_gone, key, download))


def test_what_a_running_lab_used_stays(disk: Disk) -> None:
    old, new = disk.make("builds/b1", 9), disk.make("builds/b2", 0)
    begun = time.time() - 3600
    removal = disk.plan(0.1, disk.needs(begun))
    assert names(removal) == [old.name]
    assert [(item.path, item.keep) for item in removal.kept] == [(new, "a lab that runs")]


@contextmanager
def another_lab(cache: Path) -> Iterator[subprocess.Popen[bytes]]:
    code = (
        "import sys, pathlib; from lab.process.cache_use import use_cache\n"
        "use_cache(pathlib.Path(sys.argv[1])); print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(cache)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
        process.kill()


def test_a_lab_that_runs_is_seen_until_it_is_killed(tmp_path: Path) -> None:
    with sole_user(tmp_path) as since:
        assert since is None
    with another_lab(tmp_path), sole_user(tmp_path) as since:
        assert since is not None
        assert abs(since - time.time()) < 3600
    with sole_user(tmp_path) as since:
        assert since is None


def test_what_a_lab_uses_stays_though_the_clock_was_set_back(disk: Disk) -> None:
    used, other = (disk.make(f"builds/{name}", 9) for name in ("used", "other"))
    code = (
        "import sys, time\nfrom pathlib import Path\nimport lab.process.cache_use as use\n"
        "use.use_cache(Path(sys.argv[1]))\nuse.note_use(Path(sys.argv[2]))\n"
        "print('up', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(disk.cache), str(used)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        # As if that had been before the lab began.
        disk.age(used, 9)
        with sole_user(disk.cache) as since:
            needs = replace(disk.needs(since), using=used_now(disk.cache))
            assert names(disk.plan(0.1, needs)) == ["other"]
            assert disk.free(0.1, needs).items[0].path == other
        process.kill()
    with sole_user(disk.cache):
        assert used_now(disk.cache) == frozenset()


def test_what_was_used_since_stays_though_the_clock_was_set_back(disk: Disk) -> None:
    path = disk.make("builds/b", 9)
    removal = disk.plan(0.1)
    disk.age(path, 20)
    assert [why for _, why in free(removal).passed_over] == ["it was used just now"]
    assert path.exists()


def test_this_lab_counts_too(tmp_path: Path) -> None:
    use_cache(tmp_path)
    use_cache(tmp_path)
    with sole_user(tmp_path) as since:
        assert since is not None


def test_links_count_once(tmp_path: Path) -> None:
    """A workbench's source is hard links to its tree: the last link frees the bytes."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "bench").mkdir()
    (tmp_path / "tree" / "a").write_bytes(os.urandom(MB))
    os.link(tmp_path / "tree" / "a", tmp_path / "bench" / "a")
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 30)
    usage = Usage()
    usage.add(files_below(tmp_path))
    assert usage.total == MB
    inodes = [inode for inode, _ in files_below(tmp_path / "tree")]
    assert usage.remove(inodes) == 0
    assert usage.remove(inode for inode, _ in files_below(tmp_path / "bench")) == MB


def test_what_was_used_in_the_last_day_stays(disk: Disk) -> None:
    disk.make("builds/b1", 2)
    disk.make("builds/b2", 0.5)
    disk.make("builds/.b3.x1y2z3w4", 0)
    day = replace(disk.needs(), recent=time.time() - 86400)
    removal = disk.plan(0.1, day)
    assert names(removal) == [".b3.x1y2z3w4", "b1"]
    assert [(item.path.name, item.keep) for item in removal.kept] == [
        ("b2", "used in the last day")
    ]


@pytest.fixture
def neighbour(disk: Disk, tmp_path_factory: pytest.TempPathFactory) -> Disk:
    """Another project with the same cache, whose baseline needs a build that is old."""
    other = Disk(tmp_path_factory.mktemp("neighbour"))
    other.project.change('cache = "cache"', f'cache = "{disk.cache}"')
    other.project.change('variants = [\n    "6.1",\n    "6.1+bug",\n]', 'variants = ["theirs"]')
    other.project.change("[kernels.old]", "[kernels.theirs]")
    other.loaded = other.project.load()
    # A process of its own uses the cache: this one may be another project's already.
    code = "import sys, pathlib; from lab.process.cache_use import use_cache; "
    code += "use_cache(*map(pathlib.Path, sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", code, disk.cache, other.loaded.toml], check=True)
    return other


def test_what_another_project_needs_stays(disk: Disk, neighbour: Disk) -> None:
    disk.make("builds/b1", 99, variant="theirs", config="c")
    disk.make("builds/b2", 98, variant="theirs", config="c")
    disk.make("builds/nobodys", 1, variant="9.9", config="c")
    neighbour.run(IDS[0], "b1")
    stamp = (neighbour.loaded.results / "lab.db").stat().st_mtime_ns
    others = other_projects(disk.loaded, disk.cache)
    assert [other.root for other in others] == [neighbour.root]
    needs = with_needs_of(disk.needs(), others, disk.cache)
    items = inventory(disk.loaded, disk.cache, needs, others)
    removal = plan_removal(items, (disk.cache,), MB // 2)
    # Its newest build of a variant goes after what nobody names, and what its runs need never.
    assert names(removal) == ["nobodys", "b2"]
    assert [item.keep for item in removal.kept] == [f"newest run of {neighbour.root}"]
    assert (neighbour.loaded.results / "lab.db").stat().st_mtime_ns == stamp


def test_a_project_that_is_no_more_drops_out(disk: Disk, neighbour: Disk) -> None:
    assert [toml for toml, _ in projects_of(disk.cache)] == [neighbour.loaded.toml]
    neighbour.loaded.toml.unlink()
    assert other_projects(disk.loaded, disk.cache) == ()
    assert projects_of(disk.cache) == ()


def test_nothing_goes_when_a_project_cannot_say_what_it_needs(disk: Disk, neighbour: Disk) -> None:
    neighbour.project.append("[gc]\ndisc = 3\n")
    with pytest.raises(UserError, match="unknown key") as caught:
        other_projects(disk.loaded, disk.cache)
    assert f"{neighbour.loaded.toml}:" in str(caught.value)
    assert ".projects/" in str(caught.value.hint)


def test_only_what_was_told_goes(disk: Disk) -> None:
    disk.make("builds/b1", 9)
    told = disk.plan(0.1)
    disk.make("builds/b2", 10)
    removal = disk.plan(0.1).only(told)
    assert names(removal) == ["b1"]
    assert removal.before - removal.after == pytest.approx(MB, abs=MB // 4)


@pytest.mark.slow
def test_much_is_asked_for_on_a_terminal(disk: Disk) -> None:
    path = disk.make("builds/b1", 9, megabytes=2)
    asked, status = on_a_terminal(disk.root, "gc", "--budget", "1M", answer="n")
    assert "more than half of" in asked
    assert "nothing was freed" in asked
    assert (status, path.is_dir()) == (0, True)
    gone, status = on_a_terminal(disk.root, "gc", "--budget", "1M", answer="y")
    assert "freed 2" in gone
    assert (status, path.is_dir()) == (0, False)
    disk.make("builds/b1", 9, megabytes=2)
    unasked, _ = on_a_terminal(disk.root, "gc", "--budget", "1M", "--yes", answer="")
    assert "more than half" not in unasked
    assert not path.is_dir()


def on_a_terminal(folder: Path, *arguments: str, answer: str) -> tuple[str, int]:
    """What the lab shows on a terminal where somebody types an answer, and its status."""
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "lab", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=env, stdin=follower, stdout=follower, stderr=follower
    ) as child:
        os.close(follower)
        os.write(leader, f"{answer}\n".encode())
        shown = b""
        with suppress(OSError):  # EIO: the last user of the other side is gone.
            while piece := os.read(leader, 4096):
                shown += piece
    os.close(leader)
    return shown.decode(), child.returncode


@pytest.mark.slow
def test_the_command(disk: Disk) -> None:
    path = disk.make("builds/b1", 9, megabytes=2, variant="6.1")
    disk.run(IDS[0], "b1")
    disk.run(IDS[1], "x", days=1.1)
    dry = lab(disk.root, "gc", "-n", "--budget", "3M")
    assert dry.returncode == 0
    assert IDS[0] in dry.stdout
    assert path.is_dir()
    done = lab(disk.root, "gc", "--budget", "3M", "--json")
    document = json.loads(done.stdout)
    assert [Path(name).name for name in document["freed"]] == [IDS[0], "b1"]
    assert not path.exists()
    too_small = lab(disk.root, "gc", "--budget", "4K")
    assert too_small.returncode == 3
    assert "newest run" in too_small.stdout
    assert "must stay" in too_small.stderr
    wrong = lab(disk.root, "gc", "--budget", "much")
    assert wrong.returncode == 2
    assert "--budget" in wrong.stderr
    bytes_ = lab(disk.root, "gc", "--budget", "20")
    assert bytes_.returncode == 2
    assert "'20' has no unit" in bytes_.stderr


@pytest.mark.slow
def test_a_run_whose_folder_is_gone_is_still_there(disk: Disk) -> None:
    for run_id in IDS[:2]:
        disk.run(run_id, "x")
    disk.free(1.1)
    listed = lab(disk.root, "runs").stdout
    (marked,) = [line for line in listed.splitlines() if "folder is not here" in line]
    assert marked.startswith(IDS[0])
    assert lab(disk.root, "show", IDS[0]).returncode == 0


def gc_as_a_user(disk: Disk, budget: str = "1K") -> subprocess.CompletedProcess[str]:
    """As whoever must heed modes; root need not."""
    command = [sys.executable, "-m", "lab", "gc", "--file", str(disk.root), "--budget", budget]
    return subprocess.run(
        as_a_user(command),
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_folders_that_nobody_may_look_into_go(disk: Disk) -> None:
    """As a build leaves them whose Makefile makes them so."""
    bench = disk.make("workbenches/6.1-0", 9)
    other = disk.make("workbenches/.gc-1-6.1-1", 9)
    for path in (bench / "obj/mm/deep", other / "obj"):
        path.mkdir(parents=True)
        (path / "file").touch()
    disk.age(bench, 9)
    disk.loaded.results.mkdir(exist_ok=True)
    for path in (bench / "obj/mm/deep", bench / "obj/mm", other / "obj"):
        path.chmod(0)
    done = gc_as_a_user(disk, "1M")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert list((disk.cache / "workbenches").iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_cannot_be_removed_costs_itself_alone(disk: Disk) -> None:
    """A file of another user's, say of a lab that was once run with sudo."""
    disk.make("builds/b1", 8)
    foreign = disk.make("workbenches/.gc-1-6.1-1", 9)
    (foreign / "obj").mkdir()
    (foreign / "obj/file").touch()
    disk.loaded.results.mkdir(exist_ok=True)
    os.chown(foreign / "obj", NOBODY, NOBODY)
    done = gc_as_a_user(disk)
    assert done.returncode == 3
    assert "cannot be removed" in done.stderr
    assert str(foreign) in done.stderr
    assert not (disk.cache / "builds" / "b1").exists()


def test_what_stays_is_told_by_its_reason(disk: Disk) -> None:
    for number in range(3):
        disk.make(f"builds/b{number}", 0)
    disk.make("states/s1", 0)
    removal = disk.plan(0.5, replace(disk.needs(), recent=time.time() - 9))
    lines = list(removal_lines(removal))
    assert lines[2:] == ["  stay: 3 builds, 1 state: used in the last day", "  (-v: each of them)"]
    each = list(removal_lines(removal, verbose=True))[2:]
    assert len(each) == 4
    assert all(": used in the last day" in line for line in each)


@pytest.mark.slow
def test_a_cache_that_cannot_be_written(disk: Disk) -> None:
    disk.make("builds/b1", 9)
    disk.loaded.results.mkdir(exist_ok=True)
    disk.cache.chmod(0o555)
    done = gc_as_a_user(disk)
    disk.cache.chmod(0o755)
    assert (done.returncode, "Traceback" in done.stderr) == (3, False), done.stderr
    assert "the cache cannot be written" in done.stderr
    assert (disk.cache / "builds" / "b1").is_dir()


def test_what_was_said_of_mails_goes_when_it_is_old(disk: Disk) -> None:
    folder = disk.loaded.results / "review-checks"
    folder.mkdir(parents=True)
    for name, days in (("old", 9), ("new", 3)):
        (folder / f"{name}.json").write_bytes(os.urandom(MB))
        disk.age(folder / f"{name}.json", days)
    removal = disk.plan(1.5)
    assert names(removal) == ["old.json"]
    assert any("what lab review-check said of a mail" in line for line in removal_lines(removal))
    free(removal)
    assert [path.name for path in folder.iterdir()] == ["new.json"]
