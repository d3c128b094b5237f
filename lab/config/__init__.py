# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab.toml`` says, checked: the first stage."""

from lab.config.commits import with_commit
from lab.config.folders import is_folder, with_folders
from lab.config.include import variants_of
from lab.config.load import LoadedConfig, load
from lab.config.model import (
    AptKernel,
    Database,
    Deadlines,
    DirKernel,
    Expectation,
    ExpectedVerdict,
    Filesystem,
    FirstKernel,
    GitKernel,
    Kernel,
    KernelConfig,
    LabConfig,
    Machine,
    Matrix,
    Paths,
    Series,
    Suite,
    TarballKernel,
    Toolchain,
    parse_size,
)
from lab.config.names import Noun, name_problems
from lab.config.series_folders import with_names
from lab.config.variant_names import base_problems, variant_problems

__all__ = [
    "AptKernel",
    "Database",
    "Deadlines",
    "DirKernel",
    "Expectation",
    "ExpectedVerdict",
    "Filesystem",
    "FirstKernel",
    "GitKernel",
    "Kernel",
    "KernelConfig",
    "LabConfig",
    "LoadedConfig",
    "Machine",
    "Matrix",
    "Noun",
    "Paths",
    "Series",
    "Suite",
    "TarballKernel",
    "Toolchain",
    "base_problems",
    "is_folder",
    "load",
    "name_problems",
    "parse_size",
    "variant_problems",
    "variants_of",
    "with_commit",
    "with_folders",
    "with_names",
]
