# SPDX-License-Identifier: GPL-2.0-only
"""Programs of this machine in a guest, with all that ld.so(8) would load for them.

They lie where the image's own do: ``/bin`` is every folder of programs there.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from lab.errors import InfrastructureError, LabError, Location, UserError
from lab.host import Host, need_tool
from lab.host.tool import ask
from lab.image.base import PROGRAMS
from lab.image.closure import Linker, closure
from lab.suites.suite import BuiltPrograms

#: All of them are /bin in a guest (lab/image/base.py).
_BIN = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")
#: What a language's own modules are in: a program of it without them is of little use.
_MODULES = {
    "perl": ("perl", "-e", "print join qq(\\n), grep { m(/perl-base$) } @INC"),
    "python3": ("python3", "-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"),
}


def with_tools(
    built: BuiltPrograms, programs: Iterable[str], tools: Sequence[str]
) -> BuiltPrograms:
    """The same with the tools that its programs need; none of these runs where one is missing."""
    if not tools:
        return built
    try:
        return BuiltPrograms({**tool_files(tools), **built.files}, built.failed)
    except LabError as error:
        return BuiltPrograms({}, {**dict.fromkeys(programs, error), **built.failed})


def tool_files(tools: Sequence[str]) -> dict[str, Path]:
    """Files and folders of this machine, by where a guest has them.

    Raises:
        UserError: There is no such program, file or folder on this machine.
        InfrastructureError: A library is missing here.
    """
    files: dict[str, Path] = {}
    for tool in tools:
        for place, path in _tool(tool).items():
            if files.setdefault(place, path).resolve() != path.resolve():
                what = f"two tools need different files as {place}: {files[place]}, {path}"
                raise UserError(what, hint="a suite for each of them")
    return files


def libraries_of(program: Path) -> dict[str, Path]:
    """What a program loads at its start, by where a guest has it.

    Raises:
        InfrastructureError: A library is not on this machine.
    """
    found = closure(program, _linker())
    folder = found.libraries["libc.so.6"].parent if "libc.so.6" in found.libraries else Path("/lib")
    files = {str(folder / Path(name).name): path for name, path in found.libraries.items()}
    if found.interpreter:
        files[found.interpreter] = Path(found.interpreter)
    return files


def refuse_interpreter(words: Sequence[str], tools: Collection[str], where: Location) -> None:
    """Raise UserError where no guest has what a script's first line names."""
    wanted = _wanted(words)
    place = PurePosixPath(wanted)
    brought = {*tools, *(PurePosixPath(tool).name for tool in tools)}
    named = str(place.parent) in (*_BIN, ".") and place.name in brought | _in_image()
    if named or wanted in tools:
        return
    there = Host.here().find(place.name)
    hint = f'tools = ["{place.name}"] in its table of lab.toml'
    if there is None:
        hint += ", once it is installed here"
    raise UserError(f"is run by {wanted}, which is not in the guest", where=where, hint=hint)


def _wanted(words: Sequence[str]) -> str:
    """The interpreter, or what env(1) is to find."""
    if PurePosixPath(words[0]).name != "env" or len(words) < 2:
        return words[0]
    rest = [word for word in words[1].split() if not word.startswith("-") and "=" not in word]
    return rest[0] if rest else words[0]


@lru_cache
def _in_image() -> frozenset[str]:
    """The names of programs that each guest has."""
    applets = ask([need_tool("busybox"), "--list"]).stdout.split()
    return frozenset((*applets, *(Path(place).name for place in PROGRAMS.values())))


@lru_cache
def _linker() -> Linker:
    return Linker.of(Host.here())


@lru_cache
def _tool(tool: str) -> dict[str, Path]:
    if tool.startswith("/"):
        return {tool: _here(Path(tool))}
    path = Host.here().find(tool) if "/" not in tool else None
    if path is None:
        what = f"there is no program {tool!r} on this machine to bring into a guest"
        raise UserError(what, where="tools", hint="install it, or its whole path")
    with path.open("rb") as stream:
        is_script = stream.read(2) == b"#!"
    files = {} if is_script else libraries_of(path)
    return {f"/bin/{tool}": path, **files, **_modules(tool)}


def _here(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"there is no {path} on this machine to bring into a guest", where="tools")
    return path


def _modules(tool: str) -> dict[str, Path]:
    if tool not in _MODULES:
        return {}
    said = ask([*_MODULES[tool]]).stdout.split("\n")
    folders = [Path(line.strip()) for line in said if line.strip()]
    if not all(folder.is_dir() for folder in folders) or not folders:
        what = f"{shlex.join(_MODULES[tool])} names no folder of its modules"
        raise InfrastructureError(what, hint="lab doctor")
    return {str(folder): folder for folder in folders}
