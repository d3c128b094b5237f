# SPDX-License-Identifier: GPL-2.0-only
"""``lab fetch`` with a kernel that ``lab.local.toml`` lays over ``lab.toml``'s."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lab.process import run
from tests.cli.test_cli import lab, project
from tests.trees.conftest import write_source
from tests.trees.gpg import SIGNER, making_keys

pytestmark = pytest.mark.slow

__all__ = ["project"]


def test_a_mistake_in_lab_local_toml_has_its_line(project: Path) -> None:
    local = project / "lab.local.toml"
    local.write_text('[kernels.fake]\nkind = "dir"\npath = "missing"\n')
    done = lab(project, "fetch", "fake")
    assert done.returncode == 2
    assert f"{local}:3: kernels.fake.path: there is no folder {project}/missing" in done.stderr


def test_a_signed_tarball_in_place_of_a_folder(
    project: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write_source(tmp_path / "linux-6.1")
    tar = project / "linux.tar"
    run(["tar", "-cf", tar, "-C", tmp_path, "linux-6.1"])
    with making_keys(tmp_path_factory.mktemp("g")) as gpg:
        (project / "linux.tar.sign").write_bytes(gpg.sign(tar))
        gpg.export(SIGNER, project / "kernel.gpg")
    (project / "lab.local.toml").write_text(
        '[kernels.fake]\nkind = "tarball"\nurl = "linux.tar"\nsignature = "linux.tar.sign"\n'
        f'sha256 = "{hashlib.sha256(tar.read_bytes()).hexdigest()}"\n'
        '[paths]\nkeyring = "kernel.gpg"\n'
    )
    done = lab(project, "fetch", "--json")
    assert done.returncode == 0, done.stderr
    (tree,) = json.loads(done.stdout)["trees"]
    assert tree["provenance"]["signature"].startswith(f"signed by {SIGNER}")
    assert f"signed by {SIGNER}" in lab(project, "fetch").stdout


def test_only_what_is_not_here(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "linux-6.1"
    write_source(folder)
    for command in ("init -q", "add -A", "-c user.name=t -c user.email=t@example.org commit -qm 1"):
        run(["git", "-C", folder, *command.split()])
    (project / "lab.local.toml").write_text(
        f'[kernels.fake]\nkind = "git"\nurl = "{folder}"\nref = "HEAD"\n'
    )

    def fetched(*options: str) -> str:
        (tree,) = json.loads(lab(project, "fetch", "--json", *options).stdout)["trees"]
        return str(tree["identity"])

    first = fetched("--missing")
    commit = ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit"]
    run(["git", "-C", folder, *commit, "-q", "--allow-empty", "-m", "2"])
    assert fetched("--missing") == first
    assert fetched() != first


def test_the_sources_of_suites_come_too(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "theirs-2.1"
    folder.mkdir()
    (folder / "test.c").write_text("int main(void) { return 0; }\n")
    archive = project / "theirs-2.1.tar"
    run(["tar", "-cf", archive, "-C", tmp_path, "theirs-2.1"])
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with (project / "lab.local.toml").open("a") as local:
        local.write(
            '\n[suites.theirs]\nkind = "built"\nprograms = ["test"]\nbuild = ["make test"]\n'
            f'take = ["test"]\n[suites.theirs.source]\nkind = "tarball"\nurl = "{archive.name}"\n'
            f'sha256 = "{digest}"\n'
        )
    # They run where somebody asks for them, and until then nobody needs the network for them.
    assert "theirs" not in lab(project, "test", "--dry-run").stdout
    done = lab(project, "fetch", "--missing")
    assert done.returncode == 0, done.stderr
    assert "theirs" not in done.stdout
    done = lab(project, "fetch", "theirs", "--json")
    assert done.returncode == 0, done.stderr
    (tree,) = json.loads(done.stdout)["trees"]
    assert (tree["kernel"], tree["identity"]) == ("source-theirs-2.1", f"tarball:{digest}")
    # As its own error calls it; and beside a kernel.
    found = lab(project, "fetch", "fake", "source-theirs-2.1", "--missing").stdout
    assert f"source-theirs-2.1  tarball:{digest}" in found
    assert len(found.splitlines()) == 2
    refused = lab(project, "fetch", "their")
    assert refused.returncode == 2
    assert "no kernel is named 'their'" in refused.stderr
