# SPDX-License-Identifier: GPL-2.0-only
"""The compiler and linker a build is made with, and what of them names it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

from lab.errors import UserError
from lab.host import Host
from lab.host.tool import ask_all
from lab.model.version import KernelVersion
from lab.process import Result

#: What builds get of the lab's own environment: where things are, and nothing that kbuild
#: heeds (ARCH, KCFLAGS, LLVM, MAKEFLAGS and more are in no key).
KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")
_IN_BRACKETS = re.compile(r"\([^)]*\)")
_NUMBER = re.compile(r"\d+\.\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Toolchain:
    """A compiler as ``make CC=`` takes it, with the versions that identify it.

    ``compiler``, ``linker`` and ``make`` are the first lines of ``--version``;
    ``env`` is set for them and for ``make``, as ``[toolchain.env]`` has it.
    """

    cc: str
    compiler: str
    linker: str
    jobs: int
    make: str = ""
    env: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> str:
        """What goes into a build's key: another version is another build."""
        # Not make's: it runs the tools and puts nothing into their output.
        lines = (self.cc, self.compiler, self.linker, *(f"{k}={v}" for k, v in self._named))
        return "\n".join(lines)

    @property
    def _named(self) -> tuple[tuple[str, str], ...]:
        """``env`` as it names a build: where tools are is said by their versions already."""
        told = self.environment
        return tuple((name, text if name in KEPT else told[name]) for name, text in self.env)

    @property
    def make_arguments(self) -> tuple[str, ...]:
        """Arguments for ``make``: the compiler and the number of jobs."""
        return self.arguments_with(self.cc, self.cc)

    def arguments_with(self, cc: str, host_cc: str) -> tuple[str, ...]:
        """The same with these compilers for the kernel and for the build's own programs."""
        host = (f"HOSTCC={host_cc}",) if host_cc != "gcc" else ()
        return (f"CC={cc}", *host, f"-j{self.jobs}")

    @property
    def environment(self) -> dict[str, str]:
        """``env`` with ``$NAME`` in its values replaced from the lab's own environment."""
        return expanded(dict(self.env))

    @property
    def versions(self) -> dict[str, KernelVersion | None]:
        """Of ``gcc`` or ``clang``, ``binutils`` and ``make``; None where it is not known."""
        family = "clang" if "clang" in self.compiler else "gcc"
        lines = {family: self.compiler, "binutils": self.linker, "make": self.make}
        return {name: tool_version(line) for name, line in lines.items()}

    @property
    def pahole(self) -> str:
        """What pahole, which makes a kernel's BTF, says of its version; "" where there is none."""
        path = self.environment.get("PATH", Host.here().search_path)
        found = shutil.which("pahole", path=path)
        return _first_line(found, ask_all([[found, "--version"]])[0]) if found else ""

    @staticmethod
    def probe(cc: str, jobs: int = 0, env: Mapping[str, str] | None = None) -> Toolchain:
        """Ask the compiler, the linker and ``make`` for their versions.

        Args:
            jobs: 0 is one a CPU.

        Raises:
            UserError: The compiler is not on this machine, or is none.
        """
        settings = expanded(env or {})
        if shutil.which(cc, path=settings.get("PATH", Host.here().search_path)) is None:
            raise UserError(
                f"the compiler {cc!r} is not on this machine",
                where="lab.toml: toolchain.cc",
                hint=_hint(cc, settings),
            )
        asked = [cc, _linker(settings), *(["make"] if Host.here().find("make") else [])]
        said = _first_lines(asked, settings)
        return Toolchain(
            cc,
            said[0],
            said[1],
            jobs or len(os.sched_getaffinity(0)),
            said[2] if len(said) == 3 else "",
            tuple(sorted((env or {}).items())),
        )


def tool_version(line: str) -> KernelVersion | None:
    """The version in a first line of ``--version``, or None.

    GNU's coding standards put it last, after the packager's in brackets; Fedora's
    binutils and clang append to it.
    """
    found = _NUMBER.search(_IN_BRACKETS.sub("", line))
    return KernelVersion.parse(found[0]) if found else None


def expanded(env: Mapping[str, str]) -> dict[str, str]:
    """The settings, with ``$NAME`` and ``${NAME}`` replaced from the lab's environment."""
    return {name: Template(value).safe_substitute(os.environ) for name, value in env.items()}


def _linker(env: Mapping[str, str]) -> str:
    # Documentation/kbuild/llvm.rst: LLVM=1, since 5.7, takes all of LLVM's tools.
    return "ld.lld" if env.get("LLVM", "0") != "0" else "ld"


def _hint(cc: str, env: Mapping[str, str]) -> str:
    if "/" in cc:
        return f"ls -l {cc}"
    if "PATH" in env:
        return f"PATH in [toolchain.env] is {env['PATH']}: add the folder that holds {cc}"
    return f"sudo apt-get install {cc}, or the compiler's path in [toolchain] cc"


def _first_lines(tools: Sequence[str], env: Mapping[str, str]) -> list[str]:
    # env looks the command up in the PATH it sets.
    settings = [f"{name}={value}" for name, value in env.items()]
    before = ["env", *settings] if settings else []
    answers = ask_all([*before, tool, "--version"] for tool in tools)
    return [_first_line(tool, answer) for tool, answer in zip(tools, answers, strict=True)]


def _first_line(command: str, answer: Result) -> str:
    lines = answer.stdout.splitlines()
    if answer.status != 0 or not lines:
        raise UserError(
            f"{command} --version says nothing",
            where="lab.toml: toolchain",
            detail=answer.stderr,
            hint=f"{command} --version; is it the tool that is meant?",
        )
    return lines[0].strip()
