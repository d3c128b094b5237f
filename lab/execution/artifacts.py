# SPDX-License-Identifier: GPL-2.0-only
"""What a run leaves in its folder so that it can be repeated when all else has changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from lab.arch import ARCH
from lab.build import Build
from lab.errors import InfrastructureError
from lab.execution.programs import Programs
from lab.patches import Overlay
from lab.process import run
from lab.process.seal import file_digest
from lab.process.temporary import temporary_folder
from lab.results.folder import JobFolder, RunFolder, write_bytes, write_text
from lab.trees import Tree

_SYMLINK = 0o120000


def keep_programs(folder: RunFolder, programs: Programs) -> None:
    """Copy the sources of guest programs.

    Raises:
        UserError, InfrastructureError: They cannot be read or written.
    """
    for name, path in programs.sources():
        write_bytes(folder.programs / name, path.read_bytes())


def keep_build(folder: JobFolder, built: Build) -> dict[str, str]:
    """Keep the kernel's config and what the series changed.

    Returns:
        What names the build's files: SHA-256 by name.

    Raises:
        InfrastructureError: They cannot be read or written.
    """
    try:
        write_bytes(folder.kernel_config, (built.folder / "config").read_bytes())
        digest = file_digest(built.image)
    except OSError as error:
        raise InfrastructureError(f"cannot be read: {error}", where=built.folder) from error
    if built.job.overlay.files:
        write_text(folder.applied, patch_of(built.job.tree, built.job.overlay))
    return {ARCH.image: digest}


@dataclass(frozen=True)
class _Change:
    """What an overlay makes of a tree; what names it is all of it."""

    identity: str
    digest: str
    tree: Tree = field(compare=False)
    overlay: Overlay = field(compare=False)


def patch_of(tree: Tree, overlay: Overlay) -> str:
    """An overlay as a patch of its tree that ``git apply`` takes."""
    return _patch_of(_Change(tree.identity, overlay.digest, tree, overlay))


# Each of hundreds of jobs of a build keeps it; git takes 20 ms.
@lru_cache(maxsize=8)
def _patch_of(change: _Change) -> str:
    tree, overlay = change.tree, change.overlay
    with temporary_folder("patch") as text:
        scratch = Path(text)
        for side in ("a", "b"):
            (scratch / side).mkdir()
        for path, mode, content in _contents(tree, overlay):
            _place(scratch / path, mode, content)
        # --no-index compares two folders that are in no repository, and ends with 1 when
        # they differ; a user's own configuration could colour or reorder its output.
        command = ["env", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "git"]
        command += ["-c", "core.quotePath=false", "diff", "--no-index", "--binary"]
        result = run([*command, "--no-prefix", "a", "b"], cwd=scratch, check=False, timeout=60)
    if result.status not in (0, 1):
        raise InfrastructureError("git diff failed", detail=result.stderr)
    return result.stdout


def _contents(tree: Tree, overlay: Overlay) -> Iterator[tuple[str, int, bytes]]:
    for path, replacement in overlay.files.items():
        old = tree.path / path
        if old.is_file():
            executable = bool(old.stat().st_mode & 0o100)
            yield f"a/{path}", 0o100755 if executable else 0o100644, old.read_bytes()
        if replacement is not None:
            yield f"b/{path}", replacement.mode, replacement.content


def _place(path: Path, mode: int, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == _SYMLINK:
        path.symlink_to(content.decode())
    else:
        path.write_bytes(content)
        path.chmod(mode & 0o777)
