# SPDX-License-Identifier: GPL-2.0-only
"""What dax-proof makes of what /proc and statx() say, where proc.c says it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.process import run
from tests.guest_tests.test_programs import _make
from tests.guest_tests.test_verdicts import _object

pytestmark = pytest.mark.slow

PMEM = "108000000-147ffffff : Persistent Memory\n  108200000-147ffffff : namespace0.0\n"


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dax-proof")
    made = _make(folder / "guest-tests") / "obj"
    objects = [made / "dax-proof.o", made / "dax.o", _object(folder, "proc.c")]
    wraps = "-Wl,--wrap=fopen,--wrap=pread,--wrap=syscall"
    run(["gcc", "-static", wraps, "-o", folder / "dax-proof", *objects])
    return folder / "dax-proof"


class Guest:
    """A folder in a guest that says this of itself."""

    def __init__(self, proof: Path, folder: Path) -> None:
        self._proof = proof
        self.folder = folder / "mnt"
        self.folder.mkdir()
        self._folder = folder
        self._said: dict[str, str] = {}

    def says(self, *, mounts: str | None = None, iomem: str | None = None, **more: str) -> Guest:
        for name, text in (("MOUNTS", mounts), ("IOMEM", iomem)):
            if text is not None:
                (self._folder / name).write_text(text)
                more[name] = str(self._folder / name)
        self._said |= more
        return self

    def prove(self) -> dict[str, str]:
        env = {"PATH": os.environ["PATH"], **self._said}
        said = run([self._proof, self.folder], env=env).stdout
        return dict(line.split("=", 1) for line in said.splitlines())


@pytest.fixture
def guest(proof: Path, tmp_path: Path) -> Guest:
    return Guest(proof, tmp_path)


@pytest.mark.parametrize(
    ("options", "dax"),
    [
        ("rw,relatime,dax", "yes"),
        ("dax=always,rw", "yes"),
        ("rw,dax=never", "no"),
        ("rw,dax=inode", "no"),
        ("rw,nodax", "no"),
        ("rw,daxes", "no"),
        ("rw", "no"),
    ],
)
def test_mount_option(guest: Guest, options: str, dax: str) -> None:
    found = guest.says(mounts=f"/dev/pmem0 {guest.folder} ext4 {options} 0 0\n").prove()
    assert (found["mount"], found["dax_option"]) == (f"ext4 {options}", dax)


def test_the_innermost_mount_counts_and_of_these_the_last(guest: Guest) -> None:
    lines = [
        "none / ext4 rw,dax 0 0",
        "rootfs garbage",
        f"/dev/pmem0 {guest.folder} ext4 rw,dax=always 0 0",
        f"/dev/sda {guest.folder} xfs rw 0 0",
        f"/dev/pmem1 {guest.folder}ed xfs rw,dax=always 0 0",
        f"/dev/pmem2 {guest.folder}/below xfs rw,dax=always 0 0",
        f"/dev/pmem3 {guest.folder.parent} xfs rw,dax=always 0 0",
    ]
    found = guest.says(mounts="\n".join(lines) + "\n").prove()
    assert (found["mount"], found["dax_option"]) == ("xfs rw", "no")


def test_the_root_is_over_everything(guest: Guest) -> None:
    assert guest.says(mounts="none / ext4 rw,dax 0 0\n").prove()["mount"] == "ext4 rw,dax"


def test_a_blank_in_the_name_of_a_mount(guest: Guest) -> None:
    guest.folder = guest.folder / "a b"
    guest.folder.mkdir()
    name = str(guest.folder).replace(" ", "\\040")
    found = guest.says(mounts=f"/dev/pmem0 {name} ext4 rw,dax 0 0\n").prove()
    assert found["dax_option"] == "yes"


@pytest.mark.parametrize("mounts", ["", "/dev/pmem0 /elsewhere ext4 rw,dax 0 0\n", None])
def test_no_mount_is_known(guest: Guest, mounts: str | None) -> None:
    found = guest.says(mounts=mounts).prove()
    assert (found["mount"], found["dax_option"]) == ("unknown", "no")


@pytest.mark.parametrize(
    ("statx", "known", "dax"),
    [
        ("200000 200000", "yes", "yes"),
        ("200000 0", "yes", "no"),
        ("0 200000", "no", "unknown"),
        # 5.8 and 5.9 had STATX_ATTR_DAX where STATX_ATTR_VERITY's is now.
        ("100000 100000", "no", "unknown"),
        (None, "no", "unknown"),
    ],
)
def test_statx(guest: Guest, statx: str | None, known: str, dax: str) -> None:
    if statx is not None:
        guest.says(STATX=statx)
    found = guest.prove()
    assert (found["statx_known"], found["statx_dax"]) == (known, dax)


@pytest.mark.parametrize(
    ("pfn", "inside"),
    [("107fff", "no"), ("108000", "yes"), ("120000", "yes"), ("147fff", "yes"), ("148000", "no")],
)
def test_where_the_page_is(guest: Guest, pfn: str, inside: str) -> None:
    found = guest.says(iomem=f"00001000-0009fbff : System RAM\n{PMEM}", PFN=pfn).prove()
    assert (found["phys"], found["pfn_in_pmem"]) == (f"0x{pfn}000", inside)
    assert found.get("iomem") == ("Persistent Memory" if inside == "yes" else None)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("Persistent Memory", "yes"),
        ("Persistent Memory (legacy)", "yes"),
        ("Persistent RAM", "yes"),
        ("namespace0.0", "yes"),
        ("pfn0.0", "yes"),
        ("System RAM", "no"),
        ("a Persistent Memory of mine", "no"),
    ],
)
def test_names_of_persistent_memory(guest: Guest, name: str, inside: str) -> None:
    found = guest.says(iomem=f"108000000-147ffffff : {name}\n", PFN="108001").prove()
    assert found["pfn_in_pmem"] == inside


@pytest.mark.parametrize(
    ("iomem", "pfn"),
    [
        ("00000000-00000000 : Persistent Memory\n", "108001"),
        (None, "108001"),
        ("no line of iomem's\n", "108001"),
        (PMEM, None),
        ("00000000-147ffffff : Persistent Memory\n", None),
    ],
)
def test_who_may_not_see_addresses_proves_nothing(
    guest: Guest, iomem: str | None, pfn: str | None
) -> None:
    guest.says(iomem=iomem, **({"PFN": pfn} if pfn else {}))
    found = guest.prove()
    assert found["pfn_in_pmem"] == "unknown"
    assert (found["phys"] == "unknown") == (pfn is None)


def test_which_kernel_it_is_and_nothing_stays(guest: Guest) -> None:
    assert guest.prove()["release"] == os.uname().release
    assert list(guest.folder.iterdir()) == []


def test_a_folder_in_which_no_file_can_be_made(proof: Path, tmp_path: Path) -> None:
    done = run([proof, tmp_path / "none"], check=False)
    assert (done.status, done.stdout) == (1, "")
    assert done.stderr.startswith(f"dax-proof: {tmp_path}/none/.dax-proof.")
    assert done.stderr.endswith(": No such file or directory\n")


def test_a_file_that_cannot_be_written(proof: Path, tmp_path: Path) -> None:
    # What it says goes into a pipe, which has no size.
    limited = '{ (trap "" XFSZ; ulimit -f 0; exec "$@"); echo $?; } 2>&1 | cat'
    said = run(["sh", "-c", limited, "sh", proof, tmp_path]).stdout
    assert said == "dax-proof: writing the test file: File too large\n1\n"
    assert list(tmp_path.iterdir()) == []


def test_it_wants_one_folder(proof: Path, tmp_path: Path) -> None:
    for folders in ((), (tmp_path, tmp_path)):
        done = run([proof, *folders], check=False)
        assert (done.status, done.stdout) == (1, "")
        assert done.stderr == f"usage: {proof} DIR\n"
