# SPDX-License-Identifier: GPL-2.0-only
"""What no single table can know: that the names in one are defined in another, or on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, product
from pathlib import Path

from lab.config.include import cycles
from lab.config.kinds import SUITES
from lab.config.model import DirKernel, Expectation, FirstKernel, LabConfig, Matrix, Nightly
from lab.config.programs import is_script
from lab.config.variant_names import base_problems, series_twice, variant_problems
from lab.features import known_features
from lab.model.glob import matches
from lab.model.problem import KeyPath, Problem, unknown
from lab.model.spelling import suggestion
from lab.model.variant import Variant, repeated

#: Old kernels let misaligned namespaces collide: pmem/ndctl#28.
_NVDIMM_ALIGNMENT = 128 << 20


def problems_between(config: LabConfig, root: Path) -> list[Problem]:
    """Names that lead nowhere, duplicates, cycles, and files that ``root`` lacks."""
    checks = (
        _homes(config),
        _firsts(config),
        _alignments(config),
        _nodes(config),
        _files(config, root),
        _images(config),
        _matrices(config),
        _own_filesystems(config),
        _cycles(config),
        _expectations(config),
        _verified(config),
        _verdicts(config),
        _nightly(config),
    )
    return list(chain.from_iterable(checks))


def _homes(config: LabConfig) -> Iterator[Problem]:
    paths: dict[KeyPath, Path] = {
        ("paths", "cache"): config.paths.cache,
        ("paths", "results"): config.paths.results,
    }
    if config.paths.keyring is not None:
        paths["paths", "keyring"] = config.paths.keyring
    for name, kernel in config.kernels.items():
        if isinstance(kernel, DirKernel):
            paths["kernels", name, "path"] = kernel.path
    for keys, path in paths.items():
        try:
            path.expanduser()
        except RuntimeError:
            yield Problem(f"no home folder for {path.parts[0]!r}", "an absolute path", keys)


def _firsts(config: LabConfig) -> Iterator[Problem]:
    known = _real_kernels(config)
    for name, kernel in config.kernels.items():
        if isinstance(kernel, FirstKernel):
            keys: KeyPath = ("kernels", name, "of")
            yield from _duplicates("kernel", kernel.of, keys)
            for index, one in enumerate(kernel.of):
                if one not in known:
                    yield unknown("kernel", one, known, (*keys, index))


def _alignments(config: LabConfig) -> Iterator[Problem]:
    for name, machine in config.machines.items():
        for key, size in (("nvdimm", machine.nvdimm), ("scratch", machine.scratch or 0)):
            if rest := size % _NVDIMM_ALIGNMENT:
                what = f"{size} bytes are not a multiple of 128M: old kernels need that"
                aligned = (size - rest + _NVDIMM_ALIGNMENT) >> 20
                yield Problem(what, f'"{aligned}M"', ("machines", name, key))


def _nodes(config: LabConfig) -> Iterator[Problem]:
    for name, machine in config.machines.items():
        keys: KeyPath = ("machines", name, "nodes")
        if machine.cpus % machine.nodes:
            what = f"{machine.cpus} CPUs are not as many on each of {machine.nodes} nodes"
            yield Problem(what, "cpus that are a multiple of it", keys)
        # A node of the kernel's begins where one of its sections does.
        if machine.nodes > 1 and machine.memory % (machine.nodes * _NVDIMM_ALIGNMENT):
            what = f"{machine.memory} bytes are not as many times 128M on each of its nodes"
            yield Problem(what, f"memory that is a multiple of {machine.nodes * 128}M", keys)


def _files(config: LabConfig, root: Path) -> Iterator[Problem]:
    for name in config.series:
        yield from _file(root, "patches/{}/series", name, ("series", name))
    for name, kernel_config in config.configs.items():
        yield from _fragments(root, kernel_config.fragments, ("configs", name, "fragments"))
    for name, machine in config.machines.items():
        yield from _fragments(root, machine.fragments, ("machines", name, "fragments"))
    for name, suite in config.suites.items():
        keys: KeyPath = ("suites", name, "programs")
        yield from _duplicates("program", suite.programs, keys)
        kind = SUITES[suite.kind]
        for index, program in enumerate(suite.programs if kind.source else ()):
            yield from _file(root, kind.source, program, (*keys, index), kind.script)


def _fragments(root: Path, names: tuple[str, ...], keys: KeyPath) -> Iterator[Problem]:
    yield from _duplicates("fragment", names, keys)
    for index, fragment in enumerate(names):
        yield from _file(root, "kconfigs/{}.config", fragment, (*keys, index))


def _images(config: LabConfig) -> Iterator[Problem]:
    for name, suite in config.suites.items():
        for key, image_name in (("image", suite.image), ("build_image", suite.build_image)):
            if image_name is not None and image_name not in config.images:
                yield unknown("image", image_name, config.images, ("suites", name, key))
    for name, image in config.images.items():
        yield from _duplicates("package", image.packages, ("images", name, "packages"))


def _file(root: Path, pattern: str, name: str, keys: KeyPath, other: str = "") -> Iterator[Problem]:
    """A file that is not there, and may be ``other`` instead, which is run as it is."""
    wanted, script = pattern.format(name), other.format(name)
    # A link to nowhere, say, is told where it is looked into.
    if (root / wanted).is_file() or (other and _is_there(root / script)):
        return
    there = [*_names_there(root, pattern), *_scripts_there(root, other)]
    also = f", and no {script}" if other else ""
    yield Problem(f"there is no file {wanted}{also}", suggestion(name, there) or "writing it", keys)


def _is_there(path: Path) -> bool:
    return os.path.lexists(path) and not path.is_dir()


def _scripts_there(root: Path, pattern: str) -> list[str]:
    if not pattern:
        return []
    names = _names_there(root, pattern)
    return [name for name in names if is_script(root / pattern.format(name))]


def _names_there(root: Path, pattern: str) -> list[str]:
    before, after = pattern.split("{}")
    paths = (path.relative_to(root).as_posix() for path in root.glob(pattern.format("*")))
    return sorted(path.removeprefix(before).removesuffix(after) for path in paths)


def _matrices(config: LabConfig) -> Iterator[Problem]:
    for name, matrix in config.matrix.items():
        keys: KeyPath = ("matrix", name)
        for index, variant in enumerate(matrix.variants):
            for problem in variant_problems(config, variant):
                yield replace(problem, keys=(*keys, "variants", index))
        yield from _duplicates("variant", matrix.variants, (*keys, "variants"))
        yield from _names(config, matrix, keys)


def _own_filesystems(config: LabConfig) -> Iterator[Problem]:
    for name, suite in config.suites.items():
        if suite.filesystem is not None and suite.filesystem not in config.filesystems:
            keys: KeyPath = ("suites", name, "filesystem")
            yield unknown("filesystem", suite.filesystem, config.filesystems, keys)


def _verified(config: LabConfig) -> Iterator[Problem]:
    """Kernels to verify a series on, in the series' own table and in matrices."""
    for name, series in config.series.items():
        keys: KeyPath = ("series", name, "kernels")
        yield from _duplicates("kernel", series.kernels, keys)
        for index, base in enumerate(series.kernels):
            for problem in base_problems(config, name, base):
                yield replace(problem, keys=(*keys, index))
    for name, matrix in config.matrix.items():
        yield from _series_matrix(config, name, matrix)


