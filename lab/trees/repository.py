# SPDX-License-Identifier: GPL-2.0-only
"""A git repository of the user's, read: nothing in it is written, and nothing of it is run.

Names are looked up in it by ``git rev-parse``, which runs no program that its config could
name.  All else is asked of a repository for a moment, whose objects are its own and whose
config is ours: no textconv, external diff, hook, fsmonitor or remote is there to be run.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab.errors import InfrastructureError, LabError, UserError
from lab.process import Result, run
from lab.process.temporary import temporary_folder
from lab.process.tool_failure import trouble
from lab.trees.git import FOREIGN

#: Seconds that one question may take.
_DEADLINE_S = 120.0
_SHA1 = "sha1"
_CONFIG = """\
[core]
	repositoryformatversion = 0
	bare = true
	attributesFile = /dev/null
"""
# Protocols are none: a partial clone would fetch what it lacks, by a command of its config.
_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_DIFF_OPTS": "",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
_SETTINGS = (
    *("-c", "safe.directory=*"),
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
)
# Before any .gitattributes (gitattributes(5)): files are compared byte by byte.
_ATTRIBUTES = "* -text -ident -filter -working-tree-encoding\n"
_AMBIGUOUS = re.compile(r"short (?:object ID|SHA1) \S+ is ambiguous", re.IGNORECASE)
_TWO_REFS = re.compile(r"refname '[^']*' is ambiguous")
_NOT_ONE = re.compile(r"Needed a single revision|unknown revision|bad revision|no such path")
_HINTS = re.compile(r"^(?:error|fatal|warning):.*\n?", re.MULTILINE)
_LISTED = 12
#: Bytes; the 200 patches of a stable release come to 1.5 MB.
_MOST_BYTES = 64 << 20


@dataclass(frozen=True)
class Commit:
    """A commit: the ids are whole, ``date`` is as in a mail, ``body`` without the subject.

    ``parents`` are those that the repository has, or should have: of one at which a shallow
    history ends there is none.
    """

    id: str
    parents: tuple[str, ...]
    author: str
    date: str
    subject: str
    body: str

    @property
    def short(self) -> str:
        """Twelve digits, as kernel people write them, and the subject."""
        return f'{self.id[:12]} ("{self.subject}")'


@dataclass(frozen=True)
class Repository:
    """A repository, ``folder`` as it was given: the top of a checkout, or a bare one.

    ``home`` is its git folder, ``reader`` the one through which its objects are read.
    """

    folder: Path
    home: Path
    index: Path | None
    reader: Path

    def resolve(self, name: str) -> str:
        """The commit that ``name`` is here: a branch, a tag, an id or a part of one.

        Raises:
            UserError: It is none, or more than one.
        """
        self._refuse_form(name)
        found = self._named(name)
        said = self.git("rev-parse", "--verify", f"{found}^{{commit}}", check=False)
        if said.status == 0:
            return said.stdout.strip()
        if self.git("cat-file", "-e", found, check=False).status == 0:
            kind = self.git("cat-file", "-t", found).stdout.strip()
            raise UserError(f"{name} is a {kind}, no commit", where=self.folder)
        raise self._unreadable(said)

    def _named(self, name: str) -> str:
        said = _git(self.home, "rev-parse", "--verify", name)
        if _TWO_REFS.search(said.stderr):
            what = f"{name} is ambiguous: more than one ref is called so"
            hint = f"refs/heads/{name} or refs/tags/{name}"
            raise UserError(what, where=self.folder, hint=hint)
        if said.status == 0:
            return said.stdout.strip().removeprefix("^")
        if _AMBIGUOUS.search(said.stderr):
            listed = re.sub(r"^hint:\s*", "", _HINTS.sub("", said.stderr), flags=re.MULTILINE)
            detail = "\n".join(listed.splitlines()[:_LISTED])
            what = f"{name} is ambiguous: more than one object begins so"
            raise UserError(what, where=self.folder, detail=detail, hint="more of its digits")
        if _NOT_ONE.search(said.stderr):
            hint = "git log --oneline, or git fetch, there"
            raise UserError(f"there is no commit {name}", where=self.folder, hint=hint)
        raise self._unreadable(said)

    def _refuse_form(self, name: str) -> None:
        if not name or name.startswith(("-", "^")) or "\0" in name or "\n" in name:
            hint = "a branch, a tag, an id, or A..B"
            raise UserError(f"{name!r} names no commit", where=self.folder, hint=hint)

    @cached_property
    def shallow(self) -> frozenset[str]:
        """The commits whose parents are not here."""
        try:
            return frozenset((self.reader / "shallow").read_text().split())
        except FileNotFoundError:
            return frozenset()

    def at(self, name: str) -> str | None:
        """The commit that a ref is, or None where there is no such."""
        said = _git(self.home, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return said.stdout.strip() if said.status == 0 else None

    def objects(self, *names: str) -> tuple[str | None, ...]:
        """What these names are, as COMMIT:PATH is a blob; None for what is not there."""
        asked = os.fsencode("".join(f"{name}\n" for name in names))
        said = self.git("cat-file", "--batch-check=%(objectname)", input=asked).stdout
        lines = said.splitlines()
        return tuple(None if line.endswith((" missing", " ambiguous")) else line for line in lines)

    def has(self, commit: str) -> bool:
        """Whether a commit with this id is here."""
        return self.git("cat-file", "-e", f"{commit}^{{commit}}", check=False).status == 0

    def commits(self, *names: str) -> tuple[Commit, ...]:
        """These commits, by all digits of their ids, in the order in which they are asked for.

        Raises:
            UserError: One cannot be read.
        """
        form = "%H%x00%P%x00%an <%ae>%x00%aD%x00%s%x00%b%x00"
        options = ("--no-walk=unsorted", "--no-show-signature", "--encoding=UTF-8")
        said = self.git("log", *options, f"--format={form}", *names).stdout
        fields = said.split("\0")[:-1]
        rows = (fields[at : at + 6] for at in range(0, len(fields), 6))
        found = [
            Commit(name.lstrip("\n"), tuple(parents.split()), author, date, subject, body)
            for name, parents, author, date, subject, body in rows
        ]
        # git says each once.
        known = {commit.id: commit for commit in found}
        return tuple(known[name] for name in names)

    def between(self, base: str, tip: str, most: int) -> tuple[str, ...]:
        """The ids of what ``tip`` has and ``base`` has not, the oldest first.

        Raises:
            UserError: They cannot be read.
        """
        # git-rev-list(1) takes the newest of them before it turns them round.
        options = ("--reverse", "--topo-order", f"--max-count={most}")
        return tuple(self.git("rev-list", *options, tip, f"^{base}").stdout.split())

    def diff(self, old: str, new: str) -> bytes:
        """From one commit to another as git format-patch has it, with whole blob names.

        Raises:
            UserError: It cannot be read, or is larger than any patch.
            InfrastructureError: It cannot be written down for a moment.
        """
        with temporary_folder("diff") as folder:
            patch = folder / "patch"
            options = ("-p", "--full-index", "--binary", "-M")
            self.git("diff-tree", *options, old, new, output=patch)
            if patch.stat().st_size > _MOST_BYTES:
                what = f"{new[:12]} changes more than {_MOST_BYTES >> 20} MiB: no patch does"
                raise UserError(what, where=self.folder)
            return patch.read_bytes()

    def changed_files(self) -> tuple[str, ...]:
        """What in the checkout is not as its HEAD has it; files that git does not know are not.

        Nothing where that cannot be known: of a bare repository, or one without a commit.
        """
        index, head = self.reader / "index", _git(self.home, "rev-parse", "--verify", "HEAD")
        if self.index is None or not self.index.is_file() or head.status != 0:
            return ()
        shutil.copyfile(self.index, index)
        tree = f"--work-tree={self.folder}"
        self.git(tree, "update-index", "-q", "--refresh", check=False)
        compared = (("diff-files",), ("diff-index", "--cached", head.stdout.strip()))
        options = ("--name-only", "--no-renames", "--ignore-submodules", "-z")
        said = [self.git(tree, *which, *options, check=False) for which in compared]
        return tuple(dict.fromkeys(name for one in said for name in one.stdout.split("\0") if name))

    def git(
        self,
        *arguments: str,
        check: bool = True,
        deadline_s: float = _DEADLINE_S,
        input: bytes | None = None,
        file_size: int | None = None,
        output: Path | None = None,
    ) -> Result:
        """Ask git of the objects; ``input`` is for its stdin.

        Args:
            file_size: Bytes that a file may come to have which it writes.
            output: A file that has its stdout then, byte by byte.

        Raises:
            UserError: It failed, and ``check``.
            InfrastructureError: It failed by this machine, and ``check``; or took longer than
                ``deadline_s`` seconds, or wrote more.
        """
        said = _git(
            self.reader,
            *arguments,
            deadline_s=deadline_s,
            input=input,
            file_size=file_size,
            output=output,
        )
        if check and said.status != 0:
            raise self._unreadable(said)
        return said

    def _unreadable(self, said: Result) -> LabError:
        if ours := trouble("git", said.status, said.stderr.splitlines(), self.reader):
            what = f"git cannot be asked of this repository: {ours}"
            return InfrastructureError(what, where=self.folder, detail=said.stderr)
        return UserError(
            "git cannot read this repository",
            where=self.folder,
            detail=said.stderr,
            hint=f"git -C {self.folder} fsck --connectivity-only; a partial clone lacks objects",
        )


@contextmanager
def open_repository(folder: Path) -> Iterator[Repository]:
    """The repository at ``folder``, for as long as the block runs.

    Raises:
        UserError: There is none, or one whose objects have other names than the lab's.
    """
    folder = _absolute(folder)
    home, objects, shallow, index, form = _described(folder)
    if form != _SHA1:
        what = f"its objects are named by {form}, and those of the lab by {_SHA1}"
        raise UserError(what, where=folder)
    with temporary_folder("git") as reader:
        _write_reader(reader, objects)
        with suppress(FileNotFoundError):
            shutil.copyfile(shallow, reader / "shallow")
        checkout = home != folder
        yield Repository(folder, home, index if checkout else None, reader)


def _absolute(folder: Path) -> Path:
    try:
        folder = folder.expanduser().resolve()
    except (OSError, RuntimeError) as error:
        raise UserError(f"no such folder: {error}", where=str(folder)) from None
    if not folder.is_dir():
        raise UserError("there is no such folder", where=folder, hint="a checkout of git's")
    return folder


def _described(folder: Path) -> tuple[Path, Path, Path, Path, str]:
    names = ("objects", "shallow", "index")
    paths = [word for name in names for word in ("--git-path", name)]
    said = _git(
        None,
        *("-C", str(folder), "rev-parse", "--path-format=absolute", "--absolute-git-dir"),
        *(*paths, "--show-object-format"),
        # What is a folder of another repository is none itself.
        ceiling=folder.parent,
    )
    lines = said.stdout.splitlines()
    if said.status != 0 or len(lines) != len(names) + 2:
        raise UserError(
            "this is no git repository",
            where=folder,
            detail=said.stderr,
            hint="the top of a checkout, or a bare repository",
        )
    home, objects, shallow, index = map(Path, lines[:4])
    return home, objects, shallow, index, lines[4]


def _write_reader(reader: Path, objects: Path) -> None:
    for name in ("objects/info", "refs", "info"):
        (reader / name).mkdir(parents=True)
    (reader / "HEAD").write_text("ref: refs/heads/none\n")
    (reader / "config").write_text(_CONFIG)
    (reader / "info" / "attributes").write_text(_ATTRIBUTES)
    (reader / "objects" / "info" / "alternates").write_bytes(os.fsencode(objects) + b"\n")


def _git(
    home: Path | None,
    *arguments: str,
    ceiling: Path | None = None,
    deadline_s: float = _DEADLINE_S,
    input: bytes | None = None,
    file_size: int | None = None,
    output: Path | None = None,
) -> Result:
    unset = [word for name in FOREIGN for word in ("-u", name)]
    where = [f"--git-dir={home}"] if home is not None else []
    more = {"GIT_CEILING_DIRECTORIES": str(ceiling)} if ceiling is not None else {}
    # Of its stdout git looks whether all was written, and not of what --output names: on a full
    # disk that is the half of a patch, or nothing, and status 0.
    into = ["sh", "-c", 'exec "$@" >"$0"', str(output)] if output is not None else []
    return run(
        [*into, "env", *unset, "git", "--no-pager", *_SETTINGS, *where, *arguments],
        env={**_ENVIRONMENT, **more},
        check=False,
        timeout=deadline_s,
        input=input,
        file_size=file_size,
    )
