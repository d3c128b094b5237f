# SPDX-License-Identifier: GPL-2.0-only
"""``lab reply``: the mail that answers whoever sent a patch."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lab.cli.commands import File, Json, app, open_lab
from lab.cli.lines import say
from lab.cli.records import Output, Run
from lab.errors import ExitStatus, UserError
from lab.text import plain

if TYPE_CHECKING:
    from lab.report.reply import Person


@app.command()
def reply(run: Run = "latest", output: Output = None, file: File = None, json: Json = False) -> int:
    """The mail to send back on a run of lab verify; nothing is sent."""
    from lab.cli.progress import print_json
    from lab.patches.origin import read_origin
    from lab.report.reply import answers, read_verdicts
    from lab.report.reply import reply as written
    from lab.results import RunFolder, Store, write_text

    opened = open_lab(file)
    with Store.open(opened.database) as store:
        record = store.load(run)
    name, rows = read_verdicts(RunFolder(opened.results, record.id).verdicts)
    opened.loaded.require("series", name)
    section = opened.loaded.config.series[name]
    origin = read_origin(opened.patches / name)
    if origin is None:
        what = f"nothing says which mail {name} is from"
        hint = "lab patch import MAIL, and lab verify what that keeps"
        raise UserError(what, where=opened.patches / name, hint=hint)
    found = answers(record, name, rows, section.tests, opened.loaded.config.verdict)
    mail = written(record, opened.builder.series(name), origin, found, _person())
    if output is not None:
        write_text(output, mail.text)
    if json:
        print_json({"run": record.id, "mail": mail.text, "no_tag": mail.why_no_tag or None})
    elif output is None:
        say(plain(mail.text).removesuffix("\n"))
    if mail.why_no_tag:
        say(f"lab: without Tested-by: {mail.why_no_tag}", err=True)
    return ExitStatus.EXPECTED


def _person() -> Person | None:
    """Who the user is by git's configuration, which does not guess."""
    from lab.report.reply import Person

    name, address = (_git(f"user.{key}", f"GIT_AUTHOR_{key.upper()}") for key in ("name", "email"))
    return Person(name, address) if name and "@" in address else None


def _git(key: str, variable: str) -> str:
    from lab.process import run

    said = (
        os.environ.get(variable)
        or run(["git", "config", "--get", key], check=False, timeout=10).stdout
    )
    return "".join(letter for letter in plain(said).strip() if letter not in "<>\n\r")
