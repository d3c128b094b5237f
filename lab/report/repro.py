# SPDX-License-Identifier: GPL-2.0-only
"""One shell script that repeats a job by hand, with nothing of the lab in it."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.arch import ARCH
from lab.errors import UserError
from lab.filesystems.dax_proof import DaxProof
from lab.guest.qemu.command_line import (
    ENTROPY,
    SCRATCH,
    SCRATCH_SLOT,
    Hardware,
    machine_words,
    node_words,
    nvdimm_backend,
    pmem_device,
)
from lab.guest.qemu.tsc import portable
from lab.image.base import MKE2FS_CONF
from lab.model.glob import is_picked
from lab.model.recipe import Boot, Recipe, RecipeUnit, WantedProof
from lab.model.records import JobRecord, RunRecord
from lab.model.tree_identity import TreeIdentity
from lab.process.stored import read_stored
from lab.results import JobFolder, RunFolder
from lab.results.folder import slug
from lab.results.recipe import parse_recipe
from lab.trees.source import source_kind

if TYPE_CHECKING:
    from jinja2 import Environment

_BOOT_S = 120


class _Shell(str):
    """Shell code, comments and here-documents included: all else is quoted, or is a mistake."""

    __slots__ = ()


_AGAIN = "run it again: `lab test` keeps what it takes"


def repro_script(
    run: RunRecord, job: str, *, pattern: str | None = None, filesystem: str | None = None
) -> str:
    """The script for a job, all it needs inline: patch, config, programs, recipes.

    Args:
        job: The variant, or the job's number in the run from 0.
        pattern: Only tests with such names (glob); by default those of the run.
        filesystem: Only on this one.

    Raises:
        UserError: There is no such job, or its folder does not hold what it takes.
    """
    number, record = _job(run, job)
    folder = RunFolder(Path(run.folder).parent, Path(run.folder).name)
    place = _place(folder, number, record)
    content = _content(run, record, place)
    try:
        recipe = parse_recipe(content)
        return _script(run, number, record, folder, recipe, pattern, filesystem)
    except (LookupError, ValueError, TypeError) as error:
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise UserError(
            f"it is damaged, or another lab's: {said}", where=place.recipe, hint=_AGAIN
        ) from error


def _script(
    run: RunRecord,
    number: int,
    record: JobRecord,
    folder: RunFolder,
    recipe: Recipe,
    pattern: str | None,
    filesystem: str | None,
) -> str:
    place = _place(folder, number, record)
    boot = recipe.boot
    if boot is None:
        what = "its guest is none that can be started by hand"
        raise UserError(what, where=place.recipe, hint="`lab test`, which can")
    units = _units(recipe, filesystem)
    return _render(
        run=run,
        number=number,
        record=record,
        recipe=recipe,
        boot=boot,
        recorded=_recorded(place),
        units=units,
        pattern=pattern or recipe.pattern,
        patch=_text(place.applied) if place.applied.exists() else "",
        config=_text(place.kernel_config),
        programs=[
            (str(path.relative_to(folder.programs)), _text(path))
            for path in sorted(folder.programs.rglob("*"))
            if path.is_file()
        ],
    )


def _place(folder: RunFolder, number: int, record: JobRecord) -> JobFolder:
    """Where the job's files are: jobs are recorded as they end, and numbered as planned."""
    named = Path(record.evidence.ktap_path).name
    return JobFolder(folder.jobs / named) if named else folder.job(number, record.variant)


def _job(run: RunRecord, name: str) -> tuple[int, JobRecord]:
    jobs = dict(enumerate(run.jobs))
    matching = [n for n, job in jobs.items() if name in (job.variant, job.name)]
    if not matching and name.isascii() and name.isdigit():
        matching = [n for n in jobs if n == int(name)]
    if len(matching) == 1:
        return matching[0], jobs[matching[0]]
    known = ", ".join(f"{n} is {job.name}" for n, job in jobs.items())
    what = "several jobs" if matching else "no job"
    raise UserError(f"run {run.id} has {what} {name!r}", where=run.folder, hint=known or "lab runs")


