"""Who is told a stored answer again: whoever could read now what it is about (2.4.5, 7.1, 7.6)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction, check_unnamed
from regulation.conduct import check_undertaking
from services.workflow.course import find_cycle, has_insight, hidden_from
from services.workflow.record import theirs
from services.workflow.tables import Disqualified, Recusal


def revisit(transaction: Transaction, caller: Principal, answer: Mapping[str, Any]) -> None:
    """Raise what a read would where the caller is no part any more of the cycle that an answer is of, or may not know what it names."""
    session, named = transaction.session, answer.get("cycle")
    if caller.role in {None, "applicant"}:
        return
    if session.get(Disqualified, caller.person) is not None:
        check_undertaking(None, disqualified=True)
    if named is None:
        codes = frozenset(session.scalars(select(Recusal.credit_code).where(Recusal.person == caller.person)))
    else:
        cycle = find_cycle(transaction, UUID(named))
        if not has_insight(transaction, caller, cycle):
            raise absent()
        codes = hidden_from(transaction, caller, cycle)
    check_unnamed(transaction, answer, theirs(session, codes))
