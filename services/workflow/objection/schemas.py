"""What goes over the wire about the docket."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Header
from pydantic import ConfigDict, Field

from kernel.wire import Action, Answer, Body, Day, Id, Line, Name, Why, Words

TrackingCode = Annotated[str, Header(max_length=64, description="as the receipt told it")]
"""What opens one's own case; a header, since addresses are kept in logs and histories."""


class NewObjection(Body):
    """What somebody objects to or reports, about one application or in general; name and contact are kept apart and may be left out."""

    text: Annotated[str, Words(8000)]
    application: Id | None = None
    name: Name | None = None
    contact: Annotated[str, Line(200)] | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "该企业2024年曾受环保处罚。", "application": "01912d68-783e-7a03-8467-5661c1243ad4"}]}
    )


class Investigation(Body):
    """What the office found; with `report` the investigation is over and goes to the committee."""

    findings: Annotated[str, Words(20_000)]
    due_on: Day | None = None
    """By when the investigation is to be over; without it, when the notice is."""
    application: Id | None = None
    """The application it turns out to be about, where whoever objected named none."""
    report: Annotated[str, Words(20_000)] | None = None

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"findings": "经向生态环境分局核实，处罚属实。", "report": "建议提请评委会复议。"}]}
    )


class Ruling(Body):
    """The ruling motion that passed; it says whether the name is kept or removed."""

    motion: Id

    model_config = ConfigDict(json_schema_extra={"examples": [{"motion": "01912d68-783e-7a03-8467-5661c1243ad5"}]})


class Dismissal(Body):
    """Why one objection is inadmissible."""

    objection: Id
    reasons: str = Field(max_length=4000)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"objection": "01912d68-783e-7a03-8467-5661c1243ad4", "reasons": "未指明任何事实"}]}
    )


class Dismissals(Body):
    """Objections to dismiss as inadmissible, each judged by itself."""

    items: list[Dismissal] = Field(min_length=1, max_length=500)

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"objection": "01912d68-783e-7a03-8467-5661c1243ad4", "reasons": "未指明任何事实"}]}]}
    )


class ObjectionReceipt(Answer):
    """What was received; the tracking code is told this once, and goes in the header `Tracking-Code`, never in an address (5.4.2)."""

    id: UUID
    tracking_code: str | None
    state: str
    received_at: datetime


class ObjectionProgress(Answer):
    """How far an objection is, for whoever holds its tracking code."""

    id: UUID
    state: str
    received_at: datetime
    settled_at: datetime | None
    removed: bool | None
    dismissal: str | None


class Objector(Answer):
    """Who objected, for the office alone."""

    name: str | None
    contact: str | None


class ObjectionAnswer(Answer):
    """A case of the docket; `kind` tells an objection to a notice from a report, `objector` is there for the office alone.

    A `recusal` nobody sent: a reviewer whose sheets counted was recused after winners were put to the vote, and the committee rules on it.

    `due` is the instant by which the investigation is to be over.
    """

    id: UUID
    version: int
    kind: Literal["objection", "report", "recusal"]
    cycle: UUID
    notice: UUID | None
    application: UUID | None
    credit_code: str | None
    text: str
    state: str
    received_at: datetime
    due: datetime | None
    overdue: bool
    findings: str | None
    report: str | None
    motion: UUID | None
    removed: bool | None
    dismissal: str | None
    settled_at: datetime | None
    objector: Objector | None
    actions: dict[str, Action]


class DismissalResult(Answer):
    """Whether one objection was dismissed; where not, why."""

    objection: UUID
    dismissed: bool
    why: Why | None


class DismissalResults(Answer):
    """The result for each, in order of the objections' ids."""

    items: list[DismissalResult]