def _content(run: RunRecord, record: JobRecord, place: JobFolder) -> bytes:
    """What its recipe's file holds."""
    if not record.evidence.build_key:
        raise UserError(f"{record.variant} was not built in run {run.id}", hint=_AGAIN)
    if read_stored(place.recipe, dict[str, Any]) is None:
        raise UserError(
            f"the folder of run {run.id} does not hold what it takes to repeat it",
            where=place.recipe,
            hint=f"on the machine that ran it, {run.host.name}; or {_AGAIN}",
        )
    return place.recipe.read_bytes()


def _recorded(place: JobFolder) -> str:
    """The recipe as it was written, whichever lab did."""
    return json.dumps(json.loads(place.recipe.read_bytes()))


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot be put into a script: {error}", where=path) from None
    return text if text.endswith("\n") or not text else text + "\n"


def _units(recipe: Recipe, filesystem: str | None) -> list[RecipeUnit]:
    able = [unit for unit in recipe.units if unit.by_hand]
    if recipe.units and not able:
        what = f"no script can repeat suites of this kind: {', '.join(_left_out(recipe))}"
        raise UserError(what, hint="lab test, which can; Suite.by_hand says of which kinds")
    units = [unit for unit in able if filesystem in (None, unit.filesystem)]
    if not units:
        known = dict.fromkeys(unit.filesystem for unit in able)
        raise UserError(f"the job has no filesystem {filesystem!r}", hint=", ".join(known))
    return units


def _left_out(recipe: Recipe) -> list[str]:
    """Suites that the script does not run."""
    return list(dict.fromkeys(unit.suite for unit in recipe.units if not unit.by_hand))


def _render(
    *,
    run: RunRecord,
    number: int,
    record: JobRecord,
    recipe: Recipe,
    boot: Boot,
    recorded: str,
    units: Sequence[RecipeUnit],
    pattern: str | None,
    patch: str,
    config: str,
    programs: Sequence[tuple[str, str]],
) -> str:
    template = _environment().from_string(Path(__file__).with_name("repro.sh.j2").read_text())
    tools = {tool for unit in units for tool in unit.needed}
    proofs = [proof for unit in units for proof in _proofs(unit)]
    inline = (patch, config, *(text for _, text in programs), recorded, str(pattern))
    guest_tools = ["ndctl", *sorted(tools)]
    return template.render(
        title=_comment(f"{record.variant}: job {number} of run {run.id}, {record.started}"),
        recipe=recipe,
        arch=ARCH,
        work=_Shell(slug(f"repro-{run.id}-{number}")),
        left_out=_left_out(recipe),
        by_status=any(unit.command for unit in units),
        filesystems=list(dict.fromkeys(unit.filesystem for unit in units)),
        deadline=int(_BOOT_S + sum(unit.timeout_s or recipe.program_s for unit in units)),
        tools=["gcc", "git", "ldd", "make", "tar", "timeout", ARCH.qemu, "busybox", *guest_tools],
        patch=_Shell(patch),
        mark=_mark(inline),
        fetch=_Shell(_indented(_fetch(recipe))),
        config=_Shell(config),
        environment=_Shell(
            " ".join(
                f"{shlex.quote(name)}={_expanded(value)}"
                for name, value in recipe.environment.items()
            )
        ),
        programs=[(name, _Shell(text)) for name, text in programs],
        binaries=sorted(
            {unit.program for unit in units if not unit.script}.union(
                *(proof.programs for proof in proofs)
            )
        ),
        scripts=sorted({unit.program for unit in units if unit.script}),
        guest_tools=guest_tools,
        mke2fs=_Shell(MKE2FS_CONF),
        guests=_guests(units, recipe.fresh, pattern),
        qemu=_Shell(_qemu(boot)),
        runs=sum(_is_picked(unit, pattern) for unit in units),
    )  # fmt: skip


