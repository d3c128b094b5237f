# SPDX-License-Identifier: GPL-2.0-only
"""A temporary folder with the few files that a patch touches, for git apply."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lab.patches.overlay import Replacement
from lab.patches.patch import Patch
from lab.patches.patched_tree import SYMLINK, link_target
from lab.process import Result, run

#: Nothing of the user's may change what applies: no repository around the folder
#: (git apply skips files outside of its subfolder in silence), no
#: apply.ignoreWhitespace or core.autocrlf of a configuration, no translated output.
GIT_ENVIRONMENT = {
    "GIT_DIR": os.devnull,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CONFIG_COUNT": "0",
    "GIT_CONFIG_PARAMETERS": "",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_DIFF_OPTS": "",
    "LC_ALL": "C",
    "LANGUAGE": "",
}


def git_apply(folder: Path, patch: Patch, *options: str) -> Result:
    """Run ``git apply`` on a patch in ``folder``: all of it applies, or nothing.

    There is no fuzz in git apply, and no white space is forgiven.
    """
    return run(
        ["git", "apply", "-v", "--whitespace=nowarn", f"-p{patch.strip}", *options, "-"],
        cwd=folder,
        env=GIT_ENVIRONMENT,
        check=False,
        input=patch.for_git,
        timeout=60,
    )


def patch_id(diff: bytes) -> str:
    """What ``git patch-id --stable`` calls a diff: the same wherever its lines have moved to."""
    return next(iter(patch_ids(diff)), "")


def patch_ids(log: bytes) -> dict[str, str]:
    """The commit of each patch-id in a log whose commits begin with ``commit ID``."""
    done = run(
        ["git", "patch-id", "--stable"],
        env=GIT_ENVIRONMENT,
        check=False,
        input=log,
        timeout=60,
    )
    lines = done.stdout.splitlines() if done.status == 0 else []
    return {line.partition(" ")[0]: line.partition(" ")[2] for line in lines}


def write_files(folder: Path, files: Mapping[str, Replacement]) -> None:
    """Write the files below ``folder``."""
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.mode == SYMLINK:
            path.symlink_to(file.content.decode(errors="surrogateescape"))
        else:
            path.write_bytes(file.content)
            path.chmod(file.mode & 0o777)


def read_files(folder: Path) -> dict[str, Replacement]:
    """Every file below ``folder``, by path."""
    return {str(path.relative_to(folder)): _read(path) for path in _walk(folder)}


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
        else:
            yield path


def _read(path: Path) -> Replacement:
    if path.is_symlink():
        return Replacement(SYMLINK, link_target(path))
    executable = path.stat().st_mode & 0o100
    return Replacement(0o100755 if executable else 0o100644, path.read_bytes())


def changes(
    before: Mapping[str, Replacement], after: Mapping[str, Replacement]
) -> dict[str, Replacement | None]:
    """What became of the files; None is a deleted one."""
    names: Iterable[str] = {**before, **after}
    return {name: after.get(name) for name in names if after.get(name) != before.get(name)}
