"""Panels: forming, applications, recusal (2.0, 2.2.2, 2.4.5). They are formed once the eligible list stands."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field
from sqlalchemy import select

from kernel.identity import Office, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, InTransaction, Limit, Transaction, offer, paginate
from kernel.service import router
from kernel.wire import Action, Answer, Body, Id, Name, Page, Reason
from regulation.conduct import check_undertaking
from regulation.lifecycle import PANEL, step
from regulation.recusal import Recusal, check_panel, eligible_members
from regulation.report import check_eligible
from services.scoring import rounds
from services.scoring.access import (
    Person,
    admitted,
    check_secrecy,
    cycle_of,
    dossier_of,
    dossiers_by_panel,
    members_by_panel,
    members_of,
    not_recused,
    panel_for,
    panel_for_office,
    parameters_of,
    phase_of,
    recusals_of,
    standing,
    undertaken,
    watched,
)
from services.scoring.interest import recuse
from services.scoring.tables import Cycle, Dossier, Fallen, Panel, Reviewer, Seat

routes = router("panels")

NOT_ON_ROSTER = Kind(409, "not_on_roster", "不在评审员名册中：{persons}", "Not on the roster of reviewers: {persons}")
HAS_A_PANEL = Kind(409, "application_has_a_panel", "已分派给评审组：{applications}", "A panel reviews them already: {applications}")
NOT_A_MEMBER = Kind(409, "not_a_member", "不是该评审组的成员：{person}", "Not a member of this panel: {person}")
MEMBER_ALREADY = Kind(409, "member_already", "已是该评审组的成员：{person}", "A member of this panel already: {person}")

PanelId = Annotated[UUID, Path(alias="id")]
PanelReader = Annotated[Principal, roles("reviewer", "committee", "supervisor", duties=("office",))]
OfficeOrReviewer = Annotated[Principal, roles("reviewer", "committee", duties=("office",))]
SOME_ID = "0197a1c2-7d30-7cc1-9e0b-5a4d6f3e2b10"


class NewPanel(Body):
    """A panel: its members with their leader among them, and the applications of the eligible list that it reviews."""

    cycle: Id
    name: Name
    leader: Person
    members: Annotated[list[Person], Field(min_length=1, max_length=50)]
    applications: Annotated[list[Id], Field(max_length=500)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"cycle": SOME_ID, "name": "第一评审组", "leader": "r-1", "members": ["r-1", "r-2", "r-3"], "applications": [SOME_ID]}
            ]
        }
    )


class Assignment(Body):
    """Further applications for a panel."""

    applications: Annotated[list[Id], Field(min_length=1, max_length=500)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"applications": [SOME_ID]}]})


class NewRecusal(Body):
    """A member is to have nothing to do with one of the panel's applications; a reviewer names themselves."""

    person: Person
    application: Id
    reason: Reason

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "r-2", "application": SOME_ID, "reason": "其配偶在该企业任职。"}]})


class PanelMember(Answer):
    """A member."""

    person: str
    name: str
    leads: bool


class PanelApplication(Answer):
    """An application that the panel reviews; `eligible_members` is for the office and the supervision group, null for others."""

    application: UUID
    organisation: str
    credit_code: str
    township: str
    industry: str
    awards: list[str]
    stage: str
    fallen: str | None
    eligible_members: list[str] | None


class VerifyItem(Answer):
    """What is to be verified on site, by the rubric's item."""

    item: str
    question: str


class Visit(Answer):
    """A site visit as planned; it ends on the day it begins where `until` is null."""

    application: UUID
    on: date
    until: date | None
    programme: str
    team: list[str]
    items_to_verify: list[VerifyItem]
    documents: list[str]


class PanelAnswer(Answer):
    """A panel as this caller may see it."""

    id: UUID
    cycle: UUID
    name: str
    state: str
    leader: str
    draw: UUID | None
    members: list[PanelMember]
    applications: list[PanelApplication]
    site_plan: list[Visit]
    version: int
    actions: dict[str, Action]


