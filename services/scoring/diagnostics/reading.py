"""Whose sheets a reader's advice may rest on: opened ones only, never of an organisation the reader is recused from (2.4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import aliased

from kernel.identity import Principal
from kernel.problems import absent
from kernel.requests import Transaction
from regulation.score import sheet_twentieths
from services.scoring.access import (
    STAGES,
    Stage,
    admitted,
    check_secrecy,
    check_watching,
    cycle_of,
    not_recused,
    panel_for,
    parameters_of,
    phase_of,
    rubric_of,
    rules_of,
    standing,
)
from services.scoring.consensus import agreed_percents, check_leader
from services.scoring.outcome import Contender, Rules, Scored
from services.scoring.sheet import percents
from services.scoring.tables import Cycle, Dossier, Panel, Report, Reviewer, Round, Sheet


@dataclass(frozen=True)
class Scope:
    """What advice is asked on: one panel, a leader's own panels, or (null) the whole cycle."""

    reader: Principal
    cycle: Cycle
    panels: tuple[UUID, ...] | None


def panel_scope(transaction: Transaction, key: UUID, reader: Principal) -> Scope:
    """Open a panel's advice to its leader, the office, the committee and supervisors, once they gave the undertaking (7.6)."""
    panel, cycle = panel_for(transaction, key, reader)
    if reader.role == "reviewer":
        check_leader(panel, reader.person)
    return Scope(reader, cycle, (panel.id,))


def cycle_scope(transaction: Transaction, key: UUID, reader: Principal) -> Scope:
    """Open a cycle's advice likewise; a leader gets that on the panels they lead."""
    cycle = cycle_of(transaction, key)
    if reader.role != "reviewer":
        check_watching(transaction, reader, cycle.id)
        check_secrecy(transaction, reader.person, cycle)
        return Scope(reader, cycle, None)
    led = select(Panel.id).where(Panel.cycle == cycle.id, Panel.leader == reader.person, admitted(reader.person)).order_by(Panel.id)
    panels = tuple(transaction.session.scalars(led))
    if not panels:
        raise absent()
    return Scope(reader, cycle, panels)


def current_stage(transaction: Transaction, cycle: Cycle) -> Stage:
    """Name the stage that is scored, or was scored last."""
    phase = phase_of(transaction, cycle)
    return STAGES.get(phase, "material" if phase in {"open", "screening"} else "site")


def opened(scope: Scope) -> Select[Sheet, Round, Dossier]:
    """Select the opened sheets that this reader's advice may rest on; whoever still scores blind has none of that round."""
    person, own = scope.reader.person, aliased(Sheet)
    query = (
        select(Sheet, Round, Dossier)
        .join(Round, Round.id == Sheet.round)
        .join(Dossier, Dossier.application == Round.application)
        .where(Dossier.cycle == scope.cycle.id, Round.opened_at.is_not(None), Sheet.state == "opened", standing(), not_recused(person))
        .where(~exists().where(own.round == Round.id, own.person == person, own.state.in_(("draft", "sealed"))))
        .order_by(Sheet.id)
    )
    if scope.panels is not None:
        query = query.where(Round.panel.in_(scope.panels))
    return query


def names_of(transaction: Transaction, persons: Sequence[str]) -> dict[str, str]:
    """Give the reviewers' names."""
    query = select(Reviewer.person, Reviewer.name).where(Reviewer.person.in_(persons))
    return {person: name for person, name in transaction.session.execute(query)}  # noqa: C416 - rows are no plain pairs


def rules_for(cycle: Cycle) -> Rules:
    """Give the cycle's own rules."""
    rules = rules_of(cycle)
    weights = rules.material_weight, rules.site_weight
    return Rules(rules.aggregation, *weights, rules.fallback_between_awards, parameters_of(cycle))


def contenders(transaction: Transaction, scope: Scope) -> list[Contender]:
    """Gather what was scored of each application in both stages, with all that its place depends on."""
    rubric = rubric_of(scope.cycle)
    dossiers: dict[UUID, Dossier] = {}
    rounds: dict[tuple[UUID, str], Round] = {}
    sheets: dict[tuple[UUID, str], dict[str, int]] = {}
    for sheet, found, dossier in transaction.session.execute(opened(scope)):
        dossiers[dossier.application] = dossier
        place = dossier.application, found.stage
        rounds[place] = found
        sheets.setdefault(place, {})[sheet.person] = sheet_twentieths(percents(sheet), rubric)
    stages: dict[UUID, dict[Stage, Scored]] = {application: {} for application in dossiers}
    for (application, stage), found in rounds.items():
        consensus = sheet_twentieths(agreed_percents(found), rubric) if found.agreed else None
        stages[application]["material" if stage == "material" else "site"] = Scored(sheets[application, stage], consensus)
    recommended, reported = _recommended(transaction, scope.cycle)
    return [
        Contender(
            str(one.application),
            one.credit_code,
            frozenset(one.awards),
            one.fallback,
            one.preferred,
            str(one.application) in recommended or one.panel not in reported,
            stages[one.application],
        )
        for one in dossiers.values()
    ]


def _recommended(transaction: Transaction, cycle: Cycle) -> tuple[frozenset[str], frozenset[UUID]]:
    """Tell whom the panels' latest material reports recommend for site review, and which panels have reported."""
    query = select(Report).join(Panel, Panel.id == Report.panel).where(Panel.cycle == cycle.id, Report.stage == "material")
    sent = query.where(Report.sent_at.is_not(None)).order_by(Report.revision)
    latest = {report.panel: report for report in transaction.session.scalars(sent)}
    return frozenset(application for report in latest.values() for application in report.recommended), frozenset(latest)
