"""The plan of a panel's site visits: dates, team, agenda, what to verify, documents to be shown (2.3.2)."""

from collections.abc import Sequence
from typing import Annotated, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from kernel.identity import Principal, Reviewer
from kernel.problems import Problem, absent
from kernel.requests import IfMatch, InTransaction, Transaction, check_version
from kernel.service import router
from kernel.wire import Body, Day, Id, Line, Reason, Words
from regulation.lifecycle import PANEL, step
from regulation.recusal import check_not_recused
from services.scoring.access import Person, dossiers_of, members_of, panel_for_member, phase_of, recusals_of, reviewed, rubric_of
from services.scoring.consensus import check_leader
from services.scoring.panel import NOT_A_MEMBER, SOME_ID, PanelAnswer, PanelId, show
from services.scoring.tables import Panel

routes = router("reports")


class ToVerify(Body):
    """What the material leaves open on an item of the rubric."""

    item: Annotated[str, Line(32)]
    question: Annotated[str, Words(1000)]


class NewVisit(Body):
    """A site visit: `programme` is its agenda; `team` names the members who go, all of the panel where it is empty."""

    application: Id
    on: Day
    until: Day | None = None
    programme: Reason
    team: Annotated[list[Person], Field(default_factory=list, max_length=50)]
    items_to_verify: Annotated[list[ToVerify], Field(default_factory=list, max_length=200)]
    documents: Annotated[list[Annotated[str, Line(200)]], Field(default_factory=list, max_length=200)]

    @model_validator(mode="after")
    def check_days(self) -> Self:
        """Demand that a visit ends no earlier than it begins."""
        if self.until is not None and self.until < self.on:
            raise ValueError("a visit ends no earlier than it begins")
        return self


class SitePlan(Body):
    """The panel's plan of its site visits (2.3.2)."""

    visits: Annotated[list[NewVisit], Field(min_length=1, max_length=100)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "visits": [
                        {
                            "application": SOME_ID,
                            "on": "2026-07-06",
                            "until": "2026-07-07",
                            "programme": "首次会议、现场查看、座谈、末次会议",
                            "team": ["r-1", "r-2", "r-3"],
                            "items_to_verify": [{"item": "4.7.2", "question": "近三年合格率数据的来源。"}],
                            "documents": ["2023–2025年质量月报"],
                        }
                    ]
                }
            ]
        }
    )


def check_visit(transaction: Transaction, panel: Panel, visit: NewVisit, organisation: str) -> None:
    """Refuse a team with an outsider or a recused member (2.4.5)."""
    members = [member.person for member in members_of(transaction.session, panel)]
    recused = recusals_of(transaction.session, members)
    for person in visit.team:
        if person not in members:
            raise Problem(NOT_A_MEMBER, person=person)
        check_not_recused(person, organisation, recused)


def plan(transaction: Transaction, key: UUID, leader: Principal, version: int, visits: Sequence[NewVisit]) -> PanelAnswer:
    """Put the plan of the site visits; there are no site scores before it."""
    panel, cycle = panel_for_member(transaction, key, leader.person, lock=True)
    check_leader(panel, leader.person)
    check_version(version, panel.version)
    step(PANEL, panel.state, "plan_site", phase_of(transaction, cycle))
    shortlisted = {dossier.application for dossier in reviewed(transaction, panel, "site")}
    mine = {dossier.application: dossier for dossier in dossiers_of(transaction, panel, leader.person)}
    if not {visit.application for visit in visits} <= shortlisted & set(mine):
        raise absent()
    for visit in visits:
        check_visit(transaction, panel, visit, mine[visit.application].credit_code)
        for entry in visit.items_to_verify:
            rubric_of(cycle).item(entry.item)
    unseen = {str(application) for application in shortlisted - set(mine)}
    kept = [visit for visit in panel.site_plan if visit["application"] in unseen]
    panel.site_plan = [*kept, *(visit.model_dump(mode="json") for visit in visits)]
    panel.version += 1
    transaction.record("site.planned", f"panel:{panel.id}", clause="2.3.2", facts={"visits": panel.site_plan})
    return show(transaction, panel, cycle, leader)


@routes.put("/panels/{id}/site-plan", operation_id="plan_site_visits")
def put_site_plan(key: PanelId, given: SitePlan, reviewer: Reviewer, transaction: InTransaction, version: IfMatch) -> PanelAnswer:
    """Plan the site visits, as the leader; If-Match carries the panel's version (2.3.2)."""
    return plan(transaction, key, reviewer, version, given.visits)
