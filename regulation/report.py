"""The reports and plans that must stand before the next stage: a panel's, the office's, and until when a panel exists."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Literal

from regulation.calendar import midnight
from regulation.refusal import Refusal


def check_panel_report(
    leader: str, signed_by: str, members: Sequence[str], stances: Mapping[str, Literal["agree", "dissent"]], reasons: Mapping[str, str]
) -> None:
    """Refuse a panel's report unless its leader signed it and every other member agreed, or dissented in writing.

    Clauses 2.3.1, 2.3.3.
    """
    if signed_by != leader:
        raise Refusal("report_unsigned", "2.3.1")
    silent = [member for member in members if member != leader and member not in stances]
    if silent:
        raise Refusal("report_stance_missing", "2.3.1", members="、".join(silent))
    for member in members:
        if stances.get(member) == "dissent" and not reasons.get(member, "").strip():
            raise Refusal("dissent_without_reasons", "2.3.1", member=member)


def check_eligible(applications: Sequence[str], eligible: Collection[str]) -> None:
    """Refuse to give a panel an application that does not stand in the eligible list: only the qualified are reviewed.

    Clause 5.3.2.
    """
    if missing := [application for application in applications if application not in eligible]:
        raise Refusal("not_in_eligible_list", "5.3.2", applications=", ".join(missing))


def check_recommended(recommended: Sequence[str], assigned: Collection[str]) -> None:
    """Refuse to recommend for site review an application the panel did not review.

    Clause 2.3.1.
    """
    for application in recommended:
        if application not in assigned:
            raise Refusal("recommended_not_reviewed", "2.3.1", application=application)


def check_site_scoring(application: str, planned: Collection[str]) -> None:
    """Refuse site scores for an organisation that stands in no site plan yet.

    Clause 2.3.2.
    """
    if application not in planned:
        raise Refusal("site_plan_missing", "2.3.2")


def check_stage_reports(stage: Literal["material", "site"], panels: Collection[str], reported: Collection[str]) -> None:
    """Refuse to close a stage before every panel's report is in.

    Clauses 2.3.3, 5.3.3.
    """
    missing = sorted(set(panels) - set(reported))
    if missing:
        raise Refusal("panel_report_missing", "2.3.3" if stage == "material" else "5.3.3", panels="、".join(missing))


def check_stage_results(stage: Literal["material", "site"], applications: Collection[str], scored: Collection[str]) -> None:
    """Refuse to close a stage while an application of it has no result: none is left out, none counts as zero.

    Clauses 2.3.3, 5.3.3.
    """
    if missing := sorted(set(applications) - set(scored)):
        raise Refusal("stage_result_missing", "2.3.3" if stage == "material" else "5.3.3", applications=", ".join(missing))


def check_defences(due: Collection[str], heard: Collection[str], held_on: date, today: date) -> None:
    """Refuse a record of the oral defences that leaves out an application of the site review, or that is of a day to come.

    Clause 5.4.1.
    """
    if missing := sorted(set(due) - set(heard)):
        raise Refusal("defence_missing", "5.4.1", applications=", ".join(missing))
    if held_on > today:
        raise Refusal("defence_ahead", "5.4.1", earliest=midnight(held_on), held_on=held_on.isoformat())


def check_evaluation_stands(overtaken: Collection[str]) -> None:
    """Refuse to go on with an evaluation report that rests on stage results which a recusal has changed since (`overtaken`).

    The committee then takes the step back (2.1.2), and the report is computed anew.

    Clause 5.4.1.
    """
    if overtaken:
        raise Refusal("evaluation_overtaken", "5.4.1", applications=", ".join(sorted(overtaken)))


def check_panel_access(phase: str) -> None:
    """Refuse a panel's members once the review has ended: the panel has dissolved.

    Clause 2.3.end.
    """
    if phase in {"closed", "cancelled"}:
        raise Refusal("panel_dissolved", "2.3.end")


def check_winners_motion(*, evaluation_reported: bool) -> None:
    """Refuse a motion on winners before the office has reported results and candidates to the committee.

    Clause 2.2.3.
    """
    if not evaluation_reported:
        raise Refusal("evaluation_not_reported", "2.2.3")
