# SPDX-License-Identifier: GPL-2.0-only
"""Variants, plans and expectations, from a config on disk."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from lab.analysis.expectation import expected
from lab.config import Expectation, LoadedConfig, load
from lab.errors import UserError
from lab.model.job_name import Around
from lab.model.status import Status
from lab.model.variant import Variant
from lab.model.version import KernelVersion
from lab.plan import BuildRequest, JobPlan, Plan, plan_matrix, plan_variants, resolve

V6_1 = KernelVersion(6, 1, 192)
AROUND = Around("default", "default")
TOML = """\
[kernels."6.1"]
kind = "apt"
package = "linux-source-6.1"
[kernels.old]
kind = "dir"
path = "old"
[series.bug]
description = "brings the bug back"
[series.mend]
description = "mends it"
[configs]
default.fragments = ["base"]
small.fragments = ["base"]
[machines.default]
[machines.big]
cpus = 8
[filesystems]
ext4-dax.type = "ext4"
xfs-dax.type = "xfs"
ram = {type = "tmpfs", by_name = true}
[suites]
populate.programs = ["populate"]
mlock.programs = ["populate"]
[matrix.default]
variants = ["6.1", "6.1+bug"]
suites = ["populate"]
machine = "big"
[matrix.nightly]
include = ["default"]
variants = ["old", "6.1"]
config = "small"
filesystems = ["xfs-dax"]
[[expect]]
variants = ["*+bug*"]
status = "fail"
reason = "general"
[[expect]]
variants = ["*+mend"]
suites = ["populate"]
status = "pass"
reason = "mended"
[[expect]]
variants = ["6.1+bug"]
filesystems = ["ext4-*"]
tests = ["mlock.*.4k", "mlock.shared-??.2m"]
status = "crash"
reason = "special"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    return write(tmp_path, TOML)


