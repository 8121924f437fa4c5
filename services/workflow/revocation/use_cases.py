"""What is done to take an honour back; the award's row is locked before its case."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import select

from kernel.identity import Principal
from kernel.problems import Kind, Problem, absent
from kernel.requests import Transaction, check_version
from kernel.service import API, Task
from regulation import lifecycle
from regulation.calendar import day
from regulation.revocation import (
    OBJECTS,
    Ground,
    amount_to_recover,
    check_decision_day,
    check_disclosure,
    check_follow_up_day,
    check_grounds,
    check_revocation_decision,
    clause_of,
    disclosures,
)
from services.workflow.award import check_revocable, money_of, paid_for, revoke_award
from services.workflow.course import check_insight, check_scan, find_cycle
from services.workflow.honour import terms_of
from services.workflow.revocation.schemas import NewCase, NewDisclosure, NewRecovery, RevocationDecision, Verification
from services.workflow.tables import Award, Disclosure, Objection, Recovery, Recusal, RevocationCase

CASE_OPEN = Kind(409, "revocation_case_open", "该荣誉称号已有在办的撤销案件", "A revocation case of this honour is open already")
RETURNED = Kind(409, "returned_already", "已经收回", "That has been returned already")
DISCLOSED = Kind(409, "disclosed_already", "已经公告或记入信用档案", "That has been done already")
BOOKED = Kind(409, "voucher_used", "凭证 {voucher} 已入账", "Voucher {voucher} was entered already")


def ground_of(case: RevocationCase) -> Ground:
    """Give a case's ground."""
    return cast(Ground, case.ground)


def _award(transaction: Transaction, award_id: UUID, caller: Principal) -> Award:
    """Lock an award for its case; absent for whoever is recused from the organisation (2.4.5)."""
    award = transaction.session.get(Award, award_id, with_for_update=True, populate_existing=True)
    if award is None or transaction.session.get(Recusal, (caller.person, award.credit_code)) is not None:
        raise absent()
    return award


def open_case(transaction: Transaction, office: Principal, award_id: UUID, new: NewCase) -> RevocationCase:
    """Open a case on a ground that the regulation knows; fraud has no time limit, the rest two years from the approval (7.2, 7.5)."""
    award = _award(transaction, award_id, office)
    check_revocable(award)
    check_grounds(new.ground, award.approved_on, new.occurred_on, day(transaction.now), terms_of(award))
    going = select(RevocationCase.id).where(RevocationCase.award_id == award.id, RevocationCase.state.in_(("investigating", "verified")))
    if transaction.session.scalar(going) is not None:
        raise Problem(CASE_OPEN)
    reported = transaction.session.get(Objection, new.objection) if new.objection else None
    if new.objection is not None and (reported is None or reported.credit_code not in {None, award.credit_code}):
        raise absent()
    case = RevocationCase(
        award_id=award.id,
        ground=new.ground,
        occurred_on=new.occurred_on,
        text=new.text,
        objection_id=new.objection,
        state=lifecycle.step(lifecycle.REVOCATION, "new", "open").to,
        opened_at=transaction.now,
        opened_by=office.person,
        version=1,
    )
    transaction.session.add(case)
    transaction.session.flush()
    facts = new.model_dump(mode="json") | {"award": str(award.id)}
    transaction.record("revocation.opened", f"revocation_case:{case.id}", clause=clause_of(new.ground), facts=facts)
    return case


def find_case(transaction: Transaction, case_id: UUID, caller: Principal) -> RevocationCase:
    """Load a case that the caller may see: the office, the chair, and the award's own supervision group while it lasts (7.1)."""
    case = transaction.session.get(RevocationCase, case_id)
    if case is None:
        raise absent()
    award = transaction.session.get_one(Award, case.award_id)
    if transaction.session.get(Recusal, (caller.person, award.credit_code)) is not None:
        raise absent()
    if caller.role == "supervisor":
        if award.cycle_id is None:
            raise absent()
        check_insight(transaction, caller, find_cycle(transaction, award.cycle_id))
    return case


