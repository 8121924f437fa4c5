"""An application from its start to its submission: what it seeks, and its sections."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body as FromBody
from fastapi import Path
from pydantic import ConfigDict, Field
from sqlalchemy import Row, func, select

from kernel.identity import Applicant, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, IfMatch, InTransaction, Limit, Transaction, check_version, offer, page_of
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id, Line, Page
from regulation import eligibility
from regulation.form import form
from services.intake import access, dossier, steps
from services.intake.form import SHIPPED, content_of, section_of
from services.intake.tables import Application, Cycle, Honour, Organisation, Section

AWARDS_EXAMPLE: dict[str, Any] = {"awards": ["quality", "innovation"], "field": "production", "fallback": True}
SECTION_EXAMPLES: dict[str, Any] = {name: {"value": dict(section.example)} for name, (section, _) in SHIPPED.items()}
SectionName = Annotated[str, Path(pattern=r"^[a-z_]{1,40}$", description="a section of the cycle's form: `GET /forms/{edition}`")]
State = Literal["draft", "submitted", "returned", "filed", "declined", "withdrawn", "eligible", "ineligible", "disqualified"]

ORGANISATION_MISSING = Kind(409, "organisation_missing", "请先填写组织信息", "State your organisation first")


class Sought(Body):
    """What an application seeks; `fallback` opts for the Innovation Award where the Quality Award is not reached (5.4.1)."""

    model_config = ConfigDict(json_schema_extra={"examples": [AWARDS_EXAMPLE]})

    awards: Annotated[list[Annotated[str, Line(40)]], Field(max_length=10)]
    field: Annotated[str, Line(40)]
    fallback: bool = False


class Start(Sought):
    """What to apply for, in which cycle."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cycle": "01980000-0000-7000-8000-000000000001"} | AWARDS_EXAMPLE]})

    cycle: Id


class Failed(Answer):
    """A criterion that was not met, by its clause, and why."""

    clause: str
    reason: str


class Determined(Answer):
    """How the screening ended; an ineligible applicant is told the clauses and the reasons (5.3.1)."""

    eligible: bool
    clauses: list[str]
    reasons: list[Failed]
    remarks: str
    determined_at: datetime


class ApplicationSummary(Answer):
    """An application in a list."""

    id: UUID
    version: int
    cycle: UUID
    credit_code: str
    organisation: str
    township: str
    industry: str
    awards: list[str]
    field: str
    fallback: bool
    state: State
    stage: str | None
    endorsing_body: str | None
    submitted_version: int
    filed_at: datetime | None
    determination: Determined | None


class ApplicationAnswer(ApplicationSummary):
    """An application: `sections` gives each section's version, 0 where nothing was saved yet."""

    phase: str
    sections: dict[str, int]
    actions: dict[str, Action]


class SectionAnswer(Answer):
    """One section; the applicant reads what it edits, everybody else what was submitted; `remark` says what is to be corrected in it."""

    section: str
    version: int
    content: dict[str, Any] | None
    remark: str | None = None


def check_sought(sought: Sought, cycle: Cycle) -> None:
    """Refuse awards and fields that the cycle's edition doesn't know.

    Clauses 1.1, 1.2.
    """
    p = access.parameters(cycle)
    eligibility.check_awards_sought(tuple(sought.awards), p)
    eligibility.check_field(sought.field, p)


