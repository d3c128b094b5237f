# SPDX-License-Identifier: GPL-2.0-only
"""What of a store can go: what is damaged, what nothing names, the oldest beyond a budget."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lab.store.door import Door
from lab.store.inventory import Entry, Inventory
from lab.store.manifest import ENTRIES
from lab.store.place import Found, Place

#: Whoever puts an entry there has its contents there before its manifest; a day is what the
#: largest may take.  Store trusts no content that is there for half of that (lab.store.store).
GRACE_S = 86_400.0
#: A listing may have a file's time to the millisecond, and who looks at it to the second.
_SAME_S = 1.0


@dataclass(frozen=True)
class StoreRemoval:
    """What is to go, manifests first.

    Attributes:
        entries: With why each goes.
        contents: Those that nothing names, or nothing does once these entries are gone.
    """

    entries: tuple[tuple[Entry, str], ...]
    contents: tuple[Found, ...]
    before: int
    after: int

    @property
    def freed(self) -> int:
        """Bytes of its contents."""
        return sum(content.size for content in self.contents)


def plan_store_removal(found: Inventory, now: float, budget: int | None = None) -> StoreRemoval:
    """Choose what goes.

    Args:
        now: By the store's clock.
        budget: Bytes that may stay; None is all that is whole.
    """
    chosen = {
        entry: entry.trouble
        for entry in found.entries
        if entry.trouble and now - entry.found.changed > GRACE_S
    }
    oldest = sorted(found.entries, key=lambda entry: entry.found.changed)
    for entry in oldest if budget is not None else ():
        if _left(found, chosen, now) <= (budget or 0):
            break
        if entry not in chosen and now - entry.found.changed > GRACE_S:
            chosen[entry] = "the oldest"
    contents = tuple(_unnamed(found, chosen, now))
    after = found.size - sum(each.size for each in contents)
    return StoreRemoval(tuple(chosen.items()), contents, found.size, after)


def _left(found: Inventory, chosen: dict[Entry, str], now: float) -> int:
    return found.size - sum(each.size for each in _unnamed(found, chosen, now))


def _unnamed(found: Inventory, chosen: dict[Entry, str], now: float) -> Iterator[Found]:
    named = found.named_by(entry for entry in found.entries if entry not in chosen)
    for content in (*found.blobs.values(), *found.parts):
        if content.name not in named and now - content.changed > GRACE_S:
            yield content


def carry_out(door: Door, removal: StoreRemoval, tell: Callable[[str], None]) -> StoreRemoval:
    """Remove it, but for what was put there anew since it was chosen; gives what went.

    Raises:
        Unusable: The store refuses, or cannot be reached any more.
    """
    entries = []
    for entry, why in removal.entries:
        if _remove(door, entry.found):
            entries.append((entry, why))
            tell(f"removed {entry.kind} {entry.key}")
    contents = tuple(content for content in removal.contents if _remove(door, content))
    after = removal.before - sum(content.size for content in contents)
    return replace(removal, entries=tuple(entries), contents=contents, after=after)


def _remove(door: Door, found: Found) -> bool:
    """Remove a file that is as it was found; whether it was."""

    def remove(place: Place) -> bool:
        # To read all manifests of a large store takes minutes.
        there = place.look(found.name)
        if there is None or there.changed - found.changed > _SAME_S:
            return False
        place.remove(found.name)
        return True

    return door.do(lambda place, _: remove(place), writing=True)


def clock(door: Door) -> float:
    """What time it is there, by the stamp of a file: a host's own may be a day off.

    Raises:
        Unusable: Nothing can be written there.
    """
    name = f"{ENTRIES}/clock-{secrets.token_hex(6)}"

    def ask(place: Place) -> float:
        place.create(name, b"what time is it?\n")
        try:
            found = place.look(name)
            assert found is not None
            return found.changed
        finally:
            place.remove(name)

    return door.do(lambda place, _: ask(place), writing=True)
