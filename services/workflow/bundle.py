"""The workflow's part of a result bundle: what was decided, by whom, and by which rules; as its tables have it, beside its record."""

from collections.abc import Collection, Sequence
from datetime import UTC
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from kernel.bundle import Audience, Part, check_settled, everything, give, plain, publishable
from kernel.identity import Anyone, Principal
from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from regulation import rubric
from services.workflow.course import check_secrets, edition_document, hidden_from, lock_cycle, parameters_of
from services.workflow.record import theirs
from services.workflow.roster import committee_of, supervisors_of
from services.workflow.tables import (
    Award,
    Ballot,
    Contender,
    Cycle,
    Evaluation,
    Finding,
    GovernmentDecision,
    Motion,
    Notice,
    NoticeName,
    Objection,
    Payment,
    Publication,
    Shortlist,
    Vote,
)

PUBLISHED = ("published", "closed")
PUBLIC_KINDS = frozenset(
    [
        "cycle.opened",
        "cycle.planned",
        "committee.set",
        "supervision.appointed",
        "rules.drafted",
        "rules.approved",
        "cycle.launched",
        "cycle.announced",
        "cycle.phase_changed",
        "motion.proposed",
        "motion.opened",
        "motion.voted",
        "motion.closed",
        "shortlist.confirmed",
        "evaluation.computed",
        "evaluation.confirmed",
        "application.stage_changed",
        "notice.published",
        "objection.received",
        "objection.investigated",
        "objection.ruled",
        "award.proposed",
        "award.published",
        "award.revoked",
        "award.paid",
        "honour.changed",
    ]
)
"""Events that tell nothing of a losing applicant but ids and scores."""

questions = router("internal")


def applications(contenders: Sequence[Contender], audience: Audience) -> list[dict[str, Any]]:
    """List the eligible; in public the winners alone by their names."""
    return [
        {
            "application": str(one.id),
            "awards": one.awards,
            "fallback": one.fallback,
            "preferred": one.preferred,
            "organisation": one.organisation if audience == "supervision" or one.stage in {"winner", "revoked"} else None,
            "credit_code": one.credit_code if audience == "supervision" or one.stage in {"winner", "revoked"} else None,
        }
        for one in contenders
    ]


def committee(transaction: Transaction, cycle: Cycle) -> dict[str, Any]:
    """Give the roster and the supervision group, as they are set; there are no contacts in either."""

    def terms(seat: Any) -> dict[str, Any]:  # noqa: ANN401 - either kind of seat
        return {"person": seat.person, "name": seat.name, "since": plain(seat.since), "until": plain(seat.until)}

    return {
        "committee": [terms(seat) | {"unit": seat.unit, "duties": seat.duties} for seat in committee_of(transaction, cycle)],
        "supervision_group": [terms(seat) for seat in supervisors_of(transaction, cycle)],
    }


def shortlist(found: Shortlist | None, audience: Audience) -> dict[str, Any] | None:
    """Give the confirmed list; the office's reasons to depart from the computed one are the supervision group's to read."""
    if found is None:
        return None
    reasons = found.reasons if audience == "supervision" or not found.reasons else None
    return {"applications": found.applications, "tie_broken_by": found.tie_broken_by, "reasons": reasons}


def evaluation(found: Evaluation | None, audience: Audience) -> dict[str, Any] | None:
    """Give the exact totals and the candidates; the report, which names losing applicants, to the supervision group alone."""
    if found is None:
        return None
    own = audience == "supervision"
    return {
        "totals": {one["application"]: one["total"] for one in found.report["applications"]},
        "candidates": found.report["candidates"],
        "confirmed": found.candidates if own or not found.reasons else None,
        "reasons": found.reasons if own or not found.reasons else None,
        "report": found.report if own else None,
    }


