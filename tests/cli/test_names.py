# SPDX-License-Identifier: GPL-2.0-only
"""Over all commands at once: an option means one thing, and a wrong name is told one way."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from lab.cli.main import commands
from lab.errors import ExitStatus, UserError
from lab.results.store import Store
from lab.session import Lab
from tests.config.conftest import Project
from tests.results.made import job, result, run

#: What each parameter's value has to be the name of.
NOUNS = {
    "variants": "kernel",
    "variant": "kernel",
    "kernels": "kernel",
    "kernel": "kernel",
    "series": "series",
    "on_top": "series",
    "matrix": "matrix",
    "filesystem": "filesystem",
    "suite": "suite",
    "machine": "machine",
    "config": "config",
    "run": "run",
    "runs": "run",
    "a": "run",
    "b": "run",
    "baseline": "run",
    "job": "job",
}
#: Names of tests, numbers, files: nothing that is defined anywhere.
FREE = {
    "address", "folder", "label", "tls",
    "again", "bisect", "first_fail", "max_fail",
    "bad", "boots", "builds", "complaint", "confidence", "first_parent", "good", "metric", "new",
    "of", "old",
    "at", "browse", "budget", "command", "coverage", "dry_run", "file", "format", "install", "json",
    "limit", "missing", "mutants", "mutate", "name", "named", "origin", "output", "pattern", "pick",
    "port", "recent", "recover",
    "each", "gdb", "gdb_wait", "repeat", "repro", "revision", "serve", "share", "share_rw",
    "source", "stable", "target", "test", "text", "tree", "until_fail", "verbose", "yes",
}  # fmt: skip
GOOD = {
    "kernel": "6.1",
    "series": "bug",
    "matrix": "default",
    "filesystem": "ext4-dax",
    "suite": "populate",
    "machine": "default",
    "config": "default",
    "run": "20260101-120000-ab12",
    "job": "6.1",
}
TYPOS = {
    "kernel": "6.11",
    "series": "bgu",
    "matrix": "defualt",
    "filesystem": "ext4-dxa",
    "suite": "poplate",
    "machine": "defualt",
    "config": "defualt",
    "run": "20260101-120000-ab13",
    "job": "6.11",
}


LAST = "20260102-120000-cd34"
#: Where such names are looked up, if not in ``lab.toml``.
WHERE = {"run": r"lab\.db: ", "job": rf"results/{GOOD['run']}: "}
CLAIMS = """
source = "a mail"

[[claim]]
quote = "it works"
untested = "nobody knows how"
"""


def named_commands(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All commands with their names, as in ``patch check``."""
    if not hasattr(command, "commands"):
        yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from named_commands(below, f"{path} {name}".strip())


LAB = commands()
#: But for what another program calls, in a protocol of its own.
COMMANDS = {name: one for name, one in named_commands(LAB) if not one.hidden}


def test_an_option_means_one_thing() -> None:
    """The same letters are never a file here and a name, or a number and a flag, there."""
    meanings = defaultdict(set)
    for command in COMMANDS.values():
        for option in visible(command):
            for spelling in option.opts:
                meanings[spelling].add((option.name, option.is_flag))
    assert {spelling: found for spelling, found in meanings.items() if len(found) > 1} == {}
    assert meanings["--config"] == {("config", False)}


def test_a_thing_has_one_option() -> None:
    """And the other way round: who knows ``-f`` of one command knows it of all."""
    spellings = defaultdict(set)
    for command in COMMANDS.values():
        for option in visible(command):
            spellings[option.name].add(tuple(option.opts))
    assert {name: found for name, found in spellings.items() if len(found) > 1} == {}


def visible(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and not p.hidden]


def test_each_parameter_is_of_a_known_kind() -> None:
    """A new one must say here whether it is a name that leads somewhere."""
    names = {p.name for command in COMMANDS.values() for p in command.params if not is_hidden(p)}
    assert names - NOUNS.keys() - FREE == set()


def is_hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))


def recorded(command: str, parameter: Any) -> bool:
    """Whether it is a glob over what is recorded, or part of a job that is."""
    return command == "history" or (command == "repro" and parameter.name == "filesystem")