class Recused(Answer):
    """The recusal stands."""

    person: str
    application: UUID


@dataclass(frozen=True)
class Papers:
    """What a panel is shown with: its applications as the caller may see them, its members, who fell out, who is recused from whom."""

    dossiers: Collection[Dossier]
    members: Collection[Reviewer]
    fallen: Mapping[UUID, str]
    recusals: frozenset[Recusal]


def show(transaction: Transaction, panel: Panel, cycle: Cycle, caller: Principal) -> PanelAnswer:
    """Answer with one panel and its version."""
    transaction.version = panel.version
    return show_all(transaction, [panel], {cycle.id: cycle}, caller)[0]


def show_all(transaction: Transaction, panels: Collection[Panel], cycles: Mapping[UUID, Cycle], caller: Principal) -> list[PanelAnswer]:
    """Answer with panels of these cycles; applications the caller is recused from are absent."""
    keys = [panel.id for panel in panels]
    dossiers = dossiers_by_panel(transaction, keys, caller.person)
    members = members_by_panel(transaction.session, keys)
    seen = [dossier.application for listed in dossiers.values() for dossier in listed]
    fallen = {row.application: row.how for row in transaction.session.scalars(select(Fallen).where(Fallen.application.in_(seen)))}
    recusals = recusals_of(transaction.session, {member.person for listed in members.values() for member in listed})
    return [
        _shown(transaction, panel, cycles[panel.cycle], caller, Papers(dossiers[panel.id], members[panel.id], fallen, recusals))
        for panel in panels
    ]


def _shown(transaction: Transaction, panel: Panel, cycle: Cycle, caller: Principal, papers: Papers) -> PanelAnswer:
    seen = {str(dossier.application) for dossier in papers.dossiers}
    oversees = caller.role != "reviewer"
    appointed = [member.person for member in papers.members if member.standing == "appointed"]
    return PanelAnswer(
        id=panel.id,
        cycle=panel.cycle,
        name=panel.name,
        state=panel.state,
        leader=panel.leader,
        draw=panel.draw,
        members=[PanelMember(person=one.person, name=one.name, leads=one.person == panel.leader) for one in papers.members],
        applications=[
            PanelApplication(
                **{
                    name: getattr(dossier, name)
                    for name in ("application", "organisation", "credit_code", "township", "industry", "awards", "stage")
                },
                fallen=papers.fallen.get(dossier.application),
                eligible_members=sorted(eligible_members(appointed, dossier.credit_code, papers.recusals)) if oversees else None,
            )
            for dossier in papers.dossiers
        ],
        site_plan=[Visit.model_validate(visit) for visit in panel.site_plan if visit["application"] in seen],
        version=panel.version,
        actions=actions(transaction, panel, cycle, caller),
    )


def actions(transaction: Transaction, panel: Panel, cycle: Cycle, caller: Principal) -> dict[str, Action]:
    """Tell what this caller could do with a panel now; reports and plans tell it of themselves."""
    href = f"/api/v1/panels/{panel.id}"
    own = {"recuse": ("POST", f"{href}/recusals")}
    offices = own | {"assign": ("POST", f"{href}/applications"), "replace": ("POST", f"{href}/replacements")}
    leaders = own | {"plan_site": ("PUT", f"{href}/site-plan"), "report": ("POST", f"{href}/report")}
    if caller.role == "supervisor":
        return {}
    open_to = offices if caller.role == "committee" else leaders if caller.person == panel.leader else own

    def check(action: str) -> None:
        step(PANEL, panel.state, action, phase_of(transaction, cycle))

    return {name: offer(transaction, method, to, lambda name=name: check(name)) for name, (method, to) in open_to.items()}  # type: ignore[misc]


