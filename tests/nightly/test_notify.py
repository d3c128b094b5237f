# SPDX-License-Identifier: GPL-2.0-only
"""Mail to a server that listens, a webhook that answers, and what is not delivered."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from lab.config import LoadedConfig
from lab.config.model import Webhook
from lab.errors import ExitStatus, InfrastructureError, LabError, UserError
from lab.model.status import Status
from lab.model.url import HookUrl
from lab.nightly.channel import CHANNELS, channels
from lab.nightly.judgement import Finding, Judgement, Kind
from lab.nightly.mail import send
from lab.nightly.message import subject_of, text_of
from lab.nightly.night import Night
from lab.nightly.notify import tell
from lab.nightly.webhook import post
from lab.process import run as run_child
from tests.config.conftest import Project
from tests.nightly.test_judgement import key
from tests.results.made import job, result, run

pytestmark = pytest.mark.slow

FAIL = Status.FAIL
SECRET = "hunter2"


@dataclass
class Inbox:
    """What a server of one's own got."""

    mails: list[EmailMessage] = field(default_factory=list)
    refuse: str = ""

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if address == self.refuse:
            return "550 there is no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@contextmanager
def mail_server(inbox: Inbox, **more: Any) -> Iterator[int]:
    """A server on a port of its own; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **more)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def config(tmp_path: Path, mail: str = "", webhook: str = "") -> LoadedConfig:
    project = Project(tmp_path)
    if mail:
        project.append(f'[nightly.mail]\nfrom = "lab@example.org"\nto = ["a@b.c", "d@e.f"]\n{mail}')
    if webhook:
        project.append(f'[nightly.webhook]\nurl = "{webhook}"\n')
    return project.load()


def night(*findings: Finding, **more: Any) -> Night:
    made = run(job(result("t")), id="20260102-120000-bbbb")
    base = Night("default", made, Judgement(findings), baseline="20260101-120000-aaaa")
    return replace(base, **more)


def regressed(message: str = "1 of 1024 pages", test: str = "t", variant: str = "6.1") -> Finding:
    worse = result(test, FAIL, message=message)
    place = key(test)._replace(variant=variant)
    return Finding(place, Kind.REGRESSED, result(test), (worse, worse, worse))


def test_mail(tmp_path: Path) -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        loaded = config(tmp_path, f'server = "127.0.0.1"\nport = {port}\n')
        told, troubles, left = tell(loaded, night(regressed()))
    assert (told, troubles, left) == (("mail to a@b.c, d@e.f",), (), ())
    (mail,) = inbox.mails
    assert mail["Subject"] == "lab nightly default on host: 1 regressed: 6.1: t"
    assert (mail["From"], mail["To"]) == ("lab@example.org", "a@b.c, d@e.f")
    assert mail["Message-ID"].endswith("@example.org>")
    assert mail["Date"]
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    for part in ("REGRESSED (1)", "6.1 on ext4-dax", "pass -> 3 fail; 3 of 3 failed",
                 "1 of 1024 pages", "lab show 20260102-120000-bbbb",
                 "lab compare 20260101-120000-aaaa 20260102-120000-bbbb"):  # fmt: skip
        assert part in text


def test_only_what_changed_is_told(tmp_path: Path) -> None:
    loaded = config(tmp_path, 'server = "127.0.0.1"\nport = 1\n', "http://127.0.0.1:1/x")
    assert tell(loaded, night()) == ((), (), ())
    assert tell(loaded, night(replace(regressed(), news=False))) == ((), (), ())
    _, troubles, left = tell(
        config(tmp_path, 'server = "127.0.0.1"\nport = 1\n'), night(regressed())
    )
    assert len(troubles) == len(left) == 1
    first = replace(night(), baseline="")
    assert tell(config(tmp_path, 'server = "127.0.0.1"\nport = 1\n'), first)[2]


def test_what_a_guest_says_is_only_text(tmp_path: Path) -> None:
    """No header, no control character, no line of more than 79 columns."""
    nasty = "x\r\nBcc: all@example.org\r\n\x1b[2J\x07 " + "word " * 100 + "é€"
    findings = [regressed("x" * (number + 1) + nasty, f"t{number}") for number in range(40)]
    made = night(*findings, troubles=(nasty,))
    inbox = Inbox()
    with mail_server(inbox) as port:
        loaded = config(tmp_path, f'server = "127.0.0.1"\nport = {port}\n')
        assert tell(loaded, made)[1] == ()
    (mail,) = inbox.mails
    assert mail["Bcc"] is None
    lines = mail.get_content().splitlines()
    assert max(map(len, lines)) <= 79
    assert not any(ord(character) < 32 for line in lines for character in line)
    assert "and 28 more, each of another cause" in mail.get_content()
    evil = night(regressed(), matrix="x\r\nBcc: all@example.org")
    assert "\n" not in subject_of(evil)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    run_child(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout",
         folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"]
    )  # fmt: skip
    return folder


def tls(folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def let_in(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    # Handled would mean that we had answered ourselves.
    good = (data.login, data.password) == (b"me", SECRET.encode())
    return AuthResult(success=good, handled=False)


def secured(tmp_path: Path, port: int, *more: str) -> LoadedConfig:
    lines = ('server = "localhost"', f"port = {port}", 'tls = "starttls"', *more)
    return config(tmp_path, "\n".join(lines) + "\n")


def sent(loaded: LoadedConfig) -> LabError | None:
    mail = loaded.config.nightly.mail
    assert mail is not None
    try:
        send(mail, "subject", "text\n", deadline_s=20, path=loaded.path)
    except LabError as error:
        return error
    return None


def test_tls_and_a_password(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAB_MAIL_PASSWORD", raising=False)
    inbox = Inbox()
    ca, user = f'ca = "{certificate / "cert.pem"}"', 'user = "me"'
    (tmp_path / "password").write_text(f"{SECRET}\n")
    from_file = 'password_file = "password"'
    options = {"tls_context": tls(certificate), "authenticator": let_in, "auth_required": True}
    with mail_server(inbox, **options) as port:
        assert sent(secured(tmp_path, port, ca, user, from_file)) is None
        monkeypatch.setenv("LAB_MAIL_PASSWORD", SECRET)
        assert sent(secured(tmp_path, port, ca, user)) is None
        assert len(inbox.mails) == 2
        monkeypatch.setenv("LAB_MAIL_PASSWORD", f"not {SECRET}")
        wrong = sent(secured(tmp_path, port, ca, user))
        assert isinstance(wrong, UserError)
        assert "does not let me in" in wrong.what
        assert SECRET not in str(wrong)
        monkeypatch.delenv("LAB_MAIL_PASSWORD")
        missing = sent(secured(tmp_path, port, ca, user))
        assert isinstance(missing, UserError)
        assert "no password" in missing.what
        strange = sent(secured(tmp_path, port, user, from_file))
        assert isinstance(strange, InfrastructureError)
        assert "TLS" in strange.what
    assert len(inbox.mails) == 2


def test_a_password_is_not_sent_in_clear(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not sent in clear"):
        config(tmp_path, 'server = "localhost"\nuser = "me"\n')


def test_server_without_tls(tmp_path: Path) -> None:
    with mail_server(Inbox()) as port:
        error = sent(secured(tmp_path, port))
    assert isinstance(error, InfrastructureError)
    assert "STARTTLS" in error.what


def test_recipient_nobody_knows(tmp_path: Path) -> None:
    inbox = Inbox(refuse="d@e.f")
    with mail_server(inbox) as port:
        error = sent(config(tmp_path, f'server = "127.0.0.1"\nport = {port}\n'))
    assert isinstance(error, InfrastructureError)
    assert "d@e.f" in error.what
    assert len(inbox.mails) == 1


def test_what_was_not_delivered_goes_the_next_time(tmp_path: Path) -> None:
    away = config(tmp_path, 'server = "127.0.0.1"\nport = 1\n')
    told, troubles, left = tell(away, night(regressed()))
    assert told == ()
    assert "127.0.0.1:1" in troubles[0]
    assert night(troubles=troubles).status is ExitStatus.INFRASTRUCTURE
    inbox = Inbox()
    # As the memory's file has it.
    left = tuple(json.loads(json.dumps(left)))
    with mail_server(inbox) as port:
        back = config(tmp_path, f'server = "127.0.0.1"\nport = {port}\n')
        told, troubles, left = tell(back, night(), left)
    assert (len(told), troubles, left) == (1, (), ())
    assert "1 regressed" in inbox.mails[0]["Subject"]


class Hook:
    """A server that answers with one status after the other, the last for good."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[Any] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.bodies.append(json.loads(body))
                left = hook.statuses
                self.send_response(left.pop(0) if len(left) > 1 else left[0])
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                # Where a redirect leads to all is well, and nobody has got anything.
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{SECRET}"

    def __enter__(self) -> Hook:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def test_webhook(tmp_path: Path) -> None:
    with Hook(200) as hook:
        told, troubles, left = tell(config(tmp_path, webhook=hook.url), night(regressed()))
    assert (troubles, left) == ((), ())
    assert SECRET not in told[0]
    (body,) = hook.bodies
    assert body["text"] == "lab nightly default on host: 1 regressed: 6.1: t"
    assert (body["run"], body["baseline"]) == ("20260102-120000-bbbb", "20260101-120000-aaaa")
    (found,) = body["findings"]
    assert (found["test"], found["change"], found["failed"], found["ran"]) == (
        "t", "regressed", 3, 3,
    )  # fmt: skip
    assert body["counts"]["regressed"] == 1


