# SPDX-License-Identifier: GPL-2.0-only
"""A source folder and an object folder that the variants of one kernel share.

Going from one variant to the next writes only the files that differ, so that
``make`` recompiles only what depends on them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lab.build.shadowed import shadowed
from lab.build.sought import seeking
from lab.build.source_check import written
from lab.errors import UserError
from lab.patches import Overlay
from lab.process import run
from lab.process.lock import take
from lab.process.removal import remove_tree
from lab.trees import Entry, Rows, Tree, blob_digest, entry_of, read_rows, row_of, write_rows

_SYMLINK = 0o120000
_PLAIN = 0o100644
#: Most of a tree; not opened when it is linked.
_NO_SCRIPTS = frozenset({".S", ".c", ".dts", ".dtsi", ".h", ".json", ".rst", ".txt", ".yaml"})
_BATCH = 200
_THREADS = min(8, os.cpu_count() or 1)
#: A build that is killed leaves the files it was writing no older than this.
_IN_FLIGHT_S = 3.0
_COPY_S = 900.0
_LOOK_S = 300.0
#: In a manifest: the file may be there, nobody knows with what content.
UNKNOWN = row_of(Entry(0, "0" * 40))


@dataclass(frozen=True)
class Workbench:
    """``folder/src`` is the source as ``manifest`` says, ``folder/obj`` its objects."""

    folder: Path

    @property
    def source(self) -> Path:
        """The source ``make`` reads; what writes there is no build (lab.build.source_check)."""
        return self.folder / "src"

    @property
    def objects(self) -> Path:
        """What ``make O=`` writes to."""
        return self.folder / "obj"

    @property
    def manifest(self) -> Path:
        """What ``source`` holds now; missing when nobody can say."""
        return self.folder / "manifest"

    @property
    def log(self) -> Path:
        """What ``make`` said in the last build."""
        return self.folder / "build.log"

    @property
    def configured(self) -> Path:
        """Says for which options and Kconfig files ``objects`` has its ``.config``."""
        return self.folder / "configured"

    @property
    def kind(self) -> Path:
        """Says for which options, and for which compiler, linker and flags it is."""
        return self.folder / "kind"

    @property
    def in_use(self) -> Path:
        """Exists while a build runs, so one that was killed is noticed."""
        return self.folder / "in-use"

    @property
    def own(self) -> Path:
        """Says that ``source`` shares no file with a tree or another workbench."""
        return self.folder / "own"

    @property
    def doubted(self) -> Path:
        """Says that what a series brought ran in ``objects``: no other kernel starts from them."""
        return self.folder / "doubted"

    @property
    def is_whole(self) -> bool:
        """Whether a kernel was built on it, from its source to the end."""
        return self.manifest.exists() and (self.objects / "vmlinux").exists()

    @contextmanager
    def building(self, *, wait: bool = True) -> Iterator[int]:
        """Hold the workbench; what a killed build left half-written is removed.

        Args:
            wait: For who holds it now; else BlockingIOError is raised.

        Gives the file descriptor of the lock, for ``make`` to inherit: the
        compilers of a lab that is killed live on for a moment, and until the
        last of them is gone the workbench is held.
        """
        with self._locked(wait) as lock:
            self._begin()
            try:
                yield lock.fileno()
            except UserError:
                # make came to its own end, and left nothing half-written.
                self.in_use.unlink()
                raise
            self.in_use.unlink()

    @property
    def is_held(self) -> bool:
        """Whether somebody builds on it just now."""
        try:
            self._locked(wait=False).close()
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def at_rest(self) -> Iterator[bool]:
        """Hold the workbench while nothing is built on it; gives whether time stamps count.

        They do not when the clock was set back since.
        """
        with self._locked():
            last_used = self.folder.stat().st_mtime
            if self.in_use.exists():
                self._mistrust()
                self.in_use.unlink()
            yield last_used <= time.time()

    def _locked(self, wait: bool = True) -> IO[str]:
        path = self.folder / "lock"
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                lock = path.open("a")
                if not take(lock, path, wait=wait):
                    lock.close()
                    raise BlockingIOError(path)
                with suppress(FileNotFoundError):
                    if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                        return lock
                # Removed to save space while this one waited.
                lock.close()

    def _begin(self) -> None:
        if self.in_use.exists():
            self._mistrust()
        last_used = self.folder.stat().st_mtime_ns
        self.in_use.touch()
        if self.in_use.stat().st_mtime_ns < last_used:
            # The clock was set back: make would take new sources for older ones.
            remove_tree(self.objects)

    def _mistrust(self) -> None:
        """Remove what a killed build left: half an object, or a source that it wrote into."""
        try:
            remove_half_written(self.objects, self.in_use.stat().st_mtime)
        except RecursionError:
            self.forget()  # folders upon folders are no build's
        if self.doubted.exists() and self.is_closed():
            self.forget()
        if self.own.exists() and self.manifest.exists():
            rows = {path: row for path, row in read_rows(self.manifest).items() if row != UNKNOWN}
            if written(self.source, rows, self.in_use.stat().st_mtime_ns):
                self.forget()

    def forget(self) -> None:
        """Keep nothing of it: the next build begins with the tree."""
        self.manifest.unlink(missing_ok=True)
        for folder in (self.source, self.objects):
            remove_tree(folder)
        if not self.objects.exists():
            self.doubted.unlink(missing_ok=True)

    def is_closed(self) -> bool:
        """Whether a build left folders among its objects that nobody may write to or look into."""
        command: list[str | Path] = ["find", self.objects, "-type", "d", "!", "-perm", "-u=rwx"]
        found = run([*command, "-print", "-quit"], check=False, timeout=_LOOK_S)
        return found.status != 0 or found.stdout != ""

    def part(self) -> None:
        """Give ``source`` files of its own, with the time stamps they have, in place of links.

        A build that writes into its source writes into no tree then, and into no other's.
        """
        if self.own.exists():
            return
        copy = self.source.with_name("src.own")
        remove_tree(copy)
        run(["cp", "-a", "--reflink=auto", self.source, copy], timeout=_COPY_S)
        linked = self.source.with_name("src.linked")
        remove_tree(linked)
        # A kill between the two leaves no source, and _present() begins anew.
        self.source.rename(linked)
        copy.rename(self.source)
        self.own.touch()
        remove_tree(linked)

    def sync(self, tree: Tree, overlay: Overlay) -> int:
        """Make ``source`` hold ``tree`` with ``overlay`` laid over it.

        Returns:
            The number of files written or removed.

        Raises:
            InfrastructureError: A file of the tree changed while it was copied.
        """
        wanted = wanted_rows(tree, overlay)
        present = self._present()
        changed = {path for path, _ in wanted.items() - present.items()}
        gone = present.keys() - wanted.keys()
        if not changed and not gone:
            return 0
        added = [path for path in changed if present.get(path, UNKNOWN) == UNKNOWN]
        if self.objects.is_dir():
            notes = [
                *shadowed(self.objects, self.source, added, gone),
                *seeking(self.objects, self.source, {*added, *gone}),
            ]
            for note in notes:
                note.unlink(missing_ok=True)
        # From here to the new manifest a kill leaves files nobody can vouch for.
        write_rows(self.manifest, {**present, **dict.fromkeys(changed | gone, UNKNOWN)})
        for path in sorted(gone):
            self._remove(path)
        # A link has the tree's old time stamp, which must not meet newer objects.
        link = tree.immutable and not self.objects.exists() and not self.own.exists()
        for folder in sorted({os.path.dirname(path) for path in changed}):  # noqa: PTH120
            (self.source / folder).mkdir(parents=True, exist_ok=True)
        entries = {path: entry_of(wanted[path]) for path in sorted(changed)}
        self._place_all(tree, overlay, entries, link)
        write_rows(self.manifest, wanted)
        return len(changed) + len(gone)

    def miss(self, wanted: Rows) -> list[str]:
        """Which files of what ``source`` should hold are not there; sync() writes them again."""
        gone = sorted(path for path in wanted if not os.path.lexists(f"{self.source}/{path}"))
        if gone:
            write_rows(self.manifest, {**self._present(), **dict.fromkeys(gone, UNKNOWN)})
        return gone

    def _present(self) -> Rows:
        if not self.manifest.exists() or not self.source.is_dir():
            self.forget()
            self.own.unlink(missing_ok=True)
            return {}
        return read_rows(self.manifest)

    def _remove(self, path: str) -> None:
        target = self.source / path
        if target.parent.resolve() != target.parent:
            return  # a symlink took its folder's place before a kill
        for name in (target, _beside(target)):
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                name.unlink()
        with suppress(OSError):  # until one is not empty
            for folder in target.relative_to(self.source).parents:
                with suppress(FileNotFoundError):
                    (self.source / folder).rmdir()

    def _place_all(
        self, tree: Tree, overlay: Overlay, entries: Mapping[str, Entry], link: bool
    ) -> None:
        def place(paths: Sequence[str]) -> None:
            for path in paths:
                self._place(tree, overlay, path, entries[path], link=link)

        paths = list(entries)
        if len(paths) <= _BATCH:
            return place(paths)
        # The kernel's part of copying runs beside Python's, and a slow disk's waits
        # beside each other.
        with ThreadPoolExecutor(_THREADS) as pool:
            batches = [paths[at : at + _BATCH] for at in range(0, len(paths), _BATCH)]
            try:
                for _ in pool.map(place, batches):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _place(self, tree: Tree, overlay: Overlay, path: str, entry: Entry, *, link: bool) -> None:
        # Names as text: a Path for each costs as much as all the copying (4.1: 8 s).
        folder, name = os.path.split(path)
        target, beside = f"{self.source}/{path}", f"{self.source}/{folder}/.{name}.lab-new"
        with suppress(FileNotFoundError):
            os.unlink(beside)  # noqa: PTH108
        replacement = overlay.files.get(path)
        if replacement is not None:
            _write(beside, entry.mode, replacement.content)
        else:
            content = _content(tree, path, entry)
            if not (link and _link(f"{tree.path}/{path}", beside, entry)):
                # Copied with a new time stamp, even when an older content returns:
                # make goes by time stamps alone.
                _write(beside, entry.mode, content)
        os.replace(beside, target)  # noqa: PTH105


def wanted_rows(tree: Tree, overlay: Overlay) -> Rows:
    """What a source holds that is a tree with an overlay laid over it."""
    rows = read_rows(tree.manifest)
    for path, replacement in overlay.files.items():
        if replacement is None:
            rows.pop(path, None)
        else:
            rows[path] = row_of(Entry(replacement.mode, blob_digest(replacement.content)))
    return rows


def remove_half_written(objects: Path, begun: float) -> int:
    """Remove what a killed ``make`` may have been writing; returns how many files.

    Kbuild writes ``.X.cmd`` after ``X``: an ``X`` newer than its ``.cmd`` was
    interrupted, and so may be anything from the last moments before the kill, or
    from after now, should the clock have been set back.

    Args:
        begun: When the build did, in seconds since the epoch: what is older was whole then.
    """
    files = [Path(folder) / name for folder, _, names in os.walk(objects) for name in names]
    times = {path: path.lstat().st_mtime for path in files if not path.is_symlink()}
    if not times:
        return 0
    now = time.time()
    horizon = min(max(times.values()), now) - _IN_FLIGHT_S
    if begun <= now:
        horizon = max(horizon, begun)
    doomed = [
        path
        for path, at in times.items()
        if (at >= horizon or _torn(path, times))
        and not (at <= now and _is_whole(path.relative_to(objects)))
        # Ours, written whole and renamed.
        and path.name != ".config"
    ]
    for path in doomed:
        path.unlink()
    return len(doomed)


def _is_whole(name: Path) -> bool:
    """Whether kconfig makes it, which renames what it has written, auto.conf as the last.

    Without that it takes all options for new ones, and each object is compiled again.
    """
    return name.is_relative_to("include/config") or name == Path("include/generated/autoconf.h")


def _torn(path: Path, times: Mapping[Path, float]) -> bool:
    command = times.get(path.with_name(f".{path.name}.cmd"))
    if command is None:
        # tools/ makes archives without a .cmd: without libsubcmd.a objtool is linked
        # again, and every object of the kernel depends on objtool.
        return path.suffix == ".o"
    return command < times[path]


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}.lab-new")


def _link(source: str, target: str, entry: Entry) -> bool:
    if entry.mode == _PLAIN and _may_be_script(source):
        return False  # its tree keeps the mode it has
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False  # another filesystem, or too many links
    return True


def _write(path: str, mode: int, content: bytes) -> None:
    if mode == _SYMLINK:
        os.symlink(os.fsdecode(content), path)  # noqa: PTH211
        return
    # kbuild runs some scripts by their path, and copies of old trees have lost their
    # exec bits: what begins with #! gets them back.
    wanted = 0o755 if content.startswith(b"#!") else mode & 0o777
    with open(path, "xb") as file:  # noqa: PTH123
        file.write(content)
        os.fchmod(file.fileno(), wanted)


def _may_be_script(path: str) -> bool:
    if os.path.splitext(path)[1] in _NO_SCRIPTS:  # noqa: PTH122
        return False
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read(2) == b"#!"


def _content(tree: Tree, path: str, entry: Entry) -> bytes:
    """What is in a file of a tree.

    Raises:
        InfrastructureError: It is not what the manifest says, which the build is named by.
    """
    source = f"{tree.path}/{path}"
    # Not Path.readlink, which tidies "./x" up.
    symlink = entry.mode == _SYMLINK
    content = os.fsencode(os.readlink(source)) if symlink else _read(source)  # noqa: PTH115
    if blob_digest(content) == entry.digest:
        return content
    raise tree.changed(path)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()