def start_application(transaction: Transaction, applicant: Principal, start: Start) -> Application:
    """Start an application: one of an organisation in a cycle, while applications are taken.

    Clauses 1.1, 1.2, 3.1, 5.2.
    """
    session = transaction.session
    cycle = session.get(Cycle, start.cycle, with_for_update={"read": True})
    if cycle is None:
        raise absent()
    organisation = session.get(Organisation, applicant.org, with_for_update=True) if applicant.org else None
    if organisation is None:
        raise Problem(ORGANISATION_MISSING)
    step = steps.check_step(transaction, cycle, "new", "start")
    check_sought(start, cycle)
    code = organisation.credit_code
    mine = (Application.credit_code == code, Application.cycle_id == cycle.id, Application.state != "withdrawn")
    eligibility.check_first_application(session.scalar(select(func.count()).select_from(Application).where(*mine)) or 0)
    awarded = session.scalar(select(func.max(Honour.year)).where(Honour.credit_code == code, Honour.revoked_on.is_(None)))
    revoked_on = session.scalar(select(func.max(Honour.revoked_on)).where(Honour.credit_code == code))
    eligibility.check_reapplication(awarded, cycle.year, access.parameters(cycle), revoked_on.year if revoked_on else None)
    sought = start.model_dump(exclude={"cycle"})
    started = Application(cycle_id=cycle.id, credit_code=code, state=step.to, **sought)
    session.add(started)
    session.flush()
    transaction.record("application.started", f"application:{started.id}", clause=step.clause, facts=sought)
    return started


def change_sought(transaction: Transaction, application: UUID, sought: Sought, version: int) -> Application:
    """Change what an application seeks, while it may be edited.

    Clauses 1.1, 1.2, 5.2.
    """
    found, cycle = access.hold(transaction, application)
    check_version(version, found.version)
    steps.check_edit(transaction, found, cycle)
    check_sought(sought, cycle)
    for name, value in sought.model_dump().items():
        setattr(found, name, value)
    found.version += 1
    transaction.record("application.changed", f"application:{found.id}", facts=sought.model_dump())
    return found


def save_section(transaction: Transaction, application: UUID, name: str, stated: dict[str, Any], version: int) -> Section:
    """Save a draft of a section: what is there must be as the form says, what it still lacks `completeness` tells.

    Clauses 1.3, 5.2.
    """
    found, cycle = access.hold(transaction, application)
    section = transaction.session.get(Section, (found.id, name))
    check_version(version, section.version if section else 0)
    steps.check_edit(transaction, found, cycle)
    content = content_of(cycle.edition, section_of(cycle.edition, name), stated)
    if name == "innovation":
        eligibility.check_innovation_results((), dossier.innovation_fields(content), access.parameters(cycle))
    if section is None:
        section = Section(application_id=found.id, name=name, version=0)
        transaction.session.add(section)
    section.version, section.content = version + 1, content
    transaction.record("section.saved", f"application:{found.id}", facts={"section": name, "version": section.version})
    return section


def _actions(transaction: Transaction, application: Application, cycle: Cycle) -> dict[str, Action]:
    person = access.caller(transaction)
    offered: dict[str, tuple[str, str, Callable[..., object]]] = {}
    if person.role == "applicant":
        offered = {
            "edit": ("PUT", "", steps.check_edit),
            "submission": ("POST", "/submission", steps.check_submission),
            "withdrawal": ("POST", "/withdrawal", steps.check_withdrawal),
            "recusal_request": ("POST", "/recusal-requests", steps.check_recusal_request),
        }
    elif person.role == "endorser":
        offered = {"endorsement": ("POST", "/endorsement", steps.check_endorsement)}
    elif person.has_duty("office"):
        offered = {
            "correction": ("POST", "/correction", steps.check_correction),
            "screening": ("PUT", "/screening", steps.check_screening),
            "verification": ("POST", "/verifications", steps.check_screening),
            "determination": ("POST", "/screening/determination", steps.check_determination),
        }
    return {
        name: offer(transaction, method, f"{API}/applications/{application.id}{path}", partial(check, transaction, application, cycle))
        for name, (method, path, check) in offered.items()
    }


LISTED = select(*Application.__table__.columns, Organisation.name, Organisation.township, Organisation.industry).join_from(
    Application, Organisation
)
"""An application's row with what a list says of its organisation."""


def summary(application: Application | Row[Any], organisation: Organisation | Row[Any]) -> dict[str, Any]:
    """Give what a list shows of an application."""
    return {
        "id": application.id,
        "version": application.version,
        "cycle": application.cycle_id,
        "credit_code": application.credit_code,
        "organisation": organisation.name,
        "township": organisation.township,
        "industry": organisation.industry,
        "awards": application.awards,
        "field": application.field,
        "fallback": application.fallback,
        "state": application.state,
        "stage": application.stage,
        "endorsing_body": application.body,
        "submitted_version": application.submitted,
        "filed_at": application.filed_at,
        "determination": application.determination,
    }


