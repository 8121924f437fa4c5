"""What was decided on an account, as its person is told."""

from collections.abc import Iterator
from datetime import datetime

from kernel.identity import Principal
from kernel.record import happened
from kernel.requests import Transaction
from kernel.service import API, Decision

VERIFIED = ("您已获核实，可代表组织申报", "You were verified, and may act for the organisation")
SANCTIONED = {
    "criticism": ("您受到通报批评", "You were criticised"),
    "warning": ("您受到警告", "You were warned"),
}
"""Whoever is disqualified has no account any more."""


def decisions(transaction: Transaction, person: Principal, since: datetime) -> Iterator[Decision]:
    """Give that the person was verified, or disciplined (3.1, 7.6)."""
    own = [f"account:{person.person}"]
    for row in happened(transaction.session, since, ("account.verified", "account.sanctioned"), own):
        words = VERIFIED if row.kind == "account.verified" else SANCTIONED.get(row.facts["kind"])
        if words is not None:
            yield Decision(key=str(row.id), title=transaction.say(*words), href=f"{API}/me", clause=row.clause)
