"""The oral defence (答辩), where the edition has one: whoever went through the site review is heard before the evaluation (5.4.1)."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from kernel.identity import Office
from kernel.problems import absent
from kernel.requests import DryRun, InTransaction, Transaction, offer
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Day, Id, Name, Reason
from regulation.calendar import day
from regulation.report import check_defences
from services.workflow.course import (
    check_move,
    check_secrets,
    check_undertaken,
    find_cycle,
    hidden_from_caller,
    lock_cycle,
    move,
    parameters_of,
    rules_hash,
)
from services.workflow.evaluation import check_evaluate, check_reviewed
from services.workflow.stage import Insider, contenders, veiled
from services.workflow.tables import Contender, Cycle, Defence


class Heard(Body):
    """What an organisation was asked and answered, or that it did not come."""

    application: Id
    record: Reason


class NewDefences(Body):
    """The record of the oral defences: every application of the site review that still stands."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "held_on": "2026-06-20",
                    "place": "区政府二号会议室",
                    "heard": [{"application": "01912d68-783e-7a03-8467-5661c1243ad4", "record": "就战略部署与结果的因果关系作了说明。"}],
                }
            ]
        }
    )

    held_on: Day
    place: Name
    heard: Annotated[list[Heard], Field(max_length=100)]


class HeardAnswer(Answer):
    """One organisation's defence."""

    application: UUID
    organisation: str
    record: str


class DefencesAnswer(Answer):
    """The oral defences of a cycle; they change no score."""

    cycle: UUID
    held_on: date
    place: str
    heard: list[HeardAnswer]
    at: datetime
    actions: dict[str, Action]


def check_hear(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse the defences in the wrong phase, without an undertaking, or before every report stands; absent where there are none."""
    if not parameters_of(cycle, transaction.now).oral_defence:
        raise absent()
    check_move(transaction, cycle, "hear_defences")
    check_undertaken(transaction, transaction.actor, cycle)
    check_reviewed(transaction, cycle)


@veiled
def hear_defences(transaction: Transaction, cycle_id: UUID, new: NewDefences) -> Defence:
    """Keep the record of the defences; the evaluation comes next (5.4.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_hear(transaction, cycle)
    due = {str(application) for application in contenders(transaction, cycle, "shortlisted")}
    heard = {str(one.application): one.record for one in new.heard}
    if heard.keys() - due:
        raise absent()
    check_defences(due, heard.keys(), new.held_on, day(transaction.now))
    records = [{"application": application, "record": heard[application]} for application in sorted(heard)]
    made = Defence(cycle_id=cycle.id, held_on=new.held_on, place=new.place, heard=records, at=transaction.now)
    transaction.session.add(made)
    facts = {"held_on": new.held_on.isoformat(), "applications": sorted(heard), "hash": rules_hash({"heard": records})}
    move(transaction, cycle, "hear_defences", facts=facts)
    return made


def show_defences(transaction: Transaction, cycle: Cycle, made: Defence) -> DefencesAnswer:
    """Give the record without the organisations that this caller is recused from."""
    hidden = hidden_from_caller(transaction, cycle)
    named = {str(one.id): one for one in transaction.session.query(Contender).filter_by(cycle_id=cycle.id) if one.credit_code not in hidden}
    actions = {}
    if transaction.actor is not None and transaction.actor.has_duty("office"):
        href = f"{API}/cycles/{cycle.id}/evaluation"
        actions["evaluate"] = offer(transaction, "POST", href, lambda: check_evaluate(transaction, cycle))
    return DefencesAnswer(
        cycle=cycle.id,
        held_on=made.held_on,
        place=made.place,
        heard=[
            HeardAnswer(application=UUID(one["application"]), organisation=named[one["application"]].organisation, record=one["record"])
            for one in made.heard
            if one["application"] in named
        ],
        at=made.at,
        actions=actions,
    )


routes = router("defence")


@routes.post("/cycles/{cycle_id}/defences", operation_id="hear_defences", status_code=201)
def post_defences(cycle_id: UUID, new: NewDefences, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> DefencesAnswer:
    """Record the oral defences, where the edition has them; the evaluation waits for them (5.4.1)."""
    made = hear_defences(transaction, cycle_id, new)
    return show_defences(transaction, find_cycle(transaction, cycle_id), made)


@routes.get("/cycles/{cycle_id}/defences", operation_id="get_defences")
def get_defences(cycle_id: UUID, insider: Insider, transaction: InTransaction) -> DefencesAnswer:
    """Read the record of the oral defences; 404 before they were heard, and where the edition has none."""
    cycle = find_cycle(transaction, cycle_id)
    check_secrets(transaction, insider, cycle)
    made = transaction.session.get(Defence, cycle_id)
    if made is None:
        raise absent()
    return show_defences(transaction, cycle, made)
