# SPDX-License-Identifier: GPL-2.0-only
"""The way to a store: what goes wrong on it is told once, and the rest goes on without it."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import NoReturn, TypeVar

from lab.errors import LabError
from lab.store.patience import Stalled, patiently
from lab.store.place import Beat, Place, PlaceError, place_at
from lab.store.settings import StoreSettings

_T = TypeVar("_T")
#: What a store refuses to whoever writes there, and not to whoever reads.
_NOT_WRITTEN = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG,
}  # fmt: skip
#: What to do about that.
NOT_WRITTEN = "room there, and leave to write; https:// is only read"


class Unusable(Exception):
    """The store cannot do what is asked, and that was told; with what to do next, if anything."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = hint


class Here(Exception):
    """This machine cannot keep what comes."""

    def __init__(self, trouble: OSError) -> None:
        super().__init__(str(trouble))
        self.trouble = trouble


class Door:
    """A place, reached when it is first asked for something.

    Attributes:
        tell: Told in a line what is wrong, once each.
        away: Why it is not asked any more; "" where it is.
        hint: What to do about that; "" where nobody knows.
        closed: Why nothing is put there any more.
    """

    def __init__(
        self, settings: StoreSettings, tell: Callable[[str], None], place: Place | None
    ) -> None:
        self._settings = settings
        self._given = place
        self._place: Place | None = None
        self._told: set[str] = set()
        self.tell = tell
        self.away = ""
        self.hint = ""
        self.closed = ""

    def try_again(self) -> None:
        """Forget what was wrong with it: who asks now was not told, and it may be mended."""
        if self.away:
            self._place = None
        self.away = self.hint = self.closed = ""
        self._told.clear()

    def do(
        self,
        do: Callable[[Place, Beat], _T],
        count: Callable[[int], None] = lambda _: None,
        *,
        writing: bool = False,
    ) -> _T:
        """Do something there.

        Args:
            count: Told the bytes that move.
            writing: Whether it puts something there: what is refused then is no end of reading.

        Raises:
            FileNotFoundError: There is no such file.
            Unusable: All else.
        """
        if self.away:
            raise Unusable(self.away, self.hint)

        def counted(beat: Beat) -> _T:
            def both(size: int) -> None:
                count(size)
                beat(size)

            return do(self._reached(), both)

        try:
            return patiently(counted, self._settings.stall_s)
        except FileNotFoundError:
            raise
        except Exception as error:
            self._judge(error, writing=writing)

    def say(self, what: str) -> None:
        """Tell what is wrong, if that was not told before."""
        if what not in self._told:
            self._told.add(what)
            self.tell(f"store {self._settings.url}: {what}")

    def not_here(self, error: OSError) -> Unusable:
        """That this machine cannot keep what comes, told."""
        self.say(f"what comes from it cannot be kept here: {said(error)}")
        return Unusable(said(error))

    def _reached(self) -> Place:
        if self._place is None:
            place = self._given or place_at(self._settings.url, self._settings.stall_s)
            place.open()
            self._place = place
        return self._place

    def _judge(self, error: Exception, *, writing: bool) -> NoReturn:
        if isinstance(error, Here):
            raise self.not_here(error.trouble) from None
        if writing and isinstance(error, OSError) and _is_refused(error):
            self.closed = self._settings.url.scrub(said(error))
            self.say(f"it cannot be written: {self.closed}; nothing more goes there")
            raise Unusable(self.closed, NOT_WRITTEN) from None
        # Of paramiko's, botocore's and their like each has a family of its own.
        self.hint = error.hint if isinstance(error, PlaceError) else ""
        self.away = self._settings.url.scrub(said(error))
        more = f" ({self.hint})" if self.hint else ""
        self.say(f"it cannot be used: {self.away}{more}; all goes on without it")
        raise Unusable(self.away, self.hint) from None


def _is_refused(error: OSError) -> bool:
    # Of SFTP's status codes paramiko knows two; a disk that is full is "Failure".
    return error.errno in _NOT_WRITTEN or (error.errno is None and str(error) == "Failure")


def said(error: Exception) -> str:
    """What an error says, in a line."""
    if isinstance(error, LabError):
        return error.what
    if isinstance(error, PlaceError | Stalled):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
