"""What screening takes and gives over the wire."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from kernel.wire import Answer, Body, Day, Id, Line, Name, Reason, Why, Words
from regulation.eligibility import CRITERIA, PriorityFlag
from services.intake.application import Determined, State
from services.intake.verification import Standing

Verdict = Literal["refused", "passed", "judgement"]

OUTCOME_EXAMPLE: dict[str, Any] = {"outcome": "pass", "reason": "营业执照与登记信息一致。", "evidence": ["市场主体登记档案"]}


class RepairDecision(Body):
    """Whether a credit repair that a department has confirmed counts, for the finding with this number (3.4).

    `verification` names the question by which the department itself confirmed it, where the office asked.
    """

    number: Annotated[str, Line(80)]
    confirmed_by: Name
    confirmed_on: Day
    verification: Id | None = None
    accepted: bool
    reason: Reason


class OutcomeBody(Body):
    """The office's outcome on one criterion; `proven` (3.2.5 alone) names the titles whose proof it has seen: they break a tie."""

    model_config = ConfigDict(json_schema_extra={"examples": [OUTCOME_EXAMPLE]})

    outcome: Literal["pass", "fail"]
    reason: Annotated[str, Words(4000, least=0)]
    evidence: Annotated[list[Annotated[str, Line(500)]], Field(max_length=50, default_factory=list)]
    repairs: Annotated[list[RepairDecision], Field(max_length=50, default_factory=list)]
    proven: Annotated[list[PriorityFlag], Field(max_length=3, default_factory=list)]


class CriterionOutcome(OutcomeBody):
    """An outcome with its criterion, by its clause."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"criterion": "3.1"} | OUTCOME_EXAMPLE]})

    criterion: Annotated[str, Line(20)]


class OutcomesBody(Body):
    """Several outcomes at once."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"outcomes": [{"criterion": "3.1"} | OUTCOME_EXAMPLE]}]})

    outcomes: Annotated[list[CriterionOutcome], Field(min_length=1, max_length=len(CRITERIA))]


class DeterminationBody(Body):
    """What the office adds to a determination, which follows from the outcomes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"remarks": "符合申报条件。"}]})

    remarks: Annotated[str, Words(4000, least=0)] = ""


class AskedDepartment(Answer):
    """What a department was asked about a criterion, and its answer: asked, answered, or overdue."""

    verification: UUID
    body: str
    question: str
    due_on: date
    standing: Standing
    finding: Literal["confirmed", "contradicted", "unknown"] | None
    answer: str | None
    answered_at: datetime | None


class CriterionAnswer(Answer):
    """A criterion: what the rules alone find (`judgement` leaves it to the office), and the outcome so far; version 0: none yet."""

    criterion: str
    zh: str
    en: str
    finding: Verdict
    refusal: Why | None
    verifications: list[AskedDepartment]
    version: int
    outcome: Literal["pass", "fail"] | None
    reason: str | None
    evidence: list[str]
    repairs: list[dict[str, Any]]
    proven: list[PriorityFlag]
    settled_at: datetime | None


class ScreeningAnswer(Answer):
    """An application's screening."""

    application: UUID
    version: int
    criteria: list[CriterionAnswer]


class CriterionDescription(Answer):
    """A criterion of chapter 3; where `rule` is true the system refuses what fails, and a person judges the rest."""

    clause: str
    zh: str
    en: str
    rule: bool


class Criteria(Answer):
    """The criteria of a cycle's screening."""

    items: list[CriterionDescription]


class Closure(Answer):
    """The end of a cycle's screening: the eligible as the caller may see them; `hash` is the SHA-256 of the whole list in RFC 8785 form."""

    cycle: UUID
    count: int
    hash: str
    applications: list[UUID]
    closed_at: datetime


class CriterionInBrief(Answer):
    """A criterion in the view of a whole cycle."""

    criterion: str
    finding: Verdict
    outcome: Literal["pass", "fail"] | None
    asked: list[Standing]


class ScreeningInBrief(Answer):
    """An application in the view of a whole cycle; without a determination it is still open."""

    application: UUID
    credit_code: str
    organisation: str
    township: str
    industry: str
    state: State
    filed_at: datetime
    determination: Determined | None
    criteria: list[CriterionInBrief]
