# SPDX-License-Identifier: GPL-2.0-only
"""Why a scheduler cannot be spoken to is said at once, where waiting mends nothing."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from lab.cli.cluster import _labels
from lab.cli.main import commands
from lab.config import load
from lab.errors import InfrastructureError, UserError
from lab.execution.cluster import certificates, connection
from lab.execution.cluster.address import CA, OWN, Address, checked_address
from lab.execution.cluster.certificates import make_certificates
from lab.execution.cluster.connection import connect
from lab.execution.cluster.reach import refused_for_good
from lab.execution.cluster.serving import serve_scheduler, serve_worker
from tests.config.conftest import Project

Made = Callable[[str], Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(name: str) -> Path:
        make_certificates(tmp_path / name)
        return tmp_path / name

    return make


@contextmanager
def listening(tls: Path) -> Iterator[int]:
    """What greets whoever has a certificate of its CA, as a scheduler does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls / CA)
    context.load_cert_chain(tls / OWN)
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_greet, args=(server, context), daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
    thread.join()


def _greet(server: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            found, _ = server.accept()
        except OSError:
            return
        with suppress(OSError), found, context.wrap_socket(found, server_side=True) as met:
            met.sendall(b"hello")


def said_of(tls: Path, port: int) -> str:
    why = refused_for_good(checked_address(f"tls://127.0.0.1:{port}", tls))
    return "" if why is None else str(why)


def test_one_that_greets_is_spoken_to(made: Made) -> None:
    tls = made("tls")
    with listening(tls) as port:
        assert said_of(tls, port) == ""


def test_one_that_is_not_there_yet_is_waited_for(made: Made) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert said_of(made("tls"), port) == ""


def test_certificates_of_another_ca(made: Made) -> None:
    with listening(made("theirs")) as port:
        said = said_of(made("ours"), port)
    assert "do not fit" in said
    assert "self-signed" in said or "unable to get local issuer" in said
    assert "lab cluster certificates DIR" in said


def test_a_certificate_that_the_scheduler_refuses(made: Made, tmp_path: Path) -> None:
    theirs, ours = made("theirs"), made("ours")
    shutil.copy(theirs / CA, ours / CA)
    with listening(theirs) as port:
        said = said_of(ours, port)
    assert "do not fit: tlsv1 alert" in said


def test_certificates_that_have_run_out(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "_DAYS", -1)
    tls = made("tls")
    with listening(tls) as port:
        said = said_of(tls, port)
    assert "certificate has expired" in said
    assert "enddate" in said


def test_certificates_of_a_day_to_come(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were made on a host whose clock is days before this one's, or this one is behind."""
    monkeypatch.setattr(certificates, "_BEFORE", timedelta(days=-3))
    tls = made("tls")
    with listening(tls) as port:
        said = said_of(tls, port)
    assert "certificate is not yet valid" in said
    assert "the clock of this host says" in said
    assert "enddate" not in said


def test_tls_where_none_was_asked_for(made: Made) -> None:
    """It was "in <TCP (closed)>: ConnectionResetError", and the hint to start the scheduler."""
    with listening(made("tls")) as port:
        why = refused_for_good(Address(f"tcp://127.0.0.1:{port}"))
    assert "who answers there speaks TLS" in str(why)
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"hello"))
        thread.start()
        assert refused_for_good(Address(f"tcp://127.0.0.1:{server.getsockname()[1]}")) is None
        thread.join()


def test_neither_a_run_nor_a_worker_tries_for_half_a_minute(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_CONNECT_S", 3600)
    loaded = load(Project(tmp_path).root)
    with listening(made("theirs")) as port:
        address = checked_address(f"tls://127.0.0.1:{port}", made("ours"))
        with pytest.raises(InfrastructureError, match="do not fit"):
            connect(address)
        with pytest.raises(InfrastructureError, match="do not fit"):
            serve_worker(address, loaded, (), print)


def test_no_leave_is_taken_for_a_minute_of_whoever_never_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the process ended: Ctrl-C while it connected was not heeded before that."""
    taken: list[float] = []
    monkeypatch.setattr(connection._Client, "close", lambda _, timeout=60: taken.append(timeout))
    client = connection._Client.__new__(connection._Client)
    client.status = "connecting"
    client.__del__()
    assert taken == [connection.LEAVING_S]
    client.status = "closed"
    client.__del__()
    assert len(taken) == 1


def test_a_host_that_nobody_knows() -> None:
    why = refused_for_good(Address("tcp://nohost.invalid:8786"))
    assert "no host nohost.invalid is known here" in str(why)


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InfrastructureError, match=f"cannot listen at {url}") as caught:
            serve_scheduler(checked_address(url, None), print)
    assert "in use" in caught.value.what


@pytest.mark.parametrize("given", ["tcp://localhost", "tcp://localhost:", "tcp://[::1]"])
def test_an_address_without_a_port_has_the_schedulers_own(given: str) -> None:
    assert checked_address(given, None).url == given.removesuffix(":") + ":8786"


@pytest.mark.parametrize("port", ["notaport", "99999", "-1"])
def test_what_is_no_port(port: str) -> None:
    with pytest.raises(UserError, match="no address of a scheduler"):
        checked_address(f"tcp://localhost:{port}", None)


@pytest.mark.parametrize("name", [CA, OWN])
def test_what_is_no_certificate(made: Made, name: str) -> None:
    tls = made("tls")
    (tls / name).write_text("nothing\n")
    with pytest.raises(UserError, match="no certificates that can be used") as caught:
        checked_address("tls://a:1", tls)
    assert caught.value.where == tls


@pytest.mark.parametrize("name", ["", "a,b", "a b", "\n"])
def test_a_label_that_nobody_could_ask_for(name: str) -> None:
    with pytest.raises(UserError, match="no label"):
        _labels([name])
    assert _labels(["ok", "a.b-c_1"]) == ("ok", "a.b-c_1")


def test_who_waits_for_a_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was half a minute without a word."""
    monkeypatch.setattr(connection, "_CONNECT_S", 1)
    monkeypatch.setattr(connection, "PATIENCE_S", 0.1)
    words: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(InfrastructureError, match="no scheduler answers"):
        connect(Address(url), words.append)
    assert words == [f"waits for a scheduler at {url}, 1 s at most"]


def test_who_made_certificates_is_told_what_goes_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cluster", "certificates", str(tmp_path / "tls")]
    assert commands()(words, standalone_mode=False) == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(tmp_path / "tls" / name) for name in (CA, "ca.key", OWN)]
    assert said.err == "ca.pem and lab.pem go to each host, by ssh; ca.key stays here\n"
