# SPDX-License-Identifier: GPL-2.0-only
"""Projects and children for tests that boot guests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.config import load
from lab.execution.job import Job
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.guest.qemu.guest import QemuSpec
from lab.model.records import Evidence
from lab.model.variant import Variant
from lab.plan import settled
from lab.session import Lab
from tests import started
from tests.execution.conftest import KTAP
from tests.guest.shared_state import SharedSpec

EXT4 = Dax("ext4-dax", "ext4", ("-b", "4096"), ("dax",))
XFS = Dax("xfs-dax", "xfs", ("-m", "reflink=0"), ("dax",))
MakeJob = Callable[..., Job]
#: What of a spec a guest is booted with, its programs aside.
_BOOTED_WITH = frozenset({"append", "image", "kernel", "prepare"})

ROOT = Path(__file__).parents[2]
#: That of this machine's distribution: 6.1 on Debian 12, 6.12 on 13.
KERNEL = settled(load(ROOT), "distro")
LAB = [sys.executable, "-m", "lab"]


class Project:
    """The repository's ``lab.toml`` in a folder of its own, with results of its own."""

    def __init__(self, folder: Path, local: str = "") -> None:
        self.folder = folder
        folder.mkdir()
        for name in ("lab.toml", "kconfigs", "patches", "guest-tests"):
            (folder / name).symlink_to(ROOT / name)
        results = json.dumps(str(folder / "results"))
        (folder / "lab.local.toml").write_text(f"{local}\n[paths]\nresults = {results}\n")

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*LAB, *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # As on a terminal, where Ctrl-C reaches all of a process group.
            start_new_session=True,
        )

    def lab(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # A kernel may be built.
        return started.lab(self.folder, *arguments, most_s=3600)

    def json(self, *arguments: str) -> Any:
        done = self.lab(*arguments, "--json")
        assert "Traceback" not in done.stderr
        return json.loads(done.stdout)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def consoles(folder: Path) -> list[bytes]:
    """What the guests whose traces are in ``folder`` printed so far."""
    return [path.read_bytes() for path in folder.rglob("console.log")]


def qemus(folder: Path) -> list[int]:
    """The QEMU processes whose command line names ``folder``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if line.startswith(b"qemu-system") and os.fsencode(folder) in line:
            found.append(int(path.parent.name))
    return found


def leftovers(folder: Path) -> list[Path]:
    """Files of a guest that are of no use without it."""
    return [path for path in folder.rglob("*") if path.name.strip(".") in {"nvdimm", "initrd"}]


@pytest.fixture
def clean_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that no QEMU process may outlive its test in."""
    yield tmp_path
    assert qemus(tmp_path) == []
    assert leftovers(tmp_path) == []


def spec_of(lab: Lab, variant: str, folder: Path, *, bare: bool = False) -> QemuSpec:
    """What guests of a variant are made from; ``bare`` ones have no program of any suite."""
    built = lab.builder.build(Variant.parse(variant), "default")
    programs = lab.preparer.programs([]) if bare else None
    spec = lab.preparer.guest_spec(built, "default", folder, programs)
    assert isinstance(spec, QemuSpec)
    return spec


@pytest.fixture(scope="session")
def plain_spec(tmp_path_factory: pytest.TempPathFactory) -> QemuSpec:
    spec = spec_of(Lab.open(ROOT), KERNEL, tmp_path_factory.mktemp("spec"), bare=True)
    return SharedSpec.of(spec)


def own_spec(spec: QemuSpec, **changes: object) -> QemuSpec:
    """The same with changes: what boots otherwise is booted, since its state would serve once."""
    changed = replace(spec, **changes)  # type: ignore[arg-type]
    return replace(changed, states=None) if _BOOTED_WITH & changes.keys() else changed


@pytest.fixture
def make_job(plain_spec: QemuSpec, clean_folder: Path) -> MakeJob:
    def make(
        scripts: dict[str, str],
        *recipes: Dax,
        program_s: float = 60.0,
        pattern: str | None = None,
        **changes: object,
    ) -> Job:
        programs = dict(plain_spec.programs)
        for name, text in scripts.items():
            programs[name] = clean_folder / name
            programs[name].write_text(text)
        spec = own_spec(plain_spec, programs=programs, folder=clean_folder / "job", **changes)
        return Job(
            variant=KERNEL,
            machine="default",
            config="default",
            release=f"{KERNEL}.192",
            guest=spec,
            units=tuple(
                Unit(recipe, "suite", name, KTAP)
                for recipe in recipes or (EXT4,)
                for name in scripts
            ),
            pattern=pattern,
            program_s=program_s,
            expect=(),
            evidence=Evidence(),
        )

    return make
