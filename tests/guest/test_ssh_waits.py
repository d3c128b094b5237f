# SPDX-License-Identifier: GPL-2.0-only
"""What is preloaded into a guest's SSH server, called here by its C functions' names."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from lab.process import run
from lab.suites.c_compiler import compile_programs
from tests.guest.conftest import ROOT

LOGIN = "0123456789abcdef0123456789abcdef"

#: A process of its own: the port becomes its standard input and output.
SCRIPT = """
import ctypes, os, socket, sys, threading
lab, port = socket.socketpair()
reports, reported = os.pipe()
seeded, seeds = os.pipe()
os.dup2(port.fileno(), 10)
os.dup2(reported, 11)
os.dup2(seeded, 12)
name, named = os.pipe()
os.write(named, sys.argv[2].encode())
os.close(named)
os.dup2(name, 13)
library = ctypes.CDLL(sys.argv[1])
"""

RANDOM = """
random = ctypes.create_string_buffer(32)
server = threading.Thread(target=library.getrandom, args=(random, 32, 0))
server.start()
assert os.read(reports, 1) == b"w"
server.join(0.2)
assert server.is_alive(), "it went on without a seed"
assert random.raw == bytes(32), "it was taken before there was a seed"
os.write(seeds, bytes(range(16)))
server.join()
assert os.read(reports, 1) == b"s"
os.write(1, b"hello")
assert lab.recv(5) == b"hello"
"""

#: A port is hung up until QEMU has a connection to the lab.
HUNG_UP = """
master, slave = os.openpty()
name = os.ttyname(slave)
os.close(slave)
os.dup2(master, 10)
os.write(seeds, bytes(16))
server = threading.Thread(target=library.getrandom, args=(bytes(32), 32, 0))
server.start()
assert os.read(reports, 1) == b"w"
server.join(0.2)
assert server.is_alive(), "it would have read an end-of-file"
slave = os.open(name, os.O_RDWR | os.O_NOCTTY)
server.join()
assert os.read(reports, 1) == b"s"
"""

#: The lab has closed its end.
GIVEN_UP = """
lab.close()
os.write(seeds, bytes(16))
library.getrandom(ctypes.create_string_buffer(32), 32, 0)
assert os.read(reports, 2) == b"ws"
assert os.read(0, 1) == b""
"""

#: With a kernel that gives all guests of a saved state the same.
SAME_KERNEL = """
#define syscall same
#include "ssh-waits.c"

long same(long number, ...)
{
	va_list rest;
	void *bytes;

	va_start(rest, number);
	bytes = va_arg(rest, void *);
	memset(bytes, 0x55, va_arg(rest, size_t));
	va_end(rest);
	return number == SYS_getrandom ? 32 : -1;
}

int main(int count, char **arguments)
{
	unsigned char random[32];
	int high[4], i;

	for (i = 0; i < 4 && i + 1 < count; i++)
		high[i] = fcntl(atoi(arguments[i + 1]), F_DUPFD, 20);
	for (i = 0; i < 4; i++)
		dup2(high[i], SSH_PORT + i);
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return 2;
	/* Standard output is the port now. */
	return write(STDERR_FILENO, random, sizeof(random)) == sizeof(random) ? 0 : 2;
}
"""

#: One digit of it that differs has all but its highest bit in common.
WHO_IS_ROOT = """
os.write(seeds, bytes(16))
library.getrandom(ctypes.create_string_buffer(32), 32, 0)
library.getpwnam.restype = ctypes.c_void_p
login = sys.argv[2].encode()
other = bytes([login[0] ^ 0x80]) + login[1:]
names = [b"", b"root", login[:-1], login + b"0", login[:-1] + b"x", other, bytes(32)]
assert not any(map(library.getpwnam, names))
assert library.getpwnam(login)
assert library.getpwnam(b"root"), "a terminal's owner is asked for by that name"
assert not any(map(library.getpwnam, [b"", b"toor", login[:-1], other]))
"""

NOBODY_ASKED = """
library.getpeername(0, None, None)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library."""
    cache = tmp_path_factory.mktemp("programs")
    return compile_programs(ROOT / "guest-tests", ["ssh-waits.so"], cache=cache).files[
        "ssh-waits.so"
    ]


def test_server_waits_for_a_seed(library: Path) -> None:
    """One that goes on sooner has the randomness of all guests of a saved state."""
    run([sys.executable, "-c", SCRIPT + RANDOM, library, LOGIN], timeout=15)


def test_server_waits_until_the_lab_is_there(library: Path) -> None:
    run([sys.executable, "-c", SCRIPT + HUNG_UP, library, LOGIN], timeout=15)


def test_connection_that_was_given_up_comes_to_its_end(library: Path) -> None:
    """A server that waited for ever would keep all later ones waiting."""
    run([sys.executable, "-c", SCRIPT + GIVEN_UP, library, LOGIN], timeout=30)


def test_seed_makes_the_kernels_randomness_new(tmp_path: Path) -> None:
    source, program = tmp_path / "same.c", tmp_path / "same"
    source.write_text(SAME_KERNEL)
    run(["gcc", "-D_GNU_SOURCE", "-I", ROOT / "guest-tests", "-o", program, source])
    seed = bytes(range(16))
    with ExitStack() as stack:
        ends = [stack.enter_context(end) for end in socket.socketpair()]
        reports, seeds, logins = os.pipe(), os.pipe(), os.pipe()
        for end in (*reports, *seeds, logins[0]):
            stack.callback(os.close, end)
        os.write(seeds[1], seed)
        os.write(logins[1], LOGIN.encode())
        os.close(logins[1])
        inherited = (ends[0].fileno(), reports[1], seeds[0], logins[0])
        ended = subprocess.run(
            [program, *map(str, inherited)],
            pass_fds=inherited,
            capture_output=True,
            timeout=15,
            check=True,
        )
    assert ended.stderr == bytes(0x55 ^ byte for byte in seed * 2)


def test_server_without_randomness_serves_nobody(library: Path) -> None:
    script = SCRIPT + NOBODY_ASKED
    ended = run([sys.executable, "-c", script, library, LOGIN], check=False, timeout=15)
    assert ended.status == 1
    assert "took no randomness" in ended.stderr


def test_only_the_guests_own_name_is_known(library: Path) -> None:
    run([sys.executable, "-c", SCRIPT + WHO_IS_ROOT, library, LOGIN], timeout=15)


@pytest.mark.parametrize("login", ["", LOGIN[:-1], LOGIN + "0"])
def test_no_server_without_a_name_to_log_in_with(library: Path, login: str) -> None:
    script = SCRIPT + "library.getrandom(None, 0, 0)"
    ended = run([sys.executable, "-c", script, library, login], check=False, timeout=15)
    assert ended.status == 1
    assert "no user name" in ended.stderr
