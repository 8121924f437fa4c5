"""What may be done with an application now: the checks that commands run first, and that its `actions` ask."""

from typing import Any

from sqlalchemy import select

from kernel.problems import Kind, Problem
from kernel.requests import Transaction
from regulation import endorsement, lifecycle
from regulation.calendar import day
from regulation.eligibility import Determination, check_outcome, check_verified, determination
from regulation.eligibility import Outcome as Settled
from regulation.implementation import implementation_rules
from regulation.lifecycle import Step
from services.intake import access, dossier
from services.intake.tables import Application, Cycle, Endorsement, Outcome, Verification

NOTHING_TO_REVIEW = Kind(409, "nothing_to_review", "申报尚未提交或评审已结束", "Nothing has been handed in yet, or the review is over")
IN_THE_WINDOW = frozenset({"submit", "reroute", "endorse", "decline", "return"})


def check_step(transaction: Transaction, cycle: Cycle, state: str, action: str) -> Step:
    """Give where an action leads now; what belongs to filing stays inside the half-open window.

    Clauses 5.1, 5.2.
    """
    if action in IN_THE_WINDOW and cycle.phase == "open":
        endorsement.check_window(cycle.opens, cycle.closes, transaction.now)
    return lifecycle.step(lifecycle.APPLICATION, state, action, access.phase(cycle, transaction))


def check_edit(transaction: Transaction, application: Application, cycle: Cycle) -> None:
    """Refuse an edit once the application was handed in, or the window is over."""
    check_step(transaction, cycle, application.state, "edit")


def check_submission(transaction: Transaction, application: Application, cycle: Cycle) -> tuple[str, dict[str, Any]]:
    """Refuse an incomplete dossier, and one that no day left in the window could make eligible; gives the new state and the content.

    Clauses 1.1, 1.2, 1.3, 1.4, 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.2.
    """
    action = "reroute" if application.state == "declined" else "submit"
    step = check_step(transaction, cycle, application.state, action)
    assert cycle.closes is not None  # noqa: S101 - the step was taken inside the window
    check_reroute(transaction, application, cycle)
    content = dossier.assemble(transaction, application)
    p = access.parameters(cycle)
    dossier.check_declarations(content, p)
    endorsement.check_form([one.named for one in dossier.lacks(content, cycle, p)])
    dossier.check_filing(content, cycle, dossier.last_filing_day(cycle.closes), p)
    return step.to, content


def check_reroute(transaction: Transaction, application: Application, cycle: Cycle, to: str = "") -> None:
    """Refuse a declined application another try where the implementation rules grant none, or `to` a body that declined it.

    Clause 5.2.
    """
    if application.submitted == 0:
        return
    allowed = implementation_rules(cycle.rules).endorsement_decline_reroute
    declined = select(Endorsement.body).where(Endorsement.application_id == application.id, Endorsement.decision == "decline")
    for declined_by in transaction.session.scalars(declined):
        endorsement.check_reroute(declined_by, to, allowed=allowed)


def check_withdrawal(transaction: Transaction, application: Application, cycle: Cycle) -> None:
    """Refuse a withdrawal when there is nothing left to withdraw."""
    check_step(transaction, cycle, application.state, "withdraw")


def check_endorsement(transaction: Transaction, application: Application, cycle: Cycle) -> None:
    """Refuse to file what is late, not handed in, or not eligible as of today.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.2.
    """
    check_step(transaction, cycle, application.state, "endorse")
    content = access.latest(transaction, application).content
    dossier.check_filing(content, cycle, day(transaction.now), access.parameters(cycle))


def check_correction(transaction: Transaction, application: Application, cycle: Cycle) -> Step:
    """Refuse the office to send back what is not filed, or can't be filed again because the window is over."""
    return check_step(transaction, cycle, application.state, "send_back")


def check_screening(transaction: Transaction, application: Application, cycle: Cycle) -> None:
    """Refuse to screen what was not filed, outside the screening, or without an undertaking.

    Clauses 5.3.1, 7.6.
    """
    check_step(transaction, cycle, application.state, "screen")
    access.check_sworn(transaction, cycle.id)


def check_determination(transaction: Transaction, application: Application, cycle: Cycle) -> Determination:
    """Settle a screening from its outcomes, each of which must still hold against what departments have answered since.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.3.1, 7.6.
    """
    check_screening(transaction, application, cycle)
    waiting = transaction.session.scalars(
        select(Verification.criterion).where(
            Verification.application_id == application.id, Verification.answer.is_(None), Verification.due_on >= day(transaction.now)
        )
    ).all()
    check_verified(waiting)
    rows = transaction.session.scalars(select(Outcome).where(Outcome.application_id == application.id))
    outcomes = tuple(Settled(row.criterion, row.outcome == "pass", row.reason) for row in rows)
    facts, p = dossier.screened_facts(transaction, application, cycle), access.parameters(cycle)
    for outcome in outcomes:
        check_outcome(outcome, facts, p)
    return determination(outcomes)


def check_recusal_request(transaction: Transaction, application: Application, cycle: Cycle) -> None:
    """Refuse a recusal request before there is anything to review, or once the review is over.

    Clause 2.4.5.
    """
    if application.submitted == 0 or access.phase(cycle, transaction) in {"published", "closed", "cancelled"}:
        raise Problem(NOTHING_TO_REVIEW)
