# SPDX-License-Identifier: GPL-2.0-only
"""What of a job is still to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lab.execution.unit import Unit
from lab.filesystems.filesystem import Filesystem


class Agenda:
    """What is still to run, in groups that share a guest; the first of them has its turn."""

    def __init__(self, units: Iterable[Unit]) -> None:
        self._groups = [list(units)]

    def share(self, groups: Iterable[Sequence[Unit]]) -> None:
        """Have these groups run instead; all is as it was if they cannot be told."""
        self._groups = [list(group) for group in groups if group]

    def __bool__(self) -> bool:
        return bool(self._groups)

    @property
    def group(self) -> Sequence[Unit]:
        """What is left of the group that has its turn."""
        return self._groups[0]

    @property
    def next_filesystem(self) -> Filesystem | None:
        """What the next group begins with, if there is one."""
        return self._groups[1][0].filesystem if self._groups[1:] else None

    def take(self) -> Unit:
        """The next unit of the group, which is not on the agenda any more."""
        return self._groups[0].pop(0)

    def put_first(self, units: Iterable[Unit]) -> None:
        """Have these run next."""
        self._groups[0][:0] = units

    def take_filesystem(self, filesystem: Filesystem) -> list[Unit]:
        """All units of the group on a filesystem, taken off."""
        taken = [unit for unit in self._groups[0] if unit.filesystem == filesystem]
        self._groups[0] = [unit for unit in self._groups[0] if unit.filesystem != filesystem]
        return taken

    @property
    def units(self) -> list[Unit]:
        """All that is left."""
        return [unit for group in self._groups for unit in group]

    def drop(self, which: Callable[[Unit], bool]) -> None:
        """Take some units off, of whichever group."""
        groups = ([unit for unit in group if not which(unit)] for group in self._groups)
        self._groups = [group for group in groups if group]

    def take_group(self) -> list[Unit]:
        """All that is left of the group, taken off: the next has its turn."""
        return self._groups.pop(0)

    def take_all(self) -> list[Unit]:
        """All that is left, taken off."""
        groups, self._groups = self._groups, []
        return [unit for group in groups for unit in group]
