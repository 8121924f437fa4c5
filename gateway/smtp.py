"""How a mail leaves: by SMTP, once; whether it was taken is told apart from whether that is known."""

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from typing import Literal

from gateway.settings import GatewaySettings

LONGEST_ANSWER_SECONDS = 10
OK = range(200, 300)
LASTING = range(500, 600)

Outcome = Literal["sent", "refused", "failed", "unclear"]


@dataclass(frozen=True)
class Delivery:
    """How it went: `sent`; `refused` for good by the receiver; `failed` before it was taken; `unclear` where no answer came."""

    outcome: Outcome
    reason: str | None = None
    """In few words that never come from the server."""


class _AnsweredError(Exception):
    """The server said no; a lasting no is about this receiver or this mail."""

    def __init__(self, code: int, *, lasting: bool) -> None:
        super().__init__(str(code))
        self.lasting = lasting


def deliver(settings: GatewaySettings, receiver: str, message: EmailMessage) -> Delivery:
    """Bring a mail to the server that the settings name; blocks for as long as that takes, ten seconds an answer at most."""
    given = False
    try:
        server = _connected(settings)
        try:
            _check(server.mail(settings.mail_from)[0], lasting=False)
            _check(server.rcpt(receiver)[0], lasting=True)
            given = True
            _check(server.data(message.as_bytes(policy=policy.SMTP))[0], lasting=True)
            with suppress(OSError, smtplib.SMTPException):
                server.quit()
        finally:
            server.close()
    except _AnsweredError as error:
        return Delivery("refused" if error.lasting else "failed", str(error))
    except smtplib.SMTPResponseException as error:  # a no at the greeting, the sign-in, or before the content was given
        return Delivery("failed", str(error.smtp_code))
    except (OSError, smtplib.SMTPException) as error:
        return Delivery("unclear" if given else "failed", type(error).__name__)
    return Delivery("sent")


def _connected(settings: GatewaySettings) -> smtplib.SMTP:
    where, context = (settings.smtp_host, settings.smtp_port), ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=LONGEST_ANSWER_SECONDS, context=context)
    else:
        server = smtplib.SMTP(*where, timeout=LONGEST_ANSWER_SECONDS)
    try:
        if settings.smtp_security == "starttls":
            server.starttls(context=context)
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
    except BaseException:
        server.close()
        raise
    server.ehlo_or_helo_if_needed()
    return server


def _check(code: int, *, lasting: bool) -> None:
    if code not in OK:
        raise _AnsweredError(code, lasting=lasting and code in LASTING)