def appointed_members(transaction: Transaction, persons: Collection[str]) -> dict[str, bool]:
    """Lock reviewers of the roster, and tell of each whether they may lead; refuse the unknown, and the disqualified (7.6)."""
    query = select(Reviewer).where(Reviewer.person.in_(persons)).order_by(Reviewer.id).with_for_update()
    found = {reviewer.person: reviewer for reviewer in transaction.session.scalars(query.execution_options(populate_existing=True))}
    if unknown := sorted(set(persons) - set(found)):
        raise Problem(NOT_ON_ROSTER, persons=", ".join(unknown))
    if any(reviewer.standing != "appointed" for reviewer in found.values()):
        check_undertaking(None, disqualified=True)
    return {person: found[person].leader_qualified for person in dict.fromkeys(persons)}


def take(transaction: Transaction, cycle: Cycle, applications: Sequence[UUID], person: str) -> list[Dossier]:
    """Lock applications of the eligible list that have no panel yet (5.3.2); what the caller is recused from is not there for them."""
    listed = select(Dossier).where(Dossier.cycle == cycle.id, Dossier.application.in_(applications), standing(), not_recused(person))
    query = listed.order_by(Dossier.application).with_for_update().execution_options(populate_existing=True)
    found = list(transaction.session.scalars(query))
    check_eligible([str(application) for application in applications], {str(dossier.application) for dossier in found})
    if taken := [str(dossier.application) for dossier in found if dossier.panel is not None]:
        raise Problem(HAS_A_PANEL, applications=", ".join(taken))
    return found


def check_composition(transaction: Transaction, cycle: Cycle, members: dict[str, bool], leader: str, dossiers: Collection[Dossier]) -> None:
    """Refuse a panel of too few, with a recused member, or led by somebody not qualified for it (2.0, 2.4.5)."""
    organisations = {str(dossier.application): dossier.credit_code for dossier in dossiers}
    check_panel(members, leader, organisations, recusals_of(transaction.session, list(members)), parameters_of(cycle))


def tell(transaction: Transaction, panel: Panel, kind: str, clause: str, **more: Any) -> None:  # noqa: ANN401 - facts are JSON
    """Record what became of a panel, and tell workflow its whole composition."""
    query = select(Dossier.application).where(Dossier.panel == panel.id).order_by(Dossier.application)
    facts = {
        "cycle": str(panel.cycle),
        "panel": str(panel.id),
        "name": panel.name,
        "leader": panel.leader,
        "members": [member.person for member in members_of(transaction.session, panel)],
        "applications": [str(application) for application in transaction.session.scalars(query)],
    }
    transaction.record(kind, f"panel:{panel.id}", clause=clause, facts=facts | more, tell=("workflow",))


def form(transaction: Transaction, new: NewPanel, office: Principal, draw: UUID | None = None) -> tuple[Panel, Cycle]:
    """Form a panel of three or more eligible members for every application it gets; their sheets begin with it."""
    cycle = cycle_of(transaction, new.cycle)
    check_secrecy(transaction, office.person, cycle)
    state = step(PANEL, "new", "form", phase_of(transaction, cycle)).to
    members = appointed_members(transaction, new.members)
    dossiers = take(transaction, cycle, new.applications, office.person)
    check_composition(transaction, cycle, members, new.leader, dossiers)
    panel = Panel(cycle=cycle.id, name=new.name, leader=new.leader, state=state, draw=draw, site_plan=[], version=1)
    transaction.session.add(panel)
    transaction.session.flush()
    transaction.session.add_all(Seat(panel=panel.id, person=person, since=transaction.now) for person in members)
    for dossier in dossiers:
        dossier.panel = panel.id
    transaction.session.flush()
    rounds.begin(transaction, panel, cycle)
    tell(transaction, panel, "panel.formed", "2.2.2")
    return panel, cycle


