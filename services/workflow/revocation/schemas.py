"""What goes over the wire about revocations."""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from kernel.wire import Action, Answer, Body, Day, Id, Line, Name, Words
from regulation.revocation import Ground


class NewCase(Body):
    """The ground on which an honour may be revoked; an accident or a violation needs the day it occurred."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ground": "accident", "occurred_on": "2028-05-03", "text": "该企业发生较大生产安全事故。"}]}
    )

    ground: Ground
    occurred_on: Day | None = None
    text: Annotated[str, Words(8000)]
    objection: Id | None = None
    """The report or objection that brought it to light."""


class Verification(Body):
    """What the office verified; `confirmed` sends the case to the government, else it ends here."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"confirmed": True, "findings": "经区应急管理局核实，情况属实。", "evidence": "金应急〔2028〕15号"}]
        }
    )

    confirmed: bool
    findings: Annotated[str, Words(20_000)]
    evidence: Annotated[str, Line(200)] | None = None
    occurred_on: Day | None = None
    """The day as verified, where it differs from the day alleged."""


class RevocationDecision(Body):
    """The government's document: it revokes the honour, or keeps it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"decision": "revoke", "document_number": "金东政发〔2028〕21号", "dated": "2028-07-01"}]}
    )

    decision: Literal["revoke", "keep"]
    document_number: Annotated[str, Line(120, least=0)]
    dated: Day
    scan: Id | None = None
    """The attachment of this case that holds the scanned document."""


class NewRecovery(Body):
    """What came back: prize money with its voucher, the certificate, or the plaque."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"item": "prize", "amount": 350000, "recovered_on": "2028-08-01", "voucher": "2028-08-0009"},
                {"item": "plaque", "recovered_on": "2028-08-01"},
            ]
        }
    )

    item: Literal["prize", "certificate", "plaque"]
    amount: int | None = Field(default=None, ge=1, le=10**12)
    voucher: Annotated[str, Line(60)] | None = None
    recovered_on: Day

    @model_validator(mode="after")
    def _money_has_its_voucher(self) -> Self:
        if (self.item == "prize") != (self.amount is not None) or (self.item == "prize") != (self.voucher is not None):
            raise ValueError("prize money has an amount and a voucher, a certificate or plaque neither")
        return self


class NewDisclosure(Body):
    """How the revocation was made known: the entry in the credit file with its number, or the announcement with its medium."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"kind": "announcement", "disclosed_on": "2028-07-03", "reference": "金东区人民政府门户网站", "text": "关于撤销……的公告"}
            ]
        }
    )

    kind: Literal["credit_file", "announcement"]
    disclosed_on: Day
    reference: Name
    text: Annotated[str, Words(20_000)]


class RecoveryAnswer(Answer):
    """One thing that came back; `amount` is 0 for the certificate and the plaque."""

    id: UUID
    item: str
    amount: int
    recovered_on: date
    voucher: str | None


class DisclosureAnswer(Answer):
    """One entry or announcement."""

    kind: str
    disclosed_on: date
    reference: str
    text: str


class CaseAnswer(Answer):
    """A revocation case; `paid`, `recovered` and `to_recover` are whole yuan, `outstanding` names what is still to come back or be told."""

    id: UUID
    version: int
    award: UUID
    title: str
    organisation: str
    credit_code: str
    ground: str
    clause: str
    occurred_on: date | None
    text: str
    objection: UUID | None
    state: str
    opened_at: datetime
    findings: str | None
    evidence: str | None
    verified_on: date | None
    document_number: str | None
    dated: date | None
    scan: UUID | None
    paid: int
    recovered: int
    to_recover: int
    recoveries: list[RecoveryAnswer]
    disclosures: list[DisclosureAnswer]
    outstanding: list[str]
    actions: dict[str, Action]
