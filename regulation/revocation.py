"""When an award may be revoked, and what comes back."""

from datetime import date
from typing import Literal

from regulation.calendar import anniversary
from regulation.edition import Parameters
from regulation.refusal import Refusal


def check_revocation(ground: Literal["fraud", "accident", "violation"], approved_on: date, occurred_on: date, p: Parameters) -> None:
    """Refuse a revocation for an accident or a violation outside the window from approval to exactly so many years on; fraud has none.

    Clauses 7.2, 7.5.
    """
    if ground == "fraud":
        return
    if occurred_on < approved_on:
        raise Refusal("occurred_before_approval", "7.5", approved_on=approved_on.isoformat(), occurred_on=occurred_on.isoformat())
    last = anniversary(approved_on, p.revocation_years)
    if occurred_on > last:
        raise Refusal("occurred_too_late", "7.5", last=last.isoformat(), occurred_on=occurred_on.isoformat(), years=p.revocation_years)


def check_revocation_decision(ground: Literal["fraud", "accident", "violation"], verified: str, document: str) -> None:
    """Refuse to revoke without the office's verified finding and the number of the government's decision.

    Clauses 7.2, 7.5.
    """
    clause = "7.2" if ground == "fraud" else "7.5"
    if not verified.strip():
        raise Refusal("revocation_unverified", clause)
    if not document.strip():
        raise Refusal("revocation_undecided", clause)


def amount_to_recover(paid: int, recovered: int) -> int:
    """Compute what is still to come back in yuan: all that was paid for this award, and nothing of another.

    Clauses 7.2, 7.5.
    """
    if recovered > paid:
        raise Refusal("recovered_too_much", "7.2", paid=paid, recovered=recovered)
    return paid - recovered
