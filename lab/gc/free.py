# SPDX-License-Identifier: GPL-2.0-only
"""What goes, oldest first, until the rest is within the budget."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from lab.errors import InfrastructureError
from lab.gc.inventory import DOOMED
from lab.gc.item import Inode, Item, Rank, Usage, files_below
from lab.process.lock import take
from lab.process.removal import remove_tree


@dataclass(frozen=True)
class Removal:
    """What is to go, with the bytes each frees, and what stays although it is too much.

    ``before`` and ``after`` are all that the cache and the results take, in bytes.
    """

    budget: int
    before: int
    after: int
    items: tuple[tuple[Item, int], ...] = ()
    kept: tuple[Item, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether the rest is within the budget."""
        return self.after <= self.budget

    def only(self, told: Removal) -> Removal:
        """What of it is in another plan too: nothing goes that nobody was told of."""
        paths = {item.path for item, _ in told.items}
        items = tuple((item, size) for item, size in self.items if item.path in paths)
        return replace(self, items=items, after=self.before - sum(size for _, size in items))


@dataclass
class Freed:
    """What really went, and why other things did not."""

    items: list[Item] = field(default_factory=list)
    bytes: int = 0
    passed_over: list[tuple[Item, str]] = field(default_factory=list)
    #: What should have gone and cannot be removed: the others go all the same.
    failed: list[tuple[Item, str]] = field(default_factory=list)


def plan_removal(items: Sequence[Item], places: Iterable[Path], budget: int) -> Removal:
    """Choose what goes: leftovers always, then what nobody refers to, then the rest.

    Args:
        places: Folders whose whole content counts.
    """
    usage = Usage()
    for place in dict.fromkeys(path.resolve() for path in places):
        usage.add(files_below(place))
    before = total = usage.total
    chosen: list[tuple[Item, int]] = []
    for item in sorted(items, key=lambda item: (item.rank, item.used, item.path)):
        if item.keep or _is_held(item.lock) or (total <= budget and item.rank):
            continue
        size = usage.remove(_inodes(item, usage))
        total -= size
        chosen.append((item, size))
    kept = tuple(item for item in items if item.keep) if total > budget else ()
    return Removal(budget, before, total, tuple(chosen), kept)


def _inodes(item: Item, usage: Usage) -> Iterator[Inode]:
    # A file that is younger than the count is not of it.
    return (inode for inode, _ in files_below(item.path) if usage.links[inode] > 0)


def free(removal: Removal, gone: Callable[[Item, int], None] = lambda *_: None) -> Freed:
    """Remove what was chosen, but what somebody holds or has used since."""
    freed = Freed()
    for item, size in removal.items:
        try:
            why = _remove(item)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            freed.failed.append((item, f"{error.strerror or error}{where}"))
            continue
        except InfrastructureError as error:
            freed.failed.append((item, error.what))
            continue
        if why:
            freed.passed_over.append((item, why))
        else:
            freed.items.append(item)
            freed.bytes += size
            gone(item, size)
    return freed


def _remove(item: Item) -> str:
    """Remove it; returns why not, "" when it is gone."""
    with _free(item.lock) as is_free:
        if not is_free:
            return "somebody is at it"
        if not item.path.exists():
            return ""
        doomed = item.path
        if not doomed.name.startswith(DOOMED):
            doomed = item.path.with_name(f"{DOOMED}{os.getpid()}-{item.path.name}")
            # Away from its name first: nobody finds the half of it after a kill.
            item.path.rename(doomed)
        # Another time, not a later one: the clock may have been set back.
        if doomed.stat().st_mtime != item.used and item.rank is not Rank.LEFTOVER:
            doomed.rename(item.path)
            return "it was used just now"
    if doomed.is_dir():
        remove_tree(doomed, all_of_it=True)
    else:
        doomed.unlink()
    return ""


@contextmanager
def _free(lock: Path | None) -> Iterator[bool]:
    """Hold a lock, if it is there and nobody has it; gives whether nobody has it."""
    if lock is None or not lock.exists():
        yield True
        return
    # A temporary folder is its own lock.
    descriptor = os.open(lock, os.O_RDONLY if lock.is_dir() else os.O_RDWR)
    try:
        yield take(descriptor, lock)
    finally:
        os.close(descriptor)


def _is_held(lock: Path | None) -> bool:
    with _free(lock) as is_free:
        return not is_free
