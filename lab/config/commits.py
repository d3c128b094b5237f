# SPDX-License-Identifier: GPL-2.0-only
"""A commit of a repository on this machine where a kernel is wanted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lab.config.load import LoadedConfig
from lab.config.model import GitKernel
from lab.model.url import Url


def with_commit(loaded: LoadedConfig, repository: Path, commit: str) -> tuple[LoadedConfig, str]:
    """A config with a kernel that is this commit, and its name: twelve of its digits.

    It is in no file: only this config has it.  Its name does not say the folder's, which may
    look like a version that the commit is not.

    Args:
        commit: All of its digits.
    """
    name = commit[:12]
    kernel = GitKernel(kind="git", url=Url(str(repository)), ref=commit)
    if loaded.config.kernels.get(name) == kernel:
        return loaded, name
    kernels = {**loaded.config.kernels, name: kernel}
    config = loaded.config.model_copy(update={"kernels": kernels})
    return replace(loaded, config=config, folders={**loaded.folders, name: repository}), name
