# SPDX-License-Identifier: GPL-2.0-only
"""How fast the time stamp counter runs: under TCG a guest reads the host's.

A guest that is told need not measure it against a timer, and on a busy host it measures
wrong: all its clocks go wrong then.  It also saves it 0.15 s of a boot.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from lab.errors import InfrastructureError
from lab.host.boot_id import boot_id
from lab.process import run
from lab.process.seal import read_answer, write_answer
from lab.process.temporary import temporary_folder

_SOURCE = Path(__file__).with_name("tsc.c")
_CPUINFO = Path("/proc/cpuinfo")
#: The same in all power states, at all speeds of the CPU (arch/x86's cpufeatures.h).
_STEADY = frozenset(("constant_tsc", "nonstop_tsc"))
#: A state is saved for a command line: the last digits, which differ by what is measured
#: and not by what is so, must not be in it.
_ROUND_KHZ = 1000
_TOLD = re.compile(r"tsc_early_khz=([1-9]\d*) lpj=([1-9]\d*)")


def tsc_arguments(cache: Path, hz: int | None) -> str:
    """What a kernel with CONFIG_HZ ``hz`` is told under TCG; "" when it is not known.

    tsc_early_khz is of 5.10 at the latest, older kernels pass it by; lpj
    (init/calibrate.c) is the counter's ticks in a jiffy, where delays are timed by it.
    """
    khz = host_tsc_khz(cache)
    return "" if khz is None or not hz else f"tsc_early_khz={khz} lpj={khz * 1000 // hz}"


def portable(arguments: str) -> str:
    """A kernel's arguments for any host: without what is so on this one."""
    words = arguments.split(" ")
    return " ".join(word for word in words if not word.startswith(("tsc_early_khz=", "lpj=")))


def retimed(arguments: str, khz: int | None) -> str:
    """A kernel's arguments from another host for one whose counter runs at ``khz``."""
    told = _TOLD.search(arguments)
    if told is None:
        return arguments
    hz = round(int(told[1]) * 1000 / int(told[2]))
    ours = "" if khz is None else f"tsc_early_khz={khz} lpj={khz * 1000 // hz}"
    return _TOLD.sub(ours, arguments).strip()


def host_tsc_khz(cache: Path) -> int | None:
    """The frequency of the host's, rounded to a MHz; measured once a boot of the host.

    None where it is not steady, or cannot be measured.
    """
    record = cache / "tsc.json"
    boot = boot_id()
    known = read_answer(record)
    if boot and known is not None and known["boot"] == boot:
        return None if known["khz"] is None else int(known["khz"])
    steady = _steady(_read(_CPUINFO))
    khz = _measure() if steady else None
    if steady and khz is None:
        return None  # the next time it may go well
    with suppress(OSError):
        write_answer(record, {"boot": boot, "khz": khz})
    return khz


def _steady(cpuinfo: str) -> bool:
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _STEADY


def _measure() -> int | None:
    try:
        with temporary_folder("tsc") as folder:
            program = Path(folder, "tsc")
            run(["gcc", "-O2", "-o", program, _SOURCE], timeout=60)
            khz = float(run([program], timeout=60).stdout)
    except (InfrastructureError, OSError, ValueError):
        return None
    return round(khz / _ROUND_KHZ) * _ROUND_KHZ or None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