def write(root: Path, text: str) -> LoadedConfig:
    (root / "lab.toml").write_text(text)
    for name in ("kconfigs/base.config", "guest-tests/populate.c"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    for name in ("bug", "mend"):
        (root / "patches" / name).mkdir(parents=True, exist_ok=True)
        (root / "patches" / name / "series").touch()
    return load(root)


@pytest.mark.parametrize("text", ["6.1", "6.1+bug", "6.1+bug+mend"])
def test_a_variant_is_spelled_as_it_is_read(text: str) -> None:
    variant = Variant.parse(text)
    assert str(variant) == text
    assert (variant.kernel, *variant.series) == tuple(text.split("+"))


@pytest.mark.parametrize("text", ["", "+bug", "6.1+", "6.1++bug", "6.1+bug+mend+bug"])
def test_what_is_no_variant(text: str) -> None:
    with pytest.raises(UserError):
        Variant.parse(text)


def without_places(error: UserError) -> str:
    """The mistakes, without the file and the line that each has."""
    text, places = re.subn(r"^/\S+/lab\.toml:\d+: ", "", error.detail or "", flags=re.MULTILINE)
    assert places == text.count("\n") + 1
    return text


def test_resolve(loaded: LoadedConfig) -> None:
    assert resolve(loaded, "old+mend+bug") == Variant("old", ("mend", "bug"))
    with pytest.raises(UserError, match="no series is named 'bag'") as caught:
        resolve(loaded, "6.1+bag")
    assert caught.value.hint == "bug (known: bug, mend)"
    with pytest.raises(UserError, match="what was asked for has 2 mistakes") as caught:
        resolve(loaded, "6.2+x")
    assert without_places(caught.value) == (
        "kernels: no kernel is named '6.2'; try 6.1 (known: 6.1, old)\n"
        "series: no series is named 'x'; try one of bug, mend"
    )


def test_the_default_matrix(loaded: LoadedConfig) -> None:
    plan = plan_matrix(loaded, "default")
    filesystems, suites = ("ext4-dax", "xfs-dax"), ("populate",)
    assert plan == Plan(
        "default",
        (
            JobPlan(Variant("6.1"), "default", "big", filesystems, suites),
            JobPlan(Variant("6.1", ("bug",)), "default", "big", filesystems, suites),
        ),
    )
    assert plan_variants(loaded, ()) == plan


def test_a_suite_with_a_filesystem_of_its_own_runs_there_alone(tmp_path: Path) -> None:
    own = 'anonymous = {programs = ["populate"], filesystem = "ram"}\n[matrix.default]'
    loaded = write(tmp_path, TOML.replace("[matrix.default]", own))
    plan = plan_variants(loaded, ["6.1"], (), ["mlock", "anonymous", "populate"])
    (job,) = plan.jobs
    assert job.own == (("anonymous", "ram"),)
    assert job.places == (
        ("ext4-dax", "mlock"),
        ("ext4-dax", "populate"),
        ("xfs-dax", "mlock"),
        ("xfs-dax", "populate"),
        ("ram", "anonymous"),
    )
    assert job.used_filesystems == ("ext4-dax", "xfs-dax", "ram")
    assert plan.recorded().suite_runs == 5
    said = "mlock, populate on ext4-dax, xfs-dax; anonymous on ram"
    assert plan.describe() == [
        "chosen: 1 build, 1 guest, 5 suite runs",
        f"  6.1 (config default) on machine big: {said}",
    ]
    assert plan.to_json()["jobs"][0]["own"] == {"anonymous": "ram"}  # type: ignore[index]
    # Nobody asked for it on another, nor for others there, even where it is named.
    (alone,) = plan_variants(loaded, ["6.1"], ["xfs-dax"], ["anonymous"]).jobs
    assert alone.places == (("ram", "anonymous"),)
    (both,) = plan_variants(loaded, ["6.1"], ["ram"], ["anonymous", "mlock"]).jobs
    assert both.places == (("ram", "anonymous"), ("ram", "mlock"))


def test_a_plan_without_such_suites_is_named_as_it_was(loaded: LoadedConfig) -> None:
    (job,) = plan_variants(loaded, ["6.1"], (), ["mlock"]).jobs
    assert "own" not in job.to_json()


def test_an_including_matrix_has_its_own_machine_and_lists(loaded: LoadedConfig) -> None:
    jobs = plan_matrix(loaded, "nightly").jobs
    assert [str(job.variant) for job in jobs] == ["6.1", "6.1+bug", "old"]
    rest = {(job.config, job.machine, job.filesystems, job.suites) for job in jobs}
    assert rest == {("small", "default", ("xfs-dax",), ("populate", "mlock"))}


def test_an_unknown_matrix(loaded: LoadedConfig) -> None:
    with pytest.raises(UserError, match="no matrix is named 'nigthly'") as caught:
        plan_matrix(loaded, "nigthly")
    assert caught.value.hint == "nightly (known: default, nightly)"


def test_variants_by_name(loaded: LoadedConfig) -> None:
    plan = plan_variants(
        loaded, ["old+mend", "6.1", "old+mend"], ["xfs-dax", "xfs-dax"], ["mlock"], "shared"
    )
    assert plan.name == "chosen"
    assert plan.jobs == (
        JobPlan(Variant("old", ("mend",)), "default", "big", ("xfs-dax",), ("mlock",), "shared"),
        JobPlan(Variant("6.1"), "default", "big", ("xfs-dax",), ("mlock",), "shared"),
    )


def test_what_is_not_named_comes_from_the_default_matrix(loaded: LoadedConfig) -> None:
    (job,) = plan_variants(loaded, ["old"]).jobs
    assert job == JobPlan(
        Variant("old"), "default", "big", ("ext4-dax", "xfs-dax"), ("populate",), None
    )


@pytest.mark.parametrize(
    "chosen", [{"filesystems": ["xfs-dax"]}, {"suites": ["mlock"]}, {"pattern": "x"}]
)
def test_a_part_of_the_default_matrix_has_not_its_name(
    loaded: LoadedConfig, chosen: dict[str, object]
) -> None:
    plan = plan_variants(loaded, (), **chosen)  # type: ignore[arg-type]
    assert plan.name == "chosen"
    assert [str(job.variant) for job in plan.jobs] == ["6.1", "6.1+bug"]


def test_all_unknown_names_at_once(loaded: LoadedConfig) -> None:
    with pytest.raises(UserError, match="what was asked for has 3 mistakes") as caught:
        plan_variants(loaded, ["6.2"], ["ext4"], ["mlok"])
    assert without_places(caught.value) == (
        "kernels: no kernel is named '6.2'; try 6.1 (known: 6.1, old)\n"
        "filesystems: no filesystem is named 'ext4'; try ext4-dax (known: ext4-dax, xfs-dax, ram)\n"
        "suites: no suite is named 'mlok'; try mlock (known: populate, mlock)"
    )


def test_a_suite_that_is_named_by_its_program(tmp_path: Path) -> None:
    script = tmp_path / "guest-tests/check.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    table = '[suites.own]\nprograms = ["check.sh"]\n'
    loaded = write(tmp_path, f"{TOML}\n{table}")
    with pytest.raises(UserError, match=r"try: own, whose table has the program check\.sh"):
        plan_variants(loaded, ["6.1"], suites=["check.sh"])
    with pytest.raises(UserError, match=r"try: guest-tests/chekc\.sh with .* chmod \+x; or "):
        plan_variants(loaded, ["6.1"], suites=["chekc.sh"])


def test_a_program_in_no_suite_runs_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "guest-tests").mkdir()
    (tmp_path / "guest-tests/mine.c").touch()
    loaded = write(tmp_path, TOML.replace('suites = ["populate"]\nmachine', "machine"))
    assert plan_variants(loaded, ["6.1"]).jobs[0].suites == ("populate", "mlock")
    assert plan_variants(loaded, ["6.1"], suites=["mine"]).jobs[0].suites == ("mine",)


