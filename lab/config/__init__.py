# SPDX-License-Identifier: GPL-2.0-only
"""What ``lab.toml`` says, checked: the first stage."""

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
    Outcome,
    Paths,
    Series,
    Status,
    Suite,
    TarballKernel,
    Toolchain,
    parse_size,
)
from lab.config.names import Noun, name_problems
from lab.config.problem import Problem, as_error, suggestion, unknown
from lab.config.spelling import base_problems, spelling_problems, split_variant, variant_problems

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
    "Outcome",
    "Paths",
    "Problem",
    "Series",
    "Status",
    "Suite",
    "TarballKernel",
    "Toolchain",
    "as_error",
    "base_problems",
    "is_folder",
    "load",
    "name_problems",
    "parse_size",
    "spelling_problems",
    "split_variant",
    "suggestion",
    "unknown",
    "variant_problems",
    "variants_of",
    "with_folders",
]
