# SPDX-License-Identifier: GPL-2.0-only
"""A good config loads; of a bad one every mistake is told, with its place."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from lab.config import AptKernel, load, variants_of
from lab.config.kinds import FILESYSTEMS
from lab.errors import UserError
from lab.execution.programs import Programs
from tests.config.conftest import GOOD, Checker, Project

ROOT = Path(__file__).parents[2]


def test_a_good_config(project: Project) -> None:
    loaded = project.load()
    config = loaded.config
    assert config.kernels["6.1"] == AptKernel(kind="apt", package="linux-source-6.1")
    assert config.machines["default"].memory == 1 << 30
    assert config.matrix["default"].variants == ("6.1", "6.1+bug")
    assert config.deadlines.boot == 120
    assert loaded.root == project.root
    assert pickle.loads(pickle.dumps(loaded)) == loaded


def test_the_lab_toml_of_this_project(tmp_path: Path) -> None:
    # Away from this machine's lab.local.toml.
    for name in ("lab.toml", "kconfigs", "guest-tests", "patches"):
        (tmp_path / name).symlink_to(ROOT / name)
    config = load(tmp_path).config
    assert variants_of(config, "default")
    assert config.expect


def test_found_from_a_folder_below(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project.root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert load().root == project.root
    assert load(project.root).root == project.root


def test_a_working_directory_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UserError, match="has been removed"):
        load()


def test_paths(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    loaded = project.load()
    assert loaded.path(loaded.config.paths.cache) == Path("/home/somebody/.cache/lab")
    monkeypatch.setenv("XDG_CACHE_HOME", "/big/disk")
    assert project.load().config.paths.cache == Path("/big/disk/lab")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert project.load().config.paths.cache == Path("/home/somebody/.cache/lab")
    assert loaded.path(loaded.config.paths.results) == project.root / "results"
    assert loaded.path(Path("/abs")) == Path("/abs")
    with pytest.raises(UserError, match="no such home folder"):
        loaded.path(Path("~nobody-of-that-name/x"))


def test_a_home_of_nobody(project: Project, refuses: Checker) -> None:
    project.append('[paths]\ncache = "~nobody-of-that-name/x"\n')
    refuses(
        "no home folder for '~nobody-of-that-name'",
        key="paths.cache",
        at="cache =",
        hint="an absolute path",
    )


@pytest.mark.parametrize(
    ("old", "new", "at", "key", "what", "hint"),
    [
        (
            "package =",
            "pakage =",
            "pakage",
            'kernels."6.1".pakage',
            "unknown key",
            "package (known: kind, package, member)",
        ),
        (
            'url = "linux.git"',
            'Path = "linux.git"\nurl = "x"',
            "Path",
            "kernels.old.Path",
            "unknown key",
            "one of kind, url, ref",
        ),
        (
            "[suites.populate]\n",
            "[suites.populate]\ndescripton = 'x'\n",
            "descripton",
            "suites.populate.descripton",
            "unknown key",
            "description",
        ),
        (
            'memory = "1G"',
            'memory = "12Q"',
            "12Q",
            "machines.default.memory",
            "'12Q' is not a size: write a number and K, M, G or T",
            None,
        ),
        *(
            (
                'memory = "1G"',
                f"memory = {number}",
                "memory",
                "machines.default.memory",
                f"{number.replace(chr(34), chr(39))} has no unit: "
                'one of "20K", "20M", "20G", "20T"',
                None,
            )
            for number in ("20", '"20"')
        ),
        (
            'memory = "1G"',
            "memory = true",
            "memory",
            "machines.default.memory",
            "should be a whole number, is true",
            None,
        ),
        (
            'memory = "1G"',
            'cpus = "2"',
            "cpus",
            "machines.default.cpus",
            "should be a whole number, is '2'",
            None,
        ),
        (
            'memory = "1G"',
            "cpus = 99",
            "cpus",
            "machines.default.cpus",
            "should be at most 8, is 99",
            None,
        ),
        (
            'memory = "1G"',
            'accelerator = "kvn"',
            "kvn",
            "machines.default.accelerator",
            "cannot be 'kvn'",
            "kvm (known: auto, kvm, tcg)",
        ),
        (
            'memory = "1G"',
            'pmem = "memap"',
            "memap",
            "machines.default.pmem",
            "cannot be 'memap'",
            "memmap (known: auto, nvdimm, virtio-pmem, memmap)",
        ),
        (
            'memory = "1G"',
            'nvdimm = "500M"',
            "500M",
            "machines.default.nvdimm",
            "524288000 bytes are not a multiple of 128M: old kernels need that",
            '"512M"',
        ),
        (
            'kind = "apt"',
            'kind = "atp"',
            "atp",
            'kernels."6.1".kind',
            "unknown kind 'atp'",
            "apt (known: apt, dir, git, tarball, first)",
        ),
        (
            'kind = "apt"\n',
            "",
            '[kernels."6.1"]',
            'kernels."6.1".kind',
            "is missing",
            "one of apt, dir, git, tarball, first",
        ),
        ('ref = "v4.2"\n', "", "[kernels.old]", "kernels.old.ref", "is missing", None),
        (
            'programs = ["populate"]',
            'programs = "populate"',
            "programs",
            "suites.populate.programs",
            "should be a list, is 'populate'",
            None,
        ),
        (
            'programs = ["populate"]',
            'programs = ["populate", []]',
            "programs",
            "suites.populate.programs[1]",
            "should be a string, is a list",
            None,
        ),
        (
            'programs = ["populate"]',
            "programs = [{}]",
            "programs",
            "suites.populate.programs[0]",
            "should be a string, is a table",
            None,
        ),
        (
            '[filesystems.ext4-dax]\ntype = "ext4"',
            "[filesystems.ext4-dax]\ntype = 4",
            "type = 4",
            "filesystems.ext4-dax.type",
            "cannot be 4",
            f"one of {', '.join(FILESYSTEMS)}",
        ),
        (
            '[filesystems.ext4-dax]\ntype = "ext4"',
            '[filesystems.ext4-dax]\ntype = "ext3"',
            'type = "ext3"',
            "filesystems.ext4-dax.type",
            "cannot be 'ext3'",
            f"ext4 (known: {', '.join(FILESYSTEMS)})",
        ),
        (
            '[filesystems.ext4-dax]\ntype = "ext4"',
            '[filesystems.ext4-dax]\ntype = "tmpfs"\nmkfs = ["-q"]',
            "[filesystems.ext4-dax]",
            "filesystems.ext4-dax",
            "no mkfs makes a tmpfs: leave mkfs out",
            None,
        ),
        (
            '[filesystems.ext4-dax]\ntype = "ext4"',
            '[filesystems.ext4-dax]\ntype = "none"\noptions = ["noatime"]',
            "[filesystems.ext4-dax]",
            "filesystems.ext4-dax",
            "of type 'none' nothing is mounted: leave options out",
            None,
        ),
        (
            '[kernels."6.1"]',
            "[expect]\n[kernels.'6.1']",
            "[expect]",
            "expect",
            "should be a list, is a table",
            None,
        ),
        (
            'programs = ["populate"]',
            "programs = []",
            "programs",
            "suites.populate.programs",
            "should not be empty",
            None,
        ),
        (
            'programs = ["populate"]',
            'programs = ["a/b"]',
            "a/b",
            "suites.populate.programs[0]",
            "'a/b' is not a name: letters, digits, '.', '_' and '-', a letter or digit first",
            None,
        ),
        (
            "[series.mend]",
            '[series."a+b"]',
            "a+b",
            'series."a+b"',
            "'a+b' is not a name: letters, digits, '.', '_' and '-', a letter or digit first",
            None,
        ),
        (
            "[filesystems.xfs-dax]\ntype =",
            "[filesystems]\nxfs-dax =",
            "xfs-dax",
            "filesystems.xfs-dax",
            "should be a table, is 'xfs'",
            None,
        ),
        (
            'variants = [\n    "6.1",\n    "6.1+bug",\n]',
            "",
            "[matrix.default]",
            "matrix.default",
            "names no variants: give variants, or matrices to include",
            None,
        ),
    ],
)
def test_a_bad_value(
    project: Project,
    refuses: Checker,
    old: str,
    new: str,
    at: str,
    key: str,
    what: str,
    hint: str | None,
) -> None:
    project.change(old, new)
    refuses(what, key=key, at=at, hint=hint)


@pytest.mark.parametrize("seconds", ["inf", "nan", "0", "-1", "true", '"5"'])
def test_a_bad_deadline(project: Project, seconds: str) -> None:
    project.append(f"[deadlines]\nboot = {seconds}\n")
    error = project.error()
    assert str(error.where) == f"{project.toml}:{project.line_of('boot =')}: deadlines.boot"
    assert error.what.startswith("should be ")


def test_all_mistakes_at_once(project: Project) -> None:
    project.change('kind = "apt"', 'kind = "apt"\nurl = "x"')
    project.change('"1G"', "-1")
    local = project.local('guestz = 1\n[kernels.new]\nkind = "tarball"\nsha256 = "zz"\n')
    text = str(project.error())
    name = project.toml
    assert text.splitlines() == [
        "the config has 5 mistakes",
        f"    {local}:1: guestz: unknown key; try guests",
        f"    {local}:2: kernels.new.url: is missing",
        f"    {local}:4: kernels.new.sha256: 'zz' is not a SHA-256: "
        "64 hexadecimal digits, in lower case",
        f'    {name}:3: kernels."6.1".url: unknown key; try one of kind, package, member',
        f"    {name}:{project.line_of('memory')}: machines.default.memory: "
        "should be greater than 0, is -1",
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a = 1\nb 2\n", 2, "is not TOML: Expected '=' after a key in a key/value pair"),
        ("a = 1\n\na = 2\n", 3, "is not TOML: Cannot overwrite a value"),
        ('a = 1\nb = """x\n', 2, "is not TOML: Unterminated string"),
        ("[a\n", 1, "is not TOML: Expected ']' at the end of a table declaration"),
    ],
)
def test_toml_syntax(project: Project, text: str, line: int, what: str) -> None:
    project.toml.write_text(text)
    error = project.error()
    assert str(error.where) == f"{project.toml}:{line}"
    assert error.what == what


