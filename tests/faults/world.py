# SPDX-License-Identifier: GPL-2.0-only
"""A project with a cache of its own, in which a command can go wrong as often as one likes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.build import Build
from lab.model.variant import Variant
from lab.session import Lab

ROOT = Path(__file__).parents[2]
_DEADLINE_S = 300.0
_GONE_S = 15.0

FAKE = """
[kernels.tree]
kind = "git"
url = {repository}
ref = "master"

[kernels.folder]
kind = "dir"
path = {folder}

[series.fix]
description = "a fix"

[configs.default]
fragments = ["tiny"]

[filesystems.ext4-dax]
type = "ext4"

[suites.populate]
programs = ["populate"]

[matrix.default]
variants = ["tree", "tree+fix", "folder"]

[paths]
cache = "cache"
"""
GUEST = """
[matrix.faults]
variants = ["{kernel}"]
filesystems = ["ext4-dax"]
suites = ["mlock"]

[nightly]
matrix = "faults"
reruns = 1

[paths]
cache = "cache"
results = "results"
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def raw(self) -> str:
        """A trace of Python's, or an error that nobody foresaw; "" for none."""
        said = self.out + self.err
        marks = ("Traceback (most recent", "the lab itself failed", "Exception ignored")
        return next((mark for mark in marks if mark in said), "")


