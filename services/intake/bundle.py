"""Intake's part of a result bundle: how the eligible list came to be; of its other events, with contact data, leaf hashes alone."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import Row

from kernel.bundle import Audience, Part, check_settled, give
from kernel.identity import Anyone
from kernel.problems import absent
from kernel.requests import InTransaction
from kernel.service import router
from services.intake.access import watched, withheld
from services.intake.tables import Cycle

PUBLISHED = ("published", "closed")
KINDS = frozenset({"screening.determined", "screening.closed", "application.withdrawn"})

questions = router("internal")


def of_screening(row: Row[Any]) -> bool:
    """Select what led to the eligible list."""
    return row.kind in KINDS


def nothing(_row: Row[Any]) -> bool:
    """Select no event: each of these names applicants, the losing ones too."""
    return False


@questions.get("/internal/bundle")
def get_part(reader: Anyone, transaction: InTransaction, cycle: UUID, audience: Annotated[Audience, Query()]) -> Part:
    """Give intake's part of a cycle's bundle: to its supervision group, or after publication to anybody."""
    found = transaction.session.get(Cycle, cycle)
    if found is None or (audience == "public" and found.phase not in PUBLISHED):
        raise absent()
    check_settled(transaction)
    if audience == "public":
        return give(transaction, {}, nothing)
    if reader is None or reader.role != "supervisor" or cycle not in transaction.session.scalars(watched(transaction, reader)).all():
        raise absent()
    return give(transaction, {}, of_screening, withheld(transaction, reader))
