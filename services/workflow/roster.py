"""Who sits where: the committee with its office (2.0), and the supervision group (7.1)."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, StringConstraints
from sqlalchemy import delete, select

from kernel.identity import Chair, Duty, Office, Principal, SignedIn
from kernel.requests import IfMatch, InTransaction, Transaction, check_version
from kernel.service import router
from kernel.wire import Answer, Body, Day, Name
from regulation import ballot
from regulation.ballot import check_roster, in_office
from regulation.calendar import day
from regulation.conduct import check_appoints_supervisors
from regulation.launch import check_supervision_group
from services.workflow.course import check_insight, find_cycle, lock_cycle, move, parameters_of
from services.workflow.tables import Cycle, Seat, Supervisor

Person = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
"""A person's id, as tokens carry it in `sub`."""


class NewSeat(Body):
    """A person of the committee or its office, with the unit they come from, the duties they hold, and their term's first and last day."""

    person: Person
    name: Name
    unit: Name
    duties: Annotated[list[Duty], Field(min_length=1, max_length=4)]
    since: Day | None = None
    until: Day | None = None


class Committee(Body):
    """The whole roster: one chair, as many vice-chairs as the edition says, the members, and the office's people."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "members": [
                        {"person": "chair-1", "name": "王主任", "unit": "区人民政府", "duties": ["chair"]},
                        {"person": "vice-1", "name": "李副主任", "unit": "区人民政府办公室", "duties": ["vice_chair"]},
                        {"person": "vice-2", "name": "陈副主任", "unit": "区市场监督管理局", "duties": ["vice_chair", "office"]},
                        {"person": "member-1", "name": "张委员", "unit": "区财政局", "duties": ["member"]},
                    ]
                }
            ]
        }
    )

    members: Annotated[list[NewSeat], Field(min_length=1, max_length=100)]


class NewSupervisor(Body):
    """A person of the supervision group, and their term's first and last day."""

    person: Person
    name: Name
    since: Day | None = None
    until: Day | None = None


class SupervisionGroup(Body):
    """The whole supervision group."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"members": [{"person": "supervisor-1", "name": "赵监督"}]}]})

    members: Annotated[list[NewSupervisor], Field(max_length=50)]


class SeatAnswer(Answer):
    """One person of the roster."""

    person: str
    name: str
    unit: str
    duties: list[str]
    since: date | None
    until: date | None


class CommitteeAnswer(Answer):
    """The roster of a cycle."""

    cycle: UUID
    version: int
    members: list[SeatAnswer]


class SupervisorAnswer(Answer):
    """One person of the supervision group."""

    person: str
    name: str
    since: date | None
    until: date | None


class SupervisionGroupAnswer(Answer):
    """The supervision group of a cycle; it dissolves with the cycle's end."""

    cycle: UUID
    version: int
    members: list[SupervisorAnswer]


def committee_of(transaction: Transaction, cycle: Cycle) -> Sequence[Seat]:
    """Load the roster's rows."""
    return transaction.session.scalars(select(Seat).where(Seat.cycle_id == cycle.id).order_by(Seat.person)).all()


def seats_of(transaction: Transaction, cycle: Cycle) -> list[ballot.Seat]:
    """Give the roster of those in office today, as the regulation counts it."""
    named = [ballot.Seat(seat.person, tuple(seat.duties), seat.since, seat.until) for seat in committee_of(transaction, cycle)]  # type: ignore[arg-type] # stored duties are Duty
    return in_office(named, day(transaction.now))


def supervisors_of(transaction: Transaction, cycle: Cycle) -> Sequence[Supervisor]:
    """Load the supervision group."""
    return transaction.session.scalars(select(Supervisor).where(Supervisor.cycle_id == cycle.id).order_by(Supervisor.person)).all()


