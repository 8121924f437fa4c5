"""Recusal follows the person: who may not review which organisation, and what panels must keep."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from regulation.edition import Parameters
from regulation.refusal import Refusal


class Recusal(NamedTuple):
    """A person may have nothing to do with an organisation (credit code)."""

    person: str
    organisation: str


@dataclass(frozen=True)
class Ground:
    """Why: an interest declared by the person, the office's own decision, or the applicant's request with the office's ruling."""

    person: str
    organisation: str
    source: Literal["declared", "office", "requested"]
    granted: bool = False


def recusals(grounds: Iterable[Ground]) -> frozenset[Recusal]:
    """Work out who is recused from which organisation; an applicant's request counts once granted.

    Clause 2.4.5.
    """
    return frozenset(Recusal(one.person, one.organisation) for one in grounds if one.source != "requested" or one.granted)


def check_request_ruling(reason: str, ruling_reason: str) -> None:
    """Demand the applicant's reasons for a recusal, and the office's for granting or refusing it.

    Clause 2.4.5.
    """
    if not reason.strip():
        raise Refusal("recusal_request_reason", "2.4.5")
    if not ruling_reason.strip():
        raise Refusal("recusal_ruling_reason", "2.4.5")


def check_not_recused(person: str, organisation: str, recused: Collection[Recusal]) -> None:
    """Refuse a person any part in the review of an organisation they are recused from.

    Clause 2.4.5.
    """
    if Recusal(person, organisation) in recused:
        raise Refusal("recused", "2.4.5", person=person)


def eligible_members(members: Collection[str], organisation: str, recused: Collection[Recusal]) -> frozenset[str]:
    """Name the panel's members who may review an organisation.

    Clause 2.4.5.
    """
    return frozenset(member for member in members if Recusal(member, organisation) not in recused)


def check_strength(members: Collection[str], applications: Mapping[str, str], recused: Collection[Recusal], p: Parameters) -> None:
    """Refuse a panel left with too few eligible members for an application it scores (application → credit code).

    Clause 2.0.
    """
    if len(set(members)) < p.panel_minimum:
        raise Refusal("panel_too_small", "2.0", members=len(set(members)), minimum=p.panel_minimum)
    for application, organisation in applications.items():
        if (left := len(eligible_members(members, organisation, recused))) < p.panel_minimum:
            raise Refusal("panel_too_few_eligible", "2.0", application=application, members=left, minimum=p.panel_minimum)


def check_panel(
    members: Mapping[str, bool],
    leader: str,
    applications: Mapping[str, str],
    recused: Collection[Recusal],
    p: Parameters,
) -> None:
    """Refuse to form a panel that is too small, holds a recused member, or is not led by a leader-qualified one of its members.

    `members` says of each person whether they are leader-qualified, `applications` gives each application's credit code.
    A recusal that comes up later takes the member from that application alone: then `check_strength` decides.

    Clauses 2.0, 2.4.5.
    """
    for organisation in applications.values():
        for member in members:
            check_not_recused(member, organisation, recused)
    check_strength(members, applications, recused, p)
    if leader not in members:
        raise Refusal("panel_leader_no_member", "2.0")
    if not members[leader]:
        raise Refusal("panel_leader_unqualified", "2.0")
