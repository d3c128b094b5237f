# SPDX-License-Identifier: GPL-2.0-only
"""A web server with byte ranges, and with every fault a test asks for."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Server:
    """Serves ``files`` by path; what it was asked is in ``asked``, as Range headers."""

    files: dict[str, bytes] = field(default_factory=dict)
    folder: Path | None = None
    #: Bytes of the body after which each answer in turn is cut; None is not.
    cuts: list[int | None] = field(default_factory=list)
    #: Answers given first, by status.
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    tag: str | None = '"one"'
    url: str = ""
    asked: list[str | None] = field(default_factory=list)

    def content(self, path: str) -> bytes | None:
        if self.folder is not None and (file := self.folder / path.lstrip("/")).is_file():
            return file.read_bytes()
        return self.files.get(path)


class _Handler(BaseHTTPRequestHandler):
    script: Server

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.script.asked.append(wanted)
        body = self.script.content(self.path.partition("?")[0])
        if self.script.statuses:
            self.send_error(self.script.statuses.pop(0))
        elif body is None:
            self.send_error(404)
        else:
            self._answer(body, self._start(wanted))

    def _start(self, wanted: str | None) -> int:
        same = self.headers["If-Range"] in (None, self.script.tag)
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        return int(match[1]) if match and self.script.ranges and same else 0

    def _answer(self, body: bytes, start: int) -> None:
        if start and start >= len(body):
            self.send_error(416)
            return
        rest = body[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(rest)))
        if self.script.tag:
            self.send_header("ETag", self.script.tag)
        self.end_headers()
        self.wfile.write(rest[: self.script.cuts.pop(0) if self.script.cuts else None])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve on a port of this host until the block is left."""
    handler = type("Handler", (_Handler,), {"script": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