@dataclass
class World:
    """A folder with a project in it; ``commands`` are what can be asked of it.

    ``right`` has what each command comes to when nothing goes wrong, and ``seconds`` how
    long that takes.
    """

    folder: Path
    commands: tuple[str, ...]
    digest: Callable[[Any], Any]
    #: Folders of the cache that take minutes to make again.
    spared: tuple[str, ...] = ()
    #: Those that do not: without them a command does more, at more moments.
    soon_made: tuple[str, ...] = ()
    right: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def start(self, command: str, wrapper: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", "lab", *command.split(), "--json"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _environment(self) -> Mapping[str, str]:
        state = str(self.folder / "state")
        own = {"TMPDIR": str(self.temporary), "XDG_STATE_HOME": state, "PYTHONPATH": str(ROOT)}
        return {**os.environ, **own}

    def run(self, command: str, wrapper: tuple[str, ...] = ()) -> Ended:
        return ended(self.start(command, wrapper))

    def learn(self) -> None:
        """What each command comes to; twice, since the first one makes what the others find."""
        self.temporary.mkdir(exist_ok=True)
        for command in tuple(dict.fromkeys(self.commands)) * 2:
            began = time.monotonic()
            done = self.run(command)
            assert done.status == 0, f"{command}: {done}"
            took = time.monotonic() - began
            self.seconds[command] = max(took, self.seconds.get(command, 0.0))
            self.right[command] = self.digest(json.loads(done.out))

    def processes(self) -> list[int]:
        """Those of commands that run here: each has the folder for temporary files of its own."""
        mark = os.fsencode(f"TMPDIR={self.temporary}\0")
        return [pid for pid in _pids() if mark in _read(pid, "environ")]

    def all_gone(self) -> list[str]:
        """The command lines of what does not go by itself."""
        deadline = time.monotonic() + _GONE_S
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        lines = [_read(pid, "cmdline").replace(b"\0", b" ").decode()[:200] for pid in left]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return lines


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command's end; one that does not come is killed, and has no status."""
    try:
        out, err = process.communicate(timeout=_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended(-999, out, f"{err}\nit did not end in {_DEADLINE_S:g} s")
    return Ended(process.returncode, out, err)


def name_of(pid: int) -> str:
    """What a process is, as far as faults go."""
    line = _read(pid, "cmdline").split(b"\0")
    name = Path(os.fsdecode(line[0])).name
    if b"keeper.py" in b" ".join(line):
        return "keeper"
    return "lab" if name.startswith("python") else name


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def fake_world(folder: Path, commands: tuple[str, ...] = ()) -> World:
    """A tiny kernel in a repository and in a folder, that really is fetched and built."""
    project, kernel = folder / "project", ROOT / "tests" / "fakes" / "kernel"
    (project / "kconfigs").mkdir(parents=True)
    (project / "kconfigs" / "tiny.config").write_text("CONFIG_BASE=y\n")
    (project / "guest-tests").symlink_to(ROOT / "guest-tests")
    (project / "patches" / "fix").mkdir(parents=True)
    line = (kernel / "mm" / "mlock.c").read_text().splitlines()[0]
    (project / "patches" / "fix" / "series").write_text("fix.patch\n")
    text = f"Subject: fix\n\n{_patch(kernel / 'mm' / 'mlock.c', line)}"
    (project / "patches" / "fix" / "fix.patch").write_text(text)
    for name in ("repository", "folder"):
        shutil.copytree(kernel, folder / name)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q", "-b", "master"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=folder / "repository", check=True)
    places = {name: json.dumps(str(folder / name)) for name in ("repository", "folder")}
    (project / "lab.toml").write_text(FAKE.format(**places))
    commands = commands or ("build", "build", "fetch", "gc --budget 1T")
    world = World(project, commands, _of_builds, (), ("builds", "workbenches", "trees"))
    world.learn()
    return world


def _patch(path: Path, line: str) -> str:
    rest = path.read_text().splitlines()[1:4]
    head = f"@@ -1,{1 + len(rest)} +1,{1 + len(rest)} @@"
    context = "".join(f" {text}\n" for text in rest)
    return f"--- a/mm/mlock.c\n+++ b/mm/mlock.c\n{head}\n-{line}\n+{line} /* fixed */\n{context}"


def _of_builds(document: Any) -> Any:
    if "builds" in document:
        names = ("variant", "release", "key")
        built = [row for row in document["builds"] if "key" in row]
        return sorted((*map(row.get, names), _digest(row["bzimage"])) for row in built)
    if "trees" in document:
        return sorted((row["kernel"], row["identity"]) for row in document["trees"])
    return None


def _digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def guest_world(folder: Path, kernel: str, commands: tuple[str, ...] = ()) -> World:
    """A real kernel in guests: this machine's build of it, and its tree, in a cache apart."""
    folder.mkdir(parents=True)
    for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "lab.local.toml").write_text(GUEST.format(kernel=kernel))
    lab = Lab.open(ROOT)
    built = lab.builder.build(Variant.parse(kernel), "default")
    _copy_cache(lab, built, folder / "cache")
    test = f"test {kernel} -s mlock -f ext4-dax"
    commands = commands or (test, "nightly", "gc --budget 1T")
    world = World(folder, commands, _of_results, ("builds",), ("states", "programs"))
    world.learn()
    return world


def _copy_cache(lab: Lab, built: Build, cache: Path) -> None:
    """Copies, but for the source: hard links, which Injury breaks before it writes."""
    shutil.copytree(built.folder, cache / "builds" / built.key)
    tree = built.job.tree.path.parent
    shutil.copytree(tree, cache / "trees" / tree.name, symlinks=True, copy_function=os.link)
    shutil.copytree(lab.cache / "trees" / "by-kernel", cache / "trees" / "by-kernel")
    for name in ("images", "mkfs"):
        # In a cache that is new nobody has made a filesystem yet.
        if (lab.cache / name).exists():
            shutil.copytree(lab.cache / name, cache / name)
    for name in ("tsc.json", "apt.json", "accelerator.json"):
        if (lab.cache / name).exists():
            shutil.copy2(lab.cache / name, cache / name)


def _of_results(document: Any) -> Any:
    results = document.get("results")
    if results is None:
        # A night's document: what became of it.
        return document.get("not_as_expected", 0), document.get("errors", [])
    return sorted((row["filesystem"], row["test"], row["status"]) for row in results)
