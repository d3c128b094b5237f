# SPDX-License-Identifier: GPL-2.0-only
"""Makes the corpus: guests that really complain, and what their consoles said.

    python -m tests.complaints.collect [NAME…]

Needs a kernel with patches/complain (and, for most, watchful.config): see
project().  What no guest of ours can be made to say is in corpus/composed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import LabError
from lab.guest.qemu.guest import QemuSpec
from lab.model.variant import Variant
from lab.session import Lab

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus"
SURVIVES = "echo 0 >/proc/sys/kernel/panic_on_oops; "


@dataclass(frozen=True)
class Crash:
    """How to make a guest complain; ``rest_s`` is how long it may go on afterwards."""

    command: str
    config: str = "default"
    append: str = ""
    rest_s: float = 0.0
    deadline_s: float = 300.0


def _kind(kind: str) -> str:
    return f"echo {kind} >/proc/complain"


def _default(kind: str, **more: object) -> Crash:
    return Crash(_kind(kind), **more)  # type: ignore[arg-type]


def _watchful(kind: str, **more: object) -> Crash:
    return Crash(_kind(kind), "watchful", **more)  # type: ignore[arg-type]


#: One of them alone would have to be larger than the memory, which malloc() refuses.
#: Two that hold 600 MB each, until the kernel has taken one of them.
EATER = (
    "for i in 1 2; do dd if=/dev/zero bs=600M count=1 2>/dev/null | sleep 60 & done; "
    "until dmesg | grep -q 'Out of memory'; do sleep 0.1; done; killall sleep"
)

CRASHES = {
    "oops-null": _default("null"),
    "oops-null-lives": Crash(f"{SURVIVES} sh -c '{_kind('null')}'; true", rest_s=1.0),
    "oops-bad-address": _default("bad-address"),
    "oops-gpf": _default("gpf"),
    "oops-divide": _default("divide"),
    "oops-kthread": _default("kthread-null", rest_s=6.0),
    "warn": _default("warn"),
    "warn-on": _default("warn-on"),
    "warn-twice": Crash(_kind("warn") + ";" + _kind("warn-on")),
    "warn-then-oops": Crash(_kind("warn") + ";" + _kind("null")),
    "warn-panic-on-warn": _default("warn", append="panic_on_warn=1"),
    "warn-kthread": _default("kthread-warn", rest_s=4.0),
    "warn-no-time": _default("warn", append="printk.time=0"),
    "oops-no-time": _default("null", append="printk.time=0"),
    "bug": _default("bug"),
    "panic": _default("panic"),
    "panic-sysrq": Crash("echo c >/proc/sysrq-trigger"),
    "panic-init": Crash("true", append="rdinit=/nonexistent init=/nonexistent"),
    "bad-page": _default("bad-page"),
    "bad-rss": _default("bad-rss"),
    "refcount": _default("refcount"),
    "overflow": _default("overflow"),
    "double-fault": _default("double-fault"),
    "triple-fault": _default("triple-fault"),
    "reboot": Crash("echo b >/proc/sysrq-trigger"),
    "reboot-clean": Crash("reboot -f"),
    "poweroff": Crash("poweroff -f"),
    "oom": Crash(EATER),
    "rcu-stall": _default("rcu-stall", append="rcupdate.rcu_cpu_stall_timeout=3"),
    "sysrq-l": Crash("echo l >/proc/sysrq-trigger; sleep 0.5"),
    "sysrq-w": Crash("echo w >/proc/sysrq-trigger; echo t >/proc/sysrq-trigger; sleep 0.5"),
    "two-cpus": Crash(f"{SURVIVES} taskset 1 sh -c '{_kind('warn')}' & "
                      f"taskset 2 sh -c '{_kind('warn-on')}'; wait"),
    "kasan": _watchful("kasan"),
    "kasan-free": _watchful("kasan-free"),
    "ubsan-shift": _watchful("ubsan-shift"),
    "ubsan-bounds": _watchful("ubsan-bounds"),
    "lockdep": _watchful("lockdep"),
    "lockdep-held": _watchful("held"),
    "rcu-usage": _watchful("rcu"),
    "atomic-sleep": _watchful("atomic-sleep"),
    "soft-lockup": _watchful("soft-lockup"),
    "soft-lockup-panic": _watchful("soft-lockup", append="softlockup_panic=1"),
    "hung-task": _watchful("hung-task"),
    "hung-mutex": _watchful("hung-mutex"),
    "hung-task-panic": _watchful("hung-task", append="hung_task_panic=1"),
    "workqueue": _watchful("workqueue", append="workqueue.watchdog_thresh=5", rest_s=25.0),
    "list": _watchful("list"),
    "redzone": _watchful("redzone", append="slub_debug=FZP"),
    "stack": _watchful("stack"),
    "caller-warn": _watchful("warn"),
    "caller-oops": _watchful("null"),
    "caller-two-cpus": Crash(f"taskset 1 sh -c '{_kind('warn')}' & "
                             f"taskset 2 sh -c '{_kind('warn-on')}'; wait", "watchful"),
    "caller-overflow": _watchful("overflow"),
    "caller-bad-page": _watchful("bad-page"),
    "caller-bad-rss": _watchful("bad-rss"),

    "lkdtm-usercopy": Crash(
        "mount -t debugfs none /sys/kernel/debug;"
        "echo USERCOPY_SLAB_SIZE_TO >/sys/kernel/debug/provoke-crash/DIRECT", "watchful"),
    "lkdtm-spinlockup": Crash(
        "mount -t debugfs none /sys/kernel/debug;"
        "cd /sys/kernel/debug/provoke-crash; echo EXHAUST_STACK >DIRECT", "watchful"),
    "lkdtm-refcount": Crash(
        "mount -t debugfs none /sys/kernel/debug;"
        "cd /sys/kernel/debug/provoke-crash; echo REFCOUNT_INC_ZERO >DIRECT", "watchful"),
    "lkdtm-write-ro": Crash(
        "mount -t debugfs none /sys/kernel/debug;"
        "cd /sys/kernel/debug/provoke-crash; echo WRITE_RO >DIRECT", "watchful"),
    "lkdtm-exec-null": Crash(
        "mount -t debugfs none /sys/kernel/debug;"
        "cd /sys/kernel/debug/provoke-crash; echo EXEC_NULL >DIRECT", "watchful"),
}  # fmt: skip


def project(folder: Path) -> Lab:
    """A project in ``folder`` that has the complain series and the watchful config."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("lab.toml", "guest-tests"):
        (folder / name).symlink_to(ROOT / name)
    _gather(folder / "patches", [*(ROOT / "patches").iterdir(), HERE / "series" / "complain"])
    _gather(folder / "kconfigs", [*(ROOT / "kconfigs").iterdir(), HERE / "watchful.config"])
    (folder / "lab.local.toml").write_text((HERE / "lab.local.toml.in").read_text())
    return Lab.open(folder)


