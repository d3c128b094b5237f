# SPDX-License-Identifier: GPL-2.0-only
"""A report on loopback: written anew as a run goes on, and told how far it is."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lab.errors import InfrastructureError, LabError
from lab.process.temporary import temporary_folder
from lab.report.site.progress import Progress, before_a_run, progress
from lab.report.site.publish import Bisections, publish
from lab.report.site.site import write_waiting
from lab.results.store import LATEST, Store
from lab.unforeseen import as_lab_error

_HOST = "127.0.0.1"
_EVERY_S = 1.0
#: A page of another host's may have a name that resolves to loopback: its Host header tells.
_OURS = frozenset({"127.0.0.1", "localhost"})


@dataclass(frozen=True)
class ReportRequest:
    """Which report is served; ``run`` may be ``latest``, which a new run becomes."""

    results: Path
    run: str = LATEST
    baseline: str | None = None
    output: Path | None = None
    bisections: Bisections = tuple


class ReportDesk:
    """The newest edition of a report, and the progress of the run that goes on."""

    def __init__(self, store: Store, asked: ReportRequest, waiting: Path) -> None:
        """Prepare; look() writes.

        Args:
            waiting: The folder of the page that is shown while there is no run.
        """
        self._store = store
        self._asked = asked
        self._waiting = waiting
        self._seen: tuple[object, ...] = ()
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self.edition = 0
        self.progress = Progress()
        self.folder = Path()
        #: What nobody foresaw of a look.
        self.failed: LabError | None = None

    def look(self) -> None:
        """Write the report anew if its run has got further; see how far the latest is."""
        if self._asked.run == LATEST and not self._seen and not self._store.known():
            self._wait_for_a_run()
            return
        asked = self._asked
        run = self._store.summary(asked.run)
        latest = self._store.summary()
        now = progress(latest, asked.results / latest.run.id)
        its = now if run.run.id == latest.run.id else progress(run, asked.results / run.run.id)
        goes_on = bool(its.text)
        state = (run.run.id, run.run.finished, run.jobs, goes_on)
        edition = self.edition
        if state != self._seen:
            page = publish(
                self._store,
                asked.results,
                run.run.id,
                asked.baseline,
                asked.output,
                bisections=asked.bisections,
                goes_on=goes_on,
            )
            self.folder, edition = page.parent, edition + 1
            self._seen = state
        self._tell(edition, now if now.text else before_a_run(asked.results))

    def _wait_for_a_run(self) -> None:
        if self.folder != self._waiting:
            self.folder = write_waiting(self._waiting).parent
        self._tell(self.edition, before_a_run(self._asked.results))

    def _tell(self, edition: int, now: Progress) -> None:
        with self._changed:
            if (edition, now) != (self.edition, self.progress):
                self.edition, self.progress = edition, now
                self._changed.notify_all()

    def said(self) -> dict[str, Any]:
        """What a page is told."""
        return {"edition": self.edition, **asdict(self.progress)}

    def wait(self, before: dict[str, Any], at_most_s: float) -> dict[str, Any]:
        """What is to be said, as soon as it differs from ``before``."""
        with self._changed:
            self._changed.wait_for(lambda: self.said() != before or self.stopped, at_most_s)
            return self.said()

    @property
    def stopped(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._stopped.is_set()

    def follow(self) -> None:
        """Look once a second, until stop()."""
        while not self._stopped.wait(_EVERY_S):
            try:
                self.look()
            except LabError:
                # The database may be busy, the disk full for a while: the next look tells.
                continue
            except Exception as error:
                # Once: a thread that is gone would leave the pages as they are for ever.
                self.failed = self.failed or as_lab_error(error)

    def stop(self) -> None:
        """End follow() and every wait()."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()


@contextmanager
def served(store: Store, asked: ReportRequest, port: int = 0) -> Iterator[str]:
    """Serve a report on 127.0.0.1 while the block runs; gives its address.

    Where no run is recorded yet that is a page that becomes the first one's.

    Raises:
        UserError: There is no such run.
        InfrastructureError: The port is taken, or the report cannot be written.
    """
    with temporary_folder("report") as waiting:
        desk = ReportDesk(store, asked, waiting)
        desk.look()
        with _serving(desk, port) as address:
            yield address


@contextmanager
def _serving(desk: ReportDesk, port: int) -> Iterator[str]:
    try:
        server = _Server((_HOST, port), partial(_Handler, desk))
    except OSError as error:
        raise InfrastructureError(
            f"cannot listen: {error.strerror}", where=f"port {port}", hint="another --port"
        ) from error
    server.daemon_threads = True
    threads = [threading.Thread(target=work) for work in (server.serve_forever, desk.follow)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://{_HOST}:{server.server_port}/"
    finally:
        desk.stop()
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a browser that goes away in the middle of a page is no news."""


class _Handler(SimpleHTTPRequestHandler):
    """Files of the report, and ``/live``, an event stream."""

    def __init__(self, desk: ReportDesk, *args: Any) -> None:
        self._desk = desk
        super().__init__(*args, directory=str(desk.folder))

    def do_GET(self) -> None:  # http.server's name
        if (refusal := self._refusal()) is not None:
            self.send_error(refusal)
        elif self.path.partition("?")[0].rpartition("/")[2] == "live":
            self._live()
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if (refusal := self._refusal()) is not None:
            self.send_error(refusal)
        else:
            super().do_HEAD()

    def _refusal(self) -> HTTPStatus | None:
        if self._host() not in _OURS:
            return HTTPStatus.FORBIDDEN
        # No file has such a name, and to ask for one is a ValueError, not an OSError.
        return HTTPStatus.NOT_FOUND if "\0" in unquote(self.path) else None

    def _host(self) -> str:
        return self.headers.get("Host", "").partition(":")[0]

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def list_directory(self, path: Any) -> BytesIO | None:
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the lab's."""

    def _live(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        said: dict[str, Any] = {}
        try:
            while not self._desk.stopped:
                said = self._desk.wait(said, 15)
                self.wfile.write(f"data: {json.dumps(said)}\n\n".encode())
                self.wfile.flush()
        except OSError:
            # The page was closed.
            return
