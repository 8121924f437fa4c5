"""Endorsement by the addressed body: an application is filed at the moment it is endorsed (5.2)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from kernel.identity import Anyone, Endorser, Principal
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Day, Line, Words
from regulation import edition as editions
from regulation.calendar import day
from regulation.endorsement import BodyKind, bodies, check_opinion
from services.intake import access, steps
from services.intake.application import ApplicationAnswer, show
from services.intake.tables import Application, Endorsement

REMARKS_MISSING = Kind(422, "remarks_missing", "退回或不予推荐须说明理由", "A return and a refusal need remarks that give the reasons")
DONE = {"endorse": "application.endorsed", "decline": "application.declined", "return": "application.returned"}


class EndorsementBody(Body):
    """The body's decision: `endorse` with its signed opinion, `decline` or `return` for correction with remarks that say why."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"decision": "endorse", "opinion": "情况属实，同意推荐。", "signatory": "王建国", "signed_on": "2026-03-20"}]
        }
    )

    decision: Literal["endorse", "decline", "return"]
    opinion: Annotated[str, Words(4000, least=0)] = ""
    signatory: Annotated[str, Line(60, least=0)] = ""
    signed_on: Day | None = None
    remarks: Annotated[str, Words(4000, least=0)] = ""


class EndorsingBody(Answer):
    """A body that may endorse: a township or subdistrict by its division code, or a department with its industry sections."""

    code: str
    zh: str
    en: str
    kind: BodyKind
    sections: list[Annotated[str, Field(description="GB/T 4754 section letter")]]


class EndorsingBodies(Answer):
    """The bodies of an edition."""

    items: list[EndorsingBody]


def endorse(transaction: Transaction, endorser: Principal, application: UUID, decided: EndorsementBody) -> Application:
    """Endorse, decline, or return for correction; endorsing files the application, inside the half-open window.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.2.
    """
    found, cycle = access.hold(transaction, application)
    step = steps.check_step(transaction, cycle, found.state, decided.decision)
    if decided.decision == "endorse":
        steps.check_endorsement(transaction, found, cycle)
        check_opinion(decided.opinion, decided.signatory, decided.signed_on, day(transaction.now))
        found.filed_at = transaction.now
    elif not decided.remarks:
        raise Problem(REMARKS_MISSING)
    found.state = step.to
    found.version += 1
    transaction.session.add(
        Endorsement(
            application_id=found.id,
            number=found.submitted,
            body=endorser.body,
            decided_at=transaction.now,
            decided_by=endorser.person,
            **decided.model_dump(),
        )
    )
    facts = {"version": found.submitted, "body": endorser.body} | decided.model_dump(mode="json")
    transaction.record(DONE[decided.decision], f"application:{found.id}", clause=step.clause, facts=facts)
    return found


routes = router("endorsement")


@routes.get("/endorsing-bodies", operation_id="list_endorsing_bodies")
def list_endorsing_bodies(_anyone: Anyone, transaction: InTransaction, edition: str | None = None) -> EndorsingBodies:
    """List the endorsing bodies of an edition, by default of the one that new cycles open with (5.2)."""
    name = edition or transaction.service.settings.edition
    if name not in editions.names():
        raise absent()
    items = [
        EndorsingBody(code=body.code, zh=body.zh, en=body.en, kind=body.kind, sections=sorted(body.sections))
        for body in bodies(name).values()
    ]
    return EndorsingBodies(items=items)


@routes.post("/applications/{application}/endorsement", operation_id="endorse_application")
def post_endorsement(
    application: UUID, decided: EndorsementBody, endorser: Endorser, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Decide on an application addressed to one's own body; one that is endorsed is filed at this moment (5.2)."""
    return show(transaction, endorse(transaction, endorser, application, decided))