def motions(transaction: Transaction, cycle: Cycle, audience: Audience) -> list[dict[str, Any]]:
    """Give every decided motion: of a named ballot who voted what, of a secret one the counts; its choices stand shuffled in the record."""
    session = transaction.session
    decided = session.scalars(select(Motion).where(Motion.cycle_id == cycle.id, Motion.state == "decided").order_by(Motion.id)).all()
    ballots = session.scalars(select(Ballot).where(Ballot.motion_id.in_([one.id for one in decided])).order_by(Ballot.id)).all()
    votes = session.scalars(select(Vote).where(Vote.ballot_id.in_([one.id for one in ballots]))).all()
    return [
        {
            "motion": str(motion.id),
            "kind": motion.kind,
            "title": motion.title,
            "secret": motion.secret,
            "roll": motion.roll,
            "outcome": motion.outcome,
            "ballots": [
                {
                    "ballot": str(ballot.id),
                    "application": str(ballot.application) if ballot.application else None,
                    "award": ballot.award,
                    "recused": ballot.recused if audience == "supervision" else None,
                    "tally": ballot.tally,
                    "votes": None if motion.secret else {vote.person: vote.choice for vote in votes if vote.ballot_id == ballot.id},
                }
                for ballot in ballots
                if ballot.motion_id == motion.id
            ],
        }
        for motion in decided
    ]


def notices(transaction: Transaction, cycle: Cycle) -> list[dict[str, Any]]:
    """Give every public notice with its names."""
    found = transaction.session.scalars(select(Notice).where(Notice.cycle_id == cycle.id).order_by(Notice.id)).all()
    names = transaction.session.scalars(select(NoticeName).where(NoticeName.cycle_id == cycle.id)).all()
    return [
        {
            "notice": str(notice.id),
            "published_at": notice.published_at.astimezone(UTC).isoformat(),
            "ends_at": notice.ends_at.astimezone(UTC).isoformat(),
            "names": sorted(str(name.application) for name in names if name.notice_id == notice.id),
        }
        for notice in found
    ]


def objections(transaction: Transaction, cycle: Cycle, audience: Audience) -> list[dict[str, Any]]:
    """Give the docket without whoever objected; texts are the supervision group's to read."""
    own = audience == "supervision"
    found = transaction.session.scalars(select(Objection).where(Objection.cycle_id == cycle.id).order_by(Objection.id))
    return [
        {
            "objection": str(one.id),
            "notice": str(one.notice_id) if one.notice_id else None,
            "application": str(one.application) if one.application else None,
            "motion": str(one.motion_id) if one.removed is not None else None,
            "removed": one.removed,
            "text": one.text if own else None,
            "findings": one.findings if own else None,
            "report": one.report if own else None,
            "dismissal": one.dismissal if own else None,
        }
        for one in found
    ]


def approval(transaction: Transaction, cycle: Cycle) -> dict[str, Any]:
    """Give the government's decisions and the publication."""
    found = transaction.session.scalars(
        select(GovernmentDecision).where(GovernmentDecision.cycle_id == cycle.id).order_by(GovernmentDecision.id)
    )
    made = transaction.session.get(Publication, cycle.id)
    return {
        "decisions": [{"decision": one.decision, "document_number": one.document_number, "dated": one.dated.isoformat()} for one in found],
        "publication": {"document": made.document, "published_on": made.published_on.isoformat()} if made else None,
    }


def awards(transaction: Transaction, won: Sequence[Award]) -> list[dict[str, Any]]:
    """Give the awards with their prizes, what those rest on, and what was paid."""
    payments = transaction.session.scalars(select(Payment).where(Payment.award_id.in_([one.id for one in won]))).all()
    return [
        {
            "id": str(one.id),
            "application": str(one.application),
            "organisation": one.organisation,
            "credit_code": one.credit_code,
            "award": one.award,
            "prize": one.prize,
            "certificate": one.certificate,
            "plaque": one.plaque,
            "state": one.state,
            "published_on": plain(one.published_on),
            "revoked_on": plain(one.revoked_on),
            "earlier": one.earlier,
            "paid": sum(payment.amount for payment in payments if payment.award_id == one.id),
        }
        for one in won
    ]


