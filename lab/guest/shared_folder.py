# SPDX-License-Identifier: GPL-2.0-only
"""A folder of the host's that a guest may write: what it made of it comes back when it ends."""

from __future__ import annotations

import filecmp
import os
import shlex
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.errors import InfrastructureError, UserError
from lab.guest.courier import MOST, sizes, unpack
from lab.guest.guest import Guest
from lab.process.scratch import write_whole
from lab.process.temporary import temporary_folder

_ARCHIVE = "/tmp/.lab-share.tar"  # noqa: S108  # the guest's
_PERMISSIONS = 0o777
_SHOWN = 80
#: Of a file in an archive, with what fills its last block.
_HEAD = 1024
#: The smallest first, so that of many files few are left; those it removes from what the guest
#: has of the folder, which ends with it: busybox's tar takes no list.  Printed are ten of them,
#: how many there are, and the archive's size.
_PACK = """
cd {path} && find . -type f -exec stat -c '%s %n' {{}} + | sort -n >{archive}.all || exit
: >{archive}.left
awk -v most={most} -v left={archive}.left '
    {{ all += $1 + {head}; size = $1; sub(/^[0-9]+ /, "") }}
    all <= most {{ next }}
    {{ print >left }}
    count++ < 10 {{ print "left " size " " $0 }}
    END {{ print "count " count + 0 }}' {archive}.all || exit
while IFS= read -r name; do rm -f "$name" || exit; done <{archive}.left
tar -cf {archive} . && stat -c 'size %s' {archive}
"""


@dataclass(frozen=True)
class Brought:
    """The files that came back, by their names from the folder; and what of them did not.

    Attributes:
        left: Their sizes in bytes and names, of the first of them: more than 256 MiB do not come.
        count: How many were left.
    """

    names: tuple[str, ...]
    left: tuple[tuple[int, str], ...] = ()
    count: int = 0


def bring_back(guest: Guest, path: str, folder: Path) -> Brought:
    """Write the files that a guest changed or made below ``path`` into a folder of the host's.

    Nothing is deleted there, and no link is followed or made.

    Raises:
        InfrastructureError: The guest is gone, or packs more than it was told to.
        UserError: The folder cannot be written.
    """
    with temporary_folder("share") as place:
        packed, left, count = _packed(guest, path)
        try:
            unpack(packed, place / "made", links=False)
            # One that is all holes, or many names of one file, take no place in an archive.
            _refuse_more(sum(sizes(place / "made")), path)
            names = tuple(sorted(_taken(place / "made", folder.resolve())))
            return Brought(names, left, count)
        except tarfile.TarError as error:
            what = f"what the guest packed cannot be taken: {error}"
            raise InfrastructureError(what, where=path) from error
        except OSError as error:
            what = f"what the guest made of it cannot be written: {error.strerror}"
            raise UserError(what, where=error.filename or folder) from error


def _packed(guest: Guest, path: str) -> tuple[bytes, tuple[tuple[int, str], ...], int]:
    """What of it comes back, and what does not."""
    words = {"path": shlex.quote(path), "archive": _ARCHIVE, "most": MOST, "head": _HEAD}
    done = guest.run(_PACK.format(**words))
    said = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    left = tuple(filter(None, (_left(rest) for word, rest in said if word == "left")))
    numbers = {word: int(rest) for word, rest in said if rest.isdecimal()}
    if done.status != 0 or not {"count", "size"} <= numbers.keys():
        why = done.stderr.strip() or f"it says {done.stdout.strip()[:_SHOWN]!r}"
        raise InfrastructureError(f"the guest could not pack it: {why}", where=path)
    _refuse_more(numbers["size"], path)
    return guest.fetch(_ARCHIVE), left, numbers["count"]


def _left(said: str) -> tuple[int, str] | None:
    size, _, name = said.partition(" ")
    return (int(size), name.removeprefix("./")) if size.isdecimal() else None


def _refuse_more(size: int, path: str) -> None:
    if size > MOST:
        what = f"has more than {MOST >> 20} MiB now: nothing of it was brought back"
        raise InfrastructureError(what, where=path, hint="lab cp, file by file, before it ends")


def _taken(made: Path, folder: Path) -> Iterator[str]:
    for root, _, names in os.walk(made):
        for file in (Path(root) / name for name in names):
            target = folder / file.relative_to(made)
            if not stat.S_ISREG(file.lstat().st_mode) or target.is_symlink():
                continue
            mode = _mode(file, target)
            if _is_another(file, target, mode) and _is_within(target, folder):
                write_whole(target, file.read_bytes())
                target.chmod(mode)
                yield str(target.relative_to(folder))


def _is_another(file: Path, target: Path, mode: int) -> bool:
    if not target.is_file() or _permissions(target) != mode:
        return True
    return not filecmp.cmp(file, target, shallow=False)


def _mode(file: Path, target: Path) -> int:
    """The permissions that a file is to have: the host's own, unless the guest changed them."""
    made = _permissions(file)
    if target.is_file() and _unpacked(own := _permissions(target)) == made:
        return own
    return made


def _unpacked(mode: int) -> int | None:
    """What becomes of permissions in unpack(), which has none to write for others."""
    member = tarfile.TarInfo("file")
    member.mode = mode
    return tarfile.data_filter(member, "/").mode


def _permissions(file: Path) -> int:
    return file.stat().st_mode & _PERMISSIONS


def _is_within(target: Path, folder: Path) -> bool:
    """Not below a link of the folder that leads out of it."""
    return target.parent.resolve().is_relative_to(folder)
