"""A real server that takes e-mail, and refuses it as often as it is told to."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass(frozen=True)
class Mail:
    recipients: tuple[str, ...]
    sender: str
    subject: str
    text: str


@dataclass
class Sink:
    port: int = 0
    received: list[Mail] = field(default_factory=list)
    #: Mails that are refused for now before one is taken.
    refusals: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert server.session is session
        if self.refusals:
            self.refusals -= 1
            return "451 Not now"
        message = email.message_from_bytes(envelope.original_content or b"", policy=email.policy.default)
        body = message.get_body(("plain", "html"))
        self.received.append(
            Mail(
                recipients=tuple(envelope.rcpt_tos),
                sender=str(envelope.mail_from),
                subject=str(message["Subject"]),
                text=body.get_content() if body is not None else "",
            )
        )
        return "250 Taken"


class _Controller(Controller):
    """Listens on a port that the system chooses."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]


@contextmanager
def taking_mail() -> Iterator[Sink]:
    sink = Sink()
    controller = _Controller(sink, hostname="127.0.0.1", port=0)
    controller.start()
    sink.port = controller.port
    try:
        yield sink
    finally:
        controller.stop()