def findings(transaction: Transaction, cycle: Cycle) -> list[dict[str, Any]]:
    """Give what the supervision group found, with the answers."""
    found = transaction.session.scalars(select(Finding).where(Finding.cycle_id == cycle.id).order_by(Finding.id))
    return [
        {"finding": str(one.id), "text": one.text, "holds": one.holds, "by": one.by, "sanction": one.sanction, "answer": one.answer}
        for one in found
    ]


def check_reader(transaction: Transaction, cycle: Cycle, reader: Principal | None, audience: Audience) -> Collection[str]:
    """Admit the cycle's supervision group, or after publication anybody; gives the credit codes that don't exist for the reader (2.4.5)."""
    if audience == "public":
        if cycle.phase not in PUBLISHED:
            raise absent()
        return ()
    if reader is None or reader.role != "supervisor":
        raise absent()
    check_secrets(transaction, reader, cycle)
    return hidden_from(transaction, reader, cycle)


def without(hidden: Collection[str], documents: dict[str, Any]) -> dict[str, Any]:
    """Take out of the documents whatever names something hidden: entry by entry, and a document that is no list as a whole."""

    def clean(value: Any) -> bool:  # noqa: ANN401 - any part of a document
        text = str(value)
        return not any(name in text for name in hidden)

    lists = {name: [one for one in entries if clean(one)] for name, entries in documents.items() if isinstance(entries, list)}
    return {name: lists[name] if name in lists else entries if clean(entries) else None for name, entries in documents.items()}


@questions.get("/internal/bundle")
def get_part(reader: Anyone, transaction: InTransaction, cycle: UUID, audience: Annotated[Audience, Query()]) -> Part:
    """Give the workflow's part of a cycle's bundle; the cycle's row is held, so that nothing is decided meanwhile."""
    found = lock_cycle(transaction, cycle)
    check_settled(transaction)  # before the reading itself is recorded
    hidden = check_reader(transaction, found, reader, audience)
    session = transaction.session
    contenders = session.scalars(select(Contender).where(Contender.cycle_id == found.id).order_by(Contender.id)).all()
    won = session.scalars(select(Award).where(Award.cycle_id == found.id).order_by(Award.id)).all()
    p = parameters_of(found, transaction.now)
    documents: dict[str, Any] = {
        "cycle": {
            "id": str(found.id),
            "year": found.year,
            "edition": found.edition,
            "rubric": p.rubric,
            "rules": found.rules if found.rules_hash else None,
            "rules_hash": found.rules_hash,
            "launched_on": plain(found.launched_on),
        },
        "edition": edition_document(found.edition, p),
        "rubric": plain(rubric.load(p.rubric)),
        "applications": applications(contenders, audience),
        "committee": committee(transaction, found),
        "shortlist": shortlist(session.get(Shortlist, found.id), audience),
        "evaluation": evaluation(session.get(Evaluation, found.id), audience),
        "motions": motions(transaction, found, audience),
        "notices": notices(transaction, found),
        "objections": objections(transaction, found, audience),
        "approval": approval(transaction, found),
        "awards": awards(transaction, won),
        "findings": findings(transaction, found) if audience == "supervision" else None,
    }
    if audience == "public":
        earlier = session.scalars(
            select(Award.id).where(Award.credit_code.in_([one.credit_code for one in won]), Award.state != "proposed")
        )
        listed = [*documents["motions"], *documents["notices"], *documents["objections"]]
        ids = {
            str(found.id),
            *map(str, earlier),
            *(one[key] for one in listed for key in ("motion", "notice", "objection") if one.get(key)),
        }
        return give(transaction, documents, publishable(PUBLIC_KINDS, ids | {str(one.id) for one in contenders}))
    gone = theirs(session, hidden)
    return give(transaction, without(gone, documents), everything, gone)
