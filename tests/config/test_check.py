# SPDX-License-Identifier: GPL-2.0-only
"""Names in one table that have to be defined in another, or on disk."""

from __future__ import annotations

import pytest

from lab.config import variants_of
from tests.config.conftest import Checker, Project

KNOWN_SERIES = "(known: bug, mend)"


@pytest.mark.parametrize(
    ("variant", "what", "hint"),
    [
        ("6.2", "no kernel is named '6.2'", "6.1 (known: 6.1, old)"),
        ("6.1+mand", "no series is named 'mand'", f"mend {KNOWN_SERIES}"),
        ("6.1+Bug", "no series is named 'Bug'", f"bug {KNOWN_SERIES}"),
        ("6.1+zzz", "no series is named 'zzz'", "one of bug, mend"),
        ("6.1+mend+mend", "series 'mend' is in '6.1+mend+mend' twice", None),
        ("6.1+", "'6.1+' is not a variant: a kernel, and series after it, each after a '+'", None),
        ("", "'' is not a variant: a kernel, and series after it, each after a '+'", None),
    ],
)
def test_a_bad_variant(project: Project, variant: str, what: str, hint: str | None) -> None:
    project.change("6.1+bug", variant)
    error = project.error()
    line = project.line_of(f'    "{variant}"')
    assert str(error.where) == f"{project.toml}:{line}: matrix.default.variants[1]"
    assert error.what == what
    assert hint is None or error.hint == hint


@pytest.mark.parametrize(
    ("text", "what", "key", "hint"),
    [
        (
            'filesystems = ["ext4-dax", "xfs"]',
            "no filesystem is named 'xfs'",
            "filesystems[1]",
            "xfs-dax (known: ext4-dax, xfs-dax)",
        ),
        ('suites = ["popluate"]', "no suite is named 'popluate'", "suites[0]", "populate"),
        ('machine = "big"', "no machine is named 'big'", "machine", "one of default"),
        ('config = "deflaut"', "no config is named 'deflaut'", "config", "default"),
        ('include = ["defualt"]', "no matrix is named 'defualt'", "include[0]", "default"),
        (
            'filesystems = ["xfs-dax", "ext4-dax", "xfs-dax"]',
            "filesystem 'xfs-dax' is listed twice",
            "filesystems[2]",
            "it once",
        ),
        (
            'suites = ["populate", "populate"]',
            "suite 'populate' is listed twice",
            "suites[1]",
            "it once",
        ),
    ],
)
def test_a_bad_name_in_a_matrix(
    project: Project, refuses: Checker, text: str, what: str, key: str, hint: str
) -> None:
    if key == "include[0]":
        hint = "default (known: default, other)"
    project.append(f'[matrix.other]\nvariants = ["old"]\n{text}\n')
    refuses(what, key=f"matrix.other.{key}", at=text, hint=hint)


def test_a_variant_twice(project: Project, refuses: Checker) -> None:
    project.change('"6.1+bug",', '"6.1+bug",\n  "6.1", # again')
    key = "matrix.default.variants[2]"
    refuses("variant '6.1' is listed twice", key=key, at="# again", hint="it once")


def test_a_missing_fragment(project: Project, refuses: Checker) -> None:
    project.change('"base", "pmem"', '"base",\n"pmen"')
    refuses(
        "there is no file kconfigs/pmen.config",
        key="configs.default.fragments[1]",
        at="pmen",
        hint="pmem (known: base, pmem)",
    )


@pytest.mark.parametrize(
    ("text", "what", "key", "hint"),
    [
        ('fragments = ["pmem", "pmen"]', "there is no file kconfigs/pmen.config", "fragments[1]",
         "pmem (known: base, pmem)"),
        ('fragments = ["pmem", "pmem"]', "fragment 'pmem' is listed twice", "fragments[1]",
         "it once"),
        ("nodes = 2\ncpus = 3", "3 CPUs are not as many on each of 2 nodes", "nodes",
         "cpus that are a multiple of it"),
        ('nodes = 2\nmemory = "384M"', "402653184 bytes are not as many times 128M on each of its "
         "nodes", "nodes", "memory that is a multiple of 256M"),
    ],
)  # fmt: skip
def test_a_bad_machine(
    project: Project, refuses: Checker, text: str, what: str, key: str, hint: str
) -> None:
    project.append(f"[machines.other]\n{text}\n")
    refuses(what, key=f"machines.other.{key}", at=text.partition("\n")[0], hint=hint)


def test_a_missing_program(project: Project, refuses: Checker) -> None:
    (project.root / "guest-tests/populate.c").unlink()
    refuses(
        "there is no file guest-tests/populate.c, and no guest-tests/populate",
        key="suites.populate.programs[0]",
        at="programs =",
        hint="writing it",
    )


def test_a_missing_script(project: Project, refuses: Checker) -> None:
    script = project.root / "guest-tests/check.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    project.append('[suites.mine]\nprograms = ["chekc.sh", "check.sh"]\n')
    error = project.error()
    assert "there is no file guest-tests/chekc.sh.c, and no guest-tests/chekc.sh" in str(error)
    assert "check.sh" in str(error.hint)


