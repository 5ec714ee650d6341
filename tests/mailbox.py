"""A real mail server for tests, on a free port of 127.0.0.1, which keeps what it is given."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers import free_port

SENDER = "phrasemill@example.org"


class Mailbox:
    """Mails as they came in; `refused` are addresses that the server does not take."""

    def __init__(self) -> None:
        self.port = free_port()
        self.refused: set[str] = set()
        self.came = threading.Event()
        self._lock = threading.Lock()
        self._mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 there is nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mail = message_from_bytes(envelope.content or b"", policy=policy.default)
        assert isinstance(mail, EmailMessage)
        with self._lock:
            self._mails.append((list(envelope.rcpt_tos), mail))
        self.came.set()
        return "250 OK"

    def mails(self, *, about: str = "") -> list[EmailMessage]:
        """Those with these words in their subject, in the order in which they came."""
        with self._lock:
            return [mail for _, mail in self._mails if about in mail["Subject"]]

    def recipients(self) -> list[str]:
        with self._lock:
            return [address for addresses, _ in self._mails for address in addresses]

    def connection(self) -> dict[str, Any]:
        """Airflow's connection to it."""
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": SENDER, "timeout": 30, "retry_limit": 1}
        return {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra}


def text_of(mail: EmailMessage) -> str:
    """The HTML of a mail that Airflow's notifier has sent."""
    (part,) = mail.iter_parts()
    assert part.get_content_type() == "text/html"
    return str(part.get_content())


@contextlib.contextmanager
def mail_server(*, tls: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """With `tls` it takes mail after STARTTLS only."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=box.port, tls_context=tls, require_starttls=tls is not None)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
