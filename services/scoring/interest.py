"""Interests and undertakings of everybody who reviews or officiates (2.4.5, 7.6).

A declared interest recuses at once. Whoever declared it can't take it back: `PUT /me/interests` only adds, and the office lifts a recusal
with a reason.
"""

from datetime import date, datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.database import new_id
from kernel.identity import Office, Principal, roles
from kernel.problems import absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, CreditCode, Day, Id, Reason
from regulation import recusal
from regulation.identifiers import check_credit_code
from services.scoring import rounds
from services.scoring.access import Person, cycle_of, recusals_of, undertaken_at
from services.scoring.tables import Panel, Recusal, Reviewer, Seat, Undertaking

routes = router("interests")

Official = Annotated[Principal, roles("endorser", "reviewer", "committee", "supervisor")]
Source = Literal["declared", "office", "requested"]
TOLD = ("workflow", "intake")
TOLD_OF_RECUSALS = (*TOLD, "gateway")
EXAMPLE: JsonDict = {
    "credit_code": "91330703MA00000900",
    "kind": "advice",
    "reason": "2024年为其提供质量管理咨询。",
    "since": "2024-03-01",
    "until": "2024-11-30",
}


class Interest(Body):
    """An interest in an organisation, by its credit code, with the days from and to which it was held.

    An interest of the past recuses too; the office weighs how long ago it ended when it is asked to lift the recusal.
    """

    credit_code: CreditCode
    kind: Literal["employment", "ownership", "kinship", "advice", "competition", "other"]
    reason: Reason
    since: Day | None = None
    until: Day | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    @model_validator(mode="after")
    def check_days(self) -> Self:
        """Demand that an interest ends no earlier than it began."""
        if self.since and self.until and self.until < self.since:
            raise ValueError("an interest ends no earlier than it began")
        return self


class Interests(Body):
    """The interests to declare; what was declared before stays."""

    interests: Annotated[list[Interest], Field(max_length=200)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"interests": [EXAMPLE]}]})


class DeclaredInterest(Answer):
    """An interest as declared; `lifted_at` tells when the office ended the recusal."""

    credit_code: str
    kind: str
    reason: str
    since: date | None
    until: date | None
    at: datetime
    lifted_at: datetime | None


class DeclaredInterests(Answer):
    """Everything this person has declared."""

    interests: list[DeclaredInterest]


class NewUndertaking(Body):
    """The confidentiality undertaking for a cycle."""

    cycle: Id

    model_config = ConfigDict(json_schema_extra={"examples": [{"cycle": "0197a1c2-7d30-7cc1-9e0b-5a4d6f3e2b10"}]})


class UndertakingAnswer(Answer):
    """An undertaking as recorded."""

    person: str
    cycle: UUID
    given_at: datetime


class Lifting(Body):
    """The office ends a person's recusal from an organisation."""

    person: Person
    credit_code: CreditCode
    reason: Reason

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "person": "0197a1c2-7d30-7cc1-9e0b-5a4d6f3e2b10",
                    "credit_code": "91330703MA00000900",
                    "reason": "申报人误填，经核实无利益关系。",
                }
            ]
        }
    )


class LiftedRecusal(Answer):
    """A recusal that no longer stands."""

    person: str
    credit_code: str
    lifted_at: datetime


def recuse(
    transaction: Transaction,
    person: str,
    credit_code: str,
    kind: str,
    reason: str,
    source: Source,
    *,
    since: date | None = None,
    until: date | None = None,
) -> bool:
    """Recuse a person from an organisation at once, in every role: tell the peers, withdraw the sheets; False where it stood already."""
    transaction.session.scalar(select(Reviewer.id).where(Reviewer.person == person).with_for_update())
    by = transaction.actor.person if transaction.actor else None
    ground = {
        "person": person,
        "credit_code": credit_code,
        "kind": kind,
        "reason": reason,
        "since": since,
        "until": until,
        "source": source,
        "at": transaction.now,
        "by": by,
    }
    added = transaction.session.scalar(insert(Recusal).values(id=new_id(), **ground).on_conflict_do_nothing().returning(Recusal.id))
    if added is None:
        return False
    reviewed = rounds.counted(transaction, person, credit_code)
    facts = {"person": person, "credit_code": credit_code, "kind": kind, "source": source, "reviewed": reviewed}
    transaction.record("recusal.declared", f"recusal:{added}", clause="2.4.5", facts=facts, tell=TOLD_OF_RECUSALS)
    rounds.leave(transaction, person, "recused", "2.4.5", credit_code=credit_code)
    return True


