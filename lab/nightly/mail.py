# SPDX-License-Identifier: GPL-2.0-only
"""Mail: plain text, through the SMTP server that ``[nightly.mail]`` names."""

from __future__ import annotations

import os
import smtplib
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lab.config.model import Mail
from lab.errors import InfrastructureError, LabError, UserError
from lab.network.cutoff import Cutoff
from lab.nightly.channel import has_news
from lab.nightly.message import subject_of, text_of

if TYPE_CHECKING:
    from lab.config import LoadedConfig
    from lab.nightly.night import Night

_MOST_SAID = 1 << 20
_PORTS = {"none": 25, "starttls": 587, "tls": 465}


@dataclass(frozen=True)
class MailChannel:
    """A mail for each night with news; ``path`` makes the config's paths absolute."""

    mail: Mail
    deadline_s: float
    path: Callable[[Path], Path]

    @property
    def plan(self) -> str:
        """As Channel's."""
        return f"changes go by {self.target}"

    @property
    def target(self) -> str:
        """Whom it is for."""
        return f"mail to {', '.join(self.mail.to)}"

    def is_due(self, night: Night) -> bool:
        """When there is news."""
        return has_news(night)

    def pack(self, night: Night) -> Mapping[str, Any]:
        """Its subject and its text."""
        return {"subject": subject_of(night), "text": text_of(night)}

    def deliver(self, parcel: Mapping[str, Any]) -> None:
        """Hand it to the server; raises as send() does."""
        subject, text = parcel["subject"], parcel["text"]
        send(self.mail, subject, text, deadline_s=self.deadline_s, path=self.path)


def mail_channel(loaded: LoadedConfig) -> MailChannel | None:
    """That of ``[nightly.mail]``."""
    section = loaded.config.nightly.mail
    if section is None:
        return None
    return MailChannel(section, loaded.config.deadlines.mail, loaded.path)


def message(mail: Mail, subject: str, text: str) -> EmailMessage:
    """A mail that filters know for a machine's (RFC 3834), quoted nowhere, wrapped already."""
    made = EmailMessage(policy=SMTP)
    made["Subject"] = subject
    made["From"] = mail.sender
    made["To"] = ", ".join(mail.to)
    made["Date"] = formatdate(localtime=True)
    made["Message-ID"] = make_msgid(domain=parseaddr(mail.sender)[1].partition("@")[2] or None)
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(text)
    return made


def send(
    mail: Mail, subject: str, text: str, *, deadline_s: float, path: Callable[[Path], Path]
) -> None:
    """Hand a mail to the server.

    Args:
        path: Makes the config's paths absolute.

    Raises:
        UserError: The password, the certificate's file or the addresses are of no use.
        InfrastructureError: The server cannot be reached, or does not take it.
    """
    where = f"{mail.server}:{mail.port or _PORTS[mail.tls]}"
    secret = password(mail, path)
    cutoff = Cutoff(deadline_s)
    try:
        with cutoff, closing(_connected(mail, deadline_s, cutoff, path)) as server:
            if secret is not None:
                assert mail.user is not None
                server.login(mail.user, secret)
            refused = server.send_message(message(mail, subject, text))
            # It is delivered, however long they take to say goodbye.
            with suppress(smtplib.SMTPException, OSError):
                server.quit()
    except LabError:
        raise
    except smtplib.SMTPAuthenticationError as error:
        raise UserError(
            f"the mail server does not let {mail.user} in ({error.smtp_code})",
            where=where,
            hint=f"nightly.mail.user, and the password in ${mail.password_env}",
        ) from None
    except ssl.SSLError as error:
        _refuse_late(cutoff, deadline_s, where)
        raise InfrastructureError(
            f"no TLS with the mail server: {error.reason or error}",
            where=where,
            hint="nightly.mail.tls: starttls or tls; nightly.mail.ca: a CA of your own",
        ) from None
    except (smtplib.SMTPException, OSError, ValueError, LookupError) as error:
        _refuse_late(cutoff, deadline_s, where)
        raise InfrastructureError(f"the mail was not taken: {_said(error)}", where=where) from None
    if refused:
        raise InfrastructureError(
            f"the mail server refused {', '.join(sorted(refused))}", where=where
        )


def _refuse_late(cutoff: Cutoff, deadline_s: float, where: str) -> None:
    if cutoff.passed:
        raise InfrastructureError(
            f"the mail server had not taken it after {deadline_s:g} s",
            where=where,
            hint="raise deadlines.mail in lab.toml",
        ) from None


def password(mail: Mail, path: Callable[[Path], Path]) -> str | None:
    """The password, from the environment or the file; None without a user.

    Raises:
        UserError: There is a user, and no password.
    """
    if mail.user is None:
        return None
    if found := os.environ.get(mail.password_env):
        return found
    if mail.password_file is None:
        raise UserError(
            f"nightly.mail.user is {mail.user}, and there is no password",
            hint=f"${mail.password_env}, or nightly.mail.password_file in lab.local.toml",
        )
    file = path(mail.password_file)
    try:
        return file.read_text().rstrip("\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"the password cannot be read: {reason}", where=file) from None


class _Replies:
    """What a server says, line by line; not more than any server has to say."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = _MOST_SAID

    def readline(self, size: int) -> bytes:
        """As a file's."""
        line = self._stream.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError(f"it says more than {_MOST_SAID} bytes")
        return line

    def close(self) -> None:
        """As a file's."""
        self._stream.close()


class _Plain(smtplib.SMTP):
    """A server that is heard until ``cutoff``; smtplib's timeout is for each read."""

    def __init__(self, cutoff: Cutoff, host: str, port: int, timeout: float) -> None:
        self.cutoff = cutoff
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self.cutoff.watch(connected)
        return connected

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib's."""
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock.makefile("rb"))
        return super().getreply()


class _Tls(smtplib.SMTP_SSL, _Plain):
    """The same, with TLS from the first byte."""

    def __init__(
        self, cutoff: Cutoff, host: str, port: int, timeout: float, context: ssl.SSLContext
    ) -> None:
        self.cutoff = cutoff
        smtplib.SMTP_SSL.__init__(self, host, port, timeout=timeout, context=context)


def _connected(
    mail: Mail, deadline_s: float, cutoff: Cutoff, path: Callable[[Path], Path]
) -> smtplib.SMTP:
    port = mail.port or _PORTS[mail.tls]
    if mail.tls == "none":
        return _Plain(cutoff, mail.server, port, deadline_s)
    context = _context(mail, path)
    if mail.tls == "tls":
        return _Tls(cutoff, mail.server, port, deadline_s, context)
    server = _Plain(cutoff, mail.server, port, deadline_s)
    try:
        server.starttls(context=context)
    except BaseException:
        server.close()
        raise
    return server


def _context(mail: Mail, path: Callable[[Path], Path]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if mail.ca is not None:
        file = path(mail.ca)
        try:
            context.load_verify_locations(file)
        except OSError as error:
            raise UserError(f"no certificates in PEM: {error.strerror}", where=file) from None
    return context


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return f"it refused {', '.join(sorted(error.recipients))}"
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        return f"{error.smtp_code} {said}"
    return str(error) or type(error).__name__
