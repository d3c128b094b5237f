# SPDX-License-Identifier: GPL-2.0-only
"""A repository of commits over the kernel of the lab's tests, and guests that are played on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.execution.job import Job
from lab.model.records import GuestUse, JobRecord, TestResult
from lab.model.status import Status
from lab.model.tree_identity import TreeIdentity
from lab.model.variant import Variant
from lab.process import run
from lab.process.shelf import MIRRORS
from lab.session import Lab
from tests.cli.test_cli import LAB_TOML, ROOT
from tests.conftest import FAKES
from tests.results.made import EVIDENCE

_IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")
_BUG = "return 1;"
_FINE = "return 0;"


def git(folder: Path, *arguments: str) -> str:
    return run(["git", *_IDENTITY, *arguments], cwd=folder).stdout.strip()


@dataclass
class Repository:
    """A checkout, to which commits are added one by one."""

    folder: Path

    @staticmethod
    def begin(folder: Path) -> Repository:
        run(["cp", "-r", FAKES / "kernel", folder])
        git(folder, "init", "-q", "-b", "main")
        made = Repository(folder)
        made.commit("first")
        return made

    def commit(self, subject: str) -> str:
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", subject)
        return git(self.folder, "rev-parse", "HEAD")

    def add(self, file: str, text: str, subject: str = "") -> str:
        """Commit a file with more text at its end."""
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        before = path.read_text() if path.exists() else ""
        path.write_text(f"{before}{text}\n")
        return self.commit(subject or f"{file}: {text}")

    def change(self, file: str, old: str, new: str, subject: str) -> str:
        path = self.folder / file
        path.write_text(path.read_text().replace(old, new))
        return self.commit(subject)

    def put_bug_in(self) -> str:
        return self.change("mm/gup.c", _FINE, _BUG, "mm/gup: a bug")


def answers(lab: Lab, job: Job) -> tuple[Status, str]:
    """What a guest of a commit says: the test fails where the bug is."""
    commit = TreeIdentity(job.evidence.tree_identity).digest
    text = git(MIRRORS.place(lab.cache, "mirror.git"), "show", f"{commit}:mm/gup.c")
    return (Status.FAIL, "gup: ENOMEM") if _BUG in text else (Status.PASS, "")


@dataclass
class Played:
    """Guests that are played: how each ends, and how often one began."""

    says: Callable[[Job], tuple[Status, str]]
    began: list[str] = field(default_factory=list)
    #: Called when a guest begins.
    meanwhile: Callable[[], None] = lambda: None

    def job(self, job: Job, on_result: object, on_word: object) -> JobRecord:
        self.began.append(str(job.variant))
        self.meanwhile()
        evidence = replace(job.evidence, guests=(GuestUse("", "", ()),), proofs=EVIDENCE.proofs)
        results = tuple(self._result(job) for _ in range(job.repeat))
        return JobRecord(
            Variant(job.variant),
            job.release,
            job.machine,
            job.config,
            "then",
            1.0,
            evidence,
            results,
        )

    def _result(self, job: Job) -> TestResult:
        status, message = self.says(job)
        return TestResult(
            job.variant,
            job.release,
            "ext4-dax",
            "populate",
            "t",
            status,
            message=message,
            program="populate",
        )


def make_project(tmp_path: Path) -> Lab:
    """A lab whose kernel builds in a moment."""
    folder = tmp_path / "project"
    (folder / "kconfigs").mkdir(parents=True)
    (folder / "kconfigs" / "tiny.config").write_text("CONFIG_BASE=y\n")
    (folder / "guest-tests").symlink_to(ROOT / "guest-tests")
    (folder / "patches" / "fix").mkdir(parents=True)
    (folder / "patches" / "fix" / "series").write_text("")
    places = {"kernel": tmp_path / "fake-kernel", "cache": tmp_path / "cache"}
    run(["cp", "-r", FAKES / "kernel", places["kernel"]])
    toml = LAB_TOML.format(**{name: json.dumps(str(path)) for name, path in places.items()})
    (folder / "lab.toml").write_text(f"guests = 1\n{toml}")
    return Lab.open(folder)


def play(monkeypatch: pytest.MonkeyPatch, played: Played) -> None:
    """Have it in place of real guests."""
    monkeypatch.setattr("lab.execution.in_process.run_job", played.job)
    monkeypatch.setattr("lab.doctor.require", lambda _: None)
    monkeypatch.setattr("lab.bisect.trier.require", lambda _: None)
