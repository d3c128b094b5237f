# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU's plugin counts, with a host that plays QEMU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.coverage.counts import COUNTS, LOG, Probes, marks_of, read_counts
from lab.coverage.machine_code import Edge
from lab.errors import InfrastructureError

SOURCE = Path("lab/guest/qemu/counts.c")
#: It gives instructions at ascending addresses to the plugin, and runs what its lines say: a
#: vCPU, and an address.
HOST = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef void (*executed_t)(unsigned int, void *);
struct insn { uint64_t address; int n; executed_t cb[4]; void *data[4]; };
static struct insn insns[64];
static size_t count;
static void (*translated)(uint64_t, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t, void *))
{ (void)id; translated = cb; }
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *i, executed_t cb, int flags, void *data)
{ (void)flags; i->cb[i->n] = cb; i->data[i->n++] = data; }
size_t qemu_plugin_tb_n_insns(const void *tb) { (void)tb; return count; }
struct insn *qemu_plugin_tb_get_insn(const void *tb, size_t n) { (void)tb; return insns + n; }
uint64_t qemu_plugin_insn_vaddr(const struct insn *i) { return i->address; }
int qemu_plugin_install(uint64_t, const void *, int, char **);
int main(int argc, char **argv)
{
	unsigned int cpu; unsigned long address;
	if (qemu_plugin_install(1, NULL, argc - 1, argv + 1)) return 1;
	for (count = 0; count < 64; count++) insns[count].address = count;
	translated(1, NULL);
	while (scanf("%u %lu", &cpu, &address) == 2)
		for (int n = 0; n < insns[address].n; n++)
			insns[address].cb[n](cpu, insns[address].data[n]);
	return 0;
}
"""
MARK = 60
PROBES = Probes.of((5, 7, 9, 20), (Edge(7, 9), Edge(7, 20)), MARK)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("host")
    (folder / "host.c").write_text(HOST)
    made = folder / "host"
    words = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-DAPI_VERSION=1", "-o", str(made)]
    subprocess.run([*words, str(folder / "host.c"), str(SOURCE)], check=True, timeout=60)
    return made


def ran(host: Path, folder: Path, *steps: tuple[int, int]) -> None:
    PROBES.write(folder / "probes")
    names = [f"probes={folder}/probes", f"counts={folder / COUNTS}", f"log={folder / LOG}"]
    said = "".join(f"{cpu} {address}\n" for cpu, address in steps)
    subprocess.run([host, *names], input=said, text=True, check=True, timeout=60)


def counted(folder: Path) -> dict[int, dict[object, int]]:
    names = {number: each for each, number in PROBES.numbers.items()}
    found = read_counts(folder, PROBES)
    return {
        marks: {names[number]: count for number, count in rows.items()}
        for marks, rows in found.items()
    }


@pytest.mark.slow
def test_counts_are_told_apart_by_marks(host: Path, tmp_path: Path) -> None:
    ran(host, tmp_path, (0, 5), (0, 6), (0, MARK), (0, 5), (0, 5), (0, MARK), (0, 9))
    assert counted(tmp_path) == {0: {5: 1}, 1: {5: 2}, 2: {9: 1}}
    assert marks_of(tmp_path) == 2


@pytest.mark.slow
def test_a_branch_is_counted_by_its_way(host: Path, tmp_path: Path) -> None:
    ran(host, tmp_path, (0, 7), (0, 9), (0, 7), (0, 20), (0, 7), (0, 20), (0, 9))
    assert counted(tmp_path) == {0: {7: 3, 9: 2, 20: 2, Edge(7, 9): 1, Edge(7, 20): 2}}


@pytest.mark.slow
def test_a_way_is_of_one_cpu(host: Path, tmp_path: Path) -> None:
    ran(host, tmp_path, (1, 7), (0, 9), (1, 20))
    assert counted(tmp_path) == {0: {7: 1, 9: 1, 20: 1, Edge(7, 20): 1}}


@pytest.mark.slow
def test_counts_of_something_else_are_refused(host: Path, tmp_path: Path) -> None:
    ran(host, tmp_path, (0, 5))
    with pytest.raises(InfrastructureError, match="something else"):
        read_counts(tmp_path, Probes.of((5,), (), MARK))


def test_nothing_counted_is_told(tmp_path: Path) -> None:
    assert marks_of(tmp_path) is None
    with pytest.raises(InfrastructureError, match="cannot be read"):
        read_counts(tmp_path, PROBES)
