# SPDX-License-Identifier: GPL-2.0-only
"""Did every requested option stick?  Kconfig drops one in silence (kernelci-core#137)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.arch import ARCH
from lab.errors import UserError
from lab.kconfig.fragment import Gone, Option
from lab.model.version import KernelVersion

#: The newest kernel that kconfigs/ was written for: up to it, ``# versions:`` says what is gone.
NEWEST_SEEN = KernelVersion(7, 3)

_BLOCK_END = re.compile(
    r"^(config|menuconfig|choice|endchoice|menu|endmenu|if|endif|source|comment)\b"
)
_SYMBOL = re.compile(r"\b(?=\d*[A-Z_])[A-Z0-9_]{2,}\b")
_STRING = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Definition:
    """One ``config NAME`` block of a Kconfig file."""

    where: str
    depends: tuple[str, ...]
    has_prompt: bool


def check_config(
    options: Sequence[Option], config: Mapping[str, str], source: Path, version: KernelVersion
) -> tuple[Gone, ...]:
    """Compare what was asked for with what ``make olddefconfig`` left.

    An option that something in a guest shows (``# shown by:``) may be gone from a kernel that
    is newer than those the lab has seen: it was renamed, or is always there.  One that is there
    and does not stick, and one that nothing shows, never may.

    Args:
        config: The resulting ``.config``, as ``parse_config`` gives it.
        source: The kernel's source, to look up why an option was dropped.

    Returns:
        The options that are gone.

    Raises:
        UserError: At least one option did not stick; it names fragment, line,
            asked, got, and the unmet dependency where Kconfig tells it.
    """
    asked = [option for option in options if config.get(option.name, "n") != option.value]
    if not asked:
        return ()
    definitions = find_definitions(source, {option.name for option in asked})
    gone = [option for option in asked if _may_be_gone(option, definitions, version)]
    dropped = [option for option in asked if option not in gone]
    if not dropped:
        return tuple(Gone(option.name, option.shown_by) for option in gone)
    lines = []
    for option in dropped:
        got = config.get(option.name, "n (not set)")
        lines.append(f"{option.where}: asked CONFIG_{option.name}={option.value}, got {got}")
        lines.extend("  " + reason for reason in _reasons(option, definitions, config))
    raise UserError(
        f"{len(dropped)} option(s) of the kernel's config did not stick",
        where=dropped[0].where,
        detail="\n".join(lines),
        hint="add what it depends on to the fragment, or limit it with '# versions: >=X <Y'",
    )


def _may_be_gone(
    option: Option, definitions: Mapping[str, list[Definition]], version: KernelVersion
) -> bool:
    newer = (version.version, version.patchlevel) > (NEWEST_SEEN.version, NEWEST_SEEN.patchlevel)
    return newer and bool(option.shown_by) and not definitions[option.name]


def find_definitions(source: Path, names: set[str]) -> dict[str, list[Definition]]:
    """Where the tree's Kconfig files define the named symbols."""
    found: dict[str, list[Definition]] = {name: [] for name in names}
    for path in _kconfig_files(source):
        text = path.read_text(errors="replace")
        if any(name in text for name in names):
            for name, definition in _definitions(path.relative_to(source), text):
                if name in names:
                    found[name].append(definition)
    return found


def _kconfig_files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("Kconfig*")):
        parts = path.relative_to(source).parts
        # Another architecture's definition only misleads.
        if path.is_file() and (parts[0] != "arch" or len(parts) < 3 or parts[1] == ARCH.source):
            yield path


def _definitions(path: Path, text: str) -> Iterator[tuple[str, Definition]]:
    lines = text.splitlines()
    conditions: list[str] = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if line.startswith("if "):
            conditions.append(line[3:].strip())
        elif line.startswith("endif") and conditions:
            conditions.pop()
        elif len(words) == 2 and words[0] in ("config", "menuconfig"):
            body = _body(lines, number)
            depends = tuple(entry[11:] for entry in body if entry.startswith("depends on "))
            prompt = any(re.match(r'(bool|tristate|int|hex|string|prompt) "', b) for b in body)
            yield words[1], Definition(f"{path}:{number}", (*conditions, *depends), prompt)


def _body(lines: Sequence[str], start: int) -> list[str]:
    body = []
    for line in lines[start:]:
        # What follows the help is prose: "depends on" there is no dependency.
        if _BLOCK_END.match(line) or line.strip() in ("help", "---help---"):
            break
        body.append(line.strip())
    return body


def _reasons(
    option: Option, definitions: Mapping[str, list[Definition]], config: Mapping[str, str]
) -> Iterator[str]:
    blocks = definitions[option.name]
    if not blocks:
        yield f"this kernel has no option {option.name}"
    for block in blocks:
        if not block.has_prompt:
            yield f"{block.where}: has no prompt: only other options select it"
        for expression in block.depends:
            yield f"{block.where}: depends on {expression}  [{_values(expression, config)}]"


def _values(expression: str, config: Mapping[str, str]) -> str:
    names = dict.fromkeys(_SYMBOL.findall(_STRING.sub("", expression)))
    return ", ".join(f"{name}={config.get(name, 'n')}" for name in names)