def _environment() -> Environment:
    """Jinja for a shell script, in which nothing is put that is not code, a number or quoted."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701  # a shell script is no HTML
        undefined=StrictUndefined, keep_trailing_newline=True, finalize=_finalize
    )
    environment.filters |= {
        "sh": lambda value: _Shell(shlex.quote(str(value))),
        "words": lambda values: _Shell(shlex.join(map(str, values))),
        "comment": _comment,
    }
    return environment


def _finalize(value: object) -> object:
    if not isinstance(value, _Shell | int):
        raise TypeError(f"{value!r} is not quoted for the script")
    return value


def _comment(text: str) -> _Shell:
    """Text that stays inside its comment, and its quotes."""
    return _Shell("".join(c if c.isprintable() and c not in '"$`\\' else "?" for c in text))


def _expanded(value: str) -> str:
    """A word in which the shell puts what ``$NAME`` stands for, and nothing else."""
    return '"' + re.sub(r'([\\"`]|\$(?![A-Za-z_{]))', r"\\\1", value) + '"'


def _mark(inline: Sequence[str]) -> _Shell:
    """The end of the here-documents: a word that none of the texts holds."""
    digest = hashlib.sha256("".join(inline).encode()).hexdigest()
    return _Shell(digest[:12].upper())


def _guests(
    units: Sequence[RecipeUnit], fresh: str, pattern: str | None
) -> list[list[dict[str, Any]]]:
    """The guests, the filesystems in each, and the commands on each filesystem."""
    share = {"job": lambda unit: "", "filesystem": lambda unit: unit.filesystem}
    # A guest for each test, as the run had it, would need the names of the tests.
    key = share.get(fresh, lambda unit: (unit.filesystem, unit.suite, unit.program))
    return [_filesystems(list(group), pattern) for _, group in groupby(units, key=key)]


def _filesystems(units: Sequence[RecipeUnit], pattern: str | None) -> list[dict[str, Any]]:
    selected = ["-k", pattern] if pattern else []
    found = []
    for name, group in groupby(units, key=lambda unit: unit.filesystem):
        same = list(group)
        commands = [_command(unit, selected) for unit in same if _is_picked(unit, pattern)]
        wanting = "\n".join(proof.wanting for proof in _proofs(same[0]))
        set_up = {"name": name, "set_up": same[0].set_up, "wanting": wanting}
        found.append({**set_up, "commands": commands})
    return found


def _command(unit: RecipeUnit, selected: Sequence[str]) -> _Shell:
    if unit.command:
        told = ["told_by", unit.output, unit.program]
        return _Shell(shlex.join([*told, *unit.command]))
    return _Shell(shlex.join(["run", f"/lab/{unit.program}", unit.mount_point, *selected]))


def _is_picked(unit: RecipeUnit, pattern: str | None) -> bool:
    """Whether it is to run; one with tests picks them itself, or runs them all."""
    if not unit.command or unit.output != "exit" or not pattern:
        return True
    return is_picked(unit.program, pattern)


def _proofs(unit: RecipeUnit) -> Sequence[WantedProof]:
    """What its filesystem has to prove; in recipes that do not tell, each had to be DAX."""
    if unit.proofs is not None:
        return unit.proofs
    before = DaxProof()
    return (WantedProof(before.programs, before.by_hand),)


def _qemu(boot: Boot) -> str:
    """The recorded machine, the lab's own channels (SSH, QMP, marks) left out."""
    hardware = Hardware(**asdict(boot.hardware))
    words = [*machine_words(hardware), *node_words(hardware), *ENTROPY, "-serial", "stdio"]
    words += pmem_device(hardware)
    disk = ""
    if hardware.memmap is None:
        disk = f'-object "{nvdimm_backend("$work/nvdimm", hardware.nvdimm)}" '
    if hardware.scratch:
        words += SCRATCH
        backend = nvdimm_backend("$work/scratch", hardware.scratch, slot=SCRATCH_SLOT)
        disk += f'-object "{backend}" '
    append = portable(boot.arguments)
    return (
        shlex.join(words)
        + f' \\\n\t{disk}-serial "file:$work/serial" \\\n\t'
        + '-kernel "$BZIMAGE" -initrd "$work/initramfs.cpio" -append '
        + f'{shlex.quote(append)}" guest=$guest"'
    )


def _fetch(recipe: Recipe) -> str:
    """Shell commands that fill $source with the exact tree."""
    kind = source_kind(recipe.source["kind"])
    return kind.by_hand(TreeIdentity(recipe.tree), recipe.source)


def _indented(text: str) -> str:
    return "\n".join(f"\t{line}" for line in text.splitlines())
