# SPDX-License-Identifier: GPL-2.0-only
"""Device DAX in the place of a filesystem: how it is made, proved, and left out."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab.config.model import Filesystem as Table
from lab.config.model import Fresh
from lab.execution.grouping import groups_of
from lab.execution.unit import Unit
from lab.filesystems import filesystem_of
from lab.filesystems.device_dax import DeviceDax, DeviceDaxProof
from lab.filesystems.filesystem import CannotMount, NotProved
from lab.filesystems.set_up import script
from lab.model.version import KernelVersion

PLACE = "/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0/region0/dax0.1/dax0.0"


def made(version: str) -> DeviceDax:
    found = filesystem_of("devdax", Table(type="devdax"))
    assert isinstance(found, DeviceDax)
    return found.for_kernel(KernelVersion.parse(version), Path("cache"))


def test_a_kernel_that_has_it_makes_it_of_the_namespace() -> None:
    text = script(made("4.10"))
    assert subprocess.run(["sh", "-n"], input=text.encode(), check=False).returncode == 0
    assert "ndctl create-namespace -f -e namespace0.0 --mode=devdax --align=2M >&2" in text
    assert "ln -sfn /dev/dax0.0 /mnt/devdax/device || { log; exit 8; }" in text
    made("4.10").check_refusal("")


def test_a_kernel_too_old_for_it_is_skipped_where_it_has_no_driver() -> None:
    old = made("4.9")
    text = script(old)
    assert "ndctl" not in text
    # The driver decides, whatever the version says: what is there is tried, and has to be proved.
    assert "[ -e /sys/bus/nd/drivers/dax_pmem ] &&" in text
    with pytest.raises(CannotMount, match=r"no driver of /dev/dax0.0: .* Linux >=4.10"):
        old.check_refusal("")


@pytest.mark.parametrize(
    "said", [{}, {"device_dax": ""}, {"device_dax": PLACE.replace("region0", "region1")}]
)
def test_what_is_not_proved(said: dict[str, str]) -> None:
    with pytest.raises(NotProved, match="devdax is not proved to be device DAX"):
        DeviceDaxProof().check("devdax", said)


def test_what_proves_it() -> None:
    assert DeviceDaxProof().check("devdax", {"device_dax": PLACE}) == "device in sysfs"


def test_what_is_asked(tmp_path: Path) -> None:
    """A file of that name is no device."""
    (tmp_path / "device").touch()
    words = ["sh", "-c", DeviceDaxProof().ask(str(tmp_path))]
    assert subprocess.run(words, capture_output=True, check=True).stdout == b""
    (tmp_path / "device").unlink()
    (tmp_path / "device").symlink_to("/dev/null")
    said = subprocess.run(words, capture_output=True, check=True).stdout
    assert said.startswith(b"device_dax=")


def test_no_filesystem_is_in_its_guest() -> None:
    """Even where a job has one guest: no filesystem is on the namespace any more."""
    types = {"ext4-dax": "ext4", "devdax": "devdax", "tmpfs": "tmpfs"}
    kind: Any = None
    job: Any = SimpleNamespace(
        repeat=1,
        fresh=Fresh.JOB,
        units=[
            Unit(filesystem_of(name, Table(type=some)), "suite", "program", kind)
            for name, some in types.items()
        ],
    )
    groups = [[unit.filesystem.name for unit in group] for group in groups_of(job)]
    assert groups == [["ext4-dax"], ["devdax"], ["tmpfs"]]
