# SPDX-License-Identifier: GPL-2.0-only
"""Guests of tests whose programs are their own, and which start from one saved state all the same.

A saved state is named by the programs in it, so that of such a test would serve once: to boot
takes 1.4 s and to restore 0.2.  These start from a state that has none of their programs, and
get them as they come up, before anything else is asked of them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from lab.guest.qemu.guest import QemuGuest, QemuSpec
from lab.guest.qemu.saved_state import SavedState
from lab.guest.qemu.start import Started
from lab.guest.qemu.state_maker import state_for
from lab.image.overlay import placed


@dataclass(frozen=True)
class SharedSpec(QemuSpec):
    """The parts of such a guest; where ``states`` is None it is booted with all its programs.

    Attributes:
        common: The programs that are in the state.
    """

    common: Mapping[str, Path] = field(default_factory=dict)

    @staticmethod
    def of(spec: QemuSpec) -> SharedSpec:
        """Guests that share the state of those of ``spec``."""
        parts = {one.name: getattr(spec, one.name) for one in fields(QemuSpec)}
        return SharedSpec(**parts, common=spec.programs)

    def guest(self) -> QemuGuest:
        return _SharedGuest(self)


class _SharedGuest(QemuGuest):
    spec: SharedSpec

    def open(self) -> None:
        super().open()
        if not self.state:
            return
        try:
            self._bring_programs()
        except BaseException:
            self.close()
            raise

    def _bring_programs(self) -> None:
        common = dict(placed(self.spec.common))
        for place, path in placed(self.spec.programs):
            if common.get(place) != path:
                self.put(path.read_bytes(), place)
                assert self.run(f"chmod 755 {shlex.quote(place)}").status == 0

    def _saved_state(self) -> SavedState | Started | None:
        if self.spec.states is None:
            return None
        common = replace(self.spec, programs=self.spec.common)
        return state_for(common, self.spec.states, self._stack, self._notes.append)