@pytest.mark.parametrize(
    ("data", "where", "what"),
    [
        (b"a = 1\nb = '\xff'\n", ":2", "is not UTF-8: byte 0xff"),
        (b"a = " + b"9" * 5000, "", "is not TOML: Exceeds the limit"),
        (b"a = " + b"[" * 5000, "", "nested too deep"),
    ],
)
def test_bytes_that_are_no_toml(project: Project, data: bytes, where: str, what: str) -> None:
    project.toml.write_bytes(data)
    error = project.error()
    assert str(error.where) == f"{project.toml}{where}"
    assert what in error.what


def test_a_file_that_cannot_be_read(project: Project) -> None:
    (project.root / "lab.local.toml").mkdir()
    error = project.error()
    assert error.where == project.root / "lab.local.toml"
    assert error.what == "cannot be read: Is a directory"


def test_the_good_text_is_good_as_it_stands(project: Project) -> None:
    assert project.toml.read_text() == GOOD
    project.load()


def test_the_environment_of_a_toolchain(project: Project, refuses: Checker) -> None:
    project.append('[toolchain.env]\nPATH = "/opt/gcc-10/bin:$PATH"\n')
    assert project.load().config.toolchain.env == {"PATH": "/opt/gcc-10/bin:$PATH"}
    project.append('ARCH = "arm64"\n')
    refuses("ARCH is the lab's to set", key="toolchain.env.ARCH", at="ARCH =")


