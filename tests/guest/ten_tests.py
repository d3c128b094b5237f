# SPDX-License-Identifier: GPL-2.0-only
"""Ten tests of a kernel, in pytest: a suite to try suites of pytest's with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SOURCE = r"""
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 1024, PAGE = 4096 };

int main(int argc, char **argv)
{
	int populate = !strcmp(argv[2], "populate") ? MAP_POPULATE : 0;
	int file = open(argv[1], O_RDWR), pagemap = open("/proc/self/pagemap", O_RDONLY);
	char *map = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED | populate, file, 0);
	static uint64_t entries[PAGES];
	int present = 0;

	if (map == MAP_FAILED || (!populate && mlock(map, PAGES * PAGE)))
		err(1, "%s", argv[2]);
	if (pread(pagemap, entries, sizeof(entries), (uintptr_t)map / PAGE * 8) != sizeof(entries))
		err(1, "pagemap");
	for (int page = 0; page < PAGES; page++)
		present += entries[page] >> 63;
	printf("%d\n", present);
	return argc != 3;
}
"""


@pytest.fixture
def file(guest: Any, filesystem: Any) -> Iterator[str]:
    """A file of 4 MiB, its data written."""
    path = f"{filesystem.path}/file"
    guest.run(f"dd if=/dev/urandom of={path} bs=1M count=4", check=True)
    yield path
    guest.run(["rm", path], check=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled here, and put into each guest that wants it."""
    built = tmp_path_factory.mktemp("built") / "resident"
    command = ["gcc", "-static", "-O1", "-x", "c", "-o", str(built), "-"]
    subprocess.run(command, input=SOURCE, text=True, check=True)
    return built


def resident(guest: Any, program: Path, file: str, call: str) -> int:
    """How many of the file's 1024 pages a call made resident, before any of them is touched."""
    guest.put(program, "/tmp/resident")
    return int(
        guest.run(f"chmod 755 /tmp/resident && /tmp/resident {file} {call}", check=True).stdout
    )


def test_release(guest: Any) -> None:
    assert guest.run("uname -r", check=True).stdout.strip() == guest.release


def test_is_mounted(guest: Any, filesystem: Any) -> None:
    assert f" {filesystem.path} " in guest.run("cat /proc/mounts", check=True).stdout


def test_is_proved(filesystem: Any) -> None:
    assert filesystem.proofs["dax"]["pfn_in_pmem"] == "yes"


def test_keeps_what_is_written(guest: Any, file: str) -> None:
    before = guest.get(file)
    guest.run("sync; echo 3 > /proc/sys/vm/drop_caches", check=True)
    assert guest.get(file) == before


def test_truncates(guest: Any, file: str) -> None:
    guest.run(["truncate", "-s", "100", file], check=True)
    assert len(guest.get(file)) == 100


def test_renames(guest: Any, file: str) -> None:
    before = guest.get(file)
    guest.run(f"mv {file} {file}2 && cp {file}2 {file}", check=True)
    assert guest.get(file) == before


@pytest.mark.parametrize("mode", ["600"])
def test_modes(guest: Any, file: str, mode: str) -> None:
    guest.run(["chmod", mode, file], check=True)
    assert guest.run(["stat", "-c", "%a", file], check=True).stdout.strip() == mode


def test_says_nothing_bad(guest: Any) -> None:
    assert "WARNING" not in guest.dmesg()


def test_populate_of_a_file(guest: Any, file: str, program: Path) -> None:
    assert resident(guest, program, file, "populate") == 1024


def test_mlock_of_a_file(guest: Any, file: str, program: Path) -> None:
    assert resident(guest, program, file, "mlock") == 1024