def test_without_a_default_matrix(tmp_path: Path) -> None:
    loaded = write(
        tmp_path,
        TOML.replace("[matrix.default]", "[matrix.first]").replace(
            'include = ["default"]', 'include = ["first"]'
        ),
    )
    (job,) = plan_variants(loaded, ["6.1"]).jobs
    assert (job.machine, job.suites) == ("default", ("populate", "mlock"))
    with pytest.raises(UserError, match="no variant is named"):
        plan_variants(loaded, ())


def test_builds_are_counted_once(loaded: LoadedConfig) -> None:
    job = plan_matrix(loaded, "default").jobs[0]
    other = JobPlan(job.variant, job.config, "default", job.filesystems, job.suites)
    plan = Plan("both", (job, other))
    assert plan.builds == (BuildRequest(Variant("6.1"), "default"),)
    assert plan.describe() == [
        "both: 1 build, 2 guests, 4 suite runs",
        "  6.1 (config default) on machine big: populate on ext4-dax, xfs-dax",
        "  6.1 (config default) on machine default: populate on ext4-dax, xfs-dax",
    ]


def test_a_machine_wants_a_build_of_its_own(tmp_path: Path) -> None:
    """Two that want the same have it in common; what wants nothing is built as it always was."""
    (tmp_path / "kconfigs").mkdir()
    (tmp_path / "kconfigs/more.config").touch()
    machines = '[machines.a]\nfragments = ["more"]\n[machines.b]\nfragments = ["more"]\n[machines'
    loaded = write(tmp_path, TOML.replace("[machines", machines, 1))
    plan = plan_variants(loaded, ["6.1"], machines=["default", "a", "b"])
    plain = BuildRequest(Variant("6.1"), "default")
    assert plan.builds == (plain, BuildRequest(Variant("6.1"), "default", ("more",)))
    assert [build.name for build in plan.builds] == ["6.1", "6.1 with more"]
    # What older labs recorded of the same plan names it still.
    assert ["fragments" in job.to_json() for job in plan.jobs] == [False, True, True]


def test_a_pattern_is_told(loaded: LoadedConfig) -> None:
    line = plan_variants(loaded, ["6.1"], ["xfs-dax"], (), "*.4k").describe()[1]
    assert line == ("  6.1 (config default) on machine big: populate on xfs-dax, tests like '*.4k'")


