# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator to use: one under which a guest really ran on this host.

``/dev/kvm`` that opens, answers its API version and creates a VM can still hang
every guest at its first instructions, so permissions prove nothing
(danobi/vmtest#38).  The first proof is a guest that ends by itself, with a status
that nothing but its own code can have set, and no later than the same guest under
TCG would: where KVM itself is emulated, 16-bit code may crawl to its end and every
kernel hang.  The second is a kernel that boots until it misses its root filesystem.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from lab.arch import ARCH
from lab.errors import InfrastructureError
from lab.host import need_tool
from lab.host.boot_id import boot_id
from lab.host.tool import ask
from lab.process import ProcessKilled, ProcessTimeout, Result, run
from lab.process.scratch import write_whole
from lab.process.temporary import temporary_folder

Name = Literal["kvm", "tcg"]

_RECORD = "accelerator.json"
#: Raised when an answer comes to mean something else.
_RULES = 2
#: The I/O port of QEMU's isa-debug-exit: N written there ends it with status 2 N + 1.
_PORT = 0xF4
_KVM = Path("/dev/kvm")
#: Under KVM a guest is faster; the rest is the noise of a busy host.
_SLOWEST = 4.0
#: TCG is that much slower with a kernel, and more.
_TCG_PATIENCE = 20
#: What a kernel without a root filesystem comes to (init/do_mounts.c, kernel/panic.c).
_AT_ITS_END = "Kernel panic - not syncing: VFS: "


@dataclass(frozen=True)
class Accelerator:
    """The accelerator to use, and why it was chosen: one line for a record."""

    name: Name
    reason: str


@dataclass(frozen=True)
class Proof:
    """Whether a guest ran under an accelerator, and what was seen; true if it ran.

    ``duration_s`` is the time from QEMU's start to its end.
    """

    runs: bool
    detail: str
    duration_s: float = 0.0

    def __bool__(self) -> bool:
        return self.runs


class _Qemu(BaseModel):
    stamp: tuple[int, int, int]
    version: str


class _Answer(BaseModel):
    proof: Proof
    boot: str


class _Record(BaseModel):
    qemu: dict[str, _Qemu] = {}
    answers: dict[str, _Answer] = {}


def choose(
    requested: Literal["auto", "kvm", "tcg"],
    cache: Path,
    deadline_s: float,
    kernel: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Accelerator:
    """The accelerator for ``requested``: ``auto`` is KVM if a guest ran with it, else TCG.

    Args:
        deadline_s: Seconds that each guest has to end by itself.
        kernel: A kernel's image that is to run under it; it must, too.
        say: Told what is tried, and how long that may take.

    Raises:
        InfrastructureError: KVM was requested and runs no guest here.
    """
    if requested == "tcg":
        return Accelerator("tcg", "asked for")
    proof = probe("kvm", cache, deadline_s)
    if proof and kernel is not None:
        proof = probe_kernel(kernel, cache, deadline_s, say)
    if proof:
        return Accelerator("kvm", proof.detail)
    if requested == "auto":
        return Accelerator("tcg", f"KVM runs no guest here: {proof.detail}")
    raise InfrastructureError(
        f"KVM was asked for and runs no guest here: {proof.detail}",
        hint=mend(proof) or 'accelerator = "auto" (TCG, then), or lab doctor to try KVM again',
    )


def mend(proof: Proof) -> str | None:
    """The command that makes KVM usable, where one is known to."""
    if not proof and _KVM.exists() and not os.access(_KVM, os.R_OK | os.W_OK):
        return "sudo usermod -aG kvm $USER, then log in again"
    return None


def probe(accelerator: Name, cache: Path, deadline_s: float, *, fresh: bool = False) -> Proof:
    """Whether a guest runs under ``accelerator``, from ``CACHE/accelerator.json`` if known.

    A yes is remembered for this host, kernel and QEMU; a no only until the host
    reboots, since a BIOS setting or a module option may change with that.

    Args:
        deadline_s: Seconds of monotonic time that the guest has to end by itself.
        fresh: Try it again, whatever is remembered.

    Raises:
        InfrastructureError: QEMU is not installed.
    """
    if accelerator == "kvm" and (why := _kvm_closed()):
        return Proof(False, why)
    qemu = need_tool(ARCH.qemu)
    record = _read(cache / _RECORD)
    version = _version(qemu, record)
    key = _key(version, accelerator)
    known = None if fresh else _remembered(record, key)
    if known is not None:
        return known
    proof = run_guest(qemu, accelerator, boot_sector, deadline_s)
    if proof and accelerator == "kvm":
        proof = no_slower(proof, run_guest(qemu, "tcg", boot_sector, deadline_s))
    record.answers[key] = _Answer(proof=proof, boot=boot_id())
    record.answers.pop(f"{key} kernel", None)
    _write(cache / _RECORD, record)
    return proof


def _key(version: str, accelerator: Name) -> str:
    return f"{_machine()} {platform.release()} {version} {accelerator} {_RULES}"


def no_slower(proof: Proof, emulated: Proof) -> Proof:
    """The proof, unless the same guest is much faster under TCG."""
    if not emulated or proof.duration_s <= _SLOWEST * emulated.duration_s:
        return proof
    why = (
        f"a guest took {proof.duration_s:.1f} s to its end "
        f"that takes {emulated.duration_s:.1f} s under TCG"
    )
    return Proof(False, _opens("kvm") + why, proof.duration_s)


def probe_kernel(
    kernel: Path, cache: Path, deadline_s: float, say: Callable[[str], None] = lambda _: None
) -> Proof:
    """Whether a kernel boots under KVM, remembered as ``probe`` remembers.

    A kernel that does not boot under TCG either says nothing of KVM.

    Raises:
        InfrastructureError: QEMU is not installed.
    """
    qemu = need_tool(ARCH.qemu)
    record = _read(cache / _RECORD)
    key = f"{_key(_version(qemu, record), 'kvm')} kernel"
    known = _remembered(record, key)
    if known is not None:
        return known
    say(f"does a kernel boot under KVM here? {deadline_s:g} s at most, once")
    proof = boot_kernel(qemu, "kvm", kernel, deadline_s)
    if not proof:
        patience = _TCG_PATIENCE * deadline_s
        say(f"it did not; does this one under TCG? {patience:g} s at most")
        if not boot_kernel(qemu, "tcg", kernel, patience):
            return Proof(True, "a guest ran under KVM, though not this kernel", proof.duration_s)
    record.answers[key] = _Answer(proof=proof, boot=boot_id())
    _write(cache / _RECORD, record)
    return proof


def boot_kernel(qemu: Path, accelerator: Name, kernel: Path, deadline_s: float) -> Proof:
    """Boot a kernel with nothing to run, and see whether it comes to the panic it must."""
    with temporary_folder("accelerator") as folder:
        console = Path(folder, "console")
        started = time.monotonic()
        try:
            run(
                _kernel_command(qemu, accelerator, kernel, console), check=False, timeout=deadline_s
            )
        except ProcessTimeout:
            why = f"a kernel had not booted after {deadline_s:g} s"
            return Proof(False, _opens(accelerator) + why, time.monotonic() - started)
        except ProcessKilled as error:
            return Proof(False, _opens(accelerator) + error.what, time.monotonic() - started)
        took = time.monotonic() - started
        said = _text(console)
    if _AT_ITS_END in said:
        return Proof(True, f"a kernel booted under {accelerator.upper()}", took)
    return Proof(False, _opens(accelerator) + "a kernel ended before it had booted", took)


def boot_sector(status: int) -> bytes:
    """A disk's first 512 bytes: real-mode code that makes QEMU exit with 2 ``status`` + 1."""
    code = bytes([
        0xB0, status,  # mov al, status
        0xE6, _PORT,   # out port, al
        0xF4,          # hlt
        0xEB, 0xFD,    # jmp to hlt
    ])  # fmt: skip
    return code.ljust(510, b"\0") + b"\x55\xaa"


def run_guest(
    qemu: Path, accelerator: Name, sector: Callable[[int], bytes], deadline_s: float
) -> Proof:
    """Boot ``sector(status)`` from a disk and see whether it ends QEMU with that status."""
    # Drawn anew each time: QEMU's own statuses for failures must not match by chance.
    number = secrets.randbelow(50) + 10
    with temporary_folder("accelerator") as folder:
        disk = Path(folder, "disk")
        disk.write_bytes(sector(number))
        started = time.monotonic()
        try:
            result = run(
                _command(qemu, accelerator, disk), cwd=disk.parent, check=False, timeout=deadline_s
            )
        except ProcessTimeout:
            why = f"a guest had not reached its end after {deadline_s:g} s"
            return Proof(False, _opens(accelerator) + why, time.monotonic() - started)
        except ProcessKilled as error:
            return Proof(False, _opens(accelerator) + error.what, time.monotonic() - started)
    return _judge(result, accelerator, 2 * number + 1)


def _judge(result: Result, accelerator: Name, expected: int) -> Proof:
    if result.status == expected:
        return Proof(True, f"a guest ran under {accelerator.upper()}", result.duration_s)
    said = (result.stderr.strip().splitlines() or ["it said nothing"])[0]
    why = f"QEMU ended with status {result.status}: {said}"
    return Proof(False, _opens(accelerator) + why, result.duration_s)


def _kernel_command(qemu: Path, accelerator: Name, kernel: Path, console: Path) -> list[str]:
    return [
        *_machine_command(qemu, accelerator, "256M"),
        "-smp", "2",
        "-serial", f"file:{str(console).replace(',', ',,')}",
        "-kernel", str(kernel),
        "-append", f"console={ARCH.console} {ARCH.arguments}",
    ]  # fmt: skip


def _command(qemu: Path, accelerator: Name, disk: Path) -> list[str]:
    return [
        *_machine_command(qemu, accelerator, "32M"),
        "-device", f"isa-debug-exit,iobase={_PORT:#x},iosize=0x04",
        "-drive", f"file={str(disk).replace(',', ',,')},format=raw,if=ide",
    ]  # fmt: skip


def _machine_command(qemu: Path, accelerator: Name, memory: str) -> list[str]:
    return [
        str(qemu),
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display", "none",
        "-machine", f"{ARCH.machines[0]},accel={accelerator}",
        # The CPU that the lab's guests have: some hosts fail with one and not another.
        "-cpu", ARCH.cpus["kvm"] if accelerator == "kvm" else ARCH.plain_cpu,
        "-m", memory,
    ]  # fmt: skip


def _kvm_closed() -> str | None:
    # Cheap, and it can change at any time: never remembered.
    try:
        os.close(os.open(_KVM, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"there is no {_KVM}"
    except OSError as error:
        return f"{_KVM}: {error.strerror}"
    return None


def _opens(accelerator: Name) -> str:
    return f"{_KVM} opens, but " if accelerator == "kvm" else ""


def _machine() -> str:
    # machine-id(5); a container may have none.
    return _text(Path("/etc/machine-id")) or platform.node()


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


@once
def qemu_version() -> str:
    """The first line of ``qemu --version``, asked once in a process.

    Raises:
        InfrastructureError: QEMU is not installed.
    """
    return _ask_version(need_tool(ARCH.qemu))


def _ask_version(qemu: Path) -> str:
    lines = ask([qemu, "--version"]).stdout.splitlines()
    return lines[0] if lines else ""


def _version(qemu: Path, record: _Record) -> str:
    status = qemu.stat()
    stamp = (status.st_size, status.st_ino, status.st_mtime_ns)
    known = record.qemu.get(str(qemu))
    if known is not None and known.stamp == stamp:
        return known.version
    version = _ask_version(qemu)
    record.qemu[str(qemu)] = _Qemu(stamp=stamp, version=version)
    return version


def _remembered(record: _Record, key: str) -> Proof | None:
    known = record.answers.get(key)
    if known is None or not (known.proof.runs or known.boot == boot_id()):
        return None
    return known.proof


def _read(path: Path) -> _Record:
    try:
        return _Record.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return _Record()


def _write(path: Path, record: _Record) -> None:
    # Two probes at once may lose one answer; it is found again.
    try:
        write_whole(path, record.model_dump_json(indent=1).encode())
    except OSError as error:
        raise InfrastructureError(f"{path} cannot be written: {error.strerror}") from error
