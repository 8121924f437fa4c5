"""Where screening is served."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from kernel.identity import Anyone, Office, Principal, roles
from kernel.problems import Problem, absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, check_version
from kernel.service import router
from kernel.wire import Line, Page
from regulation.eligibility import CRITERIA
from services.intake import access, steps
from services.intake.application import ApplicationAnswer, show
from services.intake.screening.schemas import (
    Closure,
    Criteria,
    CriterionAnswer,
    CriterionDescription,
    CriterionOutcome,
    DeterminationBody,
    OutcomeBody,
    OutcomesBody,
    ScreeningAnswer,
    ScreeningInBrief,
)
from services.intake.screening.use_cases import (
    CRITERION_TWICE,
    Wanted,
    close_screening,
    determine,
    filed,
    settle,
    show_criterion,
    show_screening,
    view,
)
from services.intake.tables import Cycle, Outcome
from services.intake.verification import Standing

routes = router("screening")

Screener = Annotated[Principal, roles("supervisor", "committee", duties=("office",))]


@routes.get("/criteria", operation_id="list_criteria")
def list_criteria(_anyone: Anyone, transaction: InTransaction, cycle: UUID) -> Criteria:
    """List the criteria of a cycle's screening (chapter 3)."""
    if transaction.session.get(Cycle, cycle) is None:
        raise absent()
    return Criteria(items=[CriterionDescription(clause=one.clause, zh=one.zh, en=one.en, rule=one.rule) for one in CRITERIA])


@routes.get("/applications/{application}/screening", operation_id="get_screening")
def get_screening(application: UUID, _screener: Screener, transaction: InTransaction) -> ScreeningAnswer:
    """Read an application's screening, with what the rules alone find (5.3.1)."""
    return show_screening(transaction, *filed(transaction, application))


@routes.put("/applications/{application}/screening", operation_id="put_screening")
def put_screening(application: UUID, given: OutcomesBody, _office: Office, transaction: InTransaction, version: IfMatch) -> ScreeningAnswer:
    """Settle several criteria at once; all of them or none (5.3.1)."""
    found, cycle = access.hold(transaction, application)
    check_version(version, found.screening_version)
    steps.check_screening(transaction, found, cycle)
    if len({one.criterion for one in given.outcomes}) != len(given.outcomes):
        raise Problem(CRITERION_TWICE)
    for one in given.outcomes:
        settle(transaction, found, cycle, one)
    return show_screening(transaction, found, cycle)


@routes.get("/applications/{application}/screening/{criterion}", operation_id="get_criterion")
def get_criterion(application: UUID, criterion: str, _screener: Screener, transaction: InTransaction) -> CriterionAnswer:
    """Read one criterion, by its clause (5.3.1)."""
    return show_criterion(transaction, *filed(transaction, application), criterion)


@routes.put("/applications/{application}/screening/{criterion}", operation_id="put_criterion")
def put_criterion(
    application: UUID, criterion: str, given: OutcomeBody, _office: Office, transaction: InTransaction, version: IfMatch
) -> CriterionAnswer:
    """Settle one criterion with the reason; the first time from version 0 (5.3.1)."""
    found, cycle = access.hold(transaction, application)
    row = transaction.session.get(Outcome, (found.id, criterion))
    check_version(version, row.version if row else 0)
    steps.check_screening(transaction, found, cycle)
    settle(transaction, found, cycle, CriterionOutcome(criterion=criterion, **given.model_dump(mode="json")))
    return show_criterion(transaction, found, cycle, criterion)


@routes.post("/applications/{application}/screening/determination", operation_id="determine_application")
def post_determination(
    application: UUID, given: DeterminationBody, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> ApplicationAnswer:
    """Determine an application eligible, or ineligible by the clauses that failed, which its applicant sees (5.3.1)."""
    return show(transaction, determine(transaction, application, given.remarks))


@routes.post("/cycles/{cycle}/screening-closure", operation_id="close_screening")
def post_closure(cycle: UUID, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> Closure:
    """Close the screening: the eligible list goes to the review, and the cycle moves on to it (5.3.1)."""
    return close_screening(transaction, cycle)


@routes.get("/cycles/{cycle}/screening", operation_id="list_screenings")
def list_screenings(
    cycle: UUID,
    screener: Screener,
    transaction: InTransaction,
    determination: Annotated[
        Literal["open", "eligible", "ineligible"] | None, Query(description="`open`: not determined, or an outcome changed since")
    ] = None,
    township: Annotated[str | None, Line(20), Query(description="division code of the registered address")] = None,
    section: Annotated[str | None, Line(1), Query(description="GB/T 4754 section letter")] = None,
    criterion: Annotated[str | None, Line(20), Query(description="the clause that `finding`, `outcome` and `asked` are about")] = None,
    finding: Annotated[Literal["refused", "passed"] | None, Query(description="what the rules alone find")] = None,
    outcome: Annotated[Literal["none", "pass", "fail"] | None, Query(description="what the office has settled")] = None,
    asked: Annotated[Standing | None, Query(description="how a question to a department stands")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ScreeningInBrief]:
    """View a cycle's screening, oldest first: what the rules find, what was settled, and what departments were asked (5.3.1)."""
    found = transaction.session.get(Cycle, cycle)
    if found is None:
        raise absent()
    access.check_watching(transaction, screener, cycle)
    access.check_sworn(transaction, cycle)
    access.note_reading(transaction, f"cycle:{cycle}", "screening")
    wanted = Wanted(determination, township, section, criterion, finding, outcome, asked)
    items, following = view(transaction, found, wanted, cursor, limit)
    return Page(items=items, next_cursor=following)
