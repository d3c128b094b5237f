# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that are a commit of a git repository, near or far."""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from lab.config.model import GitKernel
from lab.errors import InfrastructureError, LabError, UserError
from lab.model.tree_identity import TreeIdentity
from lab.model.url import Url
from lab.process import ProcessFailed, Result
from lab.process.cache_use import note_use
from lab.process.removal import remove_tree
from lab.process.scratch import write_whole
from lab.process.shelf import MIRRORS, TREES
from lab.process.tool_failure import trouble
from lab.trees.credentials import asks, git_environment
from lab.trees.history import git_commits
from lab.trees.manifest import Entry
from lab.trees.neighbour import link_neighbour
from lab.trees.request import ELSEWHERE, Brought, Request
from lab.trees.rows import Rows, entry_of
from lab.trees.source import VERSION, Bringing, Called, Commits, SourceKind

_COMMIT = re.compile(r"[0-9a-f]{40}")
# git-check-ref-format(1), so that a ref is never an option or half of a refspec.
_REF = re.compile(r"(?![-+/])[^\s~^:?*\[\\]+")
# No more than the version: a branch 6.2-port may well be on 6.1.
_VERSIONED = re.compile(rf"(?:.*/)?(?:linux-)?v?{VERSION}(?:\.y)?")
_NO_SUCH_REF = re.compile(r"couldn't find remote ref|not our ref|invalid refspec", re.IGNORECASE)
_NO_REPOSITORY = re.compile(r"does not appear to be a git repository|repository .* not found")
# What servers without protocol 2 say, and plain files on a web server.
_NOT_SHALLOW = re.compile(r"does not support shallow|not allow request for unadvertised object")

# What git says of a repository that a disk, a power cut or a hand damaged.
_DAMAGED = re.compile(
    r"is corrupt|is empty|inflate: |unable to (?:read|unpack)|broken|not a git repository|"
    r"bad (?:\w+ )?(?:config|object|shallow|ref|line|pack|signature|index)|"
    r"invalid (?:object|sha1|shallow|index)|missing (?:blob|tree|commit|object)|"
    r"cannot be read|could not parse|garbage at end|hash mismatch|not a valid|"
    r"packfile .* (?:invalid|truncated)|did not (?:match|send)"
)

# The user's own is not read: a filter, an alias or autocrlf would make another tree
# of the same commit.  Any owner is safe: the lab runs nothing from a repository.
_CONFIG = b"""\
[safe]
	directory = *
[core]
	autocrlf = false
	hooksPath = /dev/null
[gc]
	auto = 0
[maintenance]
	auto = false
[checkout]
	workers = 0
"""
# Before any .gitattributes (gitattributes(5)): the files are to be the blobs, byte by byte.
_ATTRIBUTES = b"* -text -ident -filter -working-tree-encoding\n"
#: Who makes commits of the lab's own.
_OWN = "lab <lab@localhost>"
_MADE = "refs/lab/made/"
_PARENT = re.compile(r"^parent ([0-9a-f]{40,64})$", re.MULTILINE)
#: As ``with_patch`` makes one.
_AS_MADE = (
    "GIT_AUTHOR_NAME=lab GIT_AUTHOR_EMAIL=lab@localhost GIT_AUTHOR_DATE='@0 +0000' "
    "GIT_COMMITTER_NAME=lab GIT_COMMITTER_EMAIL=lab@localhost GIT_COMMITTER_DATE='@0 +0000'"
)
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40,64})\.$", re.MULTILINE)
#: Set when the lab runs from a hook or from git bisect (git rev-parse --local-env-vars).
FOREIGN = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_PREFIX",
)


