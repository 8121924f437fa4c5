"""What was decided on a reviewer, as the reviewer is told."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Text, cast, literal, select

from kernel.identity import Principal
from kernel.record import happened
from kernel.requests import Transaction
from kernel.service import API, Decision
from services.scoring.tables import Reviewer

APPOINTED = ("您已列入评审员名册", "You were put on the roster of reviewers")
SANCTIONED = {
    "criticism": ("您受到通报批评", "You were criticised"),
    "warning": ("您受到警告", "You were warned"),
    "disqualification": ("您的评审员资格已被取消", "You were disqualified as a reviewer"),
}


def decisions(transaction: Transaction, person: Principal, since: datetime) -> Iterator[Decision]:
    """Give the reviewer's appointment, and discipline (2.2.2, 7.6)."""
    if person.role != "reviewer":
        return
    own = select(literal("reviewer:") + cast(Reviewer.id, Text)).where(Reviewer.person == person.person)
    for row in happened(transaction.session, since, ("reviewer.appointed", "reviewer.sanctioned"), own):
        zh, en = APPOINTED if row.kind == "reviewer.appointed" else SANCTIONED[row.facts["kind"]]
        yield Decision(key=str(row.id), title=transaction.say(zh, en), href=f"{API}/me", clause=row.clause)
