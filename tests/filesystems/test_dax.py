# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.config.model import Filesystem
from lab.filesystems.dax import Control, Dax, on_pmem
from lab.filesystems.dax_proof import DaxProof, MayBeDax, NotDax, NotDaxProof
from lab.filesystems.filesystem import CannotMount, NotProved
from lab.filesystems.plain import Plain
from lab.filesystems.set_up import read
from lab.model.version import KernelVersion

#: As 6.1.192 says it, ext4 and xfs.
EXT4 = """\
release=6.1.192
mount=ext4 rw,relatime,stripe=512,dax=always
dax_option=yes
statx_known=yes
statx_dax=yes
phys=0x102a00000
pfn_in_pmem=yes
log=[    3.280884] EXT4-fs (pmem0): mounted filesystem with ordered data mode. Quota mode: disabled.
"""
XFS_LOG = """\
log=[    8.164035] XFS (pmem0): DAX enabled. Warning: EXPERIMENTAL, use at your own risk
log=[    8.167673] XFS (pmem0): Mounting V5 Filesystem
log=[    8.218310] XFS (pmem0): Ending clean mount
"""


@pytest.fixture(scope="module")
def mkfs_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the host's mkfs has been asked what it knows, once for all tests."""
    return tmp_path_factory.mktemp("mkfs")


def evidence(**changes: Any) -> dict[str, str]:
    said = read(EXT4) | changes
    return {key: value for key, value in said.items() if value is not None}


@pytest.mark.parametrize("text", [EXT4, EXT4 + XFS_LOG])
def test_proof(text: str) -> None:
    proved_by = DaxProof().check("ext4-dax", read(text))
    assert proved_by == "mount option, statx, page address"


def test_kernel_before_statx_dax_needs_the_rest() -> None:
    """STATX_ATTR_DAX is of 5.8, and has its value since 5.10: 4.2 cannot be asked."""
    old = evidence(release="4.2.8-ckt12", statx_known="no", statx_dax="unknown")
    assert DaxProof().check("ext4-dax", old) == "mount option, page address"
    with pytest.raises(NotDax):
        DaxProof().check("ext4-dax", old | {"pfn_in_pmem": "no"})


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"dax_option": "no", "mount": "ext4 rw,relatime"}, "mounted as: ext4 rw,relatime"),
        ({"dax_option": None, "mount": None}, "mounted as: nothing"),
        ({"statx_dax": "no"}, "statx does not say STATX_ATTR_DAX"),
        ({"statx_dax": None}, "statx does not say STATX_ATTR_DAX"),
        # Who must know it and does not say so.
        ({"statx_known": "no", "statx_dax": "unknown"}, "statx does not say STATX_ATTR_DAX"),
        (
            {"release": None, "statx_known": "no", "statx_dax": "unknown"},
            "statx does not say STATX_ATTR_DAX",
        ),
        ({"pfn_in_pmem": "no"}, "a mapped page in persistent memory: no"),
        ({"pfn_in_pmem": "unknown"}, "a mapped page in persistent memory: unknown"),
        ({"pfn_in_pmem": None}, "a mapped page in persistent memory: not asked"),
    ],
)
def test_each_missing_proof_is_an_objection(changes: dict[str, Any], objection: str) -> None:
    with pytest.raises(NotDax, match="ext4-dax is not proved to be DAX") as error:
        DaxProof().check("ext4-dax", evidence(**changes))
    assert objection in error.value.what


@pytest.mark.parametrize(
    "refusal",
    [
        # fs/xfs/xfs_super.c, 5.x and 6.1
        "XFS (pmem0): DAX unsupported by block device. Turning off DAX.",
        "XFS (pmem0): DAX and reflink cannot be used together!  Disabling DAX.",
        # fs/ext2/super.c, 4.x to 6.x
        "EXT2-fs (pmem0): DAX unsupported by block device. Turning off DAX.",
        "EXT4-fs (pmem0): DAX unsupported by block device.",
        # drivers/dax/super.c
        "pmem0: error: dax unsupported by block device",
    ],
)
def test_kernel_that_refuses_is_believed(refusal: str) -> None:
    with pytest.raises(NotDax) as error:
        DaxProof().check("xfs-dax", evidence(log=f"[    1.0] {refusal}\n[    1.1] mounted"))
    assert "DAX" in error.value.what.upper()
    assert "mounted" not in error.value.what.removeprefix("xfs-dax")


def test_nothing_said_is_no_proof() -> None:
    with pytest.raises(NotDax):
        DaxProof().check("ext4-dax", {})


OLD_XFS = Dax("xfs-dax", "xfs", (), ("dax",))


