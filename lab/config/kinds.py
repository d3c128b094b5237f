# SPDX-License-Identifier: GPL-2.0-only
"""The kinds of filesystems, suites and machines: a line for each, and nothing else names them.

A maker is ``MODULE:NAME``, looked up when the first of its kind is made: what a table may say
is known here, what becomes of it is known there.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FilesystemKind:
    """A ``type`` of ``[filesystems.X]``.

    Attributes:
        maker: Takes the table's name and the table, gives a lab.filesystems.Filesystem.
        options: Those of its mount where the table names none.
        mkfs: Whether there is something to make, and so options for that.
        mounts: Whether there is something to mount.
        is_device: Whether it is none, and has no files but its own: what makes some in its
            folder makes them elsewhere.
    """

    maker: str
    options: tuple[str, ...] = ()
    mkfs: bool = True
    mounts: bool = True
    is_device: bool = False


FILESYSTEMS: dict[str, FilesystemKind] = {
    "ext2": FilesystemKind("lab.filesystems.dax:on_pmem", options=("dax",)),
    "ext4": FilesystemKind("lab.filesystems.dax:on_pmem", options=("dax",)),
    "xfs": FilesystemKind("lab.filesystems.dax:on_pmem", options=("dax",)),
    "devdax": FilesystemKind(
        "lab.filesystems.device_dax:device_dax", mkfs=False, mounts=False, is_device=True
    ),
    "tmpfs": FilesystemKind("lab.filesystems.plain:tmpfs", mkfs=False),
    "none": FilesystemKind("lab.filesystems.plain:nothing", mkfs=False, mounts=False),
}


@dataclass(frozen=True)
class SuiteKind:
    """A ``kind`` of ``[suites.X]``.

    Attributes:
        maker: Takes the folder of ``lab.toml``, gives a lab.suites.suite.Suite.
        source: Where a program's source is below that, ``{}`` its name; "" where nobody can say.
        script: Where it may be instead, as what is run.
        keys: Those of a table that say how its programs are run, as far as they may be given.
        wants: Those that it cannot do without.
        for_table: What makes it of a lab.suites.asked.Asked.
        others: Whether its programs are other people's: they run where somebody asks for them.
    """

    maker: str
    source: str = ""
    script: str = ""
    keys: frozenset[str] = frozenset()
    wants: frozenset[str] = frozenset()
    for_table: str = ""
    others: bool = False


#: The keys of ``[suites.X]`` that say how its programs are run.
MANNER = frozenset({"arguments", "environment", "cwd", "tmp", "user", "output", "tools", "image"})
#: Those that say where they are from, and how they are made.
MAKING = frozenset(
    {"source", "build", "take", "target", "calls", "before", "prints", "build_image"}
)

#: The kind of what ships, and of suites that name none: C, or what has a first line ``#!``.
C = "c"
#: The kind of a program that tells by its exit status: from a mail, most likely.
REPRODUCER = "reproducer"

SUITES: dict[str, SuiteKind] = {
    C: SuiteKind(
        "lab.suites.c_programs:CPrograms",
        source="guest-tests/{}.c",
        script="guest-tests/{}",
        keys=MANNER,
        for_table="lab.suites.own_program:suite_of_own",
    ),
    REPRODUCER: SuiteKind(
        "lab.suites.reproducers:Reproducers",
        source="guest-tests/{}.c",
        keys=frozenset({"arguments"}),
        for_table="lab.suites.reproducers:with_arguments",
    ),
    "kselftest": SuiteKind(
        "lab.suites.kselftest:Kselftest",
        keys=MANNER | {"target"},
        for_table="lab.suites.kselftest:kselftest",
        others=True,
    ),
    "built": SuiteKind(
        "lab.suites.built:Built",
        keys=MANNER | {"source", "build", "take", "calls", "before", "prints"},
        wants=frozenset({"source", "take"}),
        for_table="lab.suites.built:built_suite",
        others=True,
    ),
}

SUITES["xfstests"] = SuiteKind(
    "lab.suites.xfstests:Xfstests",
    keys=frozenset({"arguments", "environment", "image", "build_image", "source", "build", "take"}),
    wants=frozenset({"image", "build_image", "source", "take"}),
    for_table="lab.suites.xfstests:xfstests",
    others=True,
)

#: The kind of KUnit's own suites, which the kernel runs as it boots.
KUNIT = "kunit"
SUITES[KUNIT] = SuiteKind("lab.suites.kunit:KUnit", others=True)

#: How a program tells of its tests, and what makes results of that.
OUTPUTS: dict[str, str] = {
    "ktap": "lab.suites.output.ktap:IN_KTAP",
    "tap": "lab.suites.output.ktap:IN_TAP",
    "exit": "lab.suites.output.exit:EXIT",
    "ltp": "lab.suites.output.ltp:LTP",
    "xfstests": "lab.suites.output.xfstests:XFSTESTS",
}

#: The kind of files of pytest's, which run on this host.
PYTEST = "pytest"
SUITES[PYTEST] = SuiteKind("lab.suites.pytest_programs:PytestPrograms", source="guest-tests/{}")

#: A ``kind`` of ``[images.X]``, and what makes a lab.userland.Userland of its name and table.
IMAGES: dict[str, str] = {
    "mmdebstrap": "lab.userland.mmdebstrap:make_userland",
}

#: The kind of machines that name none.
QEMU = "qemu"

#: A ``kind`` of ``[machines.X]``, and what makes a GuestSpec of a GuestRequest.
MACHINES: dict[str, str] = {
    QEMU: "lab.guest.qemu.machine:qemu_spec",
}
