"""What waits for a person in intake (待办)."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, select

from kernel.identity import Principal
from kernel.requests import Transaction
from kernel.service import API, Task
from regulation.calendar import midnight
from services.intake import access, verification
from services.intake.tables import Application, Cycle, Organisation, RecusalRequest, Verification

HAND_IN = ("提交申报", "Hand in the application of")
ENDORSE = ("审核推荐", "Decide on the endorsement of")
SCREEN = ("资格审查", "Screen the application of")
VERIFY = ("答复核实", "Answer the question on")
RULE = ("裁定回避申请", "Rule on a recusal request by")
SHOWN = 100
WAITING = {"applicant": (HAND_IN, ("draft", "returned", "declined"), "5.2"), "endorser": (ENDORSE, ("submitted",), "5.2")}


def tasks(transaction: Transaction, person: Principal) -> Sequence[Task]:
    """List an applicant's unfinished applications, an endorser's and a department's, and the office's open screenings."""
    if person.role in WAITING:
        found = _in_the_window(transaction, person)
        return [*found, *_verifications(transaction, person)] if person.role == "endorser" else found
    return _office(transaction, person) if person.has_duty("office") else []


def _title(transaction: Transaction, words: tuple[str, str], organisation: Organisation) -> str:
    zh, en = words
    return transaction.say(f"{zh}：{organisation.name}", f"{en} {organisation.name}")


def _seen(transaction: Transaction, person: Principal) -> Select[Application, Cycle, Organisation]:
    return (
        select(Application, Cycle, Organisation)
        .join(Cycle, Cycle.id == Application.cycle_id)
        .join(Organisation, Organisation.credit_code == Application.credit_code)
        .where(access.may_see(transaction, person))
        .order_by(Application.id)
        .limit(SHOWN)
    )


def _in_the_window(transaction: Transaction, person: Principal) -> list[Task]:
    words, states, clause = WAITING[person.role or ""]
    rows = transaction.session.execute(_seen(transaction, person).where(Application.state.in_(states)))
    return [
        Task(
            key=f"{'hand_in' if words is HAND_IN else 'endorse'}:{application.id}",
            title=_title(transaction, words, organisation),
            href=f"{API}/applications/{application.id}",
            due=cycle.closes,
            clause=clause,
        )
        for application, cycle, organisation in rows
        if _waits(transaction, person, cycle)
    ]


def _waits(transaction: Transaction, person: Principal, cycle: Cycle) -> bool:
    """Tell whether it waits still: in the window for everybody, and for a body overdue until the screening ends."""
    return access.phase(cycle, transaction) in ({"open", "screening"} if person.role == "endorser" else {"open"})


def _verifications(transaction: Transaction, person: Principal) -> list[Task]:
    rows = transaction.session.execute(
        select(Verification, Cycle, Organisation)
        .join(Application, Application.id == Verification.application_id)
        .join(Cycle, Cycle.id == Application.cycle_id)
        .join(Organisation, Organisation.credit_code == Application.credit_code)
        .where(verification.seen_by(transaction, person), Verification.answer.is_(None))
        .order_by(Verification.due_on)
        .limit(SHOWN)
    )
    return [
        Task(
            key=f"verify:{asked.id}",
            title=_title(transaction, VERIFY, organisation),
            href=f"{API}/verifications/{asked.id}",
            due=midnight(asked.due_on + timedelta(days=1)),
            clause="5.3.1",
        )
        for asked, cycle, organisation in rows
        if access.phase(cycle, transaction) == "screening"
    ]


def _office(transaction: Transaction, person: Principal) -> list[Task]:
    open_ones = _seen(transaction, person).where(
        Application.state.in_(("filed", "eligible", "ineligible")), Application.determination.is_(None)
    )
    screenings = [
        Task(
            key=f"screen:{application.id}",
            title=_title(transaction, SCREEN, organisation),
            href=f"{API}/applications/{application.id}/screening",
            clause="5.3.1",
        )
        for application, cycle, organisation in transaction.session.execute(open_ones)
        if access.phase(cycle, transaction) == "screening"
    ]
    unruled = (
        _seen(transaction, person)
        .join(RecusalRequest, RecusalRequest.application_id == Application.id)
        .where(RecusalRequest.granted.is_(None), RecusalRequest.person != person.person)
    )
    requests = [
        Task(
            key=f"rule_on_recusal:{application.id}",
            title=_title(transaction, RULE, organisation),
            href=f"{API}/applications/{application.id}/recusal-requests",
            clause="2.4.5",
        )
        for application, _cycle, organisation in transaction.session.execute(unruled)
    ]
    return screenings + requests
