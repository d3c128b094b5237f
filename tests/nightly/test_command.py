# SPDX-License-Identifier: GPL-2.0-only
"""``lab nightly`` as a user meets it: its timer, its lock, a night without any guest."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.errors import UserError
from lab.nightly.timer import install
from lab.results.store import Store
from tests.cli.test_cli import lab, project
from tests.nightly.test_notify import Inbox, mail_server

pytestmark = pytest.mark.slow

__all__ = ["project"]


def test_units(project: Path, tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    done = lab(project, "nightly", "--install", "--at", "3:05", env=env)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "config" / "systemd" / "user"
    (service,) = folder.glob("lab-nightly-project-*.service")
    timer = service.with_suffix(".timer")
    assert "OnCalendar=*-*-* 03:05:00\n" in timer.read_text()
    (start,) = [line for line in service.read_text().splitlines() if line.startswith("ExecStart=")]
    command = start.removeprefix("ExecStart=").split()
    assert Path(command[0]).is_absolute()
    assert command[-3:] == ["nightly", "--file", str(project / "lab.toml")]
    assert f"5 3 * * * {' '.join(command)}\n" in done.stdout
    assert f"systemctl --user enable --now {timer.name}" in done.stdout
    stamps = service.read_text(), timer.read_text()
    assert lab(project, "nightly", "--install", "--at", "3:05", env=env).stdout == done.stdout
    assert stamps == (service.read_text(), timer.read_text())
    assert lab(project, "nightly", "--install", "--at", "25:00", env=env).returncode == 2


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
@pytest.mark.parametrize("name", ["plain", "a b", "100%s $HOME \"q'"])
def test_systemd_understands_the_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    # An absolute path that exists, so that systemd only has our words to complain of.
    units = install(tmp_path / name / "lab.toml")
    (tmp_path / name).mkdir()
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", units.service, units.timer],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    said = [line for line in done.stderr.splitlines() if "lab-nightly" in line]
    assert (done.returncode, said) == (0, []), done.stderr
    text = units.service.read_text()
    assert "%s" not in text.replace("%%s", "")
    # What systemd makes of it: %% is %, $$ is $, and quotes hold a word together.
    (start,) = [line for line in text.splitlines() if line.startswith("ExecStart=")]
    words = shlex.split(start.removeprefix("ExecStart=").replace("%%", "%").replace("$$", "$"))
    assert words[-1] == str(tmp_path / name / "lab.toml")
    assert start.count("$") == 2 * name.count("$")
    assert "100%" not in units.crontab.replace("\\%", "")


def test_each_project_has_units_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    tomls = [tmp_path / name / "lab.toml" for name in ("a/lab", "b/lab", "ä ö", "...")]
    units = [install(toml) for toml in tomls]
    assert len({unit.service for unit in units}) == len({unit.timer for unit in units}) == 4
    for toml, unit in zip(tomls, units, strict=True):
        assert str(toml.parent) in unit.service.read_text()
        assert re.fullmatch(r"lab-nightly-[A-Za-z0-9_.-]+\.timer", unit.timer.name)


def test_the_units_of_an_older_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two timers for one project would test each night twice."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    old = tmp_path / "systemd" / "user" / "lab-nightly.service"
    old.parent.mkdir(parents=True)
    old.write_text("[Service]\nExecStart=/x/lab nightly --config /a/lab.toml\nNice=10\n")
    assert install(Path("/a/lab.toml")).enable[0] == (
        "systemctl --user disable --now lab-nightly.timer"
    )
    assert "disable" not in "".join(install(Path("/b/lab.toml")).enable)


@pytest.mark.parametrize("name", ["a\nExecStart=x", "a\\", "a ", "a\x1b[0m", "\udcff", "a\u2028b"])
def test_paths_that_no_unit_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(UserError, match="cannot be written into a unit"):
        install(tmp_path / name / "lab.toml")
    assert not (tmp_path / "systemd").exists()


def test_a_lab_whose_path_no_unit_can_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "a\nExecStart=x" / "python"))
    with pytest.raises(UserError, match="cannot be written into a unit"):
        install(tmp_path / "lab.toml")


@pytest.mark.parametrize("url", ["https://x:99999/hunter2", "http://[::1/hunter2"])
def test_a_webhook_that_is_none_is_told_before_the_night(project: Path, url: str) -> None:
    (project / "lab.local.toml").write_text(f'[nightly.webhook]\nurl = "{url}"\n')
    done = lab(project, "nightly")
    assert done.returncode == 2
    assert "lab.local.toml:2: nightly.webhook.url: is no URL" in done.stderr
    assert "hunter2" not in done.stderr
    assert not (project / "results").exists()


def test_a_time_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        install(tmp_path / "lab.toml", "soon")


def test_dry_run(project: Path) -> None:
    done = lab(project, "nightly", "-n")
    assert done.returncode == 0
    assert "nightly default: 2 builds" in done.stdout
    assert "bisected" not in done.stdout
    (project / "lab.local.toml").write_text("[nightly]\nbisect = true\nbisect_budget = 60.0\n")
    asked = lab(project, "nightly", "-n")
    assert "what got worse is bisected for 60 s at most" in asked.stdout
    (project / "lab.local.toml").write_text('[nightly]\nmatrix = "defualt"\n')
    wrong = lab(project, "nightly", "-n")
    assert wrong.returncode == 2
    assert "default" in wrong.stderr


def test_two_never_run_at_once(project: Path) -> None:
    code = (
        "import sys, pathlib; from lab.nightly.single_instance import alone\n"
        "with alone(pathlib.Path(sys.argv[1])): print('up', flush=True); sys.stdin.read()"
    )
    lock = project / "results" / "nightly" / ".lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        done = lab(project, "nightly")
        assert done.returncode == 3
        assert f"another nightly is running (pid {other.pid}, since" in done.stderr
        other.kill()


@pytest.mark.usefixtures("programs_at_hand")
def test_nights_in_which_nothing_can_be_built(project: Path) -> None:
    """That is told once, counts against no kernel, and does not stop a nightly."""
    (project / "kconfigs" / "tiny.config").write_text("CONFIG_NO_SUCH_OPTION=y\n")
    inbox = Inbox()
    with mail_server(inbox) as port:
        (project / "lab.local.toml").write_text(
            f'[nightly.mail]\nserver = "127.0.0.1"\nfrom = "l@x.y"\nto = ["a@b.c"]\nport = {port}\n'
        )
        first = lab(project, "nightly")
        second = lab(project, "nightly", "--json")
    assert (first.returncode, second.returncode) == (2, 2)
    assert "AT FAULT" in first.stdout
    assert "ERRORS OF THE LAB" not in first.stdout
    assert "CONFIG_NO_SUCH_OPTION" in first.stdout
    document = json.loads(second.stdout)
    assert (document["news"], document["told"], document["exit_status"]) == (False, [], 2)
    assert "CONFIG_NO_SUCH_OPTION" in "".join(document["not_built"].values())
    (mail,) = inbox.mails
    assert "nothing could be tested, 2 not built" in mail["Subject"]
    assert "CONFIG_NO_SUCH_OPTION" in mail.get_content()
    with Store.open(project / "results" / "lab.db") as store:
        assert store.baselines() == {"nightly": document["run"]}
        assert document["baseline"] != document["run"]
    text = project / "results" / document["run"] / "nightly.txt"
    assert document["run"] in text.read_text()