def _gather(folder: Path, sources: list[Path]) -> None:
    folder.mkdir()
    for source in sources:
        (folder / source.name).symlink_to(source)


def collect(lab: Lab, name: str, folder: Path) -> Path:
    """Crash a guest, and keep its console from the last line before the crash on."""
    crash = CRASHES[name]
    built = lab.builder.build(Variant.parse("6.1+complain"), crash.config)
    # A kernel that watches everything takes minutes to boot on a busy host, and loses
    # its interrupts to the time limit of the ACPI interpreter (30 s a loop).
    append = f"acpi=noirq no5lvl {crash.append}" if crash.config == "watchful" else crash.append
    made = lab.preparer.guest_spec(built, "default", folder)
    assert isinstance(made, QemuSpec)
    spec = replace(made, append=append, boot_s=900, ssh_s=600)
    end = "no end seen"
    try:
        with spec.guest() as guest:
            guest.run("echo '<5>lab: here it comes' >/dev/kmsg")
            done = guest.run(crash.command, crash.deadline_s)
            end = f"status {done.status}"
            time.sleep(crash.rest_s)
            if guest.alive():
                guest.run("true")
    except LabError as error:
        end = error.what
    said = (folder / "console.log").read_bytes()
    mark = said.find(b"lab: here it comes")
    start = said.rfind(b"\n", 0, mark) + 1 if mark >= 0 else 0
    path = CORPUS / f"{name}.log"
    path.write_bytes(said[start:])
    print(f"{name}: {len(said) - start} bytes, {end}", flush=True)
    return path


def main() -> None:
    """Collect what the command line names, or all."""
    with tempfile.TemporaryDirectory(prefix="complaints-") as folder:
        lab = project(Path(folder, "project"))
        for number, name in enumerate(sys.argv[1:] or CRASHES):
            collect(lab, name, Path(folder, str(number)))


if __name__ == "__main__":
    main()