def set_committee(transaction: Transaction, cycle_id: UUID, version: int, committee: Committee) -> Cycle:
    """Set the whole roster (2.0)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_version(version, cycle.version)
    named = [ballot.Seat(seat.person, tuple(seat.duties), seat.since, seat.until) for seat in committee.members]
    check_roster(in_office(named, day(transaction.now)), parameters_of(cycle, transaction.now))
    transaction.session.execute(delete(Seat).where(Seat.cycle_id == cycle.id))
    transaction.session.add_all([Seat(cycle_id=cycle.id, **seat.model_dump()) for seat in committee.members])
    move(transaction, cycle, "set_committee", kind="committee.set", facts=committee.model_dump(mode="json"), tell=("scoring",))
    return cycle


def set_supervision_group(transaction: Transaction, cycle_id: UUID, chair: Principal, version: int, group: SupervisionGroup) -> Cycle:
    """Set the whole supervision group, as this cycle's chair, and tell the peers who sits in it (7.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    seats = {seat.person: seat.duties for seat in seats_of(transaction, cycle)}
    check_appoints_supervisors(seats.get(chair.person, ()))
    check_version(version, cycle.version)
    transaction.session.execute(delete(Supervisor).where(Supervisor.cycle_id == cycle.id))
    named = {member.person: member for member in group.members}
    check_supervision_group(len(named), parameters_of(cycle, transaction.now), launched=cycle.launched_on is not None)
    transaction.session.add_all([Supervisor(cycle_id=cycle.id, **member.model_dump()) for member in named.values()])
    facts = {"members": [member.model_dump(mode="json") for member in named.values()]}
    move(transaction, cycle, "set_supervision_group", kind="supervision.appointed", facts=facts)
    return cycle


def answer_committee(transaction: Transaction, cycle: Cycle) -> CommitteeAnswer:
    """Answer with the roster."""
    transaction.version = cycle.version
    members = [SeatAnswer.model_validate(seat) for seat in committee_of(transaction, cycle)]
    return CommitteeAnswer(cycle=cycle.id, version=cycle.version, members=members)


def answer_group(transaction: Transaction, cycle: Cycle) -> SupervisionGroupAnswer:
    """Answer with the supervision group."""
    transaction.version = cycle.version
    members = [SupervisorAnswer.model_validate(member) for member in supervisors_of(transaction, cycle)]
    return SupervisionGroupAnswer(cycle=cycle.id, version=cycle.version, members=members)


routes = router("roster")


@routes.put("/cycles/{cycle_id}/committee", operation_id="set_committee")
def put_committee(cycle_id: UUID, committee: Committee, _office: Office, transaction: InTransaction, version: IfMatch) -> CommitteeAnswer:
    """Set the committee's roster (2.0); the version is the cycle's."""
    return answer_committee(transaction, set_committee(transaction, cycle_id, version, committee))


@routes.get("/cycles/{cycle_id}/committee", operation_id="get_committee")
def get_committee(cycle_id: UUID, person: SignedIn, transaction: InTransaction) -> CommitteeAnswer:
    """Read the committee's roster; the committee, the office and the supervision group do."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, person, cycle)
    return answer_committee(transaction, cycle)


@routes.put("/cycles/{cycle_id}/supervision-group", operation_id="set_supervision_group")
def put_supervision_group(
    cycle_id: UUID, group: SupervisionGroup, chair: Chair, transaction: InTransaction, version: IfMatch
) -> SupervisionGroupAnswer:
    """Set the supervision group, as the chair on this cycle's roster (7.1); the version is the cycle's."""
    return answer_group(transaction, set_supervision_group(transaction, cycle_id, chair, version, group))


@routes.get("/cycles/{cycle_id}/supervision-group", operation_id="get_supervision_group")
def get_supervision_group(cycle_id: UUID, person: SignedIn, transaction: InTransaction) -> SupervisionGroupAnswer:
    """Read the supervision group; the committee, the office and the group do."""
    cycle = find_cycle(transaction, cycle_id)
    check_insight(transaction, person, cycle)
    return answer_group(transaction, cycle)
