# SPDX-License-Identifier: GPL-2.0-only
"""What lies between two ends that are no commits, and what is built of each point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lab.bisect.point import Point
from lab.bisect.search import Found
from lab.bisect.subject import Subject
from lab.bisect.subjects.options import options_of
from lab.bisect.subjects.patches import patches_of
from lab.bisect.subjects.releases import releases_of
from lab.bisect.subjects.revisions import revisions_of
from lab.bisect.subjects.setup import Buildable
from lab.bisect.subjects.toolchains import mends_of, toolchains_of
from lab.bisect.told import Side, Told
from lab.build import Build
from lab.errors import UserError
from lab.model.variant import Variant
from lab.session import Lab
from tests.bisect.made_repository import make_project
from tests.execution.test_reuse import patch

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

FAKE = Variant("fake")
MENDS = """
[no-warnings]
versions = ""
tools.gcc = ">=4.0"
symptom = "it warns"
commits = ["123456789012"]
kernel_flags = ["-w"]

[host-quick]
versions = ""
tools.gcc = ">=4.0"
symptom = "it is slow"
commits = ["123456789012"]
host_flags = ["-O0"]
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_project(tmp_path)


def _write(lab: Lab, name: str, *patches: str) -> Lab:
    folder = lab.patches / name
    folder.mkdir(exist_ok=True)
    for number, text in enumerate(patches, 1):
        (folder / f"{number}.patch").write_text(text)
    (folder / "series").write_text("".join(f"{n + 1}.patch\n" for n in range(len(patches))))
    return Lab.open(lab.loaded.root).with_series(name)


def _found(subject: Subject, is_new: Callable[[Point], bool]) -> Point:
    told: list[Told] = []
    for _ in range(100):
        step = subject.search.next(told)
        if isinstance(step, Found):
            return step.point
        assert isinstance(step, Point)
        told.append(Told(step, Side.NEW if is_new(step) else Side.OLD))
    raise AssertionError("no end")


def _built(subject: Buildable, point: Point) -> Build:
    setup = subject.setup(point)
    return setup.builder.build(setup.variant, setup.config or "default")


def test_patches_of_a_series(lab: Lab) -> None:
    texts = [patch("mlock", "1"), patch("gup", "1"), patch("dax", "1")]
    lab = _write(lab, "three", *texts)
    subject = patches_of(lab, "three", FAKE)
    assert [point.key for point in (*subject.old, subject.new)] == ["0", "3"]
    assert _found(subject, lambda point: int(point.key) >= 2).key == "2"
    files = [sorted(_overlay(subject, point)) for point in subject.line.points]
    assert files == [
        [], ["mm/mlock.c"], ["mm/gup.c", "mm/mlock.c"], ["fs/dax.c", "mm/gup.c", "mm/mlock.c"],
    ]  # fmt: skip
    within = patches_of(lab, "three", FAKE, 1, 2)
    assert [point.key for point in (*within.old, within.new)] == ["1", "2"]
    for ends in ((2, 2), (3, 1)):
        with pytest.raises(UserError, match="nothing is added"):
            patches_of(lab, "three", FAKE, *ends)
    with pytest.raises(UserError, match=r"4 is no number of patches .*: it has 3"):
        patches_of(lab, "three", FAKE, 0, 4)


def test_a_patch_is_left_out_where_those_on_top_of_it_apply(lab: Lab) -> None:
    texts = [patch("mlock", "1"), patch("gup", "1"), patch("dax", "1")]
    again = texts[1].replace("-\treturn 0;", "-\treturn 1;").replace("+\treturn 1;", "+\treturn 2;")
    assert again != texts[1]
    lab = _write(lab, "four", *texts, again)
    (lab.patches / "four/series").write_text("1.patch\n2.patch\n3.patch\n4.patch\n")
    subject = patches_of(lab, "four", FAKE)
    without = [subject.reverted(point) for point in subject.line.points[1:]]
    # The fourth changes what the second made.
    assert [point.key if point else None for point in without] == ["4-1", None, "4-3", "3"]
    assert without[0] is not None
    assert sorted(_overlay(subject, without[0])) == ["fs/dax.c", "mm/gup.c"]
    within = patches_of(lab, "four", FAKE, 0, 3)
    point = within.reverted(within.line.points[2])
    assert point is not None
    assert point.name == "3 of 4 without 2"
    assert sorted(_overlay(within, point)) == ["fs/dax.c", "mm/mlock.c"]


