# SPDX-License-Identifier: GPL-2.0-only
"""Which line of a TOML text a key stands on: tomllib gives values without lines."""

from __future__ import annotations

import json
import re
import tomllib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import count

from lab.model.problem import KeyPath

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_ONE_LINE_STRING = r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_KEY = re.compile(rf"{_ONE_LINE_STRING}|{_BARE_KEY.pattern}")
# Up to two quotes may stand right before the three that close a string (TOML 1.0).
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})' + r"|'''.*?'''(?:'{0,2})" + f"|{_ONE_LINE_STRING}",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\r\n]+")


def line_map(text: str) -> dict[KeyPath, int]:
    """The line, from 1, of each key and array element in ``text``.

    ``text`` is TOML that tomllib accepts: this reads structure, and judges nothing.
    A table that only its subtables name is where the first of them is.
    """
    return _Scanner(text).scan()


def dotted(path: Iterable[str | int]) -> str:
    """``kernels."6.1".url``, ``expect[2].status``: a key as TOML spells it."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
            continue
        bare = _BARE_KEY.fullmatch(key)
        text += "." * bool(text) + (key if bare else json.dumps(key, ensure_ascii=False))
    return text


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[KeyPath, int] = {}
        #: How many [[…]] headers each array of tables has had so far.
        self._headers: Counter[KeyPath] = Counter()

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        while self._skip(_BLANK_LINES):
            if self._peek("["):
                table = self._header()
            else:
                self._pair(table)
        return self._lines

    def _header(self) -> KeyPath:
        line = self._line()
        brackets = 2 if self._peek("[[") else 1
        self._at += brackets
        *outer, last = self._keys()
        self._at += brackets
        path: KeyPath = ()
        for key in outer:
            path = self._newest((*path, key), line)
        path = (*path, last)
        if brackets == 1:
            self._lines[path] = line
            return path
        self._headers[path] += 1
        return self._newest(path, line)

    def _newest(self, path: KeyPath, line: int) -> KeyPath:
        """Note ``path``, and step into its last table if it is an array of tables."""
        self._lines.setdefault(path, line)
        if path in self._headers:
            path = (*path, self._headers[path] - 1)
            self._lines.setdefault(path, line)
        return path

    def _pair(self, path: KeyPath) -> None:
        line = self._line()
        for key in self._keys():
            path = (*path, key)
            self._lines.setdefault(path, line)
        self._at += len("=")
        self._value(path)

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while self._peek("."):
            self._at += 1
            keys.append(self._key())
        return keys

    def _key(self) -> str:
        self._skip(_BLANK)
        raw = self._take(_KEY)
        self._skip(_BLANK)
        if raw[0] in "\"'":
            return str(tomllib.loads(f"key = {raw}")["key"])
        return raw

    def _value(self, path: KeyPath) -> None:
        self._skip(_BLANK)
        if self._peek("["):
            self._array(path)
        elif self._peek("{"):
            self._inline_table(path)
        else:
            self._take(_STRING if self._peek(('"', "'")) else _SCALAR)

    def _array(self, path: KeyPath) -> None:
        self._at += len("[")
        for index in count():
            if self._closed("]"):
                return
            element = (*path, index)
            self._lines[element] = self._line()
            self._value(element)
            self._comma()

    def _inline_table(self, path: KeyPath) -> None:
        self._at += len("{")
        while not self._closed("}"):
            self._pair(path)
            self._comma()

    def _closed(self, bracket: str) -> bool:
        self._skip(_BLANK_LINES)
        closed = self._peek(bracket)
        self._at += closed
        return closed

    def _comma(self) -> None:
        self._skip(_BLANK_LINES)
        self._at += self._peek(",")

    def _line(self) -> int:
        return bisect_left(self._newlines, self._at) + 1

    def _peek(self, what: str | tuple[str, ...]) -> bool:
        return self._text.startswith(what, self._at)

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        """Step over ``pattern``; say whether text is left."""
        self._take(pattern)
        return self._at < len(self._text)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"not TOML at line {self._line()}"
        self._at = match.end()
        return match[0]
