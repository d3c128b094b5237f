# SPDX-License-Identifier: GPL-2.0-only
"""The host's time stamp counter, and a guest that is told how fast it runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lab.guest.qemu import tsc
from lab.guest.qemu.command_line import Hardware, kernel_arguments
from lab.process.seal import read_answer
from lab.session import Lab
from tests.guest.conftest import KERNEL, spec_of

ROOT = Path(__file__).parents[3]
STEADY = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\n"


@pytest.fixture
def boot_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a steady counter, whose boot's name is in the file."""
    cpuinfo, boot = tmp_path / "cpuinfo", tmp_path / "boot_id"
    cpuinfo.write_text(STEADY)
    boot.write_text("first\n")
    monkeypatch.setattr(tsc, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(tsc, "boot_id", lambda: boot.read_text().strip())
    return boot


def test_measured_once_a_boot(
    tmp_path: Path, boot_id: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter((2_900_000, 3_100_000))
    monkeypatch.setattr(tsc, "_measure", lambda: next(answers))
    said = [tsc.host_tsc_khz(tmp_path) for _ in range(2)]
    boot_id.write_text("second\n")
    said += [tsc.host_tsc_khz(tmp_path) for _ in range(2)]
    assert said == [2_900_000, 2_900_000, 3_100_000, 3_100_000]


@pytest.mark.parametrize("flags", ["", "fpu tsc", "constant_tsc", "nonstop_tsc tsc"])
def test_counter_that_is_not_steady_is_not_told(tmp_path: Path, boot_id: Path, flags: str) -> None:
    boot_id.with_name("cpuinfo").write_text(f"flags\t\t: {flags}\n")
    assert tsc.tsc_arguments(tmp_path, 250) == ""
    # Nor is that looked up again.
    assert read_answer(tmp_path / "tsc.json") == {"boot": "first", "khz": None}


@pytest.mark.parametrize("text", ["", "[]", '{"boot": "first"}', '{"boot": "first", "khz": "x"}'])
def test_broken_record_is_no_record(
    tmp_path: Path, boot_id: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(tsc, "_measure", lambda: 2_000_000)
    (tmp_path / "tsc.json").write_text(text)
    assert tsc.tsc_arguments(tmp_path, 250) == "tsc_early_khz=2000000 lpj=8000000"


def test_measurement_that_fails_is_tried_again(
    tmp_path: Path, boot_id: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert tsc.host_tsc_khz(tmp_path) is None
    monkeypatch.setattr(tsc, "_measure", lambda: 2_000_000)
    assert tsc.host_tsc_khz(tmp_path) == 2_000_000


def test_kernel_whose_ticks_are_not_known_is_told_nothing(tmp_path: Path) -> None:
    assert tsc.tsc_arguments(tmp_path, None) == ""


def test_another_host_is_told_nothing_of_it(tmp_path: Path) -> None:
    hardware = Hardware(1 << 30, 2, "tcg", "q35", 512 << 20, "memmap")
    told = kernel_arguments(hardware, "tsc_early_khz=2000000 lpj=8000000")
    assert tsc.portable(told) == kernel_arguments(hardware)


@pytest.mark.slow
def test_measurement_is_what_the_counter_does(tmp_path: Path, boot_id: Path) -> None:
    one, other = (tsc._measure() for _ in range(2))
    assert one == other
    assert one is not None
    assert 500_000 < one < 10_000_000


@pytest.mark.guest
def test_clock_of_a_guest_keeps_pace(tmp_path: Path) -> None:
    spec = spec_of(Lab.open(ROOT / "lab.toml"), KERNEL, tmp_path / "guest")
    if "tsc_early_khz" not in spec.append:
        pytest.skip("KVM, or a host whose counter is not steady")
    with spec.guest() as guest:
        ask = "cut -d' ' -f1 /proc/uptime"
        before, begun = float(guest.run(ask).stdout), time.monotonic()
        time.sleep(3)
        after, took = float(guest.run(ask).stdout), time.monotonic() - begun
        told = guest.run("cat /proc/cmdline").stdout
    assert spec.append in told
    assert after - before == pytest.approx(took, rel=0.05)
