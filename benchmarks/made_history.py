# SPDX-License-Identifier: GPL-2.0-only
"""A repository of many commits over a real kernel's tree, with a bug put in at one of them."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lab.trees import Tree, read_rows

GUP = "mm/gup.c"
#: Where commits are, and how many of each kind: as a series of real ones, most are code.
_KINDS = (("mm/", ".c", 35), ("fs/", ".c", 35), ("Documentation/", ".rst", 30))
_SYMLINK, _PLAIN = "120000", "100644"
_WHEN = 1_700_000_000


@dataclass
class History:
    """Writes commits, each of one file, as git fast-import takes them.

    Args:
        tree: What is there before all of them.
        faulty: ``mm/gup.c`` with the bug.
        token: Is in all that is written, in letters and digits: with another, nothing of it was
            ever built, and each build is one.
    """

    tree: Tree
    faulty: bytes
    token: str
    state: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path, count: int, culprit: int, beside: int) -> None:
        """Make the repository: tags ``good``, ``bad``, ``culprit``, and ``beside-1`` and so on.

        Args:
            beside: So many commits of mm/mlock.c on the culprit, one file from each other.
        """
        subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
        command = ["git", "-C", str(folder), "-c", "core.compression=1", "fast-import", "--quiet"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            assert child.stdin is not None
            for words in self._words(count, culprit, beside):
                child.stdin.write(words)
        if child.returncode != 0:
            raise SystemExit("git fast-import failed")

    def _words(self, count: int, culprit: int, beside: int) -> Iterator[bytes]:
        yield from self._base()
        names = sorted(path for path, row in self._rows.items() if row.startswith(_PLAIN))
        kinds = [
            [name for name in names if name.startswith(folder) and name.endswith(end)]
            for folder, end, _ in _KINDS
        ]
        dice = random.Random(17)
        for number in range(1, count + 1):
            (kind,) = dice.choices(range(len(_KINDS)), [many for *_, many in _KINDS])
            path, comment = dice.choice(kinds[kind]), dice.random() < 0.3
            text = f"made_{self.token}_{number:04}"
            if number == culprit:
                own = self._content(GUP)[len(self._of_tree(GUP)) :]
                yield from self._commit("main", GUP, self.faulty + own, "mm/gup: fail", number)
                yield _tag("culprit", "main")
            else:
                more = _more(text, comment=comment, words=kind == 2)
                content = self._content(path) + more
                yield from self._commit("main", path, content, f"{path}: {text}", number)
        yield _tag("bad", "main")
        yield b"reset refs/heads/beside\nfrom refs/tags/culprit\n\n"
        for number in range(1, beside + 1):
            content = self._of_tree("mm/mlock.c") + _more(f"beside_{self.token}_{number}")
            yield from self._commit("beside", "mm/mlock.c", content, f"beside {number}", number)
            yield _tag(f"beside-{number}", "beside")

    @cached_property
    def _rows(self) -> dict[str, str]:
        return read_rows(self.tree.manifest)

    def _base(self) -> Iterator[bytes]:
        yield _head("main", "Linux", 0)
        for path, row in self._rows.items():
            yield _file(row[:6], path, self._of_tree(path))
        yield b"\n" + _tag("good", "main")

    def _commit(
        self, branch: str, path: str, content: bytes, subject: str, number: int
    ) -> Iterator[bytes]:
        self.state[path] = content
        yield _head(branch, subject, number) + _file(_PLAIN, path, content) + b"\n"

    def _content(self, path: str) -> bytes:
        return self.state.get(path) or self._of_tree(path)

    def _of_tree(self, path: str) -> bytes:
        place = self.tree.path / path
        return os.fsencode(place.readlink()) if place.is_symlink() else place.read_bytes()


def _more(text: str, *, comment: bool = False, words: bool = False) -> bytes:
    if words:
        return f"\n.. {text}\n".encode()
    if comment:
        return f"/* {text} */\n".encode()
    return f'static const char {text}[] __used = "{text}";\n'.encode()


def _head(branch: str, subject: str, number: int) -> bytes:
    who = f"A <a@example.org> {_WHEN + 60 * number} +0000"
    data = f"{subject}\n".encode()
    text = f"commit refs/heads/{branch}\nauthor {who}\ncommitter {who}\ndata {len(data)}\n"
    return text.encode() + data


def _file(mode: str, path: str, content: bytes) -> bytes:
    quoted = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'M %s inline "%s"\ndata %d\n%s\n' % (mode.encode(), quoted, len(content), content)


def _tag(name: str, branch: str) -> bytes:
    return f"reset refs/tags/{name}\nfrom refs/heads/{branch}\n\n".encode()