def wrong_names() -> Iterator[Any]:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if parameter.name in NOUNS and not is_hidden(parameter):
                if recorded(name, parameter):
                    continue
                yield pytest.param(name, parameter.name, id=f"{name}-{parameter.name}")


@pytest.mark.parametrize(("command", "wrong"), list(wrong_names()))
def test_a_wrong_name_is_told_one_way(
    project: Project, monkeypatch: pytest.MonkeyPatch, command: str, wrong: str
) -> None:
    """Which name, where such names are defined (file and line), and the nearest right one."""
    monkeypatch.chdir(project.root)
    noun = NOUNS[wrong]
    with pytest.raises(UserError) as caught:
        LAB([*command.split(), *arguments(command, wrong)], standalone_mode=False)
    error = caught.value
    assert error.status == ExitStatus.USER
    assert TYPOS[noun] in error.what
    assert noun in error.what
    assert GOOD[noun] in str(error.hint)
    assert re.search(WHERE.get(noun, r"lab\.toml:\d+: "), str(error))
    assert not project.root.joinpath("cache").exists()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("project")
    project = Project(root)
    project.append('[paths]\ncache = "cache"\n')
    (root / "patches/bug/series").write_text("fix.patch\n")
    (root / "patches/bug/fix.patch").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    (root / "patches/bug/claims.toml").write_text(CLAIMS)
    with Store.open(Lab.open(root).database) as store:
        store.begin(run(id=GOOD["run"]))
        store.add_job(GOOD["run"], job(result("a")))
        store.begin(run(id=LAST))
        store.add_job(LAST, job(result("a")))
    return project


def arguments(command: str, wrong: str) -> list[str]:
    """A command line with a typo in one place, and nothing wrong elsewhere."""
    words: list[str] = []
    for parameter in COMMANDS[command].params:
        given = (TYPOS if parameter.name == wrong else GOOD)[NOUNS.get(parameter.name, "job")]
        if parameter.param_type_name == "argument" and parameter.name in NOUNS:
            words.append(given)
        elif parameter.name in {"text", "source"}:
            words.append("mail.txt")
        elif parameter.name == wrong:
            words += [parameter.opts[0], given]
    return words


def test_a_file_where_a_config_is_wanted(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """``--config`` was the file, once."""
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError) as caught:
        LAB(["test", "--config", "other/lab.toml"], standalone_mode=False)
    assert "--file other/lab.toml" in str(caught.value)


def help_of(command: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", "80")
    context = command.make_context(name, [], resilient_parsing=True)
    return str(command.get_help(context)).splitlines()


def test_all_commands_fit_on_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = help_of(LAB, "lab", monkeypatch)
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    for name in (name for name, command in LAB.commands.items() if not command.hidden):
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        # A whole sentence: Click cuts what is longer, and says "...".
        assert line.endswith((".", ".)", "(-v)."))
        assert not line.endswith("...")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = help_of(COMMANDS[name], f"lab {name}", monkeypatch)
    assert len(lines) <= (38 if name in ("verify", "bisect start") else 24)
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if re.search(r"<(str|int|list)", line)]
    for option in visible(COMMANDS[name]):
        (line,) = [line for line in lines if re.match(rf"  (-\w, )?{option.opts[0]} ", line)]
        assert line.endswith((".", "]"))


def test_each_command_has_json() -> None:
    missing = [n for n, c in COMMANDS.items() if "json" not in {p.name for p in visible(c)}]
    assert missing == []


@pytest.mark.parametrize(
    "line",
    [
        "doctor", "doctor --missing", "test -n", "matrix default -n", "verify bug 6.1 -n",
        "nightly -n", "nightly --install", "runs", "show", "compare latest~1", "history a",
        "baseline", "export", "export -o out.xml", "report", "gc -n", "claims bug",
    ],
)  # fmt: skip
def test_json_is_all_there_is_on_stdout(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project.root / "home"))
    LAB([*line.split(), "--json"], standalone_mode=False)
    assert isinstance(json.loads(capsys.readouterr().out), dict)


def test_a_shell_is_no_json(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError, match="--json takes a command"):
        LAB(["boot", "6.1", "--json"], standalone_mode=False)


def test_a_config_of_ones_own_can_be_booted() -> None:
    for command in ("boot", "build", "test", "verify"):
        assert any(option.name == "config" for option in visible(COMMANDS[command])), command
