"""What the mails say: plain text, in Chinese or English, from the templates beside this module; the first line is the subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gateway.settings import GatewaySettings
from kernel.clock import wall
from regulation.calendar import CHINA

What = Literal["passed", "near", "task", "decision"]
Purpose = Literal["notice", "confirmation", "reset"]

MOST_LINES = 50
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - plain text, that no browser reads
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Line:
    """One thing that a mail tells."""

    what: What
    title: str
    due: datetime | None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(CHINA):%Y-%m-%d %H:%M}"


TEMPLATES.filters |= {"one_line": _one_line, "local": _local}


def written(language: str, purpose: Purpose, **facts: object) -> tuple[str, str]:
    """Give a mail's subject and text."""
    subject, _, text = TEMPLATES.get_template(f"{language}/{purpose}.txt").render(facts).partition("\n")
    return subject, text.strip() + "\n"


def notice(language: str, name: str, portal: str, lines: Sequence[Line]) -> tuple[str, str]:
    """Say what is new: deadlines first, fifty lines of a sort at most."""
    groups = {what: [line for line in lines if line.what == what] for what in ("passed", "near", "task", "decision")}
    return written(language, "notice", name=name, portal=portal, groups=groups, most=MOST_LINES)


def message(settings: GatewaySettings, mail: UUID, receiver: str, language: str, content: tuple[str, str]) -> EmailMessage:
    """Give the mail as it is sent; its Message-ID is the mail's own id."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = settings.mail_from, receiver, content[0]
    made["Date"], made["Message-ID"] = format_datetime(wall()), f"<{mail}@{settings.mail_from.rpartition('@')[2]}>"
    made["Auto-Submitted"], made["Content-Language"] = "auto-generated", language
    made.set_content(content[1], cte="base64")
    return made
