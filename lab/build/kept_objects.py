# SPDX-License-Identifier: GPL-2.0-only
"""Objects that a kernel's workbenches had before, for the sources that they are of.

Of two kernels far apart many files differ, and of a third between them most of these are as in
one of the two: none of them is compiled again.  An object is kept when its source goes, and
taken back where everything that went into it is there again: the content of each file that the
compiler read, the options, the programs that the build itself runs, and no new file that could
have been read in place of one.  That the command is the same kbuild sees to: its note comes
back with the object.  What is newer than that when make comes to it is compiled by make.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lab.build.kbuild_note import Note, note_name, read_note
from lab.build.product import NoProduct, is_product, product, read_product
from lab.build.workbench import UNKNOWN, Workbench
from lab.errors import InfrastructureError, LabError
from lab.kconfig import parse_config
from lab.process import run
from lab.process.scratch import write_whole
from lab.process.stored import parse_stored
from lab.process.temporary import temporary_folder
from lab.trees import Rows, read_rows

#: What the build itself runs, and what that is made of.
_PROGRAMS = (
    "scripts/",
    *(f"tools/{name}/" for name in ("arch", "build", "include", "lib", "objtool", "scripts")),
)
#: No compiler looks there.
_TEXTS = "Documentation/"
#: Stands for the workbench's folder in a note, wherever that is.
_PLACE = "@WORKBENCH@/"
#: What is read behind the compiler's back is in no note, and ccache leaves such alone as well; a
#: line that begins with a star is a comment's.  Nor is a file that was asked for and not there.
_HIDDEN = re.compile(rb"^(?!\s*\*).*(?:\.(?:incbin|include)|__has_include)\b", re.MULTILINE)
#: Of one object.
_MOST = 8
#: Sources whose names of files are known, 400 kB each.
_MOST_NAMES = 64
_LOOKING_S = 60.0
_LARGEST = 64 << 20


@dataclass(frozen=True)
class _Made:
    """All that an object was made from, but for its command and the compiler.

    Args:
        config: The digest of the options.
        programs: Of what the build runs.
        names: Of the names of all files that there were.
        files: What was read, by ``src/PATH`` or ``obj/PATH``: its digest.
        note: kbuild's, with ``_PLACE``.
    """

    config: str
    programs: str
    names: str
    files: dict[str, str]
    note: str


@dataclass(frozen=True)
class KeptObjects:
    """The objects that are kept for workbenches of one kind: one kernel, config and compiler.

    Args:
        folder: Where; all of it may go at any time.
        stopped: Says whether to give up, which takes a second of a hundred objects.
    """

    folder: Path
    stopped: Callable[[], bool] = lambda: False

    def leave(self, bench: Workbench, wanted: Rows) -> frozenset[str]:
        """Keep what is not going to be up to date once the source is as ``wanted``.

        Returns:
            The names of these objects, for take_back() and keep(); and of those that a build was
            stopped over which never said that it is done.

        Raises:
            InfrastructureError: It was stopped, and nothing is otherwise.
        """
        stale = self._stopped_over(bench)
        # Of a build that was killed, too: what was left of it is what make goes by.
        if bench.manifest.exists() and bench.objects.is_dir():
            present = read_rows(bench.manifest)
            changed = {path for path, _ in wanted.items() ^ present.items()}
            now = _naming(bench, changed)
            self.keep(bench, now)
            stale |= now
        # The source is going to be what is wanted, whatever becomes of its objects: of a build
        # that is killed right after it took some back, what it had last touched is removed.
        with suppress(OSError):
            write_whole(_stale(bench), "\n".join(sorted(stale)).encode(errors="surrogateescape"))
        return stale

    def done(self, bench: Workbench) -> None:
        """All that was left is up to date, or gone."""
        with suppress(OSError):
            _stale(bench).unlink(missing_ok=True)

    def _stopped_over(self, bench: Workbench) -> frozenset[str]:
        with suppress(OSError):
            names = _stale(bench).read_bytes().decode(errors="surrogateescape")
            return frozenset(filter(None, names.split("\n")))
        return frozenset()

    def keep(self, bench: Workbench, names: Iterable[str]) -> None:
        """Keep those that are up to date; nothing that goes wrong here is a build's concern.

        Of a workbench that is doubted, none is.

        Raises:
            InfrastructureError: It was stopped.
        """
        if bench.doubted.exists():
            return
        look = _Look(bench, "include/config/auto.conf")
        for name in names:
            self._go_on()
            with suppress(OSError, NoProduct):
                self._keep(look, name)

    def take_back(self, bench: Workbench, names: Iterable[str]) -> list[str]:
        """Put back what is as it would be compiled now, and say which; make has yet to run.

        Raises:
            InfrastructureError: It was stopped.
        """
        look = _Look(bench, ".config")
        taken = []
        for name in sorted(names):
            self._go_on()
            with suppress(OSError, NoProduct):
                if self._take_back(look, name):
                    taken.append(name)
        return taken

    def _go_on(self) -> None:
        if self.stopped():
            raise InfrastructureError("the build was stopped", where=self.folder.parent)

    def _keep(self, look: _Look, name: str) -> None:
        note = read_note(look.objects, name)
        if note is None or not look.is_fresh(name, note):
            return
        files = look.digests(note)
        content = product(look.objects, name, _LARGEST).read_bytes()
        if files is None or look.is_bound(content):
            return
        text = note.text.replace(look.prefix, _PLACE)
        made = _Made(look.config, look.programs, look.names, files, text)
        head = json.dumps(vars(made), sort_keys=True).encode()
        place = self.folder / name / hashlib.sha256(head).hexdigest()[:24]
        self._note_names(look)
        body = head + b"\n" + content
        write_whole(place, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        for old in _newest(place.parent)[_MOST:]:
            old.unlink(missing_ok=True)

    def _take_back(self, look: _Look, name: str) -> bool:
        here = read_note(look.objects, name)
        if here is not None and look.is_fresh(name, here):
            return False
        for place in _newest(self.folder / name):
            kept = _read(place)
            if kept is not None and self._fits(look, kept[0]):
                made, content = kept
                note = look.objects / note_name(name)
                # What was cut short in between has no note, and is compiled.
                note.unlink(missing_ok=True)
                write_whole(look.objects / name, content)
                write_whole(note, made.note.replace(_PLACE, look.prefix).encode())
                os.utime(place)
                return True
        return False

    def _fits(self, look: _Look, made: _Made) -> bool:
        if (made.config, made.programs) != (look.config, look.programs):
            return False
        if any(look.digest(path) != digest for path, digest in made.files.items()):
            return False
        odd = self._odd_names(look, made.names)
        return odd is not None and odd.isdisjoint(map(_base, made.files))

    def _note_names(self, look: _Look) -> None:
        path = self._names(look.names)
        if not path.exists():
            write_whole(path, zlib.compress(look.all_names.encode(errors="surrogateescape"), 1))
            known = sorted(self.folder.glob(".names-*"), key=lambda each: each.stat().st_mtime_ns)
            for old in known[:-_MOST_NAMES]:
                old.unlink(missing_ok=True)

    def _odd_names(self, look: _Look, names: str) -> frozenset[str] | None:
        """The last parts of the names that only one of two sources has; None if nobody knows."""
        if names == look.names:
            return frozenset()
        if names not in look.odd:
            look.odd[names] = self._compared(look, names)
        return look.odd[names]

    def _compared(self, look: _Look, names: str) -> frozenset[str] | None:
        try:
            text = zlib.decompress(self._names(names).read_bytes())
        except (OSError, zlib.error):
            return None
        if hashlib.sha256(text).hexdigest() != names:
            return None
        before = set(text.decode(errors="surrogateescape").split("\n"))
        return frozenset(map(_base, before ^ set(look.all_names.split("\n"))))

    def _names(self, digest: str) -> Path:
        return self.folder / f".names-{digest}"


@dataclass
class _Look:
    """A workbench as it lies there now; what was looked at once is not looked at again.

    Args:
        options: What has its options: of what was compiled, or of what is to be.
    """

    bench: Workbench
    options: str
    odd: dict[str, frozenset[str] | None] = field(default_factory=dict)
    _times: dict[str, int | None] = field(default_factory=dict)
    _digests: dict[str, str | None] = field(default_factory=dict)
    _hidden: dict[str, bool] = field(default_factory=dict)
    _spellings: dict[str, str] = field(default_factory=dict)

    @cached_property
    def objects(self) -> Path:
        return self.bench.objects

    @property
    def prefix(self) -> str:
        return f"{self.bench.folder}/"

    @cached_property
    def rows(self) -> Rows:
        return read_rows(self.bench.manifest)

    @cached_property
    def config(self) -> str:
        found = parse_config(read_product(self.objects, self.options))
        # Texts have no quotes in auto.conf, since 5.17.
        bare = {name: value.strip('"') for name, value in found.items()}
        lines = (f"{name}={bare[name]}" for name in sorted(bare))
        return _digest("\n".join(lines))

    @cached_property
    def programs(self) -> str:
        rows = (f"{self.rows[path]} {path}" for path in sorted(self.rows) if _is_program(path))
        return _digest("\n".join(rows))

    @cached_property
    def all_names(self) -> str:
        return "\n".join(path for path in sorted(self.rows) if not path.startswith(_TEXTS))

    @cached_property
    def names(self) -> str:
        return _digest(self.all_names)

    def is_fresh(self, name: str, note: Note) -> bool:
        """Whether kbuild would leave it as it is: by the time stamps that it goes by."""
        made, noted = self._time(name), self._time(note_name(name))
        if made is None or noted is None or noted < made:
            return False
        read = [self._time(path) for path in note.files]
        shaping = filter(None, map(self._time, note.shaping))
        return all(at is not None and at <= made for at in read) and all(
            at <= made for at in shaping
        )

    def digests(self, note: Note) -> dict[str, str] | None:
        """Of all that was read; None where that is not all, or nobody knows of one."""
        found = {}
        for path in dict.fromkeys(note.files):
            spelled = self._spelled(path)
            digest = self.digest(spelled)
            if digest is None or self._reads_more(path):
                return None
            found[spelled] = digest
        return found

    def digest(self, spelled: str) -> str | None:
        """Of a file as it is now, or is going to be once the build has begun."""
        if spelled not in self._digests:
            kind, _, path = spelled.partition("/")
            if kind == "src":
                row = self.rows.get(path)
                self._digests[spelled] = None if row == UNKNOWN else row
            else:
                self._digests[spelled] = self._of_content(spelled, path)
        return self._digests[spelled]

    def is_bound(self, content: bytes) -> bool:
        """Whether an object says where it was built: of debug information nobody reads that."""
        return os.fsencode(self.prefix) in content or b".debug_info" in content

    def _of_content(self, spelled: str, path: str) -> str | None:
        """Of what the build made; or of the compiler's own, by its absolute path."""
        with suppress(OSError):
            if spelled.startswith("/"):
                return hashlib.sha256(Path(spelled).read_bytes()).hexdigest()
            if is_product(self.objects, path):
                return hashlib.sha256((self.objects / path).read_bytes()).hexdigest()
        return None

    def _spelled(self, path: str) -> str:
        # Each object names some 600 files, most of them headers that all have.
        if path not in self._spellings:
            self._spellings[path] = self._spelled_anew(path)
        return self._spellings[path]

    def _spelled_anew(self, path: str) -> str:
        whole = os.path.normpath(self.objects / path)
        for kind, folder in (("src", self.bench.source), ("obj", self.objects)):
            if whole.startswith(f"{folder}/"):
                return f"{kind}/{whole.removeprefix(f'{folder}/')}"
        return whole

    def _time(self, path: str) -> int | None:
        if path not in self._times:
            try:
                self._times[path] = os.stat(self.objects / path).st_mtime_ns  # noqa: PTH116
            except OSError:
                self._times[path] = None
        return self._times[path]

    def _reads_more(self, path: str) -> bool:
        if path not in self._hidden:
            self._hidden[path] = _HIDDEN.search((self.objects / path).read_bytes()) is not None
        return self._hidden[path]


