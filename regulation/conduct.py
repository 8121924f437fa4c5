"""Secrecy, discipline, and what the supervision group may see and hold."""

from collections.abc import Collection
from datetime import date

from regulation.refusal import Refusal

UNSEEN_BY_SUPERVISORS = ("sealed_sheet", "unopened_ballot", "objector_contact", "recused_application")


def check_undertaking(given_on: date | None, *, disqualified: bool) -> None:
    """Refuse access to whoever has given no confidentiality undertaking, or was disqualified from the review.

    Clause 7.6.
    """
    if disqualified:
        raise Refusal("disqualified_from_review", "7.6")
    if given_on is None:
        raise Refusal("undertaking_missing", "7.6")


def check_supervisor_reads(what: str) -> None:
    """Refuse a supervisor the few things the group doesn't see.

    Clause 7.1.
    """
    if what in UNSEEN_BY_SUPERVISORS:
        raise Refusal("unseen_by_supervisors", "7.1")


def check_sanction_answered(measure: str | None, *, imposed: bool | None) -> None:
    """Refuse an answer to a finding that proposed a sanction without saying whether it was imposed, and one about no sanction.

    Clause 7.6.
    """
    if (measure is None) != (imposed is None):
        raise Refusal("sanction_unanswered", "7.6", measure=measure or "-")


def check_appoints_supervisors(duties: Collection[str]) -> None:
    """Refuse a supervision group set by anybody but the chair of the very committee whose cycle it watches, by their duties on its roster.

    Clause 7.1.
    """
    if "chair" not in duties:
        raise Refusal("not_this_cycles_chair", "7.1")


def check_findings_answered(step: str, held: Collection[str]) -> None:
    """Refuse a step that a supervision finding holds until it is answered.

    Clause 7.1.
    """
    if step in held:
        raise Refusal("finding_unanswered", "7.1")