@pytest.mark.parametrize(
    ("kind", "options", "version", "lacking"),
    [
        ("xfs", ("dax",), "4.1.15", "xfs-dax"),
        ("xfs", ("dax",), "4.2", None),
        ("ext4", ("dax",), "4.1.15", None),
        ("ext4", ("noatime", "dax=always"), "5.7", "dax-always"),
        ("xfs", ("dax=always",), "5.8", None),
        ("ext2", ("dax",), "4.1", None),
        ("ext2", ("dax",), "7.3.4", "ext2-dax"),
    ],
)
def test_what_a_mount_asks_of_a_kernel(
    mkfs_cache: Path, kind: str, options: tuple[str, ...], version: str, lacking: str | None
) -> None:
    recipe = Dax("f", kind, (), options).for_kernel(KernelVersion.parse(version), mkfs_cache)
    assert (recipe.lacking.name if recipe.lacking else None) == lacking


@pytest.mark.parametrize(
    "log",
    [
        "[    2.1] XFS (pmem0): unknown mount option [dax].",
        '[    2.1] EXT4-fs (pmem0): Unrecognized mount option "dax=always" or missing value',
        "[    2.1] xfs: Unexpected value for 'dax'",
        "[    2.1] ext4: Unknown parameter 'dax'",
    ],
)
def test_refusal_that_the_version_explains_is_no_error(log: str, mkfs_cache: Path) -> None:
    recipe = OLD_XFS.for_kernel(KernelVersion(4, 1, 15), mkfs_cache)
    with pytest.raises(CannotMount) as error:
        recipe.check_refusal(f"[    2.0] before\n{log}\n")
    said = log.partition("] ")[2]
    assert error.value.what.startswith(f"this kernel does not mount xfs-dax: {said}; ")
    assert "cbe4dab119f2" in error.value.what


def test_what_a_format_asks_of_a_kernel(mkfs_cache: Path) -> None:
    words = ("-m", "crc=1,reflink=1")
    for version, lacking in (("5.19", "xfs-reflink-dax"), ("6.0", None), ("4.1", "xfs-dax")):
        made = Dax("r", "xfs", words, ("dax",)).for_kernel(KernelVersion.parse(version), mkfs_cache)
        assert (made.lacking.name if made.lacking else None) == lacking
        # What is asked for by name is not switched off.
        assert made.mkfs[0] == words[0]
        assert made.mkfs[1].startswith(words[1])
        assert "reflink=0" not in " ".join(made.mkfs)


@pytest.mark.parametrize(
    ("kind", "mkfs", "log"),
    [
        ("xfs", ("-m", "reflink=1"), "XFS (pmem0): DAX and reflink cannot be used together!"),
        (
            "xfs",
            ("-m", "reflink=1"),
            "XFS (pmem0): Superblock has unknown read-only compatible features (0x4) enabled.",
        ),
        ("ext2", (), "ext2: DAX support has been removed. dax option ignored."),
    ],
)
def test_a_kernel_that_does_without_what_it_lacks(
    mkfs_cache: Path, kind: str, mkfs: tuple[str, ...], log: str
) -> None:
    version = KernelVersion.parse("7.3" if kind == "ext2" else "5.10")
    recipe = Dax("f", kind, mkfs, ("dax",)).for_kernel(version, mkfs_cache)
    recipe.check_refusal("[ 1.0] EXT4-fs: mounted")
    with pytest.raises(CannotMount, match="this kernel does not mount f: "):
        recipe.check_refusal(f"[ 1.0] before\n[ 1.1] {log}\n")
    # Each is a word on its own feature alone.
    OLD_XFS.for_kernel(KernelVersion(4, 1, 15), mkfs_cache).check_refusal(log)


def test_refusal_that_the_version_does_not_explain_is_an_error(mkfs_cache: Path) -> None:
    said = "[    2.1] XFS (pmem0): unknown mount option [dax]."
    OLD_XFS.for_kernel(KernelVersion(4, 2), mkfs_cache).check_refusal(said)


@pytest.mark.parametrize(
    "log",
    [
        "",
        "XFS (pmem0): unknown mount option [noatime].",
        "XFS (pmem0): bad magic number",
        "XFS (pmem0): Superblock has unknown read-only compatible features (0xc) enabled. dax",
    ],
)
def test_old_kernel_with_another_complaint_is_an_error(log: str, mkfs_cache: Path) -> None:
    OLD_XFS.for_kernel(KernelVersion(4, 1, 15), mkfs_cache).check_refusal(log)