def _stale(bench: Workbench) -> Path:
    """Names the objects that a build was begun over."""
    return bench.folder / "stale"


def _naming(bench: Workbench, changed: Collection[str]) -> frozenset[str]:
    """The objects of which a note names one of these files of the source."""
    wanted = [path for path in changed if not path.startswith(_TEXTS) and "\n" not in path]
    if not wanted:
        return frozenset()
    # Where it cannot be asked, all is compiled.
    with suppress(LabError, OSError), temporary_folder("naming") as folder:
        patterns = folder / "patterns"
        lines = "".join(f"{bench.source}/{path}\n" for path in wanted)
        patterns.write_text(lines, errors="surrogateescape")
        # 1,300 notes have 60 MB: grep takes 0.1 s, and of those that it finds each is looked at.
        command = ["grep", "-rlF", "--include=.*.o.cmd", "-f", str(patterns), "."]
        found = run(command, cwd=bench.objects, check=False, timeout=_LOOKING_S).stdout
        return frozenset(map(_object, found.splitlines()))
    return frozenset()


def _object(note: str) -> str:
    """The object of ``./mm/.mlock.o.cmd``."""
    folder, slash, base = note.removeprefix("./").rpartition("/")
    return f"{folder}{slash}{base.removeprefix('.').removesuffix('.cmd')}"


def _read(place: Path) -> tuple[_Made, bytes] | None:
    """What is kept in a file; None where it is not what was written."""
    seal, _, body = place.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != seal:
        return None
    head, _, content = body.partition(b"\n")
    with suppress(ValueError):
        return parse_stored(head, _Made), content
    return None


def _newest(folder: Path) -> list[Path]:
    """The files of one object, the one that was of use last first."""
    return sorted(_dated(folder), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _dated(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from (path for path in folder.iterdir() if not path.name.startswith("."))


def _is_program(path: str) -> bool:
    return path.startswith(_PROGRAMS)


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
