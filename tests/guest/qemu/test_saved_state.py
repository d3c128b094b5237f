# SPDX-License-Identifier: GPL-2.0-only
"""Guests that start from a saved state: each as fresh as one that booted."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

import lab.guest.qemu.start as start
import lab.guest.qemu.state_maker as state_maker
from lab.config.model import Fresh
from lab.errors import InfrastructureError
from lab.execution.job import Job
from lab.execution.run_job import run_job
from lab.execution.unit import Unit
from lab.filesystems.dax import Dax
from lab.filesystems.mounts import check, read
from lab.filesystems.pmem import namespace_mode
from lab.filesystems.set_up import command, set_up
from lab.guest.guest import Guest, GuestDied
from lab.guest.qemu.command_line import SSH_PORTS
from lab.guest.qemu.guest import QemuSpec
from lab.guest.qemu.process import Vm, pipe_with
from lab.guest.qemu.saved_state import SEALED, find_state, wake_order
from lab.guest.qemu.state_maker import state_key
from lab.model.records import Evidence, JobRecord
from lab.process.seal import seal
from lab.process.sparse import data_ranges
from lab.session import Lab
from tests.execution.conftest import KTAP
from tests.guest.conftest import KERNEL, ROOT, qemus, spec_of

pytestmark = pytest.mark.guest

EXT4 = Dax("ext4-dax", "ext4", ("-b", "4096"), ("dax",))
XFS = Dax("xfs-dax", "xfs", ("-m", "reflink=0"), ("dax",))


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QemuSpec]:
    """A guest whose states are this module's own."""
    folder = tmp_path_factory.mktemp("state")
    made = spec_of(Lab.open(ROOT), KERNEL, folder / "guest")
    yield replace(made, states=folder / "states")
    assert qemus(folder) == []


def states(spec: QemuSpec) -> list[Path]:
    assert spec.states is not None
    return sorted(path for path in spec.states.iterdir() if not path.name.startswith("."))


def content(folder: Path) -> dict[str, str]:
    """A digest of each file's data, and of where its holes are."""
    found = {}
    for path in folder.iterdir():
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            for start, end in data_ranges(stream.fileno()):
                digest.update(f"{start} {end}\0".encode())
                digest.update(os.pread(stream.fileno(), end - start, start))
        found[path.name] = digest.hexdigest()
    return found


def marks(guest: Guest) -> list[str]:
    return [name for name, _ in guest.timeline.marks]


def in_own_folder(spec: QemuSpec, name: str) -> QemuSpec:
    return replace(spec, folder=spec.folder / name)


def test_guests_of_one_state_share_nothing(spec: QemuSpec) -> None:
    ask = "head -c 16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid; date +%s"
    with (
        in_own_folder(spec, "one").guest() as one,
        in_own_folder(spec, "two").guest() as two,
    ):
        assert "restored" in marks(one)
        assert one.state == two.state != ""
        (state,) = states(spec)
        before = content(state)
        said = []
        for guest in (one, two):
            *random, seconds = guest.run(ask).stdout.splitlines()
            assert abs(int(seconds) - time.time()) < 60
            said += random
            assert namespace_mode(guest) == "fsdax"
            # Nothing of the other's files, and nothing that is left in the state.
            assert guest.run("ls /mnt").stdout == ""
            set_up(guest, EXT4)
            guest.run("echo mine >/mnt/ext4-dax/file; echo mine >/tmp/file; sync")
        assert len(set(said)) == 4
    assert content(state) == before
    assert not state.parent.stat().st_mode & 0o077


def test_nobody_else_is_let_in(spec: QemuSpec) -> None:
    with in_own_folder(spec, "door").guest() as guest:
        assert guest.state
        state = find_state(spec.states or Path(), guest.state)
        assert state is not None
        other = state.login[:-1] + ("1" if state.login[-1] == "0" else "0")
        for name in ("root", other):
            with paramiko.Transport(guest._started.vm.connect()) as transport:
                transport.start_client(timeout=30)
                with pytest.raises(paramiko.AuthenticationException):
                    transport.auth_none(name)
                for password in ("", "x", state.login):
                    with pytest.raises(paramiko.AuthenticationException):
                        transport.auth_password(name, password)
        assert guest.run("id -un").stdout == "root\n"


