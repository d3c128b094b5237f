# SPDX-License-Identifier: GPL-2.0-only
"""Threads by their Message-Id: b4 as it is, and a server of ours for the archive."""

from __future__ import annotations

import gzip
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from lab.cli.commands import open_lab
from lab.cli.review_check import _intake
from lab.errors import InfrastructureError, UserError
from lab.patches.intake import is_thread, read_intake
from lab.patches.intake.archive import fetch_thread
from lab.patches.intake.letter import letters_of

MAILS = Path(__file__).parent / "mails"
COVER = "20200601-populate-v2-0-0123456789ab@example.org"
ALONE = "1@example.org"

needs_b4 = pytest.mark.skipif(
    shutil.which("b4") is None and not Path(sys.executable).with_name("b4").exists(),
    reason="b4 is not installed",
)


class Archive(ThreadingHTTPServer):
    """public-inbox, as far as b4 asks: /LIST/MESSAGE-ID/t.mbox.gz; a list is one of our mails."""

    def __init__(self) -> None:
        self.agents: list[str] = []
        self.silent = threading.Event()
        self.mails = MAILS
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    server: Archive

    def do_GET(self) -> None:
        self.server.agents.append(self.headers["User-Agent"])
        if self.path.startswith("/silent/"):
            self.server.silent.wait(30)
        words = [unquote(word) for word in self.path.split("/")]
        thread = self.server.mails / f"{words[1]}.mbox"
        known = thread.is_file() and f"<{words[2]}>" in thread.read_text(errors="replace")
        if not known or words[3:] != ["t.mbox.gz"]:
            self.send_error(404)
            return
        content = gzip.compress(thread.read_bytes())
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.silent.set()
        server.shutdown()
        thread.join()


@needs_b4
@pytest.mark.slow
def test_a_thread_by_its_url(tmp_path: Path, archive: Archive) -> None:
    intake = read_intake(f"{archive.url}/thread/{ALONE}/", tmp_path)
    same = read_intake(str(MAILS / "thread.mbox"), tmp_path)
    assert intake.files == same.files
    assert [each.why for each in intake.choice.left_out] == [
        each.why for each in same.choice.left_out
    ]


@needs_b4
@pytest.mark.slow
def test_a_series_with_a_part_missing_is_refused_by_its_name(
    tmp_path: Path, archive: Archive
) -> None:
    """b4 logs that, and returns the others."""
    with pytest.raises(UserError, match="missing: 2/3"):
        read_intake(f"{archive.url}/part-missing/{COVER}/", tmp_path)


@needs_b4
@pytest.mark.slow
def test_the_user_s_archive_is_asked_and_nothing_else_of_the_configuration(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "gitconfig"
    config.write_text(
        f'[b4]\n\tmidmask = {archive.url}/thread/%s\n[liblore "{archive.url}"]\n'
        "\tuseragentplus = theirs\n[lore]\n\tuseragentplus = theirs\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert fetch_thread(f"<{ALONE}>").mails
    assert archive.agents
    assert not any("theirs" in agent for agent in archive.agents)


@needs_b4
@pytest.mark.slow
def test_what_the_archive_does_not_have_is_told(archive: Archive) -> None:
    with pytest.raises(UserError, match="has no such mail"):
        fetch_thread(f"{archive.url}/thread/nobody@example.org/")


@needs_b4
@pytest.mark.slow
def test_an_archive_that_is_not_there(archive: Archive) -> None:
    with pytest.raises(InfrastructureError, match="did not get the thread"):
        fetch_thread(f"http://127.0.0.1:1/thread/{ALONE}/")


@needs_b4
@pytest.mark.slow
def test_an_archive_that_is_silent_has_a_deadline(archive: Archive) -> None:
    with pytest.raises(InfrastructureError, match=r"2(\.0)? s"):
        fetch_thread(f"{archive.url}/silent/{ALONE}/", seconds=2)


def test_without_b4_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InfrastructureError, match="b4 is not installed") as caught:
        fetch_thread(ALONE)
    assert caught.value.hint == f"{sys.executable} -m pip install 'b4>=0.16'"


def test_an_old_b4_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "b4"
    program.write_text("#!/bin/sh\necho 0.14.3\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(InfrastructureError, match=r"b4 is 0\.14\.3: the lab needs 0\.16"):
        fetch_thread(ALONE)


@pytest.mark.parametrize(
    ("given", "is_one"),
    [
        (ALONE, True),
        (f"<{COVER}>", True),
        (f"https://lore.kernel.org/linux-mm/{COVER}/", True),
        ("-o@example.org", False),
        ("fix.patch", False),
        ("~/mails/a@b/cur", False),
        ("dax-populate", False),
        ("-", False),
    ],
)
def test_what_names_a_thread(given: str, is_one: bool) -> None:
    assert is_thread(given) is is_one


def test_a_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ALONE).write_bytes((MAILS / "plain.mbox").read_bytes())
    assert not is_thread(ALONE)


@needs_b4
@pytest.mark.slow
def test_a_check_is_of_the_revision_that_it_was_asked_of(
    tmp_path: Path, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What b4 review shows beside v2 is said of v2, whatever came after it."""
    later = COVER.replace("-v2-", "-v3-")
    thread = (MAILS / "three-versions.mbox").read_text()
    # b4 takes what answers, and nothing else, for the thread.
    answers = thread.replace(
        f"Message-ID: <{later}>\n", f"Message-ID: <{later}>\nIn-Reply-To: <{COVER}>\n"
    )
    assert answers != thread
    (tmp_path / "answered.mbox").write_text(answers)
    archive.mails = tmp_path
    config = tmp_path / "gitconfig"
    config.write_text(f"[b4]\n\tmidmask = {archive.url}/answered/%s\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    raw = (
        f"From: Dev <dev@example.org>\nMessage-ID: <{COVER}>\n"
        "Subject: [PATCH v2 0/3] mm: populate\n\nx\n"
    ).encode()
    (letter,) = letters_of(raw, "")
    opened = open_lab(Path(__file__).parents[2] / "lab.toml")
    intake = _intake(opened, letter, raw, ())
    assert intake.choice.revision == (2,)
    assert len(intake.choice.patches) == 3
