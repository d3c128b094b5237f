# SPDX-License-Identifier: GPL-2.0-only
"""A secret in a URL is used, and is nowhere: no output, no file, no command line."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.guest.fake import FakeSpec
from lab.model.recipe import Boot, Machine
from lab.model.status import Status
from lab.plan import plan_variants
from lab.process import run
from lab.report.export.exporter import exported
from lab.report.repro import repro_script
from lab.report.site import publish
from lab.results import Store
from lab.session import Lab
from tests.attacks.servers import Guarded, guarded
from tests.cli.test_cli import lab, project
from tests.execution.test_run import Jobs

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("programs_at_hand")]

__all__ = ["project"]

USER, SECRET = "w1nst0n", "hunter2secret"
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def places(folder: Path, *texts: str) -> list[str]:
    """Where the secret, or the user it belongs to, can be read."""
    found = [text for text in texts if SECRET in text or USER in text]
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in ("lab.toml", "lab.local.toml"):
            content = path.read_bytes()
            found += [str(path)] if SECRET.encode() in content or USER.encode() in content else []
    return found


@pytest.fixture
def server(tmp_path: Path, fake_kernel: Path) -> Iterator[Guarded]:
    """The kernel of the tests as a repository and as a tarball."""
    work, folder = tmp_path / "work", tmp_path / "served"
    shutil.copytree(fake_kernel, work, symlinks=True)
    folder.mkdir()
    run(["git", "init", "-q", "-b", "main", work])
    run(["git", *IDENTITY, "-C", work, "add", "-A"])
    run(["git", *IDENTITY, "-C", work, "commit", "-qm", "one"])
    run(["git", "clone", "-q", "--bare", work, folder / "linux.git"])
    run(["git", "-C", folder / "linux.git", "update-server-info"])
    run(["tar", "-czf", folder / "linux.tar.gz", "-C", fake_kernel.parent, fake_kernel.name])
    with guarded(Guarded(folder, USER, SECRET)) as running:
        yield running


def kernels(server: Guarded, *, tarball: str = "linux.tar.gz") -> str:
    """Two kernels and a webhook whose URLs hold the secret."""
    inside = server.url.replace("://", f"://{USER}:{SECRET}@")
    digest = hashlib.sha256((server.folder / "linux.tar.gz").read_bytes()).hexdigest()
    return (
        f'[kernels.far]\nkind = "git"\nurl = "{inside}/linux.git"\nref = "main"\n'
        f'[kernels.tar]\nkind = "tarball"\nurl = "{server.url}/{tarball}?token={SECRET}"\n'
        f'sha256 = "{digest}"\n'
        f'[nightly.webhook]\nurl = "{server.url}/services/{SECRET}?token={SECRET}"\n'
    )


def test_what_works_shows_it_nowhere(
    server: Guarded, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "lab.local.toml").write_text(kernels(server))
    done = lab(project, "fetch", "far", "tar", "--json")
    assert done.returncode == 0, done.stderr
    assert server.let_in > 3
    assert server.argv
    opened = Lab.open(project)
    Jobs(monkeypatch, Status.FAIL, Status.PASS)
    # What is played is repeated by nobody: as if it were a machine of QEMU's.
    boot = Boot(Machine(1 << 30, 1, "tcg", "q35", 1 << 29), "panic=-1", "true")
    monkeypatch.setattr(FakeSpec, "recipe", lambda _: boot)
    made = opened.test(plan_variants(opened.loaded, ("far", "tar")), ["lab", "test"])
    assert [result.status for result in made.results] == [Status.FAIL, Status.PASS]
    texts = [exported(made, form) for form in ("junit", "ktap", "kcidb")]
    texts += [repro_script(made, variant) for variant in ("far", "tar")]
    assert server.url + "/linux.git" in texts[-2]
    assert server.url + "/linux.tar.gz?token=***" in texts[-1]
    with Store.open(opened.database) as store:
        publish(store, opened.results, made.id)
    told = lab(project, "nightly", "-n")
    texts += [done.stdout, done.stderr, told.stdout, told.stderr, *server.argv]
    texts += [lab(project, "show", "-v", "--json").stdout, lab(project, "runs", "--json").stdout]
    assert places(project, *texts) == []
    assert places(tmp_path / "cache") == []


def test_what_fails_shows_it_nowhere(server: Guarded, project: Path, tmp_path: Path) -> None:
    """The server says no, with the path it was asked for in its answer; the night is told."""
    (project / "lab.local.toml").write_text(
        kernels(server, tarball="gone.tar.gz") + '[matrix.night]\nvariants = ["far", "tar"]\n'
        '[nightly]\nmatrix = "night"\n'
    )
    texts = []
    for status in (404, 403):
        server.status = status
        for arguments in (("fetch", "far"), ("fetch", "tar"), ("test", "far", "tar", "--json")):
            done = lab(project, *arguments)
            assert done.returncode in (1, 2, 3), done.stderr
            assert "Traceback" not in done.stderr
            texts += [done.stdout, done.stderr]
    done = lab(project, "nightly", "--json")
    assert server.posted
    assert json.loads(done.stdout)["run"]
    texts += [done.stdout, done.stderr, *server.argv, *(each.decode() for each in server.posted)]
    assert any("linux.git" in text for text in server.argv)
    assert places(project, *texts) == []
    assert places(tmp_path / "cache") == []


def test_mistakes_in_the_config_show_it_nowhere(project: Path) -> None:
    for mistake in (
        f'[kernels]\nfar = "https://{USER}:{SECRET}@example.org/x"\n',
        f'[kernels.far]\nkind = "https://{USER}:{SECRET}@example.org/x"\n',
        f'[kernels.far]\nkind = "git"\nref = "x"\nurl = ["https://{USER}:{SECRET}@example.org"]\n',
        f'[kernels.far]\nkind = "git"\nref = "x"\nurl = "https://{USER}:{SECRET}@a:b"\n',
        f'[kernels.far]\nkind = "git"\nref = "x"\nurll = "https://{USER}:{SECRET}@a/b"\n',
        f'[nightly]\nwebhook = "https://{USER}:{SECRET}@a/b"\n',
        f'[nightly.webhook]\nurl = "{USER}:{SECRET}@a/b"\n',
        f'[nightly.mail]\nfrom = "a@b.c"\nto = ["a@b.c"]\nserver = "{USER}:{SECRET}@a"\n',
    ):
        (project / "lab.local.toml").write_text(mistake)
        done = lab(project, "test", "-n")
        assert done.returncode == 2, mistake
        assert places(project, done.stdout, done.stderr) == []