def test_ports_are_used_up(spec: QemuSpec) -> None:
    """The guest lives and nobody can ask it anything: no crash of the kernel's."""
    cuts = 0
    with in_own_folder(spec, "ports").guest() as guest:
        assert guest.state
        while guest.answers:
            with pytest.raises(GuestDied) as caught:
                guest.run("killall -9 dropbear; sleep 60", 30)
            cuts += 1
            assert not caught.value.kernel
            assert "the SSH connection was cut, and the guest goes on" in str(caught.value)
        assert guest.alive()
    # One was the saved guest's own.
    assert cuts == SSH_PORTS - 1


def test_nobody_is_served_before_the_guest_is_awake(
    spec: QemuSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers sooner has the randomness of all guests of the state."""
    with in_own_folder(spec, "before").guest():
        pass
    heard = []
    wait_for = Vm.wait_for

    def ask_it_asleep(vm: Vm, mark: str, deadline_s: float, name: str) -> None:
        if mark == "awake":
            # Its server has what the lab says first, and would answer.
            end = vm._ssh_ends[vm.used_ports]
            end.send(b"SSH-2.0-lab\r\n")
            end.settimeout(2)
            with suppress(TimeoutError):
                heard.append(end.recv(64, socket.MSG_PEEK))
            vm.used_ports += 1
            vm.tell(wake_order())
        wait_for(vm, mark, deadline_s, name)

    monkeypatch.setattr(start, "wake_order", lambda: b"")
    monkeypatch.setattr(Vm, "wait_for", ask_it_asleep)
    with in_own_folder(spec, "asleep").guest() as guest:
        assert guest.state
        assert guest.run("true").status == 0
    assert heard == []


def test_devices_that_no_pipe_holds(spec: QemuSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_small(_: bytes) -> int:
        raise PermissionError

    monkeypatch.setattr("lab.guest.qemu.process.pipe_with", too_small)
    with in_own_folder(spec, "through-cat").guest() as guest:
        assert guest.state
        assert guest.run("true").status == 0


def test_pipe_holds_all_or_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    end = pipe_with(bytes(300_000))
    assert os.read(end, 400_000) == bytes(300_000)
    assert os.read(end, 1) == b""
    os.close(end)
    before = len(list(Path("/proc/self/fd").iterdir()))
    monkeypatch.setattr("fcntl.fcntl", lambda *_: None)
    with pytest.raises(OSError, match="too small"):
        pipe_with(bytes(2 << 20))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_console_of_a_restored_guest_is_whole(spec: QemuSpec) -> None:
    with in_own_folder(spec, "console").guest() as guest:
        guest.run("echo from the restored guest >/dev/console")
    said = guest.console.path.read_text()
    assert f"Linux version {KERNEL}." in said
    assert "from the restored guest" in said.split("Run /init")[1]


def test_state_that_is_damaged_costs_no_result(spec: QemuSpec) -> None:
    with in_own_folder(spec, "before").guest():
        (state,) = states(spec)
    devices = (state / "devices").read_bytes()
    (state / "devices").write_bytes(devices[:5000] + bytes(len(devices) - 5000))
    # Else it would not even be tried: what QEMU cannot load is another matter.
    seal(state, SEALED)
    with in_own_folder(spec, "damaged").guest() as guest:
        assert guest.run("uname -r").stdout.startswith(f"{KERNEL}.")
        assert guest.state == ""
        assert "ready" in marks(guest)
        assert any("was of no use" in mark for mark in marks(guest))
    assert states(spec) == []
    with in_own_folder(spec, "anew").guest() as guest:
        assert guest.state == state.name


@pytest.mark.parametrize("part", ["devices", "ram", "nvdimm", "kernel", "console.log"])
@pytest.mark.parametrize("left", [None, 0, 5000])
def test_state_that_lost_something_is_made_anew(
    spec: QemuSpec, tmp_path: Path, part: str, left: int | None
) -> None:
    """QEMU would wait for the rest of its devices as long as the lab lets it."""
    with in_own_folder(spec, "before").guest():
        (state,) = states(spec)
    # shutil fills the holes: 1.5 GB for 60 MB of data, of each of fifteen.
    subprocess.run(["cp", "-a", "--sparse=always", state, tmp_path / state.name], check=True)
    assert find_state(tmp_path, state.name) is not None
    lost = tmp_path / state.name / part
    if left is None:
        lost.unlink()
    else:
        os.truncate(lost, left)
    assert find_state(tmp_path, state.name) is None


def test_state_with_a_flipped_bit_costs_a_boot(spec: QemuSpec) -> None:
    """In the guest's memory it would be the kernel's crash, or nothing that anybody sees."""
    with in_own_folder(spec, "before").guest():
        (state,) = states(spec)
    with (state / "ram").open("r+b") as stream:
        start, end = max(data_ranges(stream.fileno()), key=lambda one: one[1] - one[0])
        stream.seek((start + end) // 2)
        (byte,) = stream.read(1)
        stream.seek(-1, os.SEEK_CUR)
        stream.write(bytes([byte ^ 4]))
    with in_own_folder(spec, "whole").guest() as guest:
        assert guest.state == ""
        assert any("its ram is not what was saved" in mark for mark in marks(guest))
        assert guest.run("true").status == 0
    assert states(spec) == []


def test_state_without_devices_costs_a_boot(spec: QemuSpec) -> None:
    with in_own_folder(spec, "before").guest():
        (state,) = states(spec)
    (state / "devices").unlink()
    with in_own_folder(spec, "whole").guest() as guest:
        assert guest.state == state.name
        assert guest.run("true").status == 0


def test_state_that_cannot_be_kept_costs_no_result(
    spec: QemuSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_maker, "write_state", full)
    with replace(spec, folder=tmp_path / "guest", states=tmp_path / "states").guest() as guest:
        assert guest.run("true").status == 0
        assert any("No space left on device" in mark for mark in marks(guest))


def test_what_shapes_a_guest_names_its_state(spec: QemuSpec, tmp_path: Path) -> None:
    program = tmp_path / "populate"
    program.write_bytes(b"another")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file").write_bytes(b"another")
    others = [
        replace(spec, hardware=replace(spec.hardware, memory=512 << 20)),
        replace(spec, hardware=replace(spec.hardware, cpus=1)),
        replace(spec, hardware=replace(spec.hardware, nvdimm=256 << 20)),
        replace(spec, append="quiet"),
        replace(spec, prepare="true"),
        spec.ready_with("true"),
        spec.ready_with(command(EXT4)),
        spec.ready_with(command(replace(EXT4, mkfs=("-b", "2048")))),
        spec.ready_with(command(replace(EXT4, options=("dax=always",)))),
        replace(spec, programs={**spec.programs, "populate": program}),
        # The same by another name, and a folder.
        replace(spec, programs={**spec.programs, "twin": spec.programs["init"]}),
        replace(spec, programs={**spec.programs, "twio": spec.programs["init"]}),
        replace(spec, programs={**spec.programs, "/data": folder}),
        replace(spec, kernel=program),
        replace(spec, image=program),
    ]
    keys = {state_key(other) for other in [spec, *others]}
    assert len(keys) == 1 + len(others)
    assert state_key(in_own_folder(spec, "elsewhere")) == state_key(spec)


def test_guests_that_start_at_once_make_one_state(spec: QemuSpec, tmp_path: Path) -> None:
    def ask(number: int) -> str:
        folder = tmp_path / f"{number}"
        with replace(spec, folder=folder, states=tmp_path / "states").guest() as guest:
            return guest.state

    with ThreadPoolExecutor(3) as pool:
        assert len(set(pool.map(ask, range(3)))) == 1
    key = state_key(replace(spec, states=tmp_path / "states"))
    assert find_state(tmp_path / "states", key) is not None


def test_preparation_that_fails_is_told_by_each_guest(spec: QemuSpec, tmp_path: Path) -> None:
    own = replace(spec, prepare="echo none >&2; exit 9", states=tmp_path / "states")
    with own.guest() as guest, pytest.raises(InfrastructureError, match="none"):
        namespace_mode(guest)
    assert states(own) == []


def test_guests_with_a_filesystem_share_nothing_of_it(spec: QemuSpec, tmp_path: Path) -> None:
    ready = replace(spec, states=tmp_path / "states").ready_with(command(EXT4))
    for name in ("one", "two"):
        with in_own_folder(ready, name).guest() as guest:
            assert guest.state
            assert "readied" not in marks(guest)
            mounted = set_up(guest, EXT4)
            looks = check(EXT4.device, EXT4.mount_point, mounted.table)
            assert guest.run("ls /mnt/ext4-dax").stdout == "lost+found\n"
            done = guest.run(f"echo mine >/mnt/ext4-dax/file; sync; {looks}")
            assert done.stderr == ""
            # By then another may be mounted, or files may be there: it is made anew.
            assert guest.take_readied(command(EXT4)) is None
            moved = guest.run(f"umount /mnt/ext4-dax; {looks}")
            assert read(moved.stderr)[1] == ""
            set_up(guest, EXT4)
            assert guest.run("ls /mnt/ext4-dax").stdout == "lost+found\n"
    assert len(states(ready)) == 1


def test_what_could_not_be_made_ready_is_the_guest_that_tells(
    spec: QemuSpec, tmp_path: Path
) -> None:
    own = replace(spec, states=tmp_path / "states")
    with own.ready_with("echo no >&2; exit 9").guest() as guest:
        readied = guest.take_readied("echo no >&2; exit 9")
        assert readied is not None
        assert (readied.status, readied.stderr, guest.state) == (9, "no\n", "")
        assert guest.run("true").status == 0
    panics = "echo c >/proc/sysrq-trigger"
    with in_own_folder(own.ready_with(panics), "dead").guest() as guest:
        with pytest.raises(GuestDied, match="panic") as died:
            guest.take_readied(panics)
        assert died.value.kernel
        assert "sysrq" in guest.console.path.read_text()
    assert states(own) == []


def run(spec: QemuSpec, folder: Path, fresh: Fresh) -> JobRecord:
    """Each program leaves a mark in /tmp, and has a test that says whether it was the first."""
    script = (
        '#!/bin/sh\nlast=$4; [ "$2" = -l ] && { echo a; echo b; exit; }\n'
        '[ "$4" = -l ] && { echo b; exit; }\n'
        "echo KTAP version 1\necho 1..1\n"
        "[ -e /tmp/used ] && echo not ok 1 ${3:-x} || echo ok 1 ${3:-x}\ntouch /tmp/used\n"
    )
    programs = dict(spec.programs)
    for name in ("first", "second"):
        programs[name] = folder / name
        programs[name].write_text(script)
    job = Job(
        variant=KERNEL,
        machine="default",
        config="default",
        release=KERNEL,
        guest=replace(spec, programs=programs, folder=folder / "job"),
        units=tuple(
            Unit(fs, "s", name, KTAP) for fs in (EXT4, XFS) for name in ("first", "second")
        ),
        pattern=None,
        program_s=60,
        expect=(),
        evidence=Evidence(),
        fresh=fresh,
    )
    return run_job(job)


@pytest.mark.parametrize(
    ("fresh", "guests", "used"),
    [(Fresh.JOB, 1, 3), (Fresh.FILESYSTEM, 2, 2), (Fresh.PROGRAM, 4, 0), (Fresh.TEST, 8, 0)],
)
def test_what_gets_a_guest_of_its_own(
    spec: QemuSpec, tmp_path: Path, fresh: Fresh, guests: int, used: int
) -> None:
    record = run(spec, tmp_path, fresh)
    assert len(record.evidence.guests) == guests
    assert [result.status.value for result in record.results].count("fail") == used
    assert len(record.results) == (8 if fresh is Fresh.TEST else 4)
    ran = [unit for guest in record.evidence.guests for unit in guest.units]
    assert len(ran) == len(record.results)
    for guest in record.evidence.guests:
        assert (tmp_path / "job" / guest.folder / "console.log").exists()


def test_twenty_guests_at_once(spec: QemuSpec, tmp_path: Path) -> None:
    """On two CPUs, say: deadlines for twenty times the load, as a run would give them."""
    with in_own_folder(spec, "first").guest():
        pass

    def ask(number: int) -> str:
        folder = tmp_path / f"{number}"
        deadlines = {"boot_s": 1200, "ssh_s": 600, "command_s": 600, "shutdown_s": 100}
        with replace(spec, folder=folder, **deadlines).guest() as guest:  # type: ignore[arg-type]
            assert "restored" in marks(guest)
            return guest.run(f"echo {number}").stdout.strip()

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [str(number) for number in range(20)]
