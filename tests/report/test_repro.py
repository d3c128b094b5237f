# SPDX-License-Identifier: GPL-2.0-only
"""The script that repeats a job: what it refuses, and that it is whole."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import UserError
from lab.filesystems.dax_proof import DaxProof
from lab.guest.qemu.command_line import Hardware, kernel_arguments
from lab.model.records import RunRecord
from lab.report.repro import repro_script
from lab.results import RunFolder, write_json, write_text
from tests.results.made import EVIDENCE, job, run

UNIT = {
    "filesystem": "ext4-dax",
    "type": "ext4",
    "mount_point": "/mnt/ext4-dax",
    "set_up": "mkfs.ext4 -O '^64bit' /dev/pmem0",
    "suite": "mlock",
    "program": "mlock",
}
RECIPE: dict[str, Any] = {
    "variant": "6.1",
    "release": "6.1.192",
    "tree": "apt:linux-source-6.1=6.1.192-2",
    "version": "6.1.192",
    "source": {"kind": "apt", "package": "linux-source-6.1", "member": None},
    "environment": {"KBUILD_BUILD_USER": "lab", "LOCALVERSION": ""},
    "cc": "gcc",
    "mends": [],
    "kernel_flags": [],
    "host_flags": [],
    "compiler": "gcc (Debian 12.2.0-14) 12.2.0",
    "sha256": {"bzImage": "ab" * 32},
    "hardware": {
        "memory": 1 << 30,
        "cpus": 2,
        "accelerator": "tcg",
        "type": "pc",
        "nvdimm": 1 << 29,
    },
    "arguments": "console=ttyS0,115200 panic=-1",
    "units": [UNIT, {**UNIT, "filesystem": "xfs-dax", "type": "xfs"}],
    "prepare": "test -b '/dev/pmem0'",
    "fresh": "filesystem",
    "pattern": None,
    "program_s": 120.0,
}
PATCH = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-$HOME `id` 'quoted'\n+END_OF_\n"


def recorded(folder: Path, patch: str = PATCH, **changes: Any) -> RunRecord:
    record = run(replace(job(), evidence=replace(EVIDENCE, build_key="k")), folder=str(folder))
    files = RunFolder(folder.parent, folder.name)
    place = files.job(0, "6.1")
    write_json(place.recipe, {**RECIPE, **changes})
    write_text(place.kernel_config, "CONFIG_X=y\n")
    write_text(files.programs / "mlock.c", "int main(void) { return 0; }\n")
    write_text(files.programs / "sub" / "it's.h", "#define IT 1\n")
    if patch:
        write_text(place.applied, patch)
    return record


def checked(script: str) -> str:
    done = subprocess.run(["sh", "-n"], input=script, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return script


@pytest.mark.parametrize(
    ("tree", "source", "said"),
    [
        ("apt:linux-source-6.1=6.1.192-2", RECIPE["source"], "apt-get download linux-source-6.1=6"),
        (
            "git:" + "ab" * 20,
            {"kind": "git", "url": "https://u:hunter2@h/x.git"},
            "https://h/x.git",
        ),
        (
            "tarball:" + "cd" * 32,
            {"kind": "tarball", "url": "https://h/x.tar.xz", "sha256": "cd" * 32},
            "cd" * 32 + "  ",
        ),
        ("dir:" + "ef" * 20, {"kind": "dir", "path": "/x"}, "Set KERNEL_SRC"),
    ],
)
def test_each_source(tmp_path: Path, tree: str, source: dict[str, Any], said: str) -> None:
    script = checked(repro_script(recorded(tmp_path / "run", tree=tree, source=source), "0"))
    assert said in script
    assert "hunter2" not in script


def test_texts_are_inline_as_they_are(tmp_path: Path) -> None:
    """No shell touches what the here-documents hold."""
    script = checked(repro_script(recorded(tmp_path / "run"), "6.1"))
    start = script.index('cat >"$work/applied.patch"')
    part = script[start : script.index("# A repository")]
    work = tmp_path / "work"
    work.mkdir()
    subprocess.run(["sh", "-euc", f"work={work}\n{part}"], check=True)
    assert (work / "applied.patch").read_text() == PATCH
    for own in ("python", "import lab", ".cache/lab", "\nlab ", str(tmp_path)):
        assert own not in script


def test_sources_in_folders_below(tmp_path: Path) -> None:
    script = checked(repro_script(recorded(tmp_path / "run"), "6.1"))
    start = script.index('rm -rf "$work/guest-tests"')
    part = script[start : script.index("\nmake -s -C")]
    subprocess.run(["sh", "-euc", f"work={tmp_path}/work\n{part}"], check=True)
    header = tmp_path / "work" / "guest-tests" / "sub" / "it's.h"
    assert header.read_text() == "#define IT 1\n"


def test_a_filesystem_and_a_pattern(tmp_path: Path) -> None:
    record = recorded(tmp_path / "run")
    script = checked(repro_script(record, "0", pattern="mlock.*'", filesystem="xfs-dax"))
    assert "/mnt/ext4-dax" in script  # the recipe's own mount point, as the record has it
    assert "mkfs.ext4 " not in script.split("for tool in")[1].split(";")[0]
    with pytest.raises(UserError, match="no filesystem 'btrfs'"):
        repro_script(record, "0", filesystem="btrfs")


@pytest.mark.parametrize(
    ("output", "body", "told"),
    [
        ("exit", "echo hm; exit 0", "ok 1 bug\nrepro: status 0\n"),
        ("exit", "exit 77", "ok 1 bug # SKIP\nrepro: status 4\n"),
        ("exit", "exit 3", "not ok 1 bug\nrepro: status 1\n"),
        ("exit", "exit 127", "repro: status 127\n"),
        ("ltp", "exit 32", "ok 1 bug # SKIP\nrepro: status 4\n"),
        ("ltp", "exit 4", "not ok 1 bug\nrepro: status 1\n"),
        ("xfstests", "exit 1", "not ok 1 bug\nrepro: status 1\n"),
        ("ktap", "echo nothing", "not ok 1 bug\nrepro: status 1\n"),
        ("tap", "echo 1..1; echo not ok; exit 1", "1..1\nnot ok\nrepro: status 1\n"),
        (
            "exit",
            "echo KTAP version 1; echo 1..1; echo ok 1 x",
            "KTAP version 1\n1..1\nok 1 x\nrepro: status 0\n",
        ),
    ],
)
def test_a_program_that_tells_by_its_status(
    tmp_path: Path, output: str, body: str, told: str
) -> None:
    unit = {**UNIT, "suite": "bug", "program": "bug", "command": ["sh", "-c", body]}
    unit |= {} if output == "exit" else {"output": output}
    record = recorded(tmp_path / "run", units=[UNIT, unit])
    script = checked(repro_script(record, "0"))
    start = script.index("tell() {")
    whole = script[start : script.index("end() {")]
    whole += script[script.index("told_by() {") : script.index("# The kernel hands")]
    call = next(line for line in script.splitlines() if line.startswith("\t\ttold_by "))
    serial = tmp_path / "serial"
    whole = f"{whole}\n{call}\n".replace("/tmp/", f"{tmp_path}/")
    whole = whole.replace("/dev/ttyS1", str(serial))
    subprocess.run(["sh", "-uc", whole], check=True, capture_output=True)
    said = serial.read_text()
    assert said.partition("\n")[2] == told
    assert '[ "$statuses" = 2 ]' in script
    left = 1 if output == "exit" else 2
    assert f'[ "$statuses" = {left} ]' in checked(repro_script(record, "0", pattern="mlock"))


def test_a_script_is_copied_and_brings_its_tools(tmp_path: Path) -> None:
    unit = {**UNIT, "program": "it.sh", "command": ["/lab/it.sh"], "script": True}
    unit |= {"brings": ["bash"], "timeout_s": 1000.0}
    record = recorded(tmp_path / "run", units=[unit])
    write_text(RunFolder(tmp_path, "run").programs / "it.sh", "#!/bin/bash\n")
    script = checked(repro_script(record, "0"))
    assert 'cp "$work/guest-tests"/it.sh "$root/lab/"' in script
    assert "build/it.sh" not in script
    assert "bash" in script.partition("for program in busybox ")[2].partition(";")[0]
    assert "default: 1120" in script


SAID = "dax_option=yes\npfn_in_pmem=yes\nstatx_known=yes\nstatx_dax=yes\n"
OWES_DAX = {"proofs": [{"programs": ["dax-proof"], "wanting": DaxProof().by_hand}]}
NO_PROGRAM = {"programs": ["own"], "wanting": "grep -q mine= /tmp/proof || echo is not mine"}


@pytest.mark.parametrize(
    ("owes", "said", "wanting"),
    [
        # A recipe of before says nothing of proofs: each filesystem had to be DAX.
        ({}, SAID, ""),
        ({}, "", "is not DAX: no dax_option=yes"),
        (OWES_DAX, SAID, ""),
        (OWES_DAX, SAID.replace("pfn_in_pmem=yes", "pfn_in_pmem=no"), "is not DAX: no pfn_in_pmem"),
        (OWES_DAX, SAID.replace("statx_dax=yes", "statx_dax=no"), "is not DAX: no statx_dax=yes"),
        (OWES_DAX, "dax_option=yes\npfn_in_pmem=yes\nstatx_known=no\n", ""),
        ({"proofs": []}, "", ""),
        ({"proofs": [NO_PROGRAM]}, SAID, "is not mine"),
        ({"proofs": [NO_PROGRAM]}, "mine=1\n", ""),
        (
            {"proofs": [{**NO_PROGRAM, "wanting": "no-such-program"}]},
            "",
            "no-such-program: not found",
        ),
    ],
)
def test_each_filesystem_owes_its_own_proofs(
    tmp_path: Path, owes: dict[str, Any], said: str, wanting: str
) -> None:
    unit = {**UNIT, "set_up": f"printf {shlex.quote(said)}", **owes}
    script = checked(repro_script(recorded(tmp_path / "run", units=[unit]), "0"))
    function = script[script.index("set_up() {") : script.index("run() {\n\ttell")]
    (call,) = (line for line in script.split("if set_up ")[1:])
    call = call.partition("; then\n\t\trun ")[0]
    program = f'tell() {{ echo "$*"; }}\n{function}\nset_up {call}'.replace("/tmp", str(tmp_path))
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if not line.startswith("# ")]
    assert (done.returncode, len(told)) == ((1, 1) if wanting else (0, 0)), done
    assert wanting in "".join(told)
    assert all(line.startswith("repro: not proved: ext4-dax ") for line in told)


def test_only_what_its_filesystems_need_goes_into_a_guest(tmp_path: Path) -> None:
    tmpfs = {**UNIT, "type": "tmpfs", "filesystem": "scratch", "tools": [], "proofs": []}
    script = checked(repro_script(recorded(tmp_path / "run", units=[tmpfs]), "0"))
    assert "mkfs.tmpfs" not in script
    assert "dax-proof" not in script
    before = checked(repro_script(recorded(tmp_path / "before"), "0"))
    assert '"$work/guest-tests/build"/dax-proof' in before
    assert "ndctl mkfs.ext4 mkfs.xfs" in before


def test_a_suite_that_no_script_can_run_is_named(tmp_path: Path) -> None:
    other = {**UNIT, "suite": "it's", "program": "other", "by_hand": False}
    script = checked(repro_script(recorded(tmp_path / "run", units=[UNIT, other]), "0"))
    assert "/lab/other" not in script
    assert """say "not run, as a script cannot: "'it'"'"'s'""" in script
    assert "not run, as" not in repro_script(recorded(tmp_path / "all"), "0")
    with pytest.raises(UserError, match="no script can repeat suites of this kind: it's"):
        repro_script(recorded(tmp_path / "none", units=[other]), "0")


def test_flags_that_mended_it_come_before_all_others(tmp_path: Path) -> None:
    mended: dict[str, Any] = {
        "kernel_flags": ["-fno-pie", "-DX='a b'", "-DY=$SOURCE/it"],
        "mends": ["pie: kernel -fno-pie (`x`)"],
    }
    script = checked(repro_script(recorded(tmp_path / "run", **mended), "0"))
    start = script.index("\t# Before all others")
    part = script[start : script.index("\tfor target in")]
    program = f"work={tmp_path} source={tmp_path}/tree\n{part}\necho $cc $hostcc"
    done = subprocess.run(["sh", "-euc", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{tmp_path}/bin/cc", "gcc"]
    (tmp_path / "x.c").write_text("X int y; Y\n")
    preprocess = [f"{tmp_path}/bin/cc", "-E", "-P", "x.c"]
    shown = subprocess.run(preprocess, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"'a b' int y; {tmp_path}/tree/it" in shown.stdout


@pytest.mark.parametrize(
    ("hardware", "words"),
    [
        (
            {"cpus": 4, "nodes": 2},
            (
                "-smp 4,sockets=2",
                "-object memory-backend-ram,id=ram1,size=536870912",
                "-numa node,nodeid=1,cpus=2-3,memdev=ram1",
                "-device nvdimm,id=nvdimm0,memdev=nv0,node=1",
                '-object "memory-backend-file,id=nv0',
            ),
        ),
        (
            {"pmem": "virtio-pmem"},
            ("-device virtio-pmem-pci,id=vpmem0,memdev=nv0", '-object "memory-backend-file,id=nv0'),
        ),
    ],
)
def test_a_machine_of_another_kind(
    tmp_path: Path, hardware: dict[str, object], words: tuple[str, ...]
) -> None:
    run = recorded(tmp_path / "run", hardware={**RECIPE["hardware"], **hardware})
    script = checked(repro_script(run, "0"))
    assert [word for word in words if word not in script] == []


def test_a_machine_of_ram_has_no_nvdimm(tmp_path: Path) -> None:
    hardware = {**RECIPE["hardware"], "pmem": "memmap"}
    arguments = kernel_arguments(Hardware(**hardware))
    run = recorded(tmp_path / "run", hardware=hardware, arguments=arguments)
    script = checked(repro_script(run, "0"))
    command = next(line for line in script.splitlines() if "-nodefaults" in line)
    assert "nvdimm" not in command
    assert "memory-backend-file" not in script
    assert "memmap=512M!0x100000000" in script


@pytest.mark.parametrize(
    ("value", "there"),
    [("/opt/$NAME/bin:${NAME}", "/opt/a b/bin:a b"), ('`id` "\\ $5 $(id)', '`id` "\\ $5 $(id)')],
)
def test_settings_of_make(tmp_path: Path, value: str, there: str) -> None:
    script = repro_script(recorded(tmp_path / "run", environment={"X": value}), "0")
    setting = script[script.index("$(env X=") + len("$(env ") :].partition(" gcc --version")[0]
    program = f"export NAME='a b'; env {setting} printenv X"
    done = subprocess.run(["sh", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{there}\n"


def test_without_a_patch_none_is_asked_for(tmp_path: Path) -> None:
    script = checked(repro_script(recorded(tmp_path / "run", patch=""), "0"))
    assert "git apply" not in script


def test_what_cannot_be_repeated(tmp_path: Path) -> None:
    record = recorded(tmp_path / "run")
    for name in ("1", "6.2", ""):
        with pytest.raises(UserError, match="has no job") as caught:
            repro_script(record, name)
        assert caught.value.hint == "0 is 6.1"
    with pytest.raises(UserError, match="several jobs"):
        repro_script(replace(record, jobs=record.jobs * 2), "6.1")
    unbuilt = replace(record.jobs[0], evidence=EVIDENCE)
    with pytest.raises(UserError, match="was not built"):
        repro_script(replace(record, jobs=(unbuilt,)), "0")
    with pytest.raises(UserError, match="does not hold"):
        repro_script(replace(record, folder=str(tmp_path / "gone")), "0")


@pytest.mark.parametrize(
    "changes",
    [
        {"units": 3},
        {"units": [{}]},
        {"hardware": {"x": 1}},
        {"source": None},
        {"source": {"kind": "tape"}},
        {"source": {"kind": "git"}},
        {"tree": 5},
        {"format": 1000},
    ],
)
def test_a_recipe_of_another_shape(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="damaged, or another lab's") as error:
        repro_script(recorded(tmp_path / "run", **changes), "0")
    assert str(error.value.where).endswith("recipe.json")


def test_a_guest_that_no_hand_can_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="none that can be started by hand"):
        repro_script(recorded(tmp_path / "run", hardware=None), "0")