def _series_matrix(config: LabConfig, name: str, matrix: Matrix) -> Iterator[Problem]:
    for index, included in enumerate(matrix.include):
        if included in config.matrix and config.matrix[included].series is not None:
            what = f"matrix {included!r} verifies a series: it cannot be a part of another"
            yield Problem(what, f"lab matrix {included}", ("matrix", name, "include", index))
    if matrix.series is None:
        return
    if matrix.series not in config.series:
        yield unknown("series", matrix.series, config.series, ("matrix", name, "series"))
        return
    for index, base in enumerate(matrix.variants):
        if problem := series_twice(matrix.series, base):
            yield replace(problem, keys=("matrix", name, "variants", index))


def _verdicts(config: LabConfig) -> Iterator[Problem]:
    bases = set(_known_variants(config))
    for index, expected in enumerate(config.verdict):
        if expected.series not in config.series:
            keys: KeyPath = ("verdict", index, "series")
            yield unknown("series", expected.series, config.series, keys)
        for position, glob in enumerate(expected.kernels):
            if not _matches(glob, bases) and not _feasible(config, glob):
                what = f"{glob!r} matches none of the kernels: it would expect nothing"
                hint = suggestion(glob, tuple(_real_kernels(config)))
                yield Problem(what, hint, ("verdict", index, "kernels", position))


def _nightly(config: LabConfig) -> Iterator[Problem]:
    name = config.nightly.matrix
    # A project without [matrix.default] need not have a nightly either.
    if name not in config.matrix and name != Nightly().matrix:
        yield unknown("matrix", name, config.matrix, ("nightly", "matrix"))


