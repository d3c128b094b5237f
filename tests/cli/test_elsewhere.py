# SPDX-License-Identifier: GPL-2.0-only
"""``lab doctor`` of other machines."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from lab.cli.elsewhere import examine_elsewhere
from lab.config import load
from lab.doctor.finding import Finding
from tests.config.conftest import Project


def found(project: Project, lines: str) -> list[Finding]:
    (project.root / "lab.local.toml").write_text(lines)
    return list(examine_elsewhere(load(project.root)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_who_names_no_other_machine_hears_of_none(project: Project) -> None:
    assert found(project, "") == []


def test_a_store(project: Project, tmp_path: Path) -> None:
    """It is no more than a note: all goes on without one."""
    there = tmp_path / "there"
    (away,) = found(project, f'[store]\nurl = "{there.as_uri()}"\n')
    assert (away.ok, away.fatal) == (False, False)
    assert "there is no folder" in away.detail
    assert str(away.mend).startswith("mkdir ")
    there.mkdir()
    (near,) = found(project, f'[store]\nurl = "{there.as_uri()}"\n')
    assert (near.ok, near.detail) == (True, there.as_uri())


def test_a_cluster(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        lines = f'[executor]\nkind = "dask"\naddress = "{url}"\n'
        threading.Thread(target=_greet, args=(server,), daemon=True).start()
        assert [(one.ok, one.detail) for one in found(project, lines)] == [(True, url)]
    (gone,) = found(project, lines)
    assert gone.fatal
    assert gone.detail.startswith(f"no scheduler answers at {url}")
    assert f"lab cluster scheduler {url}" in str(gone.mend)
    (open_,) = found(project, '[executor]\nkind = "dask"\naddress = "tls://head:1"\n')
    assert open_.fatal
    assert "takes certificates" in open_.detail
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    (none,) = found(project, '[executor]\nkind = "dask"\n')
    assert none.detail == "Dask distributed is not installed"
    assert "-m pip install 'lab[dask]'" in str(none.mend)


def _greet(server: socket.socket) -> None:
    met, _ = server.accept()
    met.sendall(b"hello")
