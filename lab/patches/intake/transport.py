# SPDX-License-Identifier: GPL-2.0-only
"""What mail programs do to a text on its way, undone where nothing has to be guessed."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import UserError
from lab.patches.diff import SCISSORS, diff_start, parse_diff, split_lines

_SIGNED = re.compile(
    rb"^-----BEGIN PGP SIGNED MESSAGE-----\n(?:\S[^\n]*\n)*\n(.*?)^-----BEGIN PGP SIGNATURE-----",
    re.MULTILINE | re.DOTALL,
)
_SCISSORS = re.compile(rf"^[ \t]*{SCISSORS}[ \t]*\n", re.MULTILINE)

#: Whose lines begin with one space, as a diffstat's do, did not stuff those of the diff.
_NOT_STUFFED = re.compile(rb"^ (?! |>|From )[^\n]+\|", re.MULTILINE)


class Damaged(Exception):
    """What cannot be undone; the text says why."""


def with_line_feeds(content: bytes) -> tuple[bytes, bool]:
    """Lines that end in LF, and whether all of them ended in CRLF.

    A diff whose own headers end in LF has the CRs of the files it changes: they stay.

    Raises:
        Damaged: The diff's headers have CRs and other lines have none.
    """
    lines = split_lines(content)
    start = diff_start(lines) or 0
    if not lines or not lines[start].endswith("\r\n"):
        return content, False
    if content.count(b"\r\n") != content.count(b"\n"):
        raise Damaged("some of its lines end in CRLF, others in LF: it was altered on its way")
    return content.replace(b"\r\n", b"\n"), True


def unsigned(content: bytes) -> tuple[bytes, bool]:
    """The text of a clear-signed message without its dashes (RFC 9580, 7.2), and if it was one."""
    match = _SIGNED.search(content)
    if match is None:
        return content, False
    return re.sub(rb"^- ", b"", match[1], flags=re.MULTILINE), True


def unflowed(content: bytes, *, delete_space: bool) -> tuple[bytes, bool]:
    """A text of ``format=flowed`` (RFC 3676) as it was written, and whether it was changed.

    Many declare it and send the lines as they are: what makes a whole diff is right.

    Raises:
        Damaged: Neither does.
    """
    undone = _unflowed(content, delete_space)
    if _is_whole(undone) and not (_NOT_STUFFED.search(content) and _is_whole(content)):
        return undone, undone != content
    if _is_whole(content):
        return content, False
    raise Damaged("it was sent as format=flowed, which wrapped or indented the diff's lines")


def _unflowed(content: bytes, delete_space: bool) -> bytes:
    whole, begun = [], b""
    for line in content.split(b"\n"):
        text = line.removeprefix(b" ")
        if text == b"-- ":
            # A signature's line is joined to none (RFC 3676, 4.3).
            whole.extend([begun, text] if begun else [text])
            begun = b""
        elif text.endswith(b" "):
            begun += text[:-1] if delete_space else text
        else:
            whole.append(begun + text)
            begun = b""
    return b"\n".join([*whole, begun] if begun else whole)


def _is_whole(content: bytes) -> bool:
    lines = split_lines(content)
    start = diff_start(lines)
    try:
        return start is not None and bool(parse_diff(Path("diff"), lines, start))
    except UserError:
        return False


def after_scissors(message: str) -> str:
    """What stands below the last ``-- >8 --`` of a message, or all of it."""
    return _SCISSORS.split(message)[-1]
