# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.errors import InfrastructureError
from lab.guest.qemu import accelerator as module
from lab.guest.qemu.accelerator import (
    Accelerator,
    Proof,
    boot_kernel,
    boot_sector,
    choose,
    no_slower,
    probe,
    probe_kernel,
    qemu_version,
    run_guest,
)
from lab.host import need_tool

pytestmark = pytest.mark.slow

#: jmp to itself.
HANG = b"\xeb\xfe".ljust(510, b"\0") + b"\x55\xaa"


def qemu() -> Path:
    return need_tool("qemu-system-x86_64")


def test_tcg_runs_a_guest(tmp_path: Path) -> None:
    proof = probe("tcg", tmp_path, 20)
    assert proof, proof.detail
    assert proof.duration_s > 0


def test_guest_that_hangs_is_no_proof() -> None:
    proof = run_guest(qemu(), "tcg", lambda _: HANG, 0.4)
    assert not proof
    assert proof.detail == "a guest had not reached its end after 0.4 s"


def test_another_status_is_no_proof() -> None:
    assert not run_guest(qemu(), "tcg", lambda number: boot_sector(number + 1), 20)


def test_program_that_succeeds_without_a_guest_is_no_proof() -> None:
    assert not run_guest(Path("/bin/true"), "tcg", boot_sector, 20)


def test_what_qemu_said_is_in_the_detail(tmp_path: Path) -> None:
    broken = tmp_path / "qemu"
    broken.write_text("#!/bin/sh\necho 'Could not access KVM kernel module' >&2\nexit 1\n")
    broken.chmod(0o755)
    proof = run_guest(broken, "kvm", boot_sector, 20)
    assert proof.detail == (
        "/dev/kvm opens, but QEMU ended with status 1: Could not access KVM kernel module"
    )


@pytest.fixture(scope="module")
def remembered(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a real probe of TCG left in the cache."""
    cache = tmp_path_factory.mktemp("cache")
    assert probe("tcg", cache, 20)
    return json.loads((cache / "accelerator.json").read_text())


def remember(cache: Path, record: Any, accelerator: str, boot: str | None = None) -> None:
    """Put a "no" for ``accelerator`` into the cache."""
    ((key, answer),) = record["answers"].items()
    proof = {"runs": False, "detail": "remembered", "duration_s": 1}
    changed = {"proof": proof, "boot": boot or answer["boot"]}
    answers = {key.replace(" tcg ", f" {accelerator} "): changed}
    (cache / "accelerator.json").write_text(json.dumps({**record, "answers": answers}))


def test_answer_is_remembered_until_a_fresh_one_is_wanted(tmp_path: Path, remembered: Any) -> None:
    remember(tmp_path, remembered, "tcg")
    assert probe("tcg", tmp_path, 20).detail == "remembered"
    assert probe("tcg", tmp_path, 20, fresh=True).runs
    assert probe("tcg", tmp_path, 20).runs


def test_a_no_is_forgotten_when_the_host_reboots(tmp_path: Path, remembered: Any) -> None:
    remember(tmp_path, remembered, "tcg", boot="another boot")
    assert probe("tcg", tmp_path, 20).runs


def test_another_qemu_is_asked_again(tmp_path: Path, remembered: Any) -> None:
    record = {**remembered, "qemu": {str(qemu()): {"stamp": [1, 2, 3], "version": "QEMU 1"}}}
    ((key, answer),) = record["answers"].items()
    old = key.replace(remembered["qemu"][str(qemu())]["version"], "QEMU 1")
    assert old != key
    record["answers"] = {old: answer}
    remember(tmp_path, record, "tcg")
    assert probe("tcg", tmp_path, 20).runs


@pytest.mark.parametrize("text", ["", '{"answers": 5}'])
def test_broken_record_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "accelerator.json").write_text(text)
    assert probe("tcg", tmp_path, 20).runs


@pytest.fixture
def no_kvm(tmp_path: Path, remembered: Any) -> Path:
    """A cache that knows: KVM runs no guest (where there is a /dev/kvm at all)."""
    remember(tmp_path, remembered, "kvm")
    return tmp_path


def test_auto_takes_tcg_where_kvm_runs_no_guest(no_kvm: Path) -> None:
    why = probe("kvm", no_kvm, 20).detail
    assert choose("auto", no_kvm, 20) == Accelerator("tcg", f"KVM runs no guest here: {why}")


def test_kvm_asked_for_in_vain_is_an_error(no_kvm: Path) -> None:
    with pytest.raises(InfrastructureError, match="KVM was asked for") as caught:
        choose("kvm", no_kvm, 20)
    assert probe("kvm", no_kvm, 20).detail in caught.value.what
    assert caught.value.hint


def test_tcg_is_taken_at_its_word(tmp_path: Path) -> None:
    assert choose("tcg", tmp_path, 0.001).name == "tcg"


def test_version_is_qemus_own_word(remembered: Any) -> None:
    assert qemu_version().startswith("QEMU emulator version ")
    assert qemu_version() == remembered["qemu"][str(qemu())]["version"]


@pytest.mark.parametrize(("kvm_s", "runs"), [(0.15, True), (0.5, True), (6.1, False)])
def test_kvm_that_crawls_is_none(kvm_s: float, runs: bool) -> None:
    """Emulated KVM took 4 to 6 s for a boot sector, and hung every kernel."""
    proof = no_slower(Proof(True, "a guest ran under KVM", kvm_s), Proof(True, "", 0.21))
    assert proof.runs is runs
    if not runs:
        assert "took 6.1 s to its end that takes 0.2 s under TCG" in proof.detail


def test_a_slow_guest_is_compared_with_one_that_ran() -> None:
    assert no_slower(Proof(True, "", 6.1), Proof(False, "QEMU without TCG", 0.01))


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Whether a kernel boots, by accelerator."""
    boots = {"kvm": True, "tcg": True}

    def boot(qemu: Path, accelerator: str, kernel: Path, deadline_s: float) -> Proof:
        return Proof(boots[accelerator], f"{accelerator} {deadline_s:g}", 1.0)

    monkeypatch.setattr(module, "boot_kernel", boot)
    return boots


def test_a_kernel_must_boot_under_kvm(tmp_path: Path, kernels: dict[str, bool]) -> None:
    kernels["kvm"] = False
    assert not probe_kernel(Path("bzImage"), tmp_path, 5)
    kernels["kvm"] = True
    assert not probe_kernel(Path("bzImage"), tmp_path, 5), "it is remembered"


def test_a_kernel_that_boots_nowhere_says_nothing_of_kvm(
    tmp_path: Path, kernels: dict[str, bool]
) -> None:
    kernels.update(kvm=False, tcg=False)
    assert probe_kernel(Path("bzImage"), tmp_path, 5)
    kernels.update(tcg=True)
    assert not probe_kernel(Path("bzImage"), tmp_path, 5), "nothing was remembered"


def test_what_takes_long_is_said_first(tmp_path: Path, kernels: dict[str, bool]) -> None:
    kernels["kvm"] = False
    said: list[str] = []
    probe_kernel(Path("bzImage"), tmp_path, 5, said.append)
    assert ["5 s at most" in said[0], "100 s at most" in said[1]] == [True, True]
    probe_kernel(Path("bzImage"), tmp_path, 5, said.append)
    assert len(said) == 2, "it is remembered"


def test_what_is_no_kernel_boots_nowhere(tmp_path: Path) -> None:
    kernel = tmp_path / "bzImage"
    kernel.write_bytes(boot_sector(1))
    assert not boot_kernel(qemu(), "tcg", kernel, 1.0)