def declare(transaction: Transaction, person: str, interests: list[Interest]) -> DeclaredInterests:
    """Add to what a person has declared."""
    for one in interests:
        check_credit_code(one.credit_code)
    for one in sorted(interests, key=lambda interest: interest.credit_code):
        recuse(transaction, person, one.credit_code, one.kind, one.reason, "declared", since=one.since, until=one.until)
    return declared(transaction, person)


def declared(transaction: Transaction, person: str) -> DeclaredInterests:
    """List what a person has declared; what the office or an applicant put forward is not theirs to read."""
    found = transaction.session.scalars(select(Recusal).where(Recusal.person == person, Recusal.source == "declared").order_by(Recusal.id))
    return DeclaredInterests(interests=[DeclaredInterest.model_validate(one) for one in found])


def give_undertaking(transaction: Transaction, person: str, cycle_id: UUID) -> UndertakingAnswer:
    """Record the undertaking, once."""
    cycle = cycle_of(transaction, cycle_id)
    given = {"person": person, "cycle": cycle.id, "given_at": transaction.now}
    if transaction.session.scalar(insert(Undertaking).values(given).on_conflict_do_nothing().returning(Undertaking.person)):
        facts = {"person": person, "cycle": str(cycle.id)}
        transaction.record("undertaking.given", f"undertaking:{cycle.id}:{person}", clause="7.6", facts=facts, tell=TOLD)
    return UndertakingAnswer(
        person=person, cycle=cycle.id, given_at=undertaken_at(transaction.session, person, cycle.id) or transaction.now
    )


def lift(transaction: Transaction, lifting: Lifting, by: str) -> LiftedRecusal:
    """End every ground of a recusal; the member gets a fresh sheet where their panel still scores.

    Nobody lifts their own, nor anybody's from an organisation they are recused from themselves: to them there is none.
    """
    standing = select(Recusal).where(
        Recusal.person == lifting.person, Recusal.credit_code == lifting.credit_code, Recusal.lifted_at.is_(None)
    )
    grounds = list(transaction.session.scalars(standing.with_for_update()))
    if not grounds or recusal.Recusal(by, lifting.credit_code) in recusals_of(transaction.session, [by]):
        raise absent()
    for ground in grounds:
        ground.lifted_at, ground.lifted_by, ground.lifting_reason = transaction.now, by, lifting.reason
    transaction.session.flush()
    facts = {"person": lifting.person, "credit_code": lifting.credit_code, "reason": lifting.reason}
    transaction.record("recusal.lifted", f"recusal:{grounds[0].id}", clause="2.4.5", facts=facts, tell=TOLD_OF_RECUSALS)
    panels = (
        select(Panel)
        .join(Seat, Seat.panel == Panel.id)
        .where(Seat.person == lifting.person, Seat.left_at.is_(None), Panel.state == "formed")
        .order_by(Panel.id)
        .with_for_update(of=Panel)
    )
    for panel in transaction.session.scalars(panels).all():
        rounds.begin(transaction, panel, cycle_of(transaction, panel.cycle))
    return LiftedRecusal(person=lifting.person, credit_code=lifting.credit_code, lifted_at=transaction.now)


@routes.get("/me/interests", operation_id="list_my_interests")
def get_interests(official: Official, transaction: InTransaction) -> DeclaredInterests:
    """List the interests that you have declared (2.4.5)."""
    return declared(transaction, official.person)


@routes.put("/me/interests", operation_id="declare_interests")
def put_interests(given: Interests, official: Official, transaction: InTransaction) -> DeclaredInterests:
    """Declare interests: each recuses you at once, in every role. This only adds; the office alone lifts a recusal (2.4.5)."""
    return declare(transaction, official.person, given.interests)


@routes.post("/me/undertakings", status_code=201, operation_id="give_undertaking")
def post_undertaking(new: NewUndertaking, official: Official, transaction: InTransaction) -> UndertakingAnswer:
    """Give the confidentiality undertaking for a cycle; there is no access before it (7.6)."""
    return give_undertaking(transaction, official.person, new.cycle)


@routes.post("/reviewers/recusals/lifting", operation_id="lift_recusal")
def post_lifting(lifting: Lifting, office: Office, transaction: InTransaction, _dry_run: DryRun) -> LiftedRecusal:
    """End a person's recusal from an organisation, with the reason; nobody lifts their own (2.4.5)."""
    return lift(transaction, lifting, office.person)