def test_a_plan_is_picklable(loaded: LoadedConfig) -> None:
    plan = plan_matrix(loaded, "nightly")
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize(
    ("variant", "filesystem", "suite", "test", "status", "reason"),
    [
        ("6.1", "ext4-dax", "populate", "populate.shared-rw.4k", Status.PASS, ""),
        ("6.1+bug", "xfs-dax", "populate", "populate.shared-rw.4k", Status.FAIL, "general"),
        ("6.1+bug+mend", "xfs-dax", "populate", "x", Status.PASS, "mended"),
        ("6.1+bug+mend", "xfs-dax", "mlock", "x", Status.FAIL, "general"),
        ("6.1+bug", "ext4-dax", "mlock", "mlock.private-ro.4k", Status.CRASH, "special"),
        ("6.1+bug", "ext4-dax", "mlock", "mlock.shared-rw.2m", Status.CRASH, "special"),
        ("6.1+bug", "ext4-dax", "mlock", "mlock.private-ro.2m", Status.FAIL, "general"),
        ("6.1+bug", "xfs-dax", "mlock", "mlock.shared-rw.2m", Status.FAIL, "general"),
        ("6.1+BUG", "xfs-dax", "mlock", "mlock.shared-rw.2m", Status.PASS, ""),
    ],
)
def test_the_last_expectation_that_matches_counts(
    loaded: LoadedConfig,
    variant: str,
    filesystem: str,
    suite: str,
    test: str,
    status: Status,
    reason: str,
) -> None:
    got = expected(
        loaded.config.expect,
        around=AROUND,
        variant=variant,
        version=V6_1,
        filesystem=filesystem,
        suite=suite,
        test=test,
    )
    assert got == (status, reason)


def test_expected_takes_a_variant_too(loaded: LoadedConfig) -> None:
    got = expected(
        loaded.config.expect,
        around=AROUND,
        variant=Variant("6.1", ("bug",)),
        version=V6_1,
        filesystem="xfs-dax",
        suite="x",
        test="x",
    )
    assert got == (Status.FAIL, "general")


@pytest.mark.parametrize("size", ["4k", "2m"])
@pytest.mark.parametrize(
    ("suite", "call"),
    [
        ("populate", "populate"),
        ("populate", "map-locked"),
        ("mlock", "mlock"),
        ("mlock", "mlock-part"),
        ("mlock", "munlock-mlock"),
        ("mlock", "mlockall-current"),
        ("mlock", "mlockall-future"),
    ],
)
def test_what_the_mail_of_2015_says_is_what_this_project_expects(
    tmp_path: Path, suite: str, call: str, size: str
) -> None:
    expect = shipped(tmp_path)

    def status(variant: str, mapping: str, version: KernelVersion = V6_1) -> Status:
        return expected(
            expect,
            around=AROUND,
            variant=variant,
            version=version,
            filesystem="ext4-dax",
            suite=suite,
            test=f"{call}.{mapping}.{size}",
        )[0]

    broken = ("shared-rw", "shared-ro", "private-ro")
    # Whatever the kernel is called; without 2 MiB mappings there is nothing to fail.
    for text in ("4.1", "4.1.15", "4.2-rc1", "4.2.8"):
        old = KernelVersion.parse(text)
        bug, mend = (Status.FAIL, Status.PASS) if size == "4k" else (Status.SKIP, Status.SKIP)
        assert {status("mine", mapping, old) for mapping in broken} == {bug}
        assert status("mine", "private-rw", old) is mend
        for variant in ("mine+dax-populate", "mine+dax-populate+x", "mine+x+dax-populate"):
            assert {status(variant, mapping, old) for mapping in broken} == {mend}
        assert {status("mine+not-dax-populate", mapping, old) for mapping in broken} == {bug}
    for text in ("4.10", "6.12") if size == "2m" else ("4.3", "4.10", "6.12"):
        assert {status("mine", m, KernelVersion.parse(text)) for m in broken} == {Status.PASS}
    assert {status("6.1+reintroduce-bug", mapping) for mapping in broken} == {Status.FAIL}
    assert status("6.1+reintroduce-bug", "private-rw") is Status.PASS
    for variant in ("6.1", "6.1+reintroduce-bug+dax-populate"):
        assert {status(variant, mapping) for mapping in broken} == {Status.PASS}