def _hold(transaction: Transaction, case_id: UUID, caller: Principal) -> tuple[RevocationCase, Award]:
    """Lock a case behind its award."""
    found = find_case(transaction, case_id, caller)
    award = _award(transaction, found.award_id, caller)
    transaction.session.refresh(found, with_for_update=True)
    return found, award


def verify(transaction: Transaction, office: Principal, case_id: UUID, version: int, new: Verification) -> RevocationCase:
    """Record what the office verified; an unfounded case ends here (7.5)."""
    case, award = _hold(transaction, case_id, office)
    check_version(version, case.version)
    case.state = lifecycle.step(lifecycle.REVOCATION, case.state, "verify" if new.confirmed else "drop").to
    case.occurred_on = new.occurred_on or case.occurred_on
    if new.confirmed:
        check_grounds(ground_of(case), award.approved_on, case.occurred_on, day(transaction.now), terms_of(award))
    case.findings, case.evidence = new.findings, new.evidence
    case.verified_on, case.verified_by = day(transaction.now), office.person
    case.version += 1
    facts = new.model_dump(mode="json")
    transaction.record("revocation.verified", f"revocation_case:{case.id}", clause=clause_of(ground_of(case)), facts=facts)
    return case


def decide(transaction: Transaction, office: Principal, case_id: UUID, new: RevocationDecision) -> RevocationCase:
    """Carry out the government's decision: a revoked honour stays in the register and says so (7.2, 7.5)."""
    case, award = _hold(transaction, case_id, office)
    ground = ground_of(case)
    step = lifecycle.step(lifecycle.REVOCATION, case.state, new.decision)
    verified = case.findings or ""
    check_revocation_decision(ground, verified, new.document_number)
    check_decision_day(ground, new.dated, case.verified_on or new.dated, day(transaction.now))
    check_scan(transaction, new.scan, f"revocation_case:{case.id}")
    case.state, case.document_number, case.dated, case.scan_id = step.to, new.document_number, new.dated, new.scan
    case.decided_at = transaction.now
    case.version += 1
    facts = new.model_dump(mode="json") | {"award": str(award.id), "to_recover": files(transaction, [case])[0].paid}
    transaction.record("revocation.decided", f"revocation_case:{case.id}", clause=clause_of(ground), facts=facts)
    if new.decision == "revoke":
        revoke_award(transaction, award, clause_of(ground), new.document_number, new.dated)
    transaction.session.flush()
    return case


@dataclass(frozen=True)
class File:
    """A case with all that belongs to it; what was paid for its award and came back of it, in yuan."""

    case: RevocationCase
    award: Award
    paid: int
    recovered: int
    recoveries: Sequence[Recovery]
    disclosures: Sequence[Disclosure]

    @property
    def outstanding(self) -> list[str]:
        """Name what a revocation still waits for; nothing where the honour was not revoked."""
        if self.case.state != "revoked":
            return []
        back, told = {recovery.item for recovery in self.recoveries}, {disclosure.kind for disclosure in self.disclosures}
        money = ["prize"] if amount_to_recover(self.paid, self.recovered) else []
        return money + [one for one in OBJECTS if one not in back] + [one for one in disclosures(ground_of(self.case)) if one not in told]


def files(transaction: Transaction, cases: Sequence[RevocationCase]) -> list[File]:
    """Load what belongs to these cases."""
    session, keys = transaction.session, [case.id for case in cases]
    awards = {award.id: award for award in session.scalars(select(Award).where(Award.id.in_([case.award_id for case in cases])))}
    money = money_of(transaction, awards.values())
    back = session.scalars(select(Recovery).where(Recovery.case_id.in_(keys)).order_by(Recovery.id)).all()
    told = session.scalars(select(Disclosure).where(Disclosure.case_id.in_(keys)).order_by(Disclosure.kind)).all()
    return [
        File(
            case,
            awards[case.award_id],
            paid_for(awards[case.award_id], money[case.award_id][0]),
            money[case.award_id][1],
            [one for one in back if one.case_id == case.id],
            [one for one in told if one.case_id == case.id],
        )
        for case in cases
    ]


