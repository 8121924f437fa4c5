"""When an award may be revoked, and what comes back."""

from datetime import date
from typing import Literal

from regulation.calendar import anniversary
from regulation.edition import Parameters
from regulation.refusal import Refusal

Ground = Literal["fraud", "accident", "violation"]
OBJECTS = ("certificate", "plaque")
"""What comes back beside the money."""


def clause_of(ground: Ground) -> str:
    """Tell by which clause a ground revokes.

    Clauses 7.2, 7.5.
    """
    return "7.2" if ground == "fraud" else "7.5"


def check_grounds(ground: Ground, approved_on: date, occurred_on: date | None, today: date, p: Parameters) -> None:
    """Refuse an accident or a violation without its day, whatever is yet to come, and what `check_revocation` refuses.

    Clauses 7.2, 7.5.
    """
    if occurred_on is not None and occurred_on > today:
        raise Refusal("occurred_ahead", "7.2" if ground == "fraud" else "7.5", occurred_on=occurred_on.isoformat())
    if occurred_on is not None:
        check_revocation(ground, approved_on, occurred_on, p)
    elif ground != "fraud":
        raise Refusal("occurrence_day_missing", "7.5")


def check_revocation(ground: Ground, approved_on: date, occurred_on: date, p: Parameters) -> None:
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


def check_revocation_decision(ground: Ground, verified: str, document: str) -> None:
    """Refuse to revoke without the office's verified finding and the number of the government's decision.

    Clauses 7.2, 7.5.
    """
    clause = "7.2" if ground == "fraud" else "7.5"
    if not verified.strip():
        raise Refusal("revocation_unverified", clause)
    if not document.strip():
        raise Refusal("revocation_undecided", clause)


def check_decision_day(ground: Ground, dated: date, verified_on: date, today: date) -> None:
    """Refuse a decision of the government dated before the office verified the case, or ahead; both days themselves pass.

    Clauses 7.2, 7.5.
    """
    if not verified_on <= dated <= today:
        clause = "7.2" if ground == "fraud" else "7.5"
        raise Refusal("revocation_day", clause, verified_on=verified_on.isoformat(), today=today.isoformat())


def disclosures(ground: Ground) -> tuple[str, ...]:
    """Tell what a revocation is made known by: fraud enters the credit file and is disclosed, the rest is announced.

    Clauses 7.2, 7.5.
    """
    return ("credit_file", "announcement") if ground == "fraud" else ("announcement",)


def check_disclosure(ground: Ground, kind: str) -> None:
    """Refuse a credit-file entry where the clause knows none: an accident or a violation is announced.

    Clause 7.5.
    """
    if kind not in disclosures(ground):
        raise Refusal("disclosure_not_due", "7.5")


def check_follow_up_day(ground: Ground, on: date, decided_on: date, today: date) -> None:
    """Refuse a return or a disclosure dated before the government's decision, or ahead; both days themselves pass.

    Clauses 7.2, 7.5.
    """
    if not decided_on <= on <= today:
        clause = "7.2" if ground == "fraud" else "7.5"
        raise Refusal("follow_up_day", clause, decided_on=decided_on.isoformat(), today=today.isoformat())


def amount_to_recover(paid: int, recovered: int) -> int:
    """Compute what is still to come back in yuan: all that was paid for this award, and nothing of another.

    Clauses 7.2, 7.5.
    """
    if recovered > paid:
        raise Refusal("recovered_too_much", "7.2", paid=paid, recovered=recovered)
    return paid - recovered
