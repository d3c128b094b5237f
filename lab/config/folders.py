# SPDX-License-Identifier: GPL-2.0-only
"""A folder where a variant's kernel is wanted: ``.``, ``../linux+series``, ``~/src/linux``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lab.config.load import LoadedConfig
from lab.config.model import DirKernel
from lab.errors import UserError
from lab.model.variant import Variant


def with_folders(
    loaded: LoadedConfig, variants: Iterable[str]
) -> tuple[LoadedConfig, tuple[str, ...]]:
    """A config with a kernel for each folder among the variants, and the variants by name.

    The kernel is called as its folder is, and is in no file: only this config has it.

    Raises:
        UserError: There is no such folder, or it holds no kernel.
    """
    named = []
    for text in variants:
        if is_folder(text):
            folder, series = _split(Variant(text))
            loaded, name = _with_kernel(loaded, folder)
            text = Variant(name, series)
        named.append(text)
    return loaded, tuple(named)


def is_folder(variant: str) -> bool:
    """Whether a variant begins with a folder: no kernel's name begins so."""
    return variant.startswith((".", "/", "~"))


def _split(asked: Variant) -> tuple[Path, tuple[str, ...]]:
    """The folder, which may hold a "+" in its name, and the series that follow it."""
    for count in reversed(range(len(asked.series) + 1)):
        folder = _absolute(Variant(asked.kernel, asked.series[:count]))
        if folder.is_dir():
            return _kernel_in(folder), asked.series[count:]
    hint = "its path, or the name of a kernel of lab.toml"
    raise UserError("there is no such folder", where=asked.kernel, hint=hint)


def _absolute(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except (RuntimeError, OSError) as error:
        raise UserError(f"no such folder: {error}", where=text) from None


def _kernel_in(folder: Path) -> Path:
    lacking = [name for name in ("Makefile", "Kconfig") if not (folder / name).is_file()]
    if not lacking:
        return folder
    top = next((p for p in folder.parents if (p / "Kbuild").is_file()), None)
    raise UserError(
        f"this folder is no kernel's source: it lacks a {' and a '.join(lacking)}",
        where=folder,
        hint=f"the top of the tree, {top}" if top else "the top of a kernel tree",
    )


def _with_kernel(loaded: LoadedConfig, folder: Path) -> tuple[LoadedConfig, str]:
    kernels = loaded.config.kernels
    for name, kernel in kernels.items():
        if isinstance(kernel, DirKernel) and _is(loaded, kernel, folder):
            return loaded, name
    name = _free_name(folder, kernels)
    more = {**kernels, name: DirKernel(kind="dir", path=folder)}
    config = loaded.config.model_copy(update={"kernels": more})
    return replace(loaded, config=config, folders={**loaded.folders, name: folder}), name


def _is(loaded: LoadedConfig, kernel: DirKernel, folder: Path) -> bool:
    return os.path.realpath(loaded.path(kernel.path)) == str(folder)


def _free_name(folder: Path, taken: Mapping[str, object]) -> str:
    """The folder's name, as far as it is a name; with those above it where that is taken."""
    words: list[str] = []
    for part in (folder, *folder.parents):
        words.insert(0, re.sub(r"[^A-Za-z0-9._-]+", "-", part.name).lstrip("._-"))
        name = "-".join(filter(None, words))
        if name and name not in taken:
            return name
    return f"linux-{len(taken)}"
