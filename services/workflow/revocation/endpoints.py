"""Where revocations are served."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Query
from sqlalchemy import select

from kernel.identity import Office, Principal, roles
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import API, router
from kernel.wire import Page
from regulation import lifecycle
from regulation.revocation import amount_to_recover, clause_of
from services.workflow.award import visible_to
from services.workflow.course import note_reading
from services.workflow.results import title_of
from services.workflow.revocation.schemas import (
    CaseAnswer,
    DisclosureAnswer,
    NewCase,
    NewDisclosure,
    NewRecovery,
    RecoveryAnswer,
    RevocationDecision,
    Verification,
)
from services.workflow.revocation.use_cases import (
    File,
    check_disclose,
    check_recover,
    decide,
    disclose,
    files,
    find_case,
    ground_of,
    open_case,
    recover,
    verify,
)
from services.workflow.tables import Award, Recusal, RevocationCase

Investigator = Annotated[Principal, roles("committee", "supervisor", duties=("office", "chair"))]


def show_cases(transaction: Transaction, cases: Sequence[RevocationCase]) -> list[CaseAnswer]:
    """Give cases with what each still waits for, and what the office could do with it."""
    return [_shown(transaction, file) for file in files(transaction, cases)]


def _shown(transaction: Transaction, file: File) -> CaseAnswer:
    case, award = file.case, file.award
    here, caller = f"{API}/revocation-cases/{case.id}", transaction.actor
    actions = {}
    if caller is not None and caller.has_duty("office"):
        actions = {
            "verify": offer(transaction, "PUT", f"{here}/verification", lambda: lifecycle.step(lifecycle.REVOCATION, case.state, "verify")),
            "decide": offer(transaction, "POST", f"{here}/decision", lambda: lifecycle.step(lifecycle.REVOCATION, case.state, "revoke")),
            "recover": offer(transaction, "POST", f"{here}/recoveries", lambda: check_recover(case)),
            "disclose": offer(transaction, "POST", f"{here}/disclosures", lambda: check_disclose(case)),
        }
    return CaseAnswer(
        id=case.id,
        version=case.version,
        award=award.id,
        title=title_of(award),
        organisation=award.organisation,
        credit_code=award.credit_code,
        ground=case.ground,
        clause=clause_of(ground_of(case)),
        occurred_on=case.occurred_on,
        text=case.text,
        objection=case.objection_id,
        state=case.state,
        opened_at=case.opened_at,
        findings=case.findings,
        evidence=case.evidence,
        verified_on=case.verified_on,
        document_number=case.document_number,
        dated=case.dated,
        scan=case.scan_id,
        paid=file.paid,
        recovered=file.recovered,
        to_recover=amount_to_recover(file.paid, file.recovered) if case.state == "revoked" else 0,
        recoveries=[RecoveryAnswer.model_validate(one) for one in file.recoveries],
        disclosures=[DisclosureAnswer.model_validate(one) for one in file.disclosures],
        outstanding=file.outstanding,
        actions=actions,
    )


def answer_case(transaction: Transaction, case: RevocationCase) -> CaseAnswer:
    """Answer with one case and its version."""
    transaction.version = case.version
    return show_cases(transaction, [case])[0]


routes = router("revocation")


@routes.post("/awards/{award_id}/revocation-cases", operation_id="open_revocation_case", status_code=201)
def post_case(award_id: UUID, new: NewCase, office: Office, transaction: InTransaction, _dry_run: DryRun) -> CaseAnswer:
    """Open a revocation case on its ground (7.2, 7.5)."""
    return answer_case(transaction, open_case(transaction, office, award_id, new))


@routes.get("/revocation-cases", operation_id="list_revocation_cases")
def list_cases(
    reader: Investigator,
    transaction: InTransaction,
    award: Annotated[UUID | None, Query(description="only this award's")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CaseAnswer]:
    """List revocation cases in the order they were opened."""
    mine = select(Recusal.credit_code).where(Recusal.person == reader.person)
    statement = select(RevocationCase).join(Award, Award.id == RevocationCase.award_id).where(Award.credit_code.not_in(mine))
    if reader.role == "supervisor":
        note_reading(transaction, reader)
        statement = statement.where(visible_to(reader))
    if award is not None:
        statement = statement.where(RevocationCase.award_id == award)
    found, following = paginate(transaction.session, statement, RevocationCase.id, cursor, limit)
    return Page(items=show_cases(transaction, found), next_cursor=following)


@routes.get("/revocation-cases/{case_id}", operation_id="get_revocation_case")
def get_case(case_id: UUID, reader: Investigator, transaction: InTransaction) -> CaseAnswer:
    """Read a revocation case."""
    return answer_case(transaction, find_case(transaction, case_id, reader))


@routes.put("/revocation-cases/{case_id}/verification", operation_id="verify_revocation_case")
def put_verification(case_id: UUID, new: Verification, office: Office, transaction: InTransaction, version: IfMatch) -> CaseAnswer:
    """Record what the office verified; without confirmation the case ends (7.5)."""
    return answer_case(transaction, verify(transaction, office, case_id, version, new))


@routes.post("/revocation-cases/{case_id}/decision", operation_id="decide_revocation_case", status_code=201)
def post_decision(case_id: UUID, new: RevocationDecision, office: Office, transaction: InTransaction, _dry_run: DryRun) -> CaseAnswer:
    """Record the government's decision; a revocation corrects what was published at once (7.2, 7.5)."""
    return answer_case(transaction, decide(transaction, office, case_id, new))


@routes.post("/revocation-cases/{case_id}/recoveries", operation_id="record_recovery", status_code=201)
def post_recovery(case_id: UUID, new: NewRecovery, office: Office, transaction: InTransaction, _dry_run: DryRun) -> CaseAnswer:
    """Enter prize money, the certificate or the plaque that came back (7.2, 7.5)."""
    return answer_case(transaction, recover(transaction, office, case_id, new))


@routes.post("/revocation-cases/{case_id}/disclosures", operation_id="disclose_revocation", status_code=201)
def post_disclosure(case_id: UUID, new: NewDisclosure, office: Office, transaction: InTransaction, _dry_run: DryRun) -> CaseAnswer:
    """Enter the credit-file entry or the public announcement of a revocation (7.2, 7.5)."""
    return answer_case(transaction, disclose(transaction, office, case_id, new))
