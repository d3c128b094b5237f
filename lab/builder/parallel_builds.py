# SPDX-License-Identifier: GPL-2.0-only
"""The builds of a plan, side by side."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Generic, TypeVar

from lab.process.deadline import Deadline
from lab.results.hosts import Doing

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
        doing: Callable[[], Sequence[Doing]] = tuple,
    ) -> None:
        """Make them in their order, ``width`` at once.

        Args:
            make: Gives up when its second argument says so; what it raises comes to those
                who ask for what it was to make.
            doing: Says what other hosts are at for it.
        """
        self._doing = doing
        self._make = make
        self._stop = threading.Event()
        self._deadline: Deadline | None = None
        self._futures: dict[Request, Future[Made]] = {request: Future() for request in requests}
        self._left = deque(requests)
        # Daemons, since one that waits for another lab's lock or a download cannot be
        # stopped: it ends with the process, and what it started does too.
        self._threads = [
            threading.Thread(target=self._work, name="build", daemon=True) for _ in range(width)
        ]

    def __getitem__(self, request: Request) -> Made:
        return self._futures[request].result()

    def is_there(self, request: Request) -> bool:
        """Whether nobody has to wait for it any more; what was stopped never will be."""
        future = self._futures[request]
        return future.done() and not (self._stop.is_set() and future.exception())

    @property
    def left(self) -> int:
        """How many are not there yet."""
        return sum(not future.done() for future in self._futures.values())

    @property
    def doing(self) -> Sequence[Doing]:
        """What other hosts are at, now."""
        return self._doing()

    def wait_for_one(self) -> None:
        """Wait until any of them is there."""
        wait(self._futures.values(), return_when=FIRST_COMPLETED)

    def tell(self, ready: Callable[[], object]) -> None:
        """Have ``ready`` called for each one when it is there, from any thread."""
        for future in self._futures.values():
            future.add_done_callback(lambda _: ready())

    def give_up(self) -> None:
        """Stop: who asks for what is not there yet would wait for ever."""
        self._stop.set()
        self._deadline = self._deadline or Deadline("ending", _ENDING_S)

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
        self.give_up()
        assert self._deadline is not None
        # For all of them: four that wait for a download would be waited for in turn.
        for thread in self._threads:
            thread.join(max(0.0, self._deadline.left_s))


class FinishedBuilds(dict[Request, Made]):
    """What was made before anybody asked."""

    def is_there(self, request: Request) -> bool:
        """It is."""
        return True

    @property
    def left(self) -> int:
        """None."""
        return 0

    @property
    def doing(self) -> Sequence[Doing]:
        """Nothing."""
        return ()

    def tell(self, ready: Callable[[], object]) -> None:
        """Nothing comes any more."""

    def give_up(self) -> None:
        """Nothing is under way."""