def assign(transaction: Transaction, key: UUID, applications: Sequence[UUID], office: Principal) -> tuple[Panel, Cycle]:
    """Give a panel further applications of the eligible list."""
    panel, cycle = panel_for_office(transaction, key, lock=True)
    step(PANEL, panel.state, "assign", phase_of(transaction, cycle))
    members = appointed_members(transaction, [member.person for member in members_of(transaction.session, panel)])
    dossiers = take(transaction, cycle, applications, office.person)
    check_composition(transaction, cycle, members, panel.leader, dossiers)
    for dossier in dossiers:
        dossier.panel = panel.id
    panel.version += 1
    transaction.session.flush()
    rounds.begin(transaction, panel, cycle)
    tell(transaction, panel, "panel.changed", "2.2.2")
    return panel, cycle


def recuse_member(transaction: Transaction, key: UUID, new: NewRecusal, caller: Principal) -> Recused:
    """Recuse a member from one application's organisation; it holds at once, even where a replacement is then needed (2.0)."""
    panel, cycle = panel_for(transaction, key, caller, lock=True)
    if caller.role == "reviewer" and new.person != caller.person:
        raise absent()
    dossier = dossier_of(transaction, panel, new.application, caller.person)
    step(PANEL, panel.state, "recuse", phase_of(transaction, cycle))
    if new.person not in {member.person for member in members_of(transaction.session, panel)}:
        raise Problem(NOT_A_MEMBER, person=new.person)
    source: Any = "declared" if caller.role == "reviewer" else "office"
    recuse(transaction, new.person, dossier.credit_code, "other", new.reason, source)
    return Recused(person=new.person, application=dossier.application)


@routes.post("/panels", status_code=201, operation_id="form_panel")
def post_panel(new: NewPanel, office: Office, transaction: InTransaction, _dry_run: DryRun) -> PanelAnswer:
    """Form a panel; refused below three eligible members, with a recused one, or without a qualified leader (2.0, 2.4.5)."""
    return show(transaction, *form(transaction, new, office), office)


@routes.get("/panels", operation_id="list_panels")
def get_panels(
    reader: PanelReader,
    transaction: InTransaction,
    cycle: Annotated[UUID | None, Query(description="panels of this cycle only")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PanelAnswer]:
    """List panels of the cycles for which one gave the undertaking, in the order they were formed (7.6).

    A reviewer finds those they sit on until they dissolve, a supervisor those of the cycles whose group they sit in (7.1).
    """
    query = select(Panel).where(undertaken(reader.person))
    if cycle is not None:
        query = query.where(Panel.cycle == cycle)
    if reader.role == "reviewer":
        query = query.where(admitted(reader.person))
    if reader.role == "supervisor":
        query = query.where(Panel.cycle.in_(watched(transaction, reader)))
    found, following = paginate(transaction.session, query, Panel.id, cursor, limit)
    its = select(Cycle).where(Cycle.id.in_({panel.cycle for panel in found}))
    cycles = {one.id: one for one in transaction.session.scalars(its)}
    return Page(items=show_all(transaction, found, cycles, reader), next_cursor=following)


@routes.get("/panels/{id}", operation_id="get_panel")
def get_panel(key: PanelId, reader: PanelReader, transaction: InTransaction) -> PanelAnswer:
    """Read a panel; to a reviewer who doesn't sit on it there is none, to a member of a dissolved one it is refused (2.3.end)."""
    return show(transaction, *panel_for(transaction, key, reader), reader)


@routes.post("/panels/{id}/applications", operation_id="assign_applications")
def post_applications(key: PanelId, given: Assignment, office: Office, transaction: InTransaction, _dry_run: DryRun) -> PanelAnswer:
    """Give a panel further applications of the eligible list (2.2.2)."""
    return show(transaction, *assign(transaction, key, given.applications, office), office)


@routes.post("/panels/{id}/recusals", status_code=201, operation_id="recuse_panel_member")
def post_recusal(key: PanelId, new: NewRecusal, caller: OfficeOrReviewer, transaction: InTransaction, _dry_run: DryRun) -> Recused:
    """Recuse a member from an application's organisation: the office anyone, a reviewer themselves; it follows the person (2.4.5)."""
    return recuse_member(transaction, key, new, caller)