def test_of_a_series_for_several_kernels_the_right_patch_is_left_out(lab: Lab) -> None:
    lab = _write(lab, "many", patch("mlock", "1"), patch("gup", "1"), patch("dax", "1"))
    listed = "1.patch # versions: >=7.0\n2.patch\n3.patch\n"
    (lab.patches / "many/series").write_text(listed)
    subject = patches_of(lab, "many", FAKE)
    point = subject.reverted(subject.line.points[1])
    assert point is not None
    assert sorted(_overlay(subject, point)) == ["fs/dax.c"]


def _overlay(subject: Buildable, point: Point) -> dict[str, object]:
    setup = subject.setup(point)
    return dict(setup.builder.build_job(setup.variant, "default").overlay.files)


def test_patches_that_are_not_for_the_kernel_are_none(lab: Lab) -> None:
    lab = _write(lab, "two", patch("mlock", "1"), patch("gup", "1"))
    series = lab.patches / "two" / "series"
    series.write_text("1.patch # versions: >=7.0\n2.patch\n")
    subject = patches_of(lab, "two", FAKE)
    assert subject.new.key == "1"
    assert sorted(_overlay(subject, subject.new)) == ["mm/gup.c"]


def test_revisions_of_a_series(lab: Lab) -> None:
    for number, name in enumerate(("fix-v10", "fix-v2", "it", "it-v2", "it-v3", "it-v10"), 1):
        lab = _write(lab, name, patch("gup", str(number)))
    lab = Lab.open(lab.loaded.root)
    subject = revisions_of(lab, FAKE, "it", "it-v10")
    assert [point.key for point in subject.line.points] == [
        "fake+it", "fake+it-v2", "fake+it-v3", "fake+it-v10",
    ]  # fmt: skip
    assert _found(subject, lambda point: point.key != "fake+it").key == "fake+it-v2"
    (file,) = _overlay(subject, subject.new).values()
    assert b"return 6;" in getattr(file, "content", b"")
    with pytest.raises(UserError, match="no later revision"):
        revisions_of(lab, FAKE, "it-v3", "it-v2")
    with pytest.raises(UserError, match="not revisions of one series"):
        revisions_of(lab, FAKE, "it", "fix-v10")
    # Which of them is the later one is nobody's question then.
    with pytest.raises(UserError, match="not revisions of one series"):
        revisions_of(lab, FAKE, "fix-v10", "it")


def test_releases_by_their_versions(lab: Lab, tmp_path: Path) -> None:
    toml = lab.loaded.root / "lab.toml"
    for name, sublevel in (("newest", 20), ("same", 9), ("older", 8), ("again", 9), ("gone", 10)):
        folder = tmp_path / name
        (folder / "mm").mkdir(parents=True)
        text = (tmp_path / "fake-kernel" / "Makefile").read_text()
        (folder / "Makefile").write_text(text.replace("SUBLEVEL = 7", f"SUBLEVEL = {sublevel}"))
        section = f'[kernels.{name}]\nkind = "dir"\npath = "{folder}"\n\n'
        toml.write_text(toml.read_text().replace("[series.fix]", f"{section}[series.fix]"))
    (tmp_path / "gone" / "Makefile").unlink()
    lab = Lab.open(lab.loaded.root)
    subject = releases_of(lab, "fake", "newest", ["fix"])
    assert [point.key for point in subject.line.points] == [
        "fake+fix", "older+fix", "again+fix", "newest+fix",
    ]  # fmt: skip
    assert subject.new.title == "Linux 6.1.20"
    with pytest.raises(UserError, match="no later kernel"):
        releases_of(lab, "newest", "fake")
    with pytest.raises(UserError, match="both ends"):
        releases_of(lab, "gone", "gone")


KCONFIG = """
config OTHER
	bool "Another"
"""


