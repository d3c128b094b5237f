# SPDX-License-Identifier: GPL-2.0-only
"""The commits between two, where the history can be had without fetching it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from lab.config.model import GitKernel
from lab.errors import InfrastructureError
from lab.process import run
from lab.trees.source import Commits

#: Seconds that a list in a mail is worth.
_DEADLINE_S = 60
_SHOWN = 12


def git_commits(kernel: GitKernel, root: Path, old: str, new: str) -> Commits | None:
    """What came between two commits; None unless the repository is on this machine.

    The mirror in the cache has commits without their history.

    Raises:
        InfrastructureError: Git does not know one of them any more.
    """
    repository = repository_here(kernel, root)
    if repository is None:
        return None
    said = _git(repository, "rev-list", "--left-right", "--count", f"{old}...{new}")
    undone, count = map(int, said.split())
    log = ["log", f"-{_SHOWN}", "--no-merges", "--abbrev=12", "--format=%h %s (%an)"]
    subjects = _git(repository, *log, f"{old}..{new}").splitlines()
    return Commits(count, undone, tuple(subjects))


def repository_here(kernel: GitKernel, root: Path) -> Path | None:
    """The folder of this machine that a kernel's url names: a path, or ``file://``; else None.

    Args:
        root: Where a path begins that does not begin at the root.
    """
    url = kernel.url.with_secrets
    if kernel.url.scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            return None
        url = unquote(parts.path)
    elif kernel.url.scheme:
        return None
    folder = root / Path(url).expanduser()
    return folder if folder.is_dir() else None


def _git(repository: Path, *arguments: str) -> str:
    # Nothing of the user's own: an alias or a pager, and any owner is safe, since
    # nothing of a repository is run.
    command = ["env", "-u", "GIT_DIR", "-u", "GIT_WORK_TREE", "GIT_CONFIG_GLOBAL=/dev/null"]
    command += ["GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C", "git", "-c", "safe.directory=*"]
    if _is_shallow(repository):
        raise InfrastructureError("it lacks history", where=repository)
    return run([*command, "-C", str(repository), *arguments, "--"], timeout=_DEADLINE_S).stdout


def _is_shallow(repository: Path) -> bool:
    return any((repository / name).exists() for name in ("shallow", ".git/shallow"))
