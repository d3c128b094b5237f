# SPDX-License-Identifier: GPL-2.0-only
"""Exceptions that nobody foresaw: a status, a place, a file to send."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from lab.errors import ExitStatus, InfrastructureError, LabError, UserError
from lab.report.site import chart
from lab.unforeseen import as_lab_error, state_folder


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "lab"


def raised_in_the_lab() -> Exception:
    with pytest.raises(TypeError) as caught:
        chart.strip("id", "title", "about", None, [])  # type: ignore[arg-type]
    return caught.value


def test_has_a_file_that_tells_of_it(state: Path) -> None:
    error = as_lab_error(raised_in_the_lab())
    (kept,) = state.glob("failed-*.txt")
    assert error.status is ExitStatus.INFRASTRUCTURE
    assert "the lab itself failed: TypeError: " in error.what
    assert str(error.where).startswith("lab/report/site/chart.py:")
    assert str(kept) in str(error.hint)
    assert "Traceback (most recent call last)" in kept.read_text()
    assert "Traceback" not in str(error)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_keeps_no_more_than_the_last(state: Path) -> None:
    for _ in range(25):
        as_lab_error(ValueError("again"))
    assert len(list(state.glob("failed-*.txt"))) == 20


def test_a_state_folder_that_cannot_be_made_is_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = as_lab_error(ValueError("lost"))
    (kept,) = tmp_path.glob("failed-*.txt")
    assert str(kept) in str(error)


def test_with_no_place_at_all_the_message_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    error = as_lab_error(ValueError("lost"))
    assert "not kept" in error.what
    assert "ValueError: lost" in str(error.detail)


@pytest.mark.parametrize("kind", [UserError, InfrastructureError])
def test_the_lab_s_own_errors_stay_what_they_are(state: Path, kind: type[LabError]) -> None:
    error = kind("known", hint="do this")
    assert as_lab_error(error) is error
    assert not state.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EMFILE, "Too many open files", "/x"), "/x: the machine says: Too many open"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", b"/y"), "/y: the machine says: "),
        (MemoryError(), "memory ran out"),
        (RuntimeError("can't start new thread"), "memory ran out"),
        (ImportError("x.so: failed to map segment from shared object"), "memory ran out"),
    ],
)
def test_what_the_machine_refuses_is_no_failure_of_the_lab(
    state: Path, error: Exception, said: str
) -> None:
    found = as_lab_error(error)
    assert found.status is ExitStatus.INFRASTRUCTURE
    assert said in str(found)
    assert found.hint
    assert not state.exists()


def test_an_error_that_cannot_even_say_itself(state: Path) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "the lab itself failed: Mute" in as_lab_error(Mute()).what


def test_state_folder_is_an_absolute_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # The XDG Base Directory Specification: relative paths are to be ignored.
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert state_folder() == Path.home() / ".local" / "state" / "lab"