def _names(config: LabConfig, matrix: Matrix, keys: KeyPath) -> Iterator[Problem]:
    lists: tuple[tuple[str, str, tuple[str, ...], Iterable[str]], ...] = (
        ("matrix", "include", matrix.include, config.matrix),
        ("filesystem", "filesystems", matrix.filesystems, config.filesystems),
        ("suite", "suites", matrix.suites, config.suites),
        ("machine", "machines", matrix.machines, config.machines),
        ("config", "configs", matrix.configs, config.configs),
    )
    for noun, key, names, known in lists:
        yield from _duplicates(noun, names, (*keys, key))
        for index, name in enumerate(names):
            if name not in known:
                yield unknown(noun, name, known, (*keys, key, index))
    if matrix.machine not in config.machines:
        yield unknown("machine", matrix.machine, config.machines, (*keys, "machine"))
    if matrix.config not in config.configs:
        yield unknown("config", matrix.config, config.configs, (*keys, "config"))


def _duplicates(noun: str, names: tuple[str, ...], keys: KeyPath) -> Iterator[Problem]:
    for name in repeated(names):
        second = names.index(name, names.index(name) + 1)
        yield Problem(f"{noun} {name!r} is listed twice", "it once", (*keys, second))


def _cycles(config: LabConfig) -> Iterator[Problem]:
    for cycle in cycles(config):
        index = config.matrix[cycle[0]].include.index(cycle[1])
        what = f"matrices include each other in a cycle: {' -> '.join(cycle)}"
        yield Problem(what, keys=("matrix", cycle[0], "include", index))


def _expectations(config: LabConfig) -> Iterator[Problem]:
    variants = _known_variants(config)
    for index, expectation in enumerate(config.expect):
        if expectation.lacks and expectation.lacks not in known_features():
            yield unknown(
                "feature", expectation.lacks, known_features(), ("expect", index, "lacks")
            )
        for key, position, glob, known in _globs(config, expectation, variants):
            if not _matches(glob, known) and not (key == "variants" and _feasible(config, glob)):
                what = f"{glob!r} matches none of the {key}: it would expect nothing"
                yield Problem(what, suggestion(glob, known), ("expect", index, key, position))


def _globs(
    config: LabConfig, expectation: Expectation, variants: tuple[str, ...]
) -> Iterator[tuple[str, int, str, tuple[str, ...]]]:
    axes = (
        ("variants", expectation.variants, variants),
        ("configs", expectation.configs, tuple(config.configs)),
        ("machines", expectation.machines, tuple(config.machines)),
        ("filesystems", expectation.filesystems, tuple(config.filesystems)),
        ("suites", expectation.suites, tuple(config.suites)),
    )
    for key, globs, known in axes:
        for position, glob in enumerate(globs):
            yield key, position, glob, known


def _known_variants(config: LabConfig) -> tuple[str, ...]:
    """Variants of matrices, and kernels to verify on, as results name them."""
    named = (matrix.variants for matrix in config.matrix.values())
    verified = (series.kernels for series in config.series.values())
    texts = chain(chain.from_iterable(named), chain.from_iterable(verified))
    return tuple(dict.fromkeys(chain.from_iterable(_spelled_out(config, text) for text in texts)))


def _spelled_out(config: LabConfig, text: str) -> Iterator[str]:
    """The variants that one of a choice of kernels may come to be."""
    variant = Variant(text)
    kernel = config.kernels.get(variant.kernel)
    for one in kernel.of if isinstance(kernel, FirstKernel) else (variant.kernel,):
        yield variant.of_kernel(one)


def _real_kernels(config: LabConfig) -> list[str]:
    kernels = config.kernels.items()
    return [name for name, kernel in kernels if not isinstance(kernel, FirstKernel)]


def _feasible(config: LabConfig, glob: str) -> bool:
    """Whether ``glob`` could match a variant that no matrix names.

    The command line may ask for one, and a local file may cut a matrix short.
    """
    asked = Variant(glob)
    kernels = _real_kernels(config)
    if _matches(asked.kernel, kernels) and all(_matches(s, config.series) for s in asked.series):
        return True
    pairs = (Variant(kernel, (series,)) for kernel, series in product(kernels, config.series))
    return _matches(glob, pairs)


def _matches(glob: str, names: Iterable[str]) -> bool:
    return any(matches(name, (glob,)) for name in names)