@pytest.mark.parametrize(
    ("options", "promises"),
    [
        (None, True),
        (["dax"], True),
        (["dax=always", "noatime"], True),
        (["noatime,dax"], True),
        (["noatime, dax=inode"], True),
        ([], False),
        (["noatime"], False),
        (["nodax"], False),
    ],
)
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_dax_in_the_options_promises_dax(
    kind: str, options: list[str] | None, promises: bool
) -> None:
    """What sounds like it does, too: it is for the proof to say no."""
    given = {} if options is None else {"options": options}
    made = on_pmem("f", Filesystem.model_validate({"type": kind, **given}))
    assert [proof.name for proof in made.prove()] == (["dax"] if promises else [])
    assert type(made) is (Dax if promises else Plain)


def test_a_plain_one_asks_nothing_of_a_kernel(mkfs_cache: Path) -> None:
    plain = Plain("plain", "xfs", (), ()).for_kernel(KernelVersion(4, 1, 15), mkfs_cache)
    plain.check_refusal("XFS (pmem0): unknown mount option [dax].")


#: As 6.1.192 says it of ext4 with dax=never, and 4.2 of one without a word.
NO_DAX = """\
release=6.1.192
mount=ext4 rw,relatime,dax=never,stripe=512
dax_option=no
statx_known=yes
statx_dax=no
phys=0x2a00000
pfn_in_pmem=no
"""


def test_a_control_has_to_be_none() -> None:
    assert NotDaxProof().check("ext4", read(NO_DAX)) == "mount option, statx, page address"
    old = read(NO_DAX) | {"release": "4.2.8", "statx_known": "no", "statx_dax": "unknown"}
    assert NotDaxProof().check("ext4", old) == "mount option, page address"


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"dax_option": "yes", "mount": "ext4 rw,dax"}, "mounted as: ext4 rw,dax"),
        ({"dax_option": "", "mount": "m"}, "mounted as: m"),
        ({"statx_dax": "yes"}, "statx says of DAX: yes"),
        ({"statx_known": "no", "statx_dax": "unknown"}, "statx says of DAX: unknown"),
        ({"pfn_in_pmem": "yes"}, "a mapped page in persistent memory: yes"),
        ({"pfn_in_pmem": "unknown"}, "a mapped page in persistent memory: unknown"),
    ],
)
def test_a_control_that_may_be_dax_is_a_lie(changes: dict[str, str], objection: str) -> None:
    with pytest.raises(MayBeDax, match="ext4 is not proved to be without DAX") as error:
        NotDaxProof().check("ext4", read(NO_DAX) | changes)
    assert error.value.what.endswith(f": {objection}")


def test_nothing_said_proves_neither() -> None:
    with pytest.raises(MayBeDax) as error:
        NotDaxProof().check("ext4", {})
    assert error.value.what.count(";") == 2
    with pytest.raises(MayBeDax):
        NotDaxProof().check("ext4", read(EXT4))
    with pytest.raises(NotDax):
        DaxProof().check("ext4-dax", read(NO_DAX))


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
@pytest.mark.parametrize(
    ("version", "options"), [("5.7", ("noatime",)), ("5.8", ("noatime,dax=never",))]
)
def test_a_control_names_the_option_that_a_kernel_knows(
    mkfs_cache: Path, kind: str, version: str, options: tuple[str, ...]
) -> None:
    table = Filesystem.model_validate({"type": kind, "options": ["noatime,dax=never"]})
    made = on_pmem("c", table)
    assert type(made) is Control
    assert [proof.name for proof in made.prove()] == ["not-dax"]
    made = made.for_kernel(KernelVersion.parse(version), mkfs_cache)
    assert made.options == options
    assert type(made) is Control


def test_both_at_once_is_for_the_proof_to_refuse() -> None:
    table = Filesystem.model_validate({"type": "xfs", "options": ["dax=never", "dax=always"]})
    assert [proof.name for proof in on_pmem("b", table).prove()] == ["dax"]


def test_ext2_has_to_be_ext2s_own() -> None:
    ext2 = Dax("ext2-dax", "ext2", ("-b", "4096"), ("dax",))
    dax, driver = ext2.prove()
    assert (dax.name, driver.name) == ("dax", "ext2")
    assert ext2.make() == "mkfs.ext4 -q -F -t ext2 -b 4096 /dev/pmem0"
    assert driver.check("ext2-dax", {"driver": "ext2", "log": "EXT2-fs (pmem0): DAX enabled."})
    for said in (
        {"driver": "ext4"},
        {},
        {
            "driver": "ext2",
            "log": "EXT4-fs (pmem0): mounting ext2 file system using the ext4 subsystem",
        },
    ):
        with pytest.raises(NotProved, match="is not proved to be ext2's own driver"):
            driver.check("ext2-dax", said)
