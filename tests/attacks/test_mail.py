# SPDX-License-Identifier: GPL-2.0-only
"""Mail servers that never end, never stop, or say what no mail server should."""

from __future__ import annotations

import random
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lab.config.model import Mail
from lab.errors import InfrastructureError
from lab.nightly.mail import send
from tests.attacks.servers import Behaviour, listening, trickling

pytestmark = pytest.mark.slow

GREETING, WELCOME = b"220 here\r\n", b"250-here\r\n250 8BITMIME\r\n"
GOOD = (GREETING, WELCOME, b"250 from\r\n", b"250 to\r\n", b"354 go on\r\n", b"250 taken\r\n")


def sent(behave: Behaviour, tls: str = "none", deadline_s: float = 0.4) -> None:
    with listening(behave) as port:
        table = {"server": "127.0.0.1", "port": port, "from": "l@x.y", "to": ["a@b.c"], "tls": tls}
        mail = Mail.model_validate(table)
        send(mail, "subject", "text", deadline_s=deadline_s, path=Path)


def answering(*replies: bytes, then: Behaviour | None = None) -> Behaviour:
    """Says the replies in turn, each after what it is one to; then does as ``then``."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.settimeout(5)
        for number, reply in enumerate(replies):
            heard = b"\n"
            while number and not (heard := connection.recv(1 << 16)).endswith(b"\n"):
                if not heard:
                    return
            connection.sendall(reply)
        if then is not None:
            then(connection, over)

    return behave


@pytest.mark.parametrize("said", range(len(GOOD)))
def test_a_byte_now_and_then_is_not_for_ever(said: int) -> None:
    behave = answering(*GOOD[:said], then=trickling(b"2"))
    with pytest.raises(InfrastructureError, match=r"had not taken it after 0\.4 s"):
        sent(behave)


@pytest.mark.parametrize("tls", ["tls", "starttls"])
def test_nor_under_tls(tls: str) -> None:
    before = (GREETING, b"250-here\r\n250 STARTTLS\r\n", b"220 go on\r\n")
    behave = answering(*(before if tls == "starttls" else ()), then=trickling(b"\x16\x03\x03\x40"))
    # OpenSSL 3.5 sees that such a record is none before all of it is there.
    with pytest.raises(InfrastructureError, match=r"had not taken it after 0\.4 s|no TLS with"):
        sent(behave, tls)


@pytest.mark.parametrize("piece", [b"220-here\r\n" * 6000, bytes(1 << 16)])
def test_what_it_says_has_a_size(piece: bytes) -> None:
    def pouring(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set():
            connection.sendall(piece)

    with pytest.raises(InfrastructureError, match="the mail was not taken: "):
        sent(pouring, deadline_s=20)


@pytest.mark.parametrize("then", [trickling(b"2"), lambda *_: None])
def test_a_goodbye_that_does_not_come_is_none_of_the_mail(then: Behaviour) -> None:
    sent(answering(*GOOD, then=then))


def test_flipped_replies_end_as_errors_of_the_lab() -> None:
    chance = random.Random(3)
    for _ in range(40):
        replies = [bytearray(reply) for reply in GOOD]
        for _ in range(chance.randint(1, 3)):
            reply = chance.choice(replies)
            reply[chance.randrange(len(reply) - 2)] = chance.choice(b"\0-45 \xff\n=")
        with suppress(InfrastructureError):
            sent(answering(*map(bytes, replies)), deadline_s=0.3)
