# SPDX-License-Identifier: GPL-2.0-only
"""The kernels of ``lab.toml`` as a row of releases, where there is no git between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from lab.bisect.subjects.variants import Variants
from lab.builder import Builder
from lab.builder.placing import kernels_of
from lab.errors import LabError, UserError
from lab.model.variant import Variant
from lab.model.version import KernelVersion
from lab.session import Lab


def releases_of(lab: Lab, old: str, new: str, series: Sequence[str] = ()) -> Variants:
    """The kernels from one to another by their versions, with or without series on each.

    One whose tree is not on this machine is not among them: its version is not known.
    They go by their numbers: a stable release stands before the next minor one, though what was
    taken into it since may be younger.

    Args:
        old, new: Kernels of ``lab.toml``, whose trees are brought in.

    Raises:
        UserError: One is no kernel, or they are not in this order.
    """
    for name in series:
        lab.loaded.require("series", name)
    if old == new:
        raise UserError(f"{old} is both ends", hint="two kernels, the earlier first")
    ends = (lab.builder.tree(old).version, lab.builder.tree(new).version)
    if ends[0] >= ends[1]:
        what = f"{new} ({ends[1]}) is no later kernel than {old} ({ends[0]})"
        raise UserError(what, hint="the earlier first: what was mended has it as --old")
    between = sorted(
        (version, name)
        for name, version in _here(lab.builder)
        if name not in (old, new) and ends[0] < version < ends[1]
    )
    rows = [(ends[0], old), *_once(between), (ends[1], new)]
    variants = tuple(Variant(Variant(name), tuple(series)) for _, name in rows)
    titles = tuple(f"Linux {version}" for version, _ in rows)
    on_top = f", with {' and '.join(series)}" if series else ""
    return Variants(lab, "release", f"releases {old} to {new}{on_top}", variants, titles)


def _here(builder: Builder) -> Iterator[tuple[str, KernelVersion]]:
    for name in kernels_of(builder):
        with suppress(LabError):
            tree = builder.tree_here(name)
            if tree is not None:
                yield name, tree.version


def _once(
    rows: Sequence[tuple[KernelVersion, str]],
) -> Iterator[tuple[KernelVersion, str]]:
    """The first of those with one version: between two of the same nothing can be told."""
    last = None
    for version, name in rows:
        if version != last:
            yield version, name
        last = version