def test_two_configs_come_down_to_what_differs(lab: Lab, tmp_path: Path) -> None:
    root = lab.loaded.root
    toml = root / "lab.toml"
    toml.write_text(
        toml.read_text().replace(
            "[filesystems",
            '[configs.more]\nfragments = ["tiny", "more"]\nslower = 2\n\n[filesystems',
            1,
        )
    )
    (root / "kconfigs" / "tiny.config").write_text("CONFIG_BASE=y\nCONFIG_OTHER=y\n")
    (root / "kconfigs" / "more.config").write_text(
        "CONFIG_SMP=y\nCONFIG_DAX=y\n# CONFIG_OTHER is not set\n"
    )
    with (tmp_path / "fake-kernel" / "Kconfig").open("a") as kconfig:
        kconfig.write(KCONFIG)
    lab = Lab.open(root)
    subject = options_of(lab, FAKE, "default", "more")
    assert set(subject.new.parts) == {
        "CONFIG_SMP=y", "CONFIG_DAX=y", "# CONFIG_OTHER is not set",
    }  # fmt: skip
    assert subject.old[0].parts == ()
    (old,) = subject.old
    assert _config(subject, old) == {"CONFIG_BASE=y", "CONFIG_OTHER=y"}
    assert _config(subject, subject.new) == {"CONFIG_BASE=y", "CONFIG_SMP=y", "CONFIG_DAX=y"}
    assert subject.setup(old).builder.loaded.config.configs[subject.setup(old).config].slower == 2
    found = _found(subject, lambda point: "CONFIG_SMP=y" in point.parts)
    assert found.parts == ("CONFIG_SMP=y",)
    without = subject.reverted(found)
    assert without is not None
    assert set(without.parts) == {"CONFIG_DAX=y", "# CONFIG_OTHER is not set"}
    # What one depends on is not there: it does not stick, which says nothing.
    with pytest.raises(UserError, match="DAX"):
        _built(subject, without)
    back = options_of(lab, FAKE, "more", "default")
    assert set(back.new.parts) == {
        "CONFIG_SMP=y not asked for", "CONFIG_DAX=y not asked for", "CONFIG_OTHER=y",
    }  # fmt: skip
    assert _config(back, back.new) == {"CONFIG_BASE=y", "CONFIG_OTHER=y"}
    with pytest.raises(UserError, match="ask the same"):
        options_of(lab, FAKE, "more", "more")


def _config(subject: Buildable, point: Point) -> set[str]:
    lines = (_built(subject, point).folder / "config").read_text().splitlines()
    return {line for line in lines if line and not line.startswith("#")}


def test_two_compilers_and_what_is_mended_for_them(lab: Lab, tmp_path: Path) -> None:
    folder = lab.loaded.root / "patches" / "toolchain"
    folder.mkdir()
    (folder / "mends.toml").write_text(MENDS)
    subject = mends_of(lab, FAKE)
    assert subject.new.parts == ("mend host-quick", "mend no-warnings")
    assert subject.new.name == "2 of 2 mends"
    assert _mends(subject, subject.old[0]) == []
    assert _mends(subject, subject.new) == ["no-warnings", "host-quick"]
    found = _found(subject, lambda point: "mend no-warnings" in point.parts)
    assert found.parts == ("mend no-warnings",)
    assert _mends(subject, found) == ["no-warnings"]
    mine = tmp_path / "my-gcc"
    mine.write_text('#!/bin/sh\n[ "$1" = --version ] && { echo my 3.4; exit; }\nexec gcc "$@"\n')
    mine.chmod(0o755)
    both = toolchains_of(lab, FAKE, str(mine), "gcc")
    assert both.new.parts == (
        "compiler gcc", "mend host-quick", "mend no-warnings",
    )  # fmt: skip
    assert _compiler(both, both.old[0]) == str(mine)
    assert _compiler(both, both.new) == "gcc"
    assert _mends(both, both.old[0]) == []
    only_compiler = _found(both, lambda point: "compiler gcc" in point.parts)
    assert only_compiler.parts == ("compiler gcc",)
    assert (_compiler(both, only_compiler), _mends(both, only_compiler)) == ("gcc", [])
    back = toolchains_of(lab, FAKE, "gcc", str(mine))
    assert back.new.parts == (
        f"compiler {mine}", "no mend host-quick", "no mend no-warnings",
    )  # fmt: skip
    assert _mends(back, back.new) == []
    with pytest.raises(UserError, match="no difference"):
        toolchains_of(lab, FAKE, "gcc", "gcc")
    # Two names of one: Debian's gcc is a link to gcc-12.
    (tmp_path / "again").symlink_to(mine)
    with pytest.raises(UserError, match="are one compiler"):
        toolchains_of(lab, FAKE, str(mine), str(tmp_path / "again"))
    (folder / "mends.toml").unlink()
    with pytest.raises(UserError, match="needs no mend for gcc"):
        mends_of(lab, FAKE)
    with pytest.raises(UserError, match="no-such-cc") as missing:
        toolchains_of(lab, FAKE, "gcc", "no-such-cc")
    assert "lab.toml" not in str(missing.value)


def _mends(subject: Buildable, point: Point) -> list[str]:
    setup = subject.setup(point)
    job = setup.builder.build_job(setup.variant, "default")
    return [mend.name for mend in job.mends.applied]


def _compiler(subject: Buildable, point: Point) -> str:
    return subject.setup(point).builder.toolchain.cc
