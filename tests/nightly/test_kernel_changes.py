# SPDX-License-Identifier: GPL-2.0-only
"""What a maintainer asks first: which kernel, which commits, which files, which patches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.config.model import GitKernel
from lab.model.job_error import JobError
from lab.model.records import Evidence, JobRecord, RunRecord
from lab.model.status import Status
from lab.model.url import Url
from lab.nightly.judgement import Finding, Judgement, Kind
from lab.nightly.kernel_changes import Manifests, Since, since
from lab.nightly.message import document_of, subject_of, text_of
from lab.nightly.night import Night
from lab.process import run as run_child
from lab.session import Lab
from lab.trees import Commits, Entry, write_manifest
from lab.trees.history import git_commits
from tests.nightly.test_judgement import key
from tests.results.made import job, result, run

OLD, NEW = "dir:" + "a" * 64, "dir:" + "b" * 64


def lab_in(folder: Path, **kernels: Any) -> Lab:
    """As much of a lab as this asks for."""
    config = SimpleNamespace(kernels=kernels)
    loaded = SimpleNamespace(config=config, root=folder)
    return cast("Lab", SimpleNamespace(results=folder / "results", loaded=loaded))


def made_of(identity: str, variant: str = "mine", **more: Any) -> JobRecord:
    evidence = replace(
        Evidence(tree_identity=identity, config_digest="c", compiler="gcc 12"), **more
    )
    return replace(job(result(variant=variant), variant=variant), evidence=evidence)


def apart(folder: Path, before: JobRecord | None, after: JobRecord, **kernels: Any) -> Since:
    past = run(before) if before else None
    (found,) = since(lab_in(folder, **kernels), past, run(after))
    return found


def test_files_that_changed(tmp_path: Path) -> None:
    kept = Manifests.of(lab_in(tmp_path))
    for identity, files in (
        (OLD, {"Makefile": "0", "mm/gup.c": "1", "mm/gone.c": "2", "mm/mode.sh": "3"}),
        (NEW, {"Makefile": "0", "mm/gup.c": "9", "mm/a new one.c": "2", "mm/mode.sh": "3"}),
    ):
        modes = {"mm/mode.sh": 0o100755 if identity == NEW else 0o100644}
        entries = {p: Entry(modes.get(p, 0o100644), digit * 40) for p, digit in files.items()}
        write_manifest(tmp_path / "manifest", entries)
        kept.keep(identity, tmp_path / "manifest")
    found = apart(tmp_path, made_of(OLD), made_of(NEW))
    assert found.files == ("mm/a new one.c", "mm/gone.c", "mm/gup.c", "mm/mode.sh")
    assert not found.same
    kept.keep_only([NEW])
    # What nobody knows is no "nothing changed".
    assert apart(tmp_path, made_of(OLD), made_of(NEW)).files is None
    assert apart(tmp_path, made_of(NEW), made_of(NEW)).same


def test_what_else_is_built_in(tmp_path: Path) -> None:
    patches = (("fix/a.patch", "1"), ("fix/b.patch", "1"), ("fixed/c.patch", "1"))
    was = made_of(NEW, "mine+fix", series_digests=(("fix", "1"), ("other", "1")), patches=patches)
    now = made_of(NEW, "mine+fix", series_digests=(("fix", "2"), ("other", "1")),
                  patches=(("fix/a.patch", "2"), ("fix/d.patch", "1")), config_digest="d",
                  compiler="gcc 13")  # fmt: skip
    assert apart(tmp_path, was, now).others == (
        "series fix: a.patch changed, b.patch gone, d.patch new",
        "the kernel's config",
        "compiler: gcc 12 -> gcc 13",
    )
    old = replace(was, evidence=replace(was.evidence, patches=()))
    assert apart(tmp_path, old, now).others[0] == "series fix"


def test_variants_that_changed_alike_are_told_together(tmp_path: Path) -> None:
    other = made_of(OLD, "mine+b", config_digest="x")
    before = run(made_of(OLD), made_of(OLD, "mine+a"), other)
    built = [made_of(NEW, name) for name in ("mine", "mine+a", "mine+b", "mine+c")]
    after = run(*built, replace(made_of("", "mine+d"), error=JobError("does not apply")))
    found = since(lab_in(tmp_path), before, after)
    assert [(one.variants, one.before, one.others) for one in found] == [
        (("mine", "mine+a"), OLD, ()),
        (("mine+b",), OLD, ("the kernel's config",)),
        (("mine+c",), "", ()),
    ]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "linux"
    run_child(["git", "init", "-q", "-b", "master", folder])
    for number in range(4):
        commit(folder, f"mm: step {number}")
    return folder


def commit(folder: Path, subject: str) -> None:
    who = ["-c", "user.name=A. Person", "-c", "user.email=a@example.org"]
    run_child(["git", "-C", folder, *who, "commit", "-q", "--allow-empty", "-m", subject])


def revision(folder: Path, name: str) -> str:
    return run_child(["git", "-C", folder, "rev-parse", name]).stdout.strip()


@pytest.mark.slow
def test_commits(repository: Path, tmp_path: Path) -> None:
    kernel = GitKernel(kind="git", url=Url("linux"), ref="master")
    old, new = revision(repository, "HEAD~2"), revision(repository, "HEAD")
    found = apart(tmp_path, made_of(f"git:{old}"), made_of(f"git:{new}"), mine=kernel)
    assert found.commits is not None
    assert (found.commits.count, found.commits.undone) == (2, 0)
    assert found.commits.subjects[0] == f"{new[:12]} mm: step 3 (A. Person)"
    back = git_commits(kernel, tmp_path, new, old)
    assert back == Commits(0, 2, ())
    # What git does not know, and what is not here, is no end of a night.
    gone = apart(tmp_path, made_of("git:" + "0" * 40), made_of(f"git:{new}"), mine=kernel)
    assert gone.commits is None
    far = GitKernel(kind="git", url=Url("https://example.org/linux.git"), ref="master")
    assert git_commits(far, tmp_path, old, new) is None
    shallow = tmp_path / "shallow"
    run_child(["git", "clone", "-q", "--depth=1", f"file://{repository}", shallow])
    cut = GitKernel(kind="git", url=Url("shallow"), ref="master")
    assert apart(tmp_path, made_of(f"git:{old}"), made_of(f"git:{new}"), mine=cut).commits is None


def night(apart: Since, *findings: Finding) -> Night:
    made: RunRecord = run(job(result()), id="20260102-120000-bbbb")
    judgement = Judgement(findings)
    return Night("default", made, judgement, baseline="20260101-120000-aaaa", since=(apart,))


def worse(test: str, filesystem: str = "ext4-dax", said: str = "0 of 1024 pages") -> Finding:
    bad = result(test, Status.FAIL, filesystem=filesystem, message=said)
    place = key(test)._replace(filesystem=filesystem)
    return Finding(place, Kind.REGRESSED, result(test), (bad,))


GIT = Since(
    ("6.1", "6.1+fix"), ("6.1.192",), "git:" + "a" * 40, "git:" + "b" * 40,
    Commits(31, 0, ("bbbbbbbbbbbb mm: populate less (A. Person)",)),
    tuple(f"mm/file-{n}.c" for n in range(20)),
)  # fmt: skip


def test_subject_and_first_lines() -> None:
    made = night(GIT, *(worse(f"mlock.{m}.4k") for m in ("shared-rw", "shared-ro", "private-ro")))
    assert subject_of(made) == (
        "lab nightly default on host: 3 regressed: 6.1 (31 commits later): "
        "mlock.shared-rw.4k, mlock.shared-ro.4k, 1 more"
    )
    lines = text_of(made).splitlines()
    assert lines[2:8] == [
        "",
        "6.1, 6.1+fix (6.1.192)",
        "  git:aaaaaaaaaaaa -> git:bbbbbbbbbbbb",
        "  31 commits, the newest:",
        "    bbbbbbbbbbbb mm: populate less (A. Person)",
        "  20 files changed: mm/file-0.c, mm/file-1.c, mm/file-2.c, mm/file-3.c,",
    ]
    assert "8 more" in " ".join(lines)
    assert document_of(made)["since"][0]["commits"]["count"] == 31


@pytest.mark.parametrize(
    ("apart", "step", "line"),
    [
        (replace(GIT, commits=None, files=None), " (git:aaaaaaaaaaaa..bbbbbbbbbbbb)", "  git:aaaa"),
        (
            replace(GIT, before="apt:linux=1-1", after="apt:linux=1-2", commits=None),
            " (apt:linux=1-1..linux=1-2)",
            "  apt:linux=1-1 -> apt:linux=1-2",
        ),
        (
            Since(("6.1",), ("6.1.192",), OLD, OLD, others=("series fix: a.patch changed",)),
            " (other series fix)",
            "  changed: series fix: a.patch changed",
        ),
        (
            Since(("6.1",), ("6.1.192",), OLD, OLD),
            "",
            "6.1 (6.1.192): source, series, config and compiler are the same",
        ),
    ],
)
def test_each_way_to_change(apart: Since, step: str, line: str) -> None:
    made = night(apart, worse("t"))
    assert subject_of(made) == f"lab nightly default on host: 1 regressed: 6.1{step}: t"
    assert [one for one in text_of(made).splitlines() if one.startswith(line)]


def test_one_cause_is_one_paragraph_in_a_mail() -> None:
    alike = [
        worse(f"mlock.{mapping}.{size}", filesystem, f"{number} of 1024 pages")
        for filesystem in ("ext4-dax", "xfs-dax")
        for size in ("4k", "2m")
        for number, mapping in enumerate(("shared-rw", "shared-ro"))
    ]
    died = [worse(name, said=f"oops: at f; {said}") for name, said in (("x", "a"), ("y", "b"))]
    died = [
        replace(one, after=tuple(replace(bad, complaint="oops: at f") for bad in one.after))
        for one in died
    ]
    odd = worse("odd", said="quite another thing")
    text = text_of(night(GIT, *alike, odd, *died))
    section = text[text.index("REGRESSED") : text.index("\n\nIn all")].rstrip()
    assert section.splitlines() == [
        "REGRESSED (11)",
        "  6.1 on ext4-dax xfs-dax",
        "    mlock: mlock 4k,2m: shared-rw shared-ro",
        "      pass -> fail",
        "      | 0 of 1024 pages",
        "  6.1 on ext4-dax",
        "    mlock: odd",
        "      pass -> fail",
        "      | quite another thing",
        "  6.1 on ext4-dax",
        "    mlock: x, y",
        "      pass -> fail",
        "      | oops: at f; a",
    ]
