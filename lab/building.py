# SPDX-License-Identifier: GPL-2.0-only
"""The builds of a plan, side by side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, TypeVar

Request = TypeVar("Request")
Made = TypeVar("Made")
#: A build that was stopped has killed its compilers by then.
_ENDING_S = 5.0


class Building(Mapping[Request, Made], Generic[Request, Made]):
    """What is made of each request, in a ``with`` block; whoever asks for one waits for it.

    Leaving the block stops what is still under way.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        make: Callable[[Request, Callable[[], bool]], Made],
        width: int,
    ) -> None:
        """Make them in their order, ``width`` at once.

        Args:
            make: Gives up when its second argument says so; what it raises comes to those
                who ask for what it was to make.
        """
        self._make = make
        self._stop = threading.Event()
        self._futures: dict[Request, Future[Made]] = {request: Future() for request in requests}
        self._left = deque(requests)
        # Daemons, since one that waits for another lab's lock or a download cannot be
        # stopped: it ends with the process, and what it started does too.
        self._threads = [
            threading.Thread(target=self._work, name="build", daemon=True) for _ in range(width)
        ]

    def __getitem__(self, request: Request) -> Made:
        return self._futures[request].result()

    def __iter__(self) -> Iterator[Request]:
        return iter(self._futures)

    def __len__(self) -> int:
        return len(self._futures)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                request = self._left.popleft()
            except IndexError:
                return
            try:
                self._futures[request].set_result(self._make(request, self._stop.is_set))
            except BaseException as error:
                self._futures[request].set_exception(error)

    def __enter__(self) -> Building[Request, Made]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_ENDING_S)