RULES = """
[[expect]]
tests = ["a"]
status = "fail"
reason = "shipped"

[[benign]]
title = "oops: a"
reason = "shipped"
"""
OWN = RULES.replace("shipped", "own").replace('"a"', '"b"')


def test_a_local_rule_comes_after_those_of_lab_toml(project: Project) -> None:
    project.toml.write_text(project.toml.read_text() + RULES)
    project.local(OWN)
    loaded = load(project.root)
    assert [rule.reason for rule in loaded.config.expect] == ["shipped", "own"]
    assert [rule.reason for rule in loaded.config.benign] == ["shipped", "own"]
    local = project.root / "lab.local.toml"
    assert str(loaded.locate("expect", 1, "status")) == f"{local}:4: expect[0].status"
    assert loaded.locate("expect", 0, "status").path == project.toml
    assert loaded.sources.told_rules() == (
        "lab.local.toml adds 1 [[expect]] to the 1 of lab.toml",
        "lab.local.toml adds 1 [[benign]] to the 1 of lab.toml",
    )


def test_local_rules_replace_those_of_lab_toml_where_they_say_so(project: Project) -> None:
    project.toml.write_text(project.toml.read_text() + RULES)
    project.local('replace = ["expect"]\n' + OWN)
    loaded = load(project.root)
    assert [rule.reason for rule in loaded.config.expect] == ["own"]
    assert [rule.reason for rule in loaded.config.benign] == ["shipped", "own"]
    assert loaded.locate("expect", 0, "status").path == project.root / "lab.local.toml"
    assert loaded.sources.told_rules()[-1] == (
        "lab.local.toml replaces the 1 [[expect]] of lab.toml with 1 of its own"
    )
    project.local('replace = ["expect"]\n')
    assert load(project.root).config.expect == ()


