"""Putting a motion before the committee: what each kind must stand on."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from kernel.problems import Problem, absent
from kernel.requests import Transaction
from regulation import lifecycle
from regulation.ballot import check_reopening, check_substitute
from regulation.notice import check_ruling
from regulation.refusal import Refusal
from regulation.report import check_winners_motion
from regulation.score import Score
from regulation.shortlist import Seeker, candidates, shortlist
from services.workflow.ballot.schemas import (
    MajorMatter,
    NewMotion,
    ProposedName,
    RemovalMotion,
    ReopeningMotion,
    RulesMotion,
    RulingMotion,
    SubstituteMotion,
    Tie,
    WinnersMotion,
)
from services.workflow.ballot.use_cases import NO_TIE, OUT, tied_ballots, tied_in, winners_among, winners_motions, winning_ballots
from services.workflow.course import check_undertaken, hidden_from_caller, lock_cycle, parameters_of, phase_of, rules_hash, rules_of
from services.workflow.evaluation import check_stands
from services.workflow.shortlist import check_confirm, standings_of
from services.workflow.stage import veiled
from services.workflow.tables import Ballot, Contender, Cycle, Evaluation, Motion, NoticeName, Objection


@veiled
def propose_motion(transaction: Transaction, cycle_id: UUID, new: NewMotion) -> Motion:
    """Put a motion before the committee, with its ballots."""
    cycle = lock_cycle(transaction, cycle_id)
    reported = reported_candidates(transaction, cycle) if new.kind in lifecycle.NAMING else {}
    if isinstance(new, WinnersMotion | SubstituteMotion | RulingMotion | RemovalMotion) or (isinstance(new, MajorMatter) and new.tie):
        check_undertaken(transaction, transaction.actor, cycle)
    step = lifecycle.step(lifecycle.motion(new.kind), "new", "propose", phase_of(cycle, transaction.now))
    subject: dict[str, Any] = {}
    names: list[tuple[Contender, str]] = []
    match new:
        case RulesMotion():
            rules_of(cycle)
            subject = {"rules_hash": rules_hash(cycle.rules or {})}
        case WinnersMotion():
            names = check_names(transaction, cycle, reported, new.names)
        case SubstituteMotion():
            check_substitute({name.award for name in new.names}, fallen_awards(transaction, cycle))
            names = check_names(transaction, cycle, reported, new.names)
        case RemovalMotion():
            subject = removal_subject(transaction, cycle, new)
        case ReopeningMotion():
            check_reopening(winners_motions(transaction, cycle))
            subject = {"from": cycle.phase}
        case RulingMotion():
            subject = ruling_subject(transaction, cycle, new)
        case MajorMatter(tie=Tie() as tie):
            subject = tie_subject(transaction, cycle, tie)
    motion = Motion(
        cycle_id=cycle.id, kind=new.kind, title=new.title, text=new.text, subject=subject, state=step.to, proposed_at=transaction.now,
        version=1, roll=[], by_rules=False, secret=False,
    )  # fmt: skip
    transaction.session.add(motion)
    transaction.session.flush()
    transaction.session.add_all(
        [Ballot(motion_id=motion.id, application=one.id, award=award, credit_code=one.credit_code, recused=[]) for one, award in names]
        or [Ballot(motion_id=motion.id, recused=[])]
    )
    facts = {"cycle": str(cycle.id), **new.model_dump(mode="json", exclude={"text"})}
    transaction.record("motion.proposed", f"motion:{motion.id}", clause=step.clause, facts=facts)
    return motion


def fallen_awards(transaction: Transaction, cycle: Cycle) -> set[str]:
    """Name the awards of which a name has fallen in this cycle."""
    fallen = select(NoticeName.award).where(NoticeName.cycle_id == cycle.id, NoticeName.state == "fallen")
    return set(transaction.session.scalars(fallen))


def removal_subject(transaction: Transaction, cycle: Cycle, new: RemovalMotion) -> dict[str, Any]:
    """Bind a removal to a name that stands before the public (5.4.2)."""
    standing = select(NoticeName).where(
        NoticeName.cycle_id == cycle.id, NoticeName.application == new.application, NoticeName.state == "running"
    )
    name = transaction.session.scalars(standing).first()
    if name is None:
        raise absent()
    return {"application": str(name.application), "credit_codes": [name.credit_code]}


def reported_candidates(transaction: Transaction, cycle: Cycle) -> Mapping[str, Sequence[str]]:
    """Give the candidates that the office has reported, by award; refused before it has, or on results that have changed (2.2.3, 2.4.5)."""
    evaluation = transaction.session.get(Evaluation, cycle.id)
    check_winners_motion(evaluation_reported=evaluation is not None and evaluation.confirmed_at is not None)
    check_stands(transaction, cycle)
    return (evaluation and evaluation.candidates) or {}


def check_names(
    transaction: Transaction, cycle: Cycle, reported: Mapping[str, Sequence[str]], proposed: Sequence[ProposedName]
) -> list[tuple[Contender, str]]:
    """Refuse names not open to the award, and one organisation twice (5.4.1)."""
    p, rules = parameters_of(cycle, transaction.now), rules_of(cycle)
    voted_on = transaction.session.execute(
        select(Ballot, Motion.state).join(Motion).where(Motion.cycle_id == cycle.id, Motion.kind.in_(lifecycle.NAMING))
    ).all()
    ballots = [ballot for ballot, _ in voted_on]
    taken = {ballot.application for ballot in winning_ballots(transaction, cycle)}
    taken |= {ballot.application for ballot, state in voted_on if state != "decided"}
    taken |= {ballot.application for ballot in tied_in(transaction, cycle)}
    names: list[tuple[Contender, str]] = []
    hidden = hidden_from_caller(transaction, cycle)
    for name in proposed:
        p.award(name.award)
        contender = transaction.session.get(Contender, name.application)
        if contender is None or contender.cycle_id != cycle.id or contender.credit_code in hidden:
            raise absent()
        if name.application in taken:
            raise Refusal("one_award_each", "5.4.1", names=contender.organisation)
        taken.add(name.application)
        lost = frozenset(one.award or "" for one in ballots if one.application == contender.id and is_lost(one))
        is_candidate = any(str(contender.id) in applications for applications in reported.values())
        is_open = str(contender.id) in reported.get(name.award, [])
        if is_candidate and lost and not is_open:
            left = candidates([seeker_of(contender, lost)], p, fallback_between_awards=rules.fallback_between_awards)
            is_open = str(contender.id) in left[name.award]
        if contender.stage in OUT or not is_open:
            raise Refusal("candidate_not_open", "5.4.1", application=str(contender.id), award=name.award)
        names.append((contender, name.award))
    return names


def is_lost(ballot: Ballot) -> bool:
    """Tell whether a name lost its ballot: rejected, or beyond the cap."""
    return ballot.outcome == "rejected" or ballot.won is False


def seeker_of(contender: Contender, lost: frozenset[str]) -> Seeker:
    """Give a contender as the regulation looks for its award, after the ballots it lost."""
    score = Score(contender.score_numerator or 0, contender.score_denominator or 1)
    return Seeker(str(contender.id), contender.credit_code, score, frozenset(contender.awards), contender.fallback, lost)


def ruling_subject(transaction: Transaction, cycle: Cycle, new: RulingMotion) -> dict[str, Any]:
    """Bind a ruling to its objection, which the office has reported on (5.4.2)."""
    objection = transaction.session.get(Objection, new.objection)
    if objection is None or objection.cycle_id != cycle.id or objection.credit_code in hidden_from_caller(transaction, cycle):
        raise absent()
    lifecycle.step(lifecycle.OBJECTION, objection.state, "rule")
    check_ruling(removes_name=new.removes_name, names_somebody=objection.application is not None)
    codes = [objection.credit_code] if objection.credit_code else []
    return {"objection": str(objection.id), "removes_name": new.removes_name, "credit_codes": codes}


def tied_for_site(transaction: Transaction, cycle: Cycle, chosen: frozenset[str]) -> tuple[str, ...]:
    """Give the applications that tie across the last place for site review; refused where the choice does not part them (5.3.2)."""
    check_confirm(transaction, cycle)
    found = shortlist(standings_of(transaction, cycle), parameters_of(cycle, transaction.now), chosen)
    if found.tie_broken_by != "motion":
        raise Problem(NO_TIE)
    return found.tied


def tie_subject(transaction: Transaction, cycle: Cycle, tie: Tie) -> dict[str, Any]:
    """Bind a decision on a tie to all that tie: it chooses exactly as many of them as places are left (2.1.2, 5.3.2)."""
    chosen = [str(one) for one in tie.applications]
    if tie.motion is not None and tie.award is not None:
        tied = tied_ballots(transaction, cycle, tie.motion, tie.award)
        winners_among(transaction, cycle, tied, tie.award, chosen)
        involved = [ballot.application for ballot in tied]
    else:
        involved = [UUID(one) for one in tied_for_site(transaction, cycle, frozenset(chosen))]
    found = select(Contender).where(Contender.cycle_id == cycle.id, Contender.id.in_(involved))
    contenders = transaction.session.scalars(found.where(Contender.credit_code.not_in(hidden_from_caller(transaction, cycle)))).all()
    if len(contenders) != len(set(involved)):
        raise absent()
    return {
        "tie": tie.among,
        "applications": chosen,
        "credit_codes": [contender.credit_code for contender in contenders],
        "motion": str(tie.motion) if tie.motion else None,
        "award": tie.award,
    }
