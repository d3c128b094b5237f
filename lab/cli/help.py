# SPDX-License-Identifier: GPL-2.0-only
"""Help that fits: commands in groups, each whole sentence on its line, 80 columns at most.

Typer's own cuts sentences short with "...", and names Python's types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

#: Those of the lab, in the order of a day's work; what is in none comes last.  The gc of a store
#: is not that of this machine.
_GROUPS = {
    "Build and test": ("build", "test", "matrix", "verify", "bisect", "boot", "cp"),
    "Patches": ("patch", "reply", "claims"),
    "Results": ("runs", "show", "compare", "history", "report", "baseline", "export", "repro"),
    "This machine": ("doctor", "fetch", "store", "gc", "nightly"),
}


class Command(TyperCommand):
    """A command whose help speaks of values, not of types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in a usage line."""
        return [
            "[OPTIONS]",
            *(_usage(parameter) for parameter in self.params if _is_argument(parameter)),
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments that have something to say, then the options."""
        parameters = self.get_params(ctx)
        arguments = [(_usage(p), _says(p)) for p in parameters if _is_argument(p) and _says(p)]
        options = [(_spelling(p), _says(p)) for p in parameters if _is_shown_option(p)]
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


class Group(TyperGroup):
    """A command of commands, which are listed in groups."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what it is about right below the usage: of all lines it can spare one."""
        formatter.indent()
        formatter.write_text(self.help or "")
        formatter.dedent()

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands; the few options are where one looks for them last."""
        width = max(map(len, self._shown()))
        for title, names in self._groups(_GROUPS if ctx.parent is None else {}):
            formatter.write(f"{title}\n")
            formatter.indent()
            formatter.write_dl(
                [(name.ljust(width), _first_line(self.commands[name])) for name in names]
            )
            formatter.dedent()
        if any("--version" in parameter.opts for parameter in self.params):
            formatter.write_text(
                f"{ctx.command_path} COMMAND --help says more; lab cluster: other hosts; "
                "also --version."
            )

    def _shown(self) -> dict[str, None]:
        # What another program calls, as b4 does review-check, is for nobody's day.
        return {name: None for name, command in self.commands.items() if not command.hidden}

    def _groups(self, groups: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, list[str]]]:
        rest = self._shown()
        for title, names in groups.items():
            known = [name for name in names if name in rest]
            for name in known:
                del rest[name]
            if known:
                yield title, known
        if rest:
            yield "Commands", list(rest)


class Typer(typer.Typer):
    """Typer's, with this help for each of its commands."""

    def __init__(self, **settings: Any) -> None:
        # Commands and groups below take these from the one above.
        names = {"help_option_names": ["--help", "-h"]}
        super().__init__(
            cls=Group,
            no_args_is_help=True,
            rich_markup_mode=None,
            context_settings=names,
            **settings,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command, as Typer does."""
        return super().command(name, cls=Command, **settings)


def _first_line(command: Any) -> str:
    return str(command.help or "").partition("\n")[0]


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _is_shown_option(parameter: Any) -> bool:
    return not _is_argument(parameter) and not getattr(parameter, "hidden", False)


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    if argument.nargs != 1:
        name += "..."
    return name if argument.required else f"[{name}]"


def _spelling(option: Any) -> str:
    spellings = ", ".join(sorted(option.opts, key=len))
    return spellings if option.is_flag or option.name == "help" else f"{spellings} {_value(option)}"


def _value(option: Any) -> str:
    return str(option.metavar or option.name.upper())


def _says(parameter: Any) -> str:
    text = parameter.help or ""
    default = parameter.default
    if (
        isinstance(default, str | int)
        and not isinstance(default, bool)
        and default not in ("", "*")
    ):
        text += f" [{getattr(default, 'value', default)}]"
    return text.strip()