class GitSource(Bringing):
    """A commit, brought without its history into one mirror for all kernels."""

    def __init__(self, kernel: GitKernel, request: Request) -> None:
        if not _REF.fullmatch(kernel.ref):
            raise UserError(
                f"{kernel.ref!r} is not a ref",
                where=request.where("ref"),
                hint="a branch, a tag or the 40 digits of a commit",
            )
        self._kernel = kernel
        self._request = request
        self._home = MIRRORS.place(request.cache)
        self._lock = MIRRORS.lock_of(request.cache)
        self._mirror = self._home / "mirror.git"

    def identify(self) -> TreeIdentity:
        """The commit the ref is at now."""
        return TreeIdentity.of("git", self._commit)

    def write(self, source: Path, work: Path) -> Brought:
        """Write the commit's files."""
        commit = self._commit
        self._request.say(f"writing {commit[:12]}")
        try:
            entries = self._check_out(commit, source, work)
        except InfrastructureError as error:
            if not _is_damage(error):
                raise
            self._make_again(error)
            remove_tree(source, all_of_it=True)
            (work / "index").unlink(missing_ok=True)
            entries = self._check_out(commit, source, work)
        from_ = {"url": self._url, "ref": self._kernel.ref, "commit": commit}
        return Brought({**from_, **self._made_of(commit)}, entries)

    def _made_of(self, commit: str) -> Mapping[str, str]:
        """What a commit of the lab's own was made of; nothing of the repository's."""
        if self._known(f"{_MADE}{commit}") is None:
            return {}
        said = self._git("cat-file", "commit", commit).stdout
        header, _, message = said.partition("\n\n")
        onto, reverts = _PARENT.search(header), _REVERTS.search(message)
        if onto is None or reverts is None:
            return {}
        return {"onto": onto[1], "reverts": reverts[1], "message": message}

    def with_patch(self, patch: bytes, message: str, work: Path) -> str | None:
        """A commit of the lab's own on top of this one; None where the patch does not apply.

        It is in the mirror alone, so that a kernel with its digits is found there.  The same
        patch and message give the same commit.

        Args:
            work: A folder for a moment.

        Raises:
            InfrastructureError: The mirror cannot be read or written.
        """
        parent = self._commit
        index = {"GIT_INDEX_FILE": str(work / "index")}
        with self._request.turn(self._lock, "fetching with git"):
            self._git("read-tree", parent, env=index)
            asked = ("apply", "--cached", "--whitespace=nowarn")
            # Where the index is all there is, as for write-tree.
            said = self._git(*asked, cwd=work, env=index, check=False, input=patch)
            if said.status != 0:
                self._refuse_trouble(said)
                return None
            tree = self._git("write-tree", env=index).stdout.strip()
            who = f"{_OWN} 0 +0000"
            text = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}"
            made = ("hash-object", "-t", "commit", "-w", "--stdin")
            commit = self._git(*made, input=text.encode()).stdout.strip()
            self._git("update-ref", f"{_MADE}{commit}", commit)
            return commit

    def _refuse_trouble(self, said: Result) -> None:
        """Raise what is no word on a patch: of one that does not apply git says so, with 1."""
        ours = trouble("git", said.status, said.stderr.splitlines(), self._mirror)
        if ours is None and said.status != 1:
            ours = f"git apply exited with {said.status}"
        if ours is not None:
            what = f"a patch cannot be tried on a commit: {ours}"
            raise InfrastructureError(what, where=self._mirror, detail=said.stderr)

    def _check_out(self, commit: str, source: Path, work: Path) -> Mapping[str, Entry] | None:
        """Write the files; their entries where most of them are another tree's, and not read."""
        source.mkdir()
        wanted = self._rows(commit)
        left = link_neighbour(TREES.place(self._request.cache), wanted, source) if wanted else None
        index = {"GIT_INDEX_FILE": str(work / "index")}
        self._git(f"--work-tree={source}", "read-tree", commit, cwd=source, env=index)
        if left is None:
            self._git(f"--work-tree={source}", "checkout-index", "--all", cwd=source, env=index)
            return None
        names = "".join(f"{name}\0" for name in sorted(left)).encode()
        these = (f"--work-tree={source}", "checkout-index", "-z", "--stdin")
        self._git(*these, cwd=source, env=index, input=names)
        return {path: entry_of(row) for path, row in wanted.items()}

    def _rows(self, commit: str) -> Rows:
        """The manifest that the commit has; nothing where a name in it is no text."""
        said = self._git("ls-tree", "-r", "-z", "--full-tree", commit).stdout
        if "\N{REPLACEMENT CHARACTER}" in said:
            return {}
        lines = (line.split("\t", 1) for line in said.split("\0")[:-1])
        parts = ((*entry.split(" "), path) for entry, path in lines)
        # A submodule is a commit, and no file.
        return {
            path: f"{_mode(mode)} {digest}" for mode, kind, digest, path in parts if kind == "blob"
        }

    @cached_property
    def _commit(self) -> str:
        with self._request.turn(self._lock, "fetching with git"):
            try:
                return self._fetched()
            except InfrastructureError as error:
                if not _is_damage(error):
                    raise
                return self._made_again(error)

    def _fetched(self) -> str:
        self._prepare()
        note_use(self._mirror)
        try:
            return self._resolve()
        finally:
            self._sweep()

    def _make_again(self, error: InfrastructureError) -> None:
        with self._request.turn(self._lock, "fetching with git"):
            self._made_again(error)

    def _made_again(self, error: InfrastructureError) -> str:
        """Fetch into a new mirror: nobody but the lab knows the old one, or could mend it."""
        said = (error.detail or "").strip().partition("\n")[0]
        self._request.say(f"{self._mirror} is damaged, and made again: {said}")
        shutil.rmtree(self._mirror)
        return self._fetched()

    @cached_property
    def _url(self) -> str:
        """The repository, without secrets; a path is made absolute."""
        url = str(self._kernel.url)
        path = self._request.path(Path(url), "url")
        if path.exists():
            return str(path)
        # As git tells them apart: host:path has its colon before any slash.
        if "://" in url or re.match(r"[^/-][^/]*:", url):
            return url
        raise UserError(f"there is no repository {path}", where=self._request.where("url"))

    def _prepare(self) -> None:
        if shutil.which("git") is None:
            raise InfrastructureError("git is not installed", hint="lab doctor")
        write_whole(self._home / "config", _CONFIG)
        self._sweep()
        if not (self._mirror / "HEAD").exists():
            self._git("init", "--quiet", "--bare", "--template=")
        (self._mirror / "info").mkdir(exist_ok=True)
        write_whole(self._mirror / "info" / "attributes", _ATTRIBUTES)

    def _sweep(self) -> None:
        """Remove what a killed git left; whoever holds our lock has no git running."""
        for pattern in ("*.lock", "refs/**/*.lock", "objects/**/tmp_*"):
            for path in list(self._mirror.glob(pattern)):
                with suppress(IsADirectoryError):
                    path.unlink(missing_ok=True)

    def _resolve(self) -> str:
        ref = self._kernel.ref
        if _COMMIT.fullmatch(ref) and self._known(ref):
            return ref
        self._request.say(f"fetching {ref} from {self._url}")
        digest = hashlib.sha256(f"{self._url}\0{ref}".encode()).hexdigest()[:16]
        # Held by a ref, or git gc would take it for garbage.
        kept = f"refs/lab/{digest}/it"
        result = self._fetch("--depth=1", f"+{ref}:{kept}")
        if result.status != 0 and _NOT_SHALLOW.search(result.stderr):
            result = self._fetch(*_everything(ref, digest, kept))
        if result.status != 0:
            raise self._error(result)
        found = self._known(ref if _COMMIT.fullmatch(ref) else kept)
        if found is None:
            raise self._missing()
        return found

    def _fetch(self, *arguments: str) -> Result:
        options = ("--quiet", "--no-tags", "--no-write-fetch-head")
        depth = [argument for argument in arguments if argument.startswith("--")]
        refs = [argument for argument in arguments if not argument.startswith("--")]
        env = git_environment(self._kernel.url)
        return self._git("fetch", *options, *depth, "--", self._url, *refs, check=False, env=env)

    def _known(self, name: str) -> str | None:
        said = self._git("rev-parse", "--quiet", "--verify", f"{name}^{{commit}}", check=False)
        if said.status != 0 and _DAMAGED.search(said.stderr):
            # Not to be taken for a name that the repository does not have.
            raise InfrastructureError(
                f"git cannot read {name}", where=self._mirror, detail=said.stderr
            )
        return said.stdout.strip() or None

    def _missing(self) -> UserError:
        ref = self._kernel.ref
        short = re.fullmatch(r"[0-9a-f]{7,39}", ref)
        return UserError(
            f"{self._url} has no {ref}",
            where=self._request.where("ref"),
            hint="all 40 digits of the commit" if short else f"git ls-remote {self._url}",
        )

    def _error(self, result: Result) -> LabError:
        if _NO_SUCH_REF.search(result.stderr):
            return self._missing()
        if _NO_REPOSITORY.search(result.stderr):
            return UserError(
                f"there is no git repository {self._url}",
                where=self._request.where("url"),
                detail=result.stderr,
            )
        return InfrastructureError(
            f"git cannot fetch {self._kernel.ref} from {self._url}",
            where=self._request.where("url"),
            detail=result.stderr,
            hint=f"git ls-remote {self._url}; or {ELSEWHERE}",
        )

    def _git(
        self,
        *arguments: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        input: bytes | None = None,
    ) -> Result:
        settings = {
            "GIT_CONFIG_NOSYSTEM": "1",
            # A file, not -c: git hands it on to what it starts for a local path.
            "GIT_CONFIG_GLOBAL": str(self._home / "config"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": asks(),
            **(env or {}),
        }
        unset = [word for name in FOREIGN if name not in settings for word in ("-u", name)]
        command = ["env", *unset, "git", f"--git-dir={self._mirror}", *arguments]
        try:
            return self._request.run(command, cwd=cwd, env=settings, check=check, input=input)
        except ProcessFailed as error:
            raise InfrastructureError(
                f"git {' '.join(arguments)} failed", where=self._mirror, detail=error.detail
            ) from None


def _mode(mode: str) -> str:
    """As a file has it that git wrote: of old commits some say 100664."""
    return "100644" if mode == "100664" else mode


def _is_damage(error: InfrastructureError) -> bool:
    return _DAMAGED.search(error.detail or "") is not None


def _everything(ref: str, digest: str, kept: str) -> list[str]:
    """What to ask a server for that gives only whole histories of what it advertises."""
    if not _COMMIT.fullmatch(ref):
        return [f"+{ref}:{kept}"]
    return [f"+refs/{kind}/*:refs/lab/{digest}/{kind}/*" for kind in ("heads", "tags")]


class GitKind(SourceKind[GitKernel]):
    """``kind = "git"``."""

    key = "ref"
    mirrored = True

    def source(self, section: GitKernel, request: Request) -> GitSource:
        """The commit."""
        return GitSource(section, request)

    def names(self, section: GitKernel) -> Iterator[Called]:
        """The ref's."""
        yield Called(_VERSIONED, section.ref, f"the ref is {section.ref}")

    def commits(
        self, section: GitKernel, root: Path, before: TreeIdentity, after: TreeIdentity
    ) -> Commits | None:
        """Those of the repository."""
        return git_commits(section, root, before.digest, after.digest)

    def by_hand(self, identity: TreeIdentity, section: Mapping[str, Any]) -> str:
        """The commit alone, or with all that a server has that gives no single one.

        One of the lab's own is made again, of commits that the server has, and is the same then.
        """
        # An older lab recorded it with the secrets in it.
        url = shlex.quote(str(Url(section["url"])))
        commit = shlex.quote(identity.digest)
        if "reverts" not in section:
            return f"""\
git init -q "$source"
git -C "$source" fetch -q --depth 1 {url} {commit} ||
	git -C "$source" fetch -q --tags {url} '+refs/*:refs/repro/*' || stop "git fetch failed"
git -C "$source" checkout -q {commit} || stop "there is no commit "{commit}"""
        onto, reverts = shlex.quote(section["onto"]), shlex.quote(section["reverts"])
        # Line by line: whoever puts this into a script may indent it.
        message = shlex.join(section["message"].splitlines())
        return f"""\
git init -q "$source"
git -C "$source" fetch -q --depth 2 {url} {onto} {reverts} ||
	git -C "$source" fetch -q --tags {url} '+refs/*:refs/repro/*' || stop "git fetch failed"
git -C "$source" checkout -q {onto} || stop "there is no commit "{onto}
git -C "$source" diff --binary {reverts} {reverts}^ >"$work/revert" ||
	stop "there is no commit "{reverts}
git -C "$source" apply --index --whitespace=nowarn "$work/revert" ||
	stop {reverts}" cannot be taken out"
made=$(printf '%s\\n' {message} |
	{_AS_MADE} \\
	git -C "$source" commit-tree -p {onto} "$(git -C "$source" write-tree)")
[ "$made" = {commit} ] || stop "without "{reverts}" it is not "{commit}"""


GIT = GitKind()