def test_a_folder_is_no_script(project: Project) -> None:
    (project.root / "guest-tests/folder").mkdir()
    project.append('[suites.mine]\nprograms = ["folder"]\n')
    assert "there is no file guest-tests/folder.c" in str(project.error())


def test_a_series_without_a_folder(project: Project, refuses: Checker) -> None:
    (project.root / "patches/mend/series").rename(project.root / "patches/mend/patch")
    refuses(
        "there is no file patches/mend/series",
        key="series.mend",
        at="[series.mend]",
        hint="one of bug",
    )


def test_a_suite_on_a_filesystem_that_is_none(project: Project, refuses: Checker) -> None:
    project.append('[suites.anonymous]\nprograms = ["populate"]\nfilesystem = "nome"\n')
    refuses(
        "no filesystem is named 'nome'",
        key="suites.anonymous.filesystem",
        at='filesystem = "nome"',
        hint="one of ext4-dax, xfs-dax",
    )


def test_a_cycle_is_printed(project: Project, refuses: Checker) -> None:
    project.append(
        '[matrix.a]\ninclude = ["default", "b"]\n[matrix.b]\ninclude = ["c"]\n'
        '[matrix.c]\nvariants = ["6.1"]\ninclude = ["a"]\n[matrix.d]\ninclude = ["a"]\n'
    )
    refuses(
        "matrices include each other in a cycle: a -> b -> c -> a",
        key="matrix.a.include[1]",
        at='"default", "b"',
    )


def test_a_matrix_that_includes_itself(project: Project, refuses: Checker) -> None:
    project.append('[matrix.a]\ninclude = ["a"]\n')
    what = "matrices include each other in a cycle: a -> a"
    refuses(what, key="matrix.a.include[0]", at='include = ["a"]')


def test_included_variants_come_first_and_once(project: Project) -> None:
    project.append(
        '[matrix.b]\ninclude = ["default"]\nvariants = ["old+bug", "6.1+bug"]\n'
        '[matrix.c]\ninclude = ["b", "default"]\nvariants = ["old"]\n'
    )
    config = project.load().config
    assert variants_of(config, "b") == ("6.1", "6.1+bug", "old+bug")
    assert variants_of(config, "c") == ("6.1", "6.1+bug", "old+bug", "old")


EXPECT = '[[expect]]\nstatus = "fail"\nreason = "x"\n'


@pytest.mark.parametrize(
    ("key", "glob", "hint"),
    [
        ("variants", "6.1+bgu", "6.1+bug (known: 6.1, 6.1+bug)"),
        ("variants", "*+bog*", None),
        ("variants", "7*", None),
        ("filesystems", "ext4dax", "ext4-dax (known: ext4-dax, xfs-dax)"),
        ("filesystems", "EXT4-*", None),
        ("suites", "mlock", None),
    ],
)
def test_an_expectation_of_nothing(project: Project, key: str, glob: str, hint: str | None) -> None:
    project.append(EXPECT + EXPECT + f'{key} = ["*", "{glob}"]\n')
    error = project.error()
    assert str(error.where) == f"{project.toml}:{project.line_of(glob)}: expect[1].{key}[1]"
    assert error.what == f"{glob!r} matches none of the {key}: it would expect nothing"
    assert hint is None or error.hint == hint


@pytest.mark.parametrize(
    "glob", ["6.1", "*", "6.1*", "*+bug", "old+bug+mend", "*mend", "o?d", "*+b*+[m]end"]
)
def test_an_expectation_of_a_variant_that_could_be_asked_for(project: Project, glob: str) -> None:
    project.append(EXPECT + f'variants = ["{glob}"]\ntests = ["nobody.knows"]\n')
    assert project.load().config.expect[0].variants == (glob,)


def test_an_empty_list_of_globs(project: Project, refuses: Checker) -> None:
    project.append(EXPECT + "tests = []\n")
    refuses("should not be empty", key="expect[0].tests", at="tests = []")


def test_an_error_cannot_be_expected(project: Project, refuses: Checker) -> None:
    project.append(EXPECT.replace("fail", "error"))
    refuses(
        "an error is the lab's own failure: no test can be expected to end so",
        key="expect[0].status",
        at="status",
    )


OLD_KERNEL = '[[expect]]\nstatus = "skip"\nreason = "it is old"\n'


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("versions", "4.3", "'4.3' is not a range of versions such as >=4.1 <4.3"),
        ("versions", "<4.x", "'4.x' is not a kernel version such as 6.1.192 or 6.2-rc3"),
        ("versions", ">=4.3 <4.1", "'>=4.3 <4.1' has no version in it"),
    ],
)
def test_what_is_no_range_of_versions(
    project: Project, refuses: Checker, key: str, value: str, what: str
) -> None:
    project.append(f'{OLD_KERNEL}{key} = "{value}"\n')
    refuses(what, key=f"expect[0].{key}", at=f'"{value}"')


def test_a_feature_that_nobody_knows(project: Project) -> None:
    project.append(f'{OLD_KERNEL}lacks = "mlock3"\n')
    error = project.error()
    assert error.what == "no feature is named 'mlock3'"
    assert str(error.where).endswith("expect[0].lacks")
    assert (error.hint or "").startswith("mlock2")
