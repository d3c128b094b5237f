# SPDX-License-Identifier: GPL-2.0-only
"""A build in bubblewrap: what a patch's Makefile can reach is its objects, and no more.

Its source and the toolchain are there read-only; there is no network, no home, no other
process, no cache of the lab's, and /tmp is its own (bwrap(1), Debian's package bubblewrap).
It needs no root where users may have namespaces of their own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from lab.errors import InfrastructureError
from lab.host import Host, install_command, known_tools
from lab.process import ProcessFailed, ProcessTimeout, run

Wanted = Literal["auto", "bwrap", "none"]

#: What any toolchain needs of the machine; /etc/alternatives leads to awk, cc and yacc.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store"),
    *("/etc/alternatives", "/etc/ld.so.cache", "/etc/ssl/openssl.cnf"),
)
#: Of where a compiler was installed to: its own parts, and nobody's files beside them.
_PARTS = ("bin", "lib", "lib32", "lib64", "libexec", "include", "*-linux*")
_TMP = Path("/tmp")  # noqa: S108  (the build's own)
#: Names of the environment whose folders are not the build's to see.
_OWN = ("HOME", "TMPDIR")
_PROBE_S = 20.0
#: Looks at a file that is to be read, and for paths that are to be hidden.
_PROBE = """
refuse() { echo "in it $1" >&2; exit 1; }
test -r "$1" || refuse "$1 cannot be read"
test ! -w "$1" || refuse "$1 can be written"
: > /tmp/made || refuse "/tmp cannot be written"
shift
for hidden; do test ! -e "$hidden" || refuse "$hidden is seen"; done
"""


@dataclass(frozen=True)
class Sandbox:
    """A bwrap that was seen to work on this machine."""

    program: Path
    version: str

    @property
    def environment(self) -> dict[str, str]:
        """What is otherwise in there."""
        return dict.fromkeys(_OWN, str(_TMP))

    def around(
        self, command: Sequence[str], *, read: Iterable[Path], write: Iterable[Path]
    ) -> list[str]:
        """The command line that runs ``command`` inside; both kinds of paths are absolute.

        Args:
            read: Folders it may read beside the system's; later ones lie over earlier ones.
            write: Folders it may write to.
        """
        words = [str(self.program), "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
        words += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", str(_TMP)]
        for path in (*_SYSTEM, *map(str, read)):
            words += ["--ro-bind-try", path, path]
        for folder in map(str, write):
            words += ["--bind", folder, folder]
        return [*words, "--chdir", "/", "--", *command]


def choose_sandbox(wanted: Wanted) -> Sandbox | None:
    """The sandbox to build in; None where it is not wanted, or ``auto`` and does not work.

    Raises:
        InfrastructureError: bwrap was asked for, and does not work here.
    """
    if wanted == "none":
        return None
    found = probe_sandbox()
    if isinstance(found, Sandbox):
        return found
    if wanted == "auto":
        return None
    raise InfrastructureError(
        f'[build] sandbox = "bwrap", and {found}', hint=mend_sandbox(), where="lab.toml"
    )


def mend_sandbox() -> str:
    """What makes it work, or how to do without."""
    if Host.here().find("bwrap") is None:
        return install_command([known_tools()["bwrap"]])
    # Debian's own kernels before 11, hardened ones, and Ubuntu's AppArmor since 24.04.
    return (
        "bwrap --unshare-all --ro-bind / / --proc /proc true; users may have to be let have "
        "namespaces: sysctl user.max_user_namespaces kernel.unprivileged_userns_clone "
        "kernel.apparmor_restrict_unprivileged_userns"
    )


@cache
def probe_sandbox() -> Sandbox | str:
    """The sandbox, or why there is none: a build needs seconds, and to try it 20 ms."""
    program = Host.here().find("bwrap")
    if program is None:
        return "bwrap is not installed"
    # As for a build: this file is its source, and it finds what it may write to.
    try:
        version = run([program, "--version"], timeout=_PROBE_S).stdout.strip()
        sandbox = Sandbox(program, version)
        command = ["sh", "-c", _PROBE, "sh", __file__, *map(str, _to_be_hidden(Path(__file__)))]
        run(sandbox.around(command, read=[Path(__file__)], write=[]), timeout=_PROBE_S)
    except (ProcessFailed, ProcessTimeout) as error:
        said = (error.detail or error.what).strip().splitlines()
        return f"bwrap does not work: {said[-1]}"
    return sandbox


def _to_be_hidden(shown: Path) -> Iterator[Path]:
    """What a sandbox that shows one file must not have.

    In the home that the file lies in, folders lead to it: there, what lies beside it counts.
    """
    if not _is_of_system(shown):
        yield from (path for path in shown.parent.iterdir() if path != shown)
    yield from (home for home in _homes() if not shown.is_relative_to(home))


def tool_folders(environment: Mapping[str, str], programs: Iterable[str]) -> list[Path]:
    """What a build with this environment needs beside the system's: folders to be read.

    Folders that the environment names (PATH, LD_LIBRARY_PATH), and where each of the programs
    was installed to; never a home, nor what holds one.
    """
    named = (
        Path(part)
        for name, value in environment.items()
        if name not in _OWN
        for part in value.split(":")
    )
    path = environment.get("PATH", Host.here().search_path)
    wanted = (*named, *(folder for program in programs for folder in _of_program(program, path)))
    return list(dict.fromkeys(folder for folder in wanted if _is_to_be_read(folder)))


def _of_program(program: str, path: str) -> Iterator[Path]:
    found = shutil.which(program, path=path)
    if found is None:
        return
    for place in (Path(found).absolute(), Path(found).resolve()):
        yield place.parent
        if place.parent.name == "bin":
            for part in _PARTS:
                yield from sorted(place.parent.parent.glob(part))


def _is_to_be_read(folder: Path) -> bool:
    # The PATH of root, kept by su, names folders that only root may look into; Path.is_dir()
    # raises there.
    if not folder.is_absolute() or not os.path.isdir(folder) or not os.access(folder, os.X_OK):  # noqa: PTH112
        return False
    if _is_of_system(folder):
        return False  # it is there already
    return not any(home.resolve().is_relative_to(folder.resolve()) for home in _homes())


def _is_of_system(path: Path) -> bool:
    return any(path.resolve().is_relative_to(place) for place in _SYSTEM)


def _homes() -> tuple[Path, ...]:
    return Path.home(), Path("/root"), Path("/home")
