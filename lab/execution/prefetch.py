# SPDX-License-Identifier: GPL-2.0-only
"""The next guest, started and its first filesystem mounted while the one before it works."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lab.errors import InfrastructureError
from lab.filesystems.filesystem import Filesystem
from lab.filesystems.set_up import Mounted, command, set_up
from lab.guest.guest import Guest, GuestSpec

_TICK_S = 0.1


class _Starting:
    """A guest that a thread opens and sets up."""

    def __init__(self, spec: GuestSpec, filesystem: Filesystem) -> None:
        self.guest = spec.guest()
        self.filesystem = filesystem
        self.mounted: Mounted | InfrastructureError | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._open, daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            self.guest.open()
            self.mounted = _set_up(self.guest, self.filesystem)
        except BaseException as error:
            self._error = error

    def take(self) -> Guest:
        """The guest, once it is ready; raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            self.guest.close()
            raise self._error
        return self.guest

    def give_up(self) -> None:
        """End it, however far it is."""
        while True:
            # QEMU may not run yet: then there is more to close in a moment.
            self.guest.close()
            self._thread.join(_TICK_S)
            if not self._thread.is_alive():
                self.guest.close()
                return


def _set_up(guest: Guest, filesystem: Filesystem) -> Mounted | InfrastructureError | None:
    """What it became, or what went wrong; None for a guest that has no device for it."""
    if guest.prepared.status != 0:
        return None
    try:
        return set_up(guest, filesystem)
    except InfrastructureError as error:
        return error


class Prefetch:
    """Gives guests, and has the next one ready; to be closed.

    Args:
        next_spec: What the next guest is made from.
        on: Whether one may start before it is asked for: it takes memory of its own.
        ready: Whether guests may be saved with their first filesystem made and mounted: there
            are so many to come that one pays.
    """

    def __init__(
        self, next_spec: Callable[[], GuestSpec], *, on: bool, ready: bool = False
    ) -> None:
        self._next_spec = next_spec
        self._on = on
        self._ready = ready
        self._starting: _Starting | None = None
        self._taken: _Starting | None = None

    def begin(self, filesystem: Filesystem) -> None:
        """Start the next guest now, and make and mount its filesystem, if none is on its way."""
        if self._on and self._starting is None:
            self._starting = _Starting(self._spec_with(filesystem), filesystem)

    def _spec_with(self, filesystem: Filesystem) -> GuestSpec:
        spec = self._next_spec()
        return spec.ready_with(command(filesystem)) if self._ready else spec

    def spec(self, filesystem: Filesystem) -> GuestSpec:
        """What the guest for a filesystem is, or is going to be, made from.

        One that has another mounted waits for its turn: it would not be fresh.
        """
        if self._starting is not None and self._starting.filesystem == filesystem:
            return self._starting.guest.spec
        return self._spec_with(filesystem)

    def guest(self, spec: GuestSpec) -> Guest:
        """The guest of ``spec``, to enter; raises what opening it raised."""
        self._taken = None
        if self._starting is None or self._starting.guest.spec is not spec:
            return spec.guest()
        self._taken, self._starting = self._starting, None
        return self._taken.take()

    def set_up(self, guest: Guest, filesystem: Filesystem) -> Mounted:
        """What set_up() says, or said when it was done ahead."""
        try:
            return self._mounted(guest, filesystem)
        except InfrastructureError:
            # No state is kept of that: each guest would be booted, in vain.
            self._ready = False
            raise

    def _mounted(self, guest: Guest, filesystem: Filesystem) -> Mounted:
        done, self._taken = self._taken, None
        is_same = done is not None and done.guest is guest and done.filesystem == filesystem
        if done is None or not is_same or done.mounted is None:
            return set_up(guest, filesystem)
        if isinstance(done.mounted, InfrastructureError):
            raise done.mounted
        return done.mounted

    def close(self) -> None:
        """End the guest that nobody took, if there is one."""
        if self._starting is not None:
            self._starting.give_up()
