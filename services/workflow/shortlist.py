"""Who goes on to site review: worked out from the panels' recommendations, confirmed by the office, never a ninth (5.3.2)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from kernel.identity import Office, Principal
from kernel.problems import absent
from kernel.requests import DryRun, InTransaction, Transaction, offer
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, Id
from regulation import shortlist as rule
from regulation.score import Score
from regulation.shortlist import Standing, check_shortlist
from services.workflow.ballot.use_cases import check_motion_passed
from services.workflow.course import check_move, check_secrets, check_undertaken, find_cycle, hidden_from, lock_cycle, move, parameters_of
from services.workflow.evaluation import check_evaluate, parted_by
from services.workflow.stage import (
    Departure,
    ExactScore,
    Insider,
    check_stage,
    contenders,
    exact,
    recommended,
    reports_of,
    results,
    score_of,
    set_stage,
    veiled,
)
from services.workflow.tables import Cycle, Shortlist


class ShortlistProposal(Body):
    """Empty for the list as computed; else the whole list that the office proposes, with a reason for each name that differs."""

    applications: list[Id] | None = Field(default=None, max_length=100)
    reasons: list[Departure] = Field(default_factory=list, max_length=100)
    decided_by: Id | None = None
    """The passed motion on a major matter that chose among the exactly tied."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"decided_by": "01912d68-783e-7a03-8467-5661c1243ad4"}]})


class RankedApplication(Answer):
    """An application with its material score; `preferred` where 3.2.5 prefers it among equals."""

    application: UUID
    organisation: str
    credit_code: str
    score: ExactScore
    preferred: bool
    recommended: bool
    listed: bool
    reason: str | None


class ShortlistAnswer(Answer):
    """The confirmed list for site review with its ground; `tie_broken_by` is null, `3.2.5` or `motion`."""

    cycle: UUID
    applications: list[UUID]
    standings: list[RankedApplication]
    tie_broken_by: str | None
    decided_by: UUID | None
    confirmed_at: datetime
    actions: dict[str, Action]


def check_confirm(transaction: Transaction, cycle: Cycle) -> None:
    """Refuse a shortlist in the wrong phase, without an undertaking, or before every panel's report (2.3.3, 7.6)."""
    check_move(transaction, cycle, "confirm_shortlist")
    check_undertaken(transaction, transaction.actor, cycle)
    check_stage(transaction, cycle, "material", contenders(transaction, cycle, "eligible"))


@veiled
def confirm_shortlist(transaction: Transaction, cycle_id: UUID, proposal: ShortlistProposal) -> Shortlist:
    """Work the list out, take the office's departures, and send the cycle into site review."""
    cycle = lock_cycle(transaction, cycle_id)
    check_confirm(transaction, cycle)
    p = parameters_of(cycle, transaction.now)
    motion = check_motion_passed(transaction, cycle, proposal.decided_by, "major_matter") if proposal.decided_by else None
    decided = parted_by(motion)
    reasons = {str(departure.application): departure.reason for departure in proposal.reasons}
    standings = standings_of(transaction, cycle)
    computed = rule.shortlist(standings, p, decided)
    listed = computed.applications if proposal.applications is None else tuple(dict.fromkeys(str(one) for one in proposal.applications))
    check_shortlist(listed, standings, reasons, p, decided)
    eligible = contenders(transaction, cycle, "eligible")
    confirmed = Shortlist(
        cycle_id=cycle.id,
        applications=list(listed),
        standings=[
            {
                "application": one.application,
                "organisation": eligible[UUID(one.application)].organisation,
                "credit_code": eligible[UUID(one.application)].credit_code,
                "numerator": one.score.numerator,
                "denominator": one.score.denominator,
                "preferred": one.preferred,
                "recommended": one.qualified,
            }
            for one in standings
        ],
        tie_broken_by=computed.tie_broken_by,
        motion_id=motion.id if motion else None,
        reasons=reasons,
        confirmed_at=transaction.now,
    )
    transaction.session.add(confirmed)
    for contender in eligible.values():
        set_stage(transaction, contender, "shortlisted" if str(contender.id) in listed else "not_shortlisted", "5.3.2")
    transaction.record(
        "shortlist.confirmed",
        f"cycle:{cycle.id}",
        clause="5.3.2",
        facts={
            "cycle": str(cycle.id),
            "applications": list(listed),
            "tie_broken_by": computed.tie_broken_by,
            "reasons": reasons,
            "reports": reports_of(transaction, cycle, "material"),
        },
        tell=("scoring",),
    )
    move(transaction, cycle, "confirm_shortlist")
    return confirmed


def standings_of(transaction: Transaction, cycle: Cycle) -> Sequence[Standing]:
    """Rank the eligible by exact material score; only whom its panel recommended may go on (2.3.1)."""
    material = results(transaction, cycle, "material")
    named = recommended(transaction, cycle)
    standings = [
        Standing(str(contender.id), score_of(material[contender.id]), contender.preferred, qualified=str(contender.id) in named)
        for contender in contenders(transaction, cycle, "eligible").values()
    ]
    return sorted(standings, key=lambda one: one.score, reverse=True)


def show_shortlist(transaction: Transaction, principal: Principal, cycle: Cycle, shortlist: Shortlist) -> ShortlistAnswer:
    """Give the list without the organisations that this caller is recused from."""
    hidden = hidden_from(transaction, principal, cycle)
    seen = [one for one in shortlist.standings if one["credit_code"] not in hidden]
    listed = set(shortlist.applications)
    actions = {}
    if principal.has_duty("office"):
        href = f"{API}/cycles/{cycle.id}/evaluation"
        actions["evaluate"] = offer(transaction, "POST", href, lambda: check_evaluate(transaction, cycle))
    return ShortlistAnswer(
        cycle=cycle.id,
        applications=[UUID(one["application"]) for one in seen if one["application"] in listed],
        standings=[
            RankedApplication(
                application=UUID(one["application"]),
                organisation=one["organisation"],
                credit_code=one["credit_code"],
                score=exact(Score(one["numerator"], one["denominator"])),
                preferred=one["preferred"],
                recommended=one["recommended"],
                listed=one["application"] in listed,
                reason=shortlist.reasons.get(one["application"]),
            )
            for one in seen
        ],
        tie_broken_by=shortlist.tie_broken_by,
        decided_by=shortlist.motion_id,
        confirmed_at=shortlist.confirmed_at,
        actions=actions,
    )


routes = router("shortlist")


@routes.post("/cycles/{cycle_id}/shortlist", operation_id="confirm_shortlist", status_code=201)
def post_shortlist(
    cycle_id: UUID, proposal: ShortlistProposal, office: Office, transaction: InTransaction, _dry_run: DryRun
) -> ShortlistAnswer:
    """Confirm who goes on to site review; an exact tie that 3.2.5 leaves is refused until a motion decides (5.3.2)."""
    confirmed = confirm_shortlist(transaction, cycle_id, proposal)
    return show_shortlist(transaction, office, find_cycle(transaction, cycle_id), confirmed)


@routes.get("/cycles/{cycle_id}/shortlist", operation_id="get_shortlist")
def get_shortlist(cycle_id: UUID, insider: Insider, transaction: InTransaction) -> ShortlistAnswer:
    """Read the confirmed shortlist with every score it rests on; 404 before it is confirmed."""
    cycle = find_cycle(transaction, cycle_id)
    check_secrets(transaction, insider, cycle)
    shortlist = transaction.session.get(Shortlist, cycle_id)
    if shortlist is None:
        raise absent()
    return show_shortlist(transaction, insider, cycle, shortlist)