def check_recover(case: RevocationCase) -> lifecycle.Step:
    """Refuse to take anything back before the government revoked."""
    return lifecycle.step(lifecycle.REVOCATION, case.state, "recover")


def recover(transaction: Transaction, office: Principal, case_id: UUID, new: NewRecovery) -> RevocationCase:
    """Enter what came back; the award's row is locked, so that no more comes back than was paid, and nothing twice (7.2, 7.5)."""
    case, _ = _hold(transaction, case_id, office)
    check_recover(case)
    before = files(transaction, [case])[0]
    if new.item != "prize" and any(one.item == new.item for one in before.recoveries):
        raise Problem(RETURNED)
    if new.voucher is not None and any(one.voucher == new.voucher for one in before.recoveries):
        raise Problem(BOOKED, voucher=new.voucher)
    amount_to_recover(before.paid, before.recovered + (new.amount or 0))
    check_follow_up_day(ground_of(case), new.recovered_on, case.dated or new.recovered_on, day(transaction.now))
    given = new.model_dump(exclude={"amount"})
    transaction.session.add(Recovery(case_id=case.id, **given, amount=new.amount or 0, by=office.person, at=transaction.now))
    case.version += 1
    transaction.session.flush()
    facts = new.model_dump(mode="json")
    transaction.record("revocation.recovered", f"revocation_case:{case.id}", clause=clause_of(ground_of(case)), facts=facts)
    return case


def check_disclose(case: RevocationCase) -> lifecycle.Step:
    """Refuse to announce what the government did not decide."""
    return lifecycle.step(lifecycle.REVOCATION, case.state, "disclose")


def disclose(transaction: Transaction, office: Principal, case_id: UUID, new: NewDisclosure) -> RevocationCase:
    """Enter the credit-file entry of a fraud, or the announcement, which is public from then on (7.2, 7.5)."""
    case, _ = _hold(transaction, case_id, office)
    check_disclose(case)
    check_disclosure(ground_of(case), new.kind)
    if transaction.session.get(Disclosure, (case.id, new.kind)) is not None:
        raise Problem(DISCLOSED)
    check_follow_up_day(ground_of(case), new.disclosed_on, case.dated or new.disclosed_on, day(transaction.now))
    transaction.session.add(Disclosure(case_id=case.id, **new.model_dump(), by=office.person, at=transaction.now))
    case.version += 1
    transaction.session.flush()
    facts = new.model_dump(mode="json")
    transaction.record("revocation.disclosed", f"revocation_case:{case.id}", clause=clause_of(ground_of(case)), facts=facts)
    return case


NEXT = {
    "investigating": ("核实撤销事由", "verify the ground for revocation"),
    "verified": ("报请区政府决定是否撤销", "ask the government to decide on revocation"),
    "revoked": ("收回奖金、证书、奖牌并予公告", "recover prize, certificate and plaque, and make it known"),
}
"""What the office does next with a case, by its state."""


def duties(transaction: Transaction, office: Principal) -> Iterator[Task]:
    """Give the office each case's next step, until everything is back and told."""
    mine = select(Recusal.credit_code).where(Recusal.person == office.person)
    open_cases = select(RevocationCase).join(Award, Award.id == RevocationCase.award_id)
    waiting = open_cases.where(RevocationCase.state.in_(("investigating", "verified", "revoked")), Award.credit_code.not_in(mine))
    for file in files(transaction, transaction.session.scalars(waiting.order_by(RevocationCase.id)).all()):
        case = file.case
        if case.state != "revoked" or file.outstanding:
            zh, en = NEXT[case.state]
            title = transaction.say(f"{file.award.organisation}：{zh}", f"{file.award.organisation}: {en}")
            key = f"revocation_{case.state}:{case.id}"
            yield Task(key=key, title=title, href=f"{API}/revocation-cases/{case.id}", clause=clause_of(ground_of(case)))