@pytest.mark.parametrize(
    ("version", "filesystem", "suite", "test", "status"),
    [
        ("4.1", "xfs-dax", "first-access", "first-access.shared-rw.4k", Status.SKIP),
        ("4.1", "xfs-dax", "populate", "populate", Status.SKIP),
        ("4.2", "xfs-dax", "first-access", "first-access.shared-rw.4k", Status.PASS),
        ("4.1", "ext4-dax", "first-access", "first-access.shared-rw.4k", Status.PASS),
        ("4.2", "ext4-dax", "populate", "control.shared-rw.4k", Status.PASS),
        ("4.2", "ext4-dax", "populate", "control.shared-rw.2m", Status.SKIP),
        ("4.3", "ext4-dax", "mlock", "mlock2-onfault.shared-rw.4k", Status.SKIP),
        ("4.4", "ext4-dax", "mlock", "mlock2-onfault.shared-rw.4k", Status.PASS),
        ("5.13", "ext4-dax", "populate", "madvise-populate-read.private-rw.4k", Status.SKIP),
        ("5.14", "ext4-dax", "populate", "madvise-populate-read.private-rw.4k", Status.PASS),
        ("4.3", "ext4-dax", "mlock", "mlock.shared-rw.2m", Status.SKIP),
        ("4.9", "ext4-dax", "mlock", "mlock.shared-rw.2m", Status.SKIP),
        ("4.10", "ext4-dax", "mlock", "mlock.shared-rw.2m", Status.PASS),
    ],
)
def test_what_a_kernel_has_not_is_a_skip(
    tmp_path: Path, version: str, filesystem: str, suite: str, test: str, status: Status
) -> None:
    # The patch adds none of it.
    for variant in ("mine", "mine+dax-populate"):
        got = expected(
            shipped(tmp_path / variant),
            around=AROUND,
            variant=variant,
            version=KernelVersion.parse(version),
            filesystem=filesystem,
            suite=suite,
            test=test,
        )
        assert got[0] is status


def shipped(folder: Path) -> tuple[Expectation, ...]:
    """What this project's own lab.toml expects, whatever is local to this machine."""
    folder.mkdir(exist_ok=True)
    for name in ("lab.toml", "kconfigs", "guest-tests", "patches"):
        (folder / name).symlink_to(Path(__file__).parents[2] / name)
    return load(folder).config.expect


@pytest.mark.parametrize(
    ("version", "inside"),
    [("4.1-rc8", False), ("4.1", True), ("4.2.8", True), ("4.3-rc1", True), ("4.3", False)],
)
def test_versions_limit_an_expectation(version: str, inside: bool) -> None:
    said = Expectation(versions=">=4.1 <4.3", status=Status.FAIL, reason="old")
    got = expected(
        (said,),
        around=AROUND,
        variant="mine",
        version=KernelVersion.parse(version),
        filesystem="f",
        suite="s",
        test="t",
    )
    assert got == ((Status.FAIL, "old") if inside else (Status.PASS, ""))


def test_a_device_is_for_those_that_know_it(tmp_path: Path) -> None:
    """A program that makes files in its folder would make them elsewhere, and pass."""
    more = '[suites.maps]\nprograms = ["populate"]\nfilesystem = "raw"\n'
    table = TOML.replace(
        "[suites]\n", f'raw = {{type = "devdax", by_name = true}}\n{more}[suites]\n'
    )
    loaded = write(tmp_path, table)
    for suites in (["mlock"], ["maps", "mlock"]):
        with pytest.raises(UserError, match="suite mlock knows nothing of raw, a device") as told:
            plan_variants(loaded, ["6.1"], ["raw"], suites)
        assert told.value.hint == 'suites that have filesystem = "raw" in their table'
    for filesystem in ("raw", "ram"):
        (job,) = plan_variants(loaded, ["6.1"], [filesystem], ["maps"]).jobs
        assert job.places == (("raw", "maps"),)
    (job,) = plan_variants(loaded, ["6.1"], ["ram"], ["maps", "mlock"]).jobs
    assert set(job.places) == {("ram", "mlock"), ("raw", "maps")}
