# SPDX-License-Identifier: GPL-2.0-only
"""``lab.local.toml`` laid over ``lab.toml``, and whose fault a mistake is then."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from lab.config import DirKernel, GitKernel
from lab.model.url import Url
from tests.config.conftest import Checker, Project

ROOT = Path(__file__).parents[2]


def test_tables_merge_and_lists_are_replaced(project: Project) -> None:
    project.local(
        'guests = 3\n[kernels.old]\nurl = "/mirror"\n[matrix.default]\nvariants = ["6.1"]'
    )
    config = project.load().config
    assert config.guests == 3
    assert config.kernels["old"] == GitKernel(kind="git", url=Url("/mirror"), ref="v4.2")
    assert config.matrix["default"].variants == ("6.1",)


def test_a_kernel_of_another_kind_is_replaced_whole(project: Project) -> None:
    project.local('[kernels.old]\nkind = "dir"\npath = "src"\n')
    assert project.load().config.kernels["old"] == DirKernel(kind="dir", path=Path("src"))


@pytest.mark.parametrize(
    "section",
    [
        {"kind": "dir", "path": "src"},
        {"kind": "apt", "package": "linux-source-6.12"},
        {"kind": "git", "url": "linux.git", "ref": "v4.2"},
        {"kind": "tarball", "url": "x.tar.xz", "sha256": "0" * 64, "signature": "x.tar.sign"},
    ],
)
def test_any_kernel_of_the_projects_own_can_be_replaced(
    project: Project, section: dict[str, str]
) -> None:
    own = tomllib.loads((ROOT / "lab.toml").read_text())["kernels"]
    names = [name for name in own if own[name]["kind"] != section["kind"]]
    base = "".join(toml(f'kernels."own-{name}"', own[name]) for name in names)
    project.change('[kernels."6.1"]', f'{base}[kernels."6.1"]')
    project.local("".join(toml(f'kernels."own-{name}"', section) for name in names))
    kernels = project.load().config.kernels
    replaced = [kernels[f"own-{name}"].model_dump(mode="json", exclude_none=True) for name in names]
    assert replaced == [section] * len(names)


def toml(header: str, table: dict[str, str]) -> str:
    return f"[{header}]\n" + "".join(f"{key} = {json.dumps(table[key])}\n" for key in table)


def test_a_suites_source_of_another_kind_is_replaced_whole(project: Project) -> None:
    project.change(
        "[matrix.default]",
        """[suites.theirs]
kind = "built"
programs = ["one"]
take = ["one"]
[suites.theirs.source]
kind = "git"
url = "theirs.git"
ref = "v1"
[matrix.default]""",
    )
    project.local('[suites.theirs.source]\nkind = "dir"\npath = "theirs"\n')
    suite = project.load().config.suites["theirs"]
    assert suite.source == DirKernel(kind="dir", path=Path("theirs"))
    assert suite.take == ("one",)
    project.local('[suites.theirs.source]\nkind = "git"\nurl = "mirror.git"\n')
    source = project.load().config.suites["theirs"].source
    assert source == GitKernel(kind="git", url=Url("mirror.git"), ref="v1")


def test_a_kernel_of_the_same_kind_is_merged(project: Project) -> None:
    project.local('[kernels.old]\nkind = "git"\nref = "v4.3"\n')
    assert project.load().config.kernels["old"] == GitKernel(
        kind="git", url=Url("linux.git"), ref="v4.3"
    )


def test_what_a_replaced_kernel_lacks_is_the_local_files_fault(
    project: Project, refuses: Checker
) -> None:
    path = project.local('guests = 1\n[kernels.old]\nkind = "dir"\n')
    refuses("is missing", key="kernels.old.path", at="kernels.old", path=path)


def test_what_a_merged_kernel_lacks_is_the_base_files_fault(
    project: Project, refuses: Checker
) -> None:
    project.change('ref = "v4.2"\n', "")
    project.local('[kernels.old]\nurl = "x"\n')
    refuses("is missing", key="kernels.old.ref", at="[kernels.old]")


def test_a_bad_local_value(project: Project, refuses: Checker) -> None:
    path = project.local('guests = 1\n\n[machines.default]\nmemory = "much"\n')
    what = "'much' is not a size: write a number and K, M, G or T"
    refuses(what, key="machines.default.memory", at="much", path=path)


def test_an_unknown_local_key_in_a_table_of_both(project: Project, refuses: Checker) -> None:
    path = project.local("[machines.default]\ncpu = 1\n")
    refuses(
        "unknown key",
        key="machines.default.cpu",
        at="cpu",
        hint="cpus (known: kind, memory, cpus, nodes, accelerator, type, nvdimm, scratch, pmem, "
        "fragments, saved_state, fresh)",
        path=path,
    )


def test_an_unknown_name_in_a_local_list(project: Project, refuses: Checker) -> None:
    path = project.local('[matrix.default]\nvariants = [\n  "6.1",\n  "6.1+bog",\n]\n')
    refuses(
        "no series is named 'bog'",
        key="matrix.default.variants[1]",
        at="6.1+bog",
        hint="bug (known: bug, mend)",
        path=path,
    )


def test_local_expectations_replace_the_list_and_are_found_in_it(
    project: Project, refuses: Checker
) -> None:
    project.append('[[expect]]\nstatus = "fail"\nreason = "x"\n')
    path = project.local('guests = 1\n[[expect]]\nreason = "y"\n')
    refuses("is missing", key="expect[0].status", at="[[expect]]", path=path)


def test_local_syntax(project: Project) -> None:
    path = project.local("a = 1\nb\n")
    assert str(project.error().where) == f"{path}:2"


def test_locate(project: Project) -> None:
    local = project.local('[kernels.old]\nurl = "x"\n')
    loaded = project.load()
    where = f'{project.toml}:{project.line_of("package")}: kernels."6.1".package'
    assert str(loaded.locate("kernels", "6.1", "package")) == where
    assert str(loaded.locate("kernels", "old", "url")) == f"{local}:2: kernels.old.url"
    variant = f"{project.toml}:{project.line_of('6.1+bug')}: matrix.default.variants[1]"
    assert str(loaded.locate("matrix", "default", "variants", 1)) == variant
    assert str(loaded.locate("toolchain", "cc")) == f"{project.toml}: toolchain.cc"
