# SPDX-License-Identifier: GPL-2.0-only
"""What is wanted, where it goes, until when, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lab.errors import InfrastructureError, Location, UserError
from lab.model.version import KernelVersion
from lab.process import ProcessTimeout, Result, run
from lab.process.child import Argument
from lab.process.deadline import Deadline
from lab.process.lock import locked
from lab.store.registry import store_of
from lab.trees.manifest import Entry

if TYPE_CHECKING:
    from lab.store.store import Store

#: Called with one line for each thing that begins.
Progress = Callable[[str], None]
#: Where the config says a path of keys, such as ``"kernels", "6.1", "url"``.
Locate = Callable[..., Location]


#: What else to do when a kernel cannot be had from where ``lab.toml`` says.
ELSEWHERE: Final = "a folder, tarball or repository of your own, in lab.local.toml"


#: Of a source that is no kernel's.
NO_VERSION: Final = KernelVersion(0, 0)


@dataclass(frozen=True)
class Request:
    """One fetch of the kernel ``name``.

    ``keyring`` is the config's, with the keys that tarballs must be signed by.  What is not
    ``of_kernel`` is a suite's source: it has no version.
    """

    name: str
    cache: Path
    root: Path
    deadline: Deadline
    progress: Progress | None = None
    keyring: Path | None = None
    locate: Locate | None = None
    of_kernel: bool = True

    @property
    def store(self) -> Store | None:
        """What is asked before whoever has it first."""
        return store_of(self.cache)

    def version(self, folder: Path, key: str) -> KernelVersion:
        """The source's, by its top Makefile.

        Args:
            key: Of the section, that leads to it.

        Raises:
            UserError: It is no kernel's.
        """
        return KernelVersion.read(folder, self.where(key)) if self.of_kernel else NO_VERSION

    def say(self, message: str) -> None:
        """Tell whoever listens."""
        if self.progress is not None:
            self.progress(f"{self.name}: {message}")

    def where(self, key: str) -> Location:
        """The key of this kernel's section in ``lab.toml`` or ``lab.local.toml``."""
        if self.locate is not None:
            return self.locate("kernels", self.name, key)
        section = f'kernels."{self.name}"' if self.of_kernel else "source"
        return Location(self.root / "lab.toml", key=f"{section}.{key}")

    def path(self, path: Path, key: str) -> Path:
        """A path from the key of this kernel's section, made absolute."""
        try:
            return self.root / path.expanduser()
        except RuntimeError:
            raise UserError(f"{path}: no such home folder", where=self.where(key)) from None

    def left(self) -> float:
        """Seconds until the deadline; raises InfrastructureError once it passed."""
        left = self.deadline.left_s
        if left <= 0:
            raise InfrastructureError(
                f"the {self.deadline} for {self.name}",
                hint="raise deadlines.fetch in lab.toml",
            )
        return left

    @contextmanager
    def turn(self, path: Path, doing: str) -> Iterator[None]:
        """Hold the lock in the file ``path``; waits for its holder until the deadline.

        Args:
            doing: What the holder does, for the message to whoever waits.
        """

        def tell(holder: str) -> None:
            self.say(f"waiting for another lab (pid {holder}) that is {doing}")

        with locked(path, tell, self.left):
            yield

    def run(
        self,
        arguments: Sequence[Argument],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        input: bytes | None = None,
    ) -> Result:
        """Run a child until the deadline at most; messages are in English, ``input`` its stdin."""
        try:
            return run(
                arguments,
                cwd=cwd,
                env={"LC_ALL": "C", **(env or {})},
                check=check,
                timeout=self.left(),
                input=input,
            )
        except ProcessTimeout:
            self.left()
            raise


@dataclass(frozen=True)
class Brought:
    """A tree that was brought in.

    Args:
        provenance: Where it came from, for the record.
        entries: Its manifest, where that is known without reading all of it again.
    """

    provenance: Mapping[str, str]
    entries: Mapping[str, Entry] | None = None