@pytest.mark.parametrize(
    ("statuses", "tries", "kind"),
    [
        ((503, 429, 204), 3, None),
        ((500,), 3, InfrastructureError),
        ((404,), 1, UserError),
        ((302,), 1, UserError),
    ],
)
def test_webhook_that_does_not_take_it(
    statuses: tuple[int, ...], tries: int, kind: type[LabError] | None
) -> None:
    def attempt() -> None:
        post(Webhook(url=HookUrl(hook.url)), {"a": 1}, deadline_s=20, pauses=(0, 0))

    with Hook(*statuses) as hook:
        if kind is None:
            attempt()
        else:
            assert_raises(kind, attempt)
    assert len(hook.bodies) == tries


def assert_raises(kind: type[LabError], attempt: Callable[[], None]) -> None:
    with pytest.raises(kind) as caught:
        attempt()
    assert SECRET not in str(caught.value)


def test_webhook_that_is_away() -> None:
    webhook = Webhook(url=HookUrl(f"http://127.0.0.1:1/{SECRET}"))
    assert_raises(InfrastructureError, lambda: post(webhook, {}, deadline_s=20, pauses=(0,)))
    assert SECRET not in repr(webhook)


def test_a_webhooks_secret_is_not_in_the_configs_errors(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        config(tmp_path, webhook=f"ftp://x/{SECRET}")
    assert SECRET not in str(caught.value)


def test_text_of_the_first_night() -> None:
    new = Finding(key("t"), Kind.NEW, None, (result("t"),))
    wrong = Finding(key("u"), Kind.NEW, None, (result("u", FAIL),))
    text = text_of(night(new, wrong, baseline="", judgement=Judgement((new, wrong), surprises=1)))
    assert "first night, 1 results, 1 not as expected" in text
    assert "NEW (1)" in text
    assert "NOT AS EXPECTED (pass)" in text


def test_a_channel_that_breaks_costs_neither_the_other_nor_the_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("lab.nightly.mail.send", broken)
    with Hook(200) as hook:
        loaded = config(tmp_path, 'server = "127.0.0.1"\nport = 1\n', hook.url)
        told, troubles, unsent = tell(loaded, night(regressed()))
    assert (len(hook.bodies), len(told)) == (1, 1)
    assert troubles[0].startswith("mail: ")
    assert "ZeroDivisionError" in troubles[0]
    assert [parcel["channel"] for parcel in unsent] == ["mail"]


def test_another_channel_is_a_module_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says itself when it is due; what it cannot deliver waits as that of all others does."""
    monkeypatch.setitem(CHANNELS, "diary", "tests.doors.channel:diary")
    loaded = config(tmp_path)
    assert [one.plan for one in channels(loaded).values()] == [
        "each night is written down in diary.txt"
    ]
    told, troubles, left = tell(loaded, night())
    assert (told, len(troubles), len(left)) == ((), 1, 1)
    loaded.results.mkdir()
    told, troubles, left = tell(loaded, night(regressed()), left)
    assert (told, troubles, left) == (("diary.txt", "diary.txt"), (), ())
    lines = (loaded.results / "diary.txt").read_text().splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["nothing changed", "1 regressed: 6.1: t"]