def test_a_mistake_in_a_local_rule_is_where_it_is(project: Project) -> None:
    project.toml.write_text(project.toml.read_text() + RULES)
    project.local(OWN.replace('status = "fail"', 'status = "error"'))
    with pytest.raises(UserError) as caught:
        load(project.root)
    assert f"{project.root / 'lab.local.toml'}:4: expect[0].status" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ('[kernels."6.1"]', "[kernels.6.1]", '[kernels."6.1"]'),
        ('[kernels."6.1"]', "[kernels.6.1.192]", '[kernels."6.1.192"]'),
        ("[series.bug]", "[series.bug.v2]", '[series."bug.v2"]'),
        ("[matrix.default]", "[matrix.6.7]", '[matrix."6.7"]'),
    ],
)
def test_a_name_with_a_dot_and_no_quotes(project: Project, old: str, new: str, hint: str) -> None:
    """One mistake, and the spelling that TOML wants."""
    project.change(old, new)
    error = project.error()
    assert new in error.what
    assert "needs quotes" in error.what
    assert error.hint == hint
    assert f"{project.toml}:{project.line_of(new)}: " in str(error)


def test_a_program_in_no_suite_is_a_suite_of_its_own(project: Project) -> None:
    for name in ("mine", "init", "ktap", "my test"):
        (project.root / f"guest-tests/{name}.c").touch()
    project.append(
        '[[expect]]\nvariants = ["6.1"]\nsuites = ["mine"]\nstatus = "skip"\nreason = "x"\n'
    )
    project.change("variants = [", 'suites = ["mine"]\nvariants = [')
    config = project.load().config
    assert list(config.suites) == ["populate", "mine"]
    assert config.suites["mine"].programs == ("mine",)
    assert config.named_suites == ("populate",)


def test_a_table_of_a_suite_is_no_name_with_a_dot(project: Project) -> None:
    project.append('[suites.mine]\nprograms = ["populate"]\nenvironment = {A = "b"}\n')
    assert project.load().config.suites["mine"].environment == {"A": "b"}
    project.append('[suites.mine.two]\nprograms = ["populate"]\nenvironment = {A = "b"}\n')
    assert '[suites."mine.two"]' in str(project.error().hint)


def test_a_script_in_no_suite_is_one_too(project: Project) -> None:
    files = {
        "check.sh": ("#!/bin/sh\n", 0o755),
        "populate": ("#!/bin/sh\n", 0o755),
        "not-yet.sh": ("#!/bin/sh\n", 0o644),
        "notes.txt": ("no script\n", 0o755),
        "my test.sh": ("#!/bin/sh\n", 0o755),
        "mine.c": ("int main(void) { return 0; }\n", 0o644),
        "mine": ("#!/bin/sh\n", 0o755),
    }
    for name, (text, mode) in files.items():
        (project.root / "guest-tests" / name).write_text(text)
        (project.root / "guest-tests" / name).chmod(mode)
    config = project.load().config
    assert sorted(config.suites) == ["check.sh", "mine", "populate"]
    assert config.suites["check.sh"].programs == ("check.sh",)
    assert config.named_suites == ("populate",)


def test_what_ships_beside_the_tests_is_no_suite() -> None:
    makefile = (ROOT / "guest-tests/Makefile").read_text()
    (library,) = re.findall(r"^LIBRARY := (.*)$", makefile, re.MULTILINE)
    beside = {Path(name).stem for name in Programs.of(load(ROOT), ()).needed} | set(library.split())
    assert all((ROOT / f"guest-tests/{name}.c").is_file() for name in beside)
    assert not beside & load(ROOT).config.suites.keys()


@pytest.mark.parametrize("key", ['address = "tls://head:8786"', 'labels = ["fast"]'])
def test_a_scheduler_without_a_kind_is_not_passed_over(project: Project, key: str) -> None:
    """All ran on this host, without a word."""
    project.append(f"[executor]\n{key}\n")
    with pytest.raises(UserError, match=r'and no kind: kind = "dask"'):
        load(project.root)
    project.change("[executor]\n", '[executor]\nkind = "local"\n')
    assert load(project.root).config.executor.kind == "local"
