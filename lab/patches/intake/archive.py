# SPDX-License-Identifier: GPL-2.0-only
"""A thread from a mail archive on the net (public-inbox, lore.kernel.org), by b4.

b4 (https://b4.docs.kernel.org) exits where its caller should be told, and reads the
configuration of git, in which programs may be named.  So it is a child of its own, with a
home, a cache and a configuration of its own; of the user's only ``b4.midmask`` is passed on,
which says where the archive is.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from lab.errors import InfrastructureError, LabError, UserError
from lab.patches.intake.source import Source, is_source, read_source
from lab.patches.scratch_tree import GIT_ENVIRONMENT
from lab.process import ProcessFlood, ProcessTimeout, Result, run
from lab.process.temporary import temporary_folder

#: Seconds that b4 may take; of a server that is silent it waits for 30 itself.
LONGEST_S = 120.0
_ASKED_S = 10.0
_SHOWN = 6
_THREAD = "thread.mbx"
_IDENTITY = re.compile(r"<?[^\s<>/@-][^\s<>/@]{0,300}@[^\s<>/@]{1,100}>?")
_URL = re.compile(r"https?://[^\s<>]{1,900}")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_OLDEST = (0, 16)
_BY_HAND = "lab patch import FILE, with the thread's mbox: URL/t.mbox.gz of the archive"
#: What b4 says where the archive has no such mail.
_UNKNOWN = ("an error: 404", "No messages found")


def is_thread(given: str) -> bool:
    """Whether this names a mail of an archive: a Message-Id, or a URL; no file's name does."""
    if is_source(given):
        return False
    return _URL.fullmatch(given) is not None or _IDENTITY.fullmatch(given) is not None


def fetch_thread(given: str, *, seconds: float = LONGEST_S) -> Source:
    """The mails of the thread that a mail is in.

    Args:
        seconds: How long b4 may take.

    Raises:
        UserError: The archive has no such mail.
        InfrastructureError: There is no b4, or it failed: no network, or a server in trouble.
    """
    program = _b4()
    with temporary_folder("b4") as folder:
        environment = _environment(folder)
        _refuse_old(run([program, "--version"], cwd=folder, env=environment, timeout=seconds))
        # What was given is never an option.
        command = [str(program), "mbox", "-o", str(folder), "-n", _THREAD, "--", given]
        try:
            done = run(command, cwd=folder, env=environment, check=False, timeout=seconds)
        except (ProcessTimeout, ProcessFlood) as error:
            raise InfrastructureError(error.what, where=given, hint=_BY_HAND) from None
        thread = folder / _THREAD
        if done.status != 0 or not thread.is_file():
            raise _failed(given, done)
        return read_source(thread, given)


def _failed(given: str, done: Result) -> LabError:
    said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-_SHOWN:])
    if any(words in said for words in _UNKNOWN):
        what = "the archive has no such mail"
        hint = "the Message-Id as the mail has it; b4.midmask of git config is the archive"
        return UserError(what, where=given, detail=said, hint=hint)
    what = f"b4 did not get the thread (exit status {done.status})"
    return InfrastructureError(what, where=given, detail=said, hint=_BY_HAND)


def _environment(folder: Path) -> dict[str, str]:
    """What keeps b4, and the git that it asks, from all that the user's configuration may run."""
    mask = _mask()
    homes = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
    asked = {"GIT_CONFIG_KEY_0": "b4.midmask", "GIT_CONFIG_VALUE_0": mask} if mask else {}
    return {
        **GIT_ENVIRONMENT,
        **dict.fromkeys(homes, str(folder)),
        "GIT_CONFIG_COUNT": "1" if mask else "0",
        **asked,
    }


def _mask() -> str:
    """Where the user's archive is, if it is not lore.kernel.org; git runs nothing to say it."""
    done = run(["git", "config", "--get", "b4.midmask"], check=False, timeout=_ASKED_S)
    mask = done.stdout.strip()
    return mask if done.status == 0 and _URL.fullmatch(mask) and "%s" in mask else ""


def _install() -> str:
    # By its own name: an index has another program that is called lab.
    return f"{sys.executable} -m pip install 'b4>={'.'.join(map(str, _OLDEST))}'"


def _b4() -> Path:
    """The program: the one beside this Python, else that of PATH."""
    beside = Path(sys.executable).with_name("b4")
    found = beside if os.access(beside, os.X_OK) else shutil.which("b4")
    if found is None:
        what = "b4 is not installed, which gets threads from mail archives"
        raise InfrastructureError(what, hint=_install())
    return Path(found)


def _refuse_old(said: Result) -> None:
    match = _VERSION.search(said.stdout)
    if match is None or (int(match[1]), int(match[2])) < _OLDEST:
        what = f"b4 is {said.stdout.strip()[:40] or 'of an unknown version'}: the lab needs 0.16"
        raise InfrastructureError(what, hint=_install())