def show(transaction: Transaction, application: Application) -> ApplicationAnswer:
    """Show an application, and what this caller could do with it now."""
    session = transaction.session
    cycle = session.get_one(Cycle, application.cycle_id)
    transaction.version = application.version
    return ApplicationAnswer(
        **summary(application, session.get_one(Organisation, application.credit_code)),
        phase=access.phase(cycle, transaction),
        sections=dict.fromkeys(form(cycle.edition), 0) | (application.section_versions or {}),
        actions=_actions(transaction, application, cycle),
    )


routes = router("application")

Reader = Annotated[Principal, roles("applicant", "endorser", "reviewer", "supervisor", "committee", duties=("office",))]
Lister = Annotated[Principal, roles("applicant", "endorser", "supervisor", "committee", duties=("office",))]


@routes.post("/applications", operation_id="start_application", status_code=201)
def post_application(start: Start, applicant: Applicant, transaction: InTransaction) -> ApplicationAnswer:
    """Start an application (1.1, 1.2, 3.1, 5.2)."""
    return show(transaction, start_application(transaction, applicant, start))


@routes.get("/applications", operation_id="list_applications")
def list_applications(
    lister: Lister,
    transaction: InTransaction,
    cycle: UUID | None = None,
    state: State | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ApplicationSummary]:
    """List, oldest first: one's own, those addressed to one's body, or all but what one is recused from (2.4.5)."""
    statement = LISTED.where(access.may_see(transaction, lister))
    if cycle is not None:
        statement = statement.where(Application.cycle_id == cycle)
    if state is not None:
        statement = statement.where(Application.state == state)
    found, following = page_of(transaction.session, statement, Application.id, cursor, limit)
    return Page(items=[ApplicationSummary(**summary(one, one)) for one in found], next_cursor=following)


@routes.get("/applications/{application}", operation_id="get_application")
def get_application(application: UUID, _reader: Reader, transaction: InTransaction) -> ApplicationAnswer:
    """Read an application and what could be done with it now."""
    return show(transaction, access.find(transaction, application))


@routes.put("/applications/{application}", operation_id="put_application")
def put_application(
    application: UUID, sought: Sought, _applicant: Applicant, transaction: InTransaction, version: IfMatch
) -> ApplicationAnswer:
    """Change what an application seeks (1.1, 1.2)."""
    return show(transaction, change_sought(transaction, application, sought, version))


@routes.get("/applications/{application}/sections/{section}", operation_id="get_section")
def get_section(application: UUID, section: SectionName, _reader: Reader, transaction: InTransaction) -> SectionAnswer:
    """Read a section; an official's reading is recorded (7.6)."""
    found = access.find(transaction, application)
    section_of(transaction.session.get_one(Cycle, found.cycle_id).edition, section)
    frozen = access.read_dossier(transaction, found, f"sections/{section}")
    saved = transaction.session.get(Section, (found.id, section))
    transaction.version = saved.version if saved else 0
    if frozen is not None:
        return SectionAnswer(section=section, version=transaction.version, content=frozen["sections"].get(section))
    remark = dossier.remark_on(transaction, found, section)
    return SectionAnswer(section=section, version=transaction.version, content=saved.content if saved else None, remark=remark)


@routes.put(
    "/applications/{application}/sections/{section}",
    operation_id="put_section",
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": {"anyOf": [schema for _, schema in SHIPPED.values()]}}}}},
)
def put_section(
    application: UUID,
    section: SectionName,
    content: Annotated[dict[str, Any], FromBody(openapi_examples=SECTION_EXAMPLES)],
    _applicant: Applicant,
    transaction: InTransaction,
    version: IfMatch,
) -> SectionAnswer:
    """Save a draft of a section, whole or in part; the first time from version 0. `GET /forms/{edition}` describes what each takes."""
    saved = save_section(transaction, application, section, content, version)
    transaction.version = saved.version
    return SectionAnswer(section=section, version=saved.version, content=saved.content)
