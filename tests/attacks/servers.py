# SPDX-License-Identifier: GPL-2.0-only
"""Servers on this host that want a password, say a byte now and then, or never end."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def argv_of_all() -> list[str]:
    """What every user of this machine sees of its processes (ps(1))."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


@dataclass
class Guarded:
    """Serves ``folder`` to who knows the password or the token, and looks at ``ps``."""

    folder: Path
    user: str
    password: str
    url: str = ""
    #: What was posted to it, and the command lines while somebody asked.
    posted: list[bytes] = field(default_factory=list)
    argv: set[str] = field(default_factory=set)
    let_in: int = 0
    status: int = 200


class _Guard(BaseHTTPRequestHandler):
    script: Guarded

    def do_GET(self) -> None:
        self.script.argv.update(argv_of_all())
        path, _, query = self.path.partition("?")
        if not self._knows(query):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="kernels"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.script.let_in += 1
        file = self.script.folder / path.lstrip("/")
        if self.script.status != 200 or not file.is_file():
            self.send_error(self.script.status if self.script.status != 200 else 404, self.path)
            return
        body = file.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.script.argv.update(argv_of_all())
        self.script.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.script.status, self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _knows(self, query: str) -> bool:
        word = base64.b64encode(f"{self.script.user}:{self.script.password}".encode()).decode()
        given = self.headers.get("Authorization") == f"Basic {word}"
        return given or f"token={self.script.password}" in query

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def guarded(script: Guarded) -> Iterator[Guarded]:
    """Serve on a port of this host until the block is left."""
    handler = type("Handler", (_Guard,), {"script": script})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        script.url = f"http://127.0.0.1:{http.server_port}"
        try:
            yield script
        finally:
            http.shutdown()
            thread.join()


#: What a server does with a connection, until the event is set.
Behaviour = Callable[[socket.socket, threading.Event], None]


@contextmanager
def listening(behave: Behaviour) -> Iterator[int]:
    """A server that does so with each connection; gives its port."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection, over)

    def accept() -> None:
        with suppress(OSError):
            while not over.is_set():
                connection, _ = server.accept()
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join()


def trickling(begin: bytes, every_s: float = 0.05) -> Behaviour:
    """Says ``begin`` at once, and then a byte now and then."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(begin)
        while not over.wait(every_s):
            connection.sendall(b"x")

    return behave


def saying(answer: bytes) -> Behaviour:
    """Hears what is asked, says ``answer``, and ends."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.settimeout(5)
        connection.recv(1 << 16)
        connection.sendall(answer)

    return behave


def pouring(begin: bytes) -> Behaviour:
    """Says ``begin`` and then as much as the other side takes."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(1 << 16)
        connection.sendall(begin)
        while not over.is_set():
            connection.sendall(bytes(1 << 16))

    return behave
