"""Who reads the record: the supervision group of a cycle that has not ended, but for what a member is recused from (7.1)."""

from collections.abc import Collection
from typing import Annotated

from fastapi import Query
from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel.identity import Peer, Principal
from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from services.workflow.ballot.papers import seen_motions
from services.workflow.course import ENDED, serves
from services.workflow.tables import Award, Ballot, Contender, Cycle, ExternalHonour, Objection, Recusal, RevocationCase, Supervisor

questions = router("internal")


def kept_from(transaction: Transaction, person: str) -> Collection[str] | None:
    """Give the ids of the organisations that a supervisor is recused from, and of what is theirs; None where they sit in no group."""
    session = transaction.session
    seats = session.scalars(select(Supervisor).join(Cycle).where(Supervisor.person == person, Cycle.phase.not_in(ENDED))).all()
    if not any(serves(transaction, seat) for seat in seats):
        return None
    return theirs(session, session.scalars(select(Recusal.credit_code).where(Recusal.person == person)).all())


def theirs(session: Session, codes: Collection[str]) -> Collection[str]:
    """Give the ids of organisations, and of what is theirs here, the motions about nobody else included."""
    owned = [
        key
        for one in (Contender, Objection, Award, ExternalHonour)
        for key in session.scalars(select(one.id).where(one.credit_code.in_(codes)))
    ]
    cases = session.scalars(select(RevocationCase.id).where(RevocationCase.award_id.in_(owned)))
    motions = session.scalars(select(Ballot.motion_id).where(Ballot.motion_id.not_in(seen_motions(codes))))
    return {*codes, *map(str, owned), *map(str, cases), *map(str, motions)}


def withheld(transaction: Transaction, supervisor: Principal) -> Collection[str]:
    """Give what `kept_from` says; to one who sits in no group there is no record."""
    kept = kept_from(transaction, supervisor.person)
    if kept is None:
        raise absent()
    return kept


@questions.get("/internal/record-readers")
def get_record_reader(_peer: Peer, transaction: InTransaction, person: Annotated[str, Query(max_length=64)]) -> dict[str, bool | list[str]]:
    """Tell the door, whose record holds no cycles, whether a supervisor reads it, and without what."""
    kept = kept_from(transaction, person)
    return {"reads": kept is not None, "without": sorted(kept or ())}
