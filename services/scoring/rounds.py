"""A round: one application's sheets by its panel in one stage. It begins, loses sheets to recusals, and opens when every sheet is in.

A recusal found after the stage's report reopens the round: the panel re-forms the consensus on the sheets that are left, and reports anew.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from kernel.requests import Transaction
from regulation.lifecycle import PANEL, SHEET, step
from services.scoring.access import cycle_of, eligible_for, parameters_of, phase_of, stage_of, standing
from services.scoring.tables import Cycle, Dossier, Panel, Report, Round, Seat, Sheet, Signature


def phase_for(transaction: Transaction, panel: Panel, found: Round) -> str | None:
    """Give the phase by which a round is judged; a reopened round is judged by none while its report may be revised (2.4.5)."""
    phase = phase_of(transaction, cycle_of(transaction, panel.cycle))
    if found.reopened_at is None:
        return phase
    step(PANEL, panel.state, "revise_report", phase)
    return None


def begin(transaction: Transaction, panel: Panel, cycle: Cycle) -> None:
    """Give every eligible member a sheet for whatever the panel scores now, reopened rounds too; the caller holds the panel."""
    reopened = select(Round).where(Round.panel == panel.id, Round.reopened_at.is_not(None)).order_by(Round.application).with_for_update()
    for found in transaction.session.scalars(reopened).all():
        fill(transaction, panel, found)
    stage = stage_of(cycle)
    if stage is None:
        return
    step(SHEET, "new", "begin", phase_of(transaction, cycle))
    wanted = select(Dossier).where(Dossier.panel == panel.id, standing()).order_by(Dossier.application)
    if stage == "site":
        wanted = wanted.where(Dossier.shortlisted)
    for dossier in transaction.session.scalars(wanted):
        held = select(Round).where(Round.application == dossier.application, Round.stage == stage).with_for_update()
        found = transaction.session.scalar(held) or Round(panel=panel.id, application=dossier.application, stage=stage)
        transaction.session.add(found)
        transaction.session.flush()
        fill(transaction, panel, found)


def fill(transaction: Transaction, panel: Panel, found: Round) -> None:
    """Give a locked round the sheets it lacks; whoever took the seat of a member whose finished sheet was kept needs none."""
    dossier = transaction.session.get_one(Dossier, found.application)
    sheets = transaction.session.scalars(
        select(Sheet).where(Sheet.round == found.id, (Sheet.state != "withdrawn") | (Sheet.why_withdrawn == "round_closed"))
    ).all()
    has = {sheet.person for sheet in sheets}
    before = {seat.person: seat.replaces for seat in transaction.session.scalars(select(Seat).where(Seat.panel == panel.id))}

    def covered(person: str | None) -> bool:
        seen: set[str] = set()
        while person is not None and person not in has and person not in seen:
            seen.add(person)
            person = before.get(person)
        return person in has

    missing = {person for person in eligible_for(transaction.session, panel, dossier.credit_code) if not covered(person)}
    transaction.session.add_all(Sheet(round=found.id, person=person) for person in sorted(missing))
    transaction.session.flush()


def locked(transaction: Transaction, key: UUID) -> Round:
    """Lock a round: whatever counts its sheets holds its row."""
    return transaction.session.get_one(Round, key, with_for_update=True, populate_existing=True)


def live_sheets(transaction: Transaction, found: Round) -> list[Sheet]:
    """List the sheets of a round that were not withdrawn."""
    query = select(Sheet).where(Sheet.round == found.id, Sheet.state != "withdrawn").order_by(Sheet.id)
    return list(transaction.session.scalars(query.with_for_update().execution_options(populate_existing=True)))


def opened_sheets(transaction: Transaction, found: Round) -> list[Sheet]:
    """List the sheets of a round that count: those that were opened."""
    return list(transaction.session.scalars(select(Sheet).where(Sheet.round == found.id, Sheet.state == "opened").order_by(Sheet.id)))


def counted(transaction: Transaction, person: str, credit_code: str) -> list[str]:
    """Name an organisation's applications under review in whose results opened sheets of this person count."""
    query = (
        select(Round.application)
        .join(Sheet, Sheet.round == Round.id)
        .join(Dossier, Dossier.application == Round.application)
        .join(Panel, Panel.id == Round.panel)
        .where(Sheet.person == person, Sheet.state == "opened", Dossier.credit_code == credit_code, Panel.state == "formed")
    )
    return [str(application) for application in transaction.session.scalars(query.distinct().order_by(Round.application))]


def settled_sheets(transaction: Transaction, rounds: Collection[UUID]) -> Mapping[UUID, list[Sheet]]:
    """List the opened and the withdrawn sheets of each of these rounds."""
    found: dict[UUID, list[Sheet]] = {key: [] for key in rounds}
    query = select(Sheet).where(Sheet.round.in_(found), Sheet.state.in_(("opened", "withdrawn"))).order_by(Sheet.id)
    for sheet in transaction.session.scalars(query):
        found[sheet.round].append(sheet)
    return found


def unsign(transaction: Transaction, found: Round) -> None:
    """Take the stances off a consensus sheet that no longer stands as it was signed."""
    transaction.session.execute(delete(Signature).where(Signature.round == found.id))


def withdraw(transaction: Transaction, found: Round, sheets: Iterable[Sheet], why: str, clause: str) -> None:
    """Take sheets out of a round that the caller has locked; a withdrawn sheet is never counted, and named where it isn't."""
    panel = transaction.session.get_one(Panel, found.panel)
    phase = phase_of(transaction, transaction.session.get_one(Cycle, panel.cycle))
    for sheet in sheets:
        was_counted = sheet.state == "opened"
        sheet.state = step(SHEET, sheet.state, "withdraw", phase).to
        sheet.why_withdrawn = why
        transaction.record("sheet.withdrawn", f"sheet:{sheet.id}", clause=clause, facts={"why": why})
        if was_counted:
            reform(transaction, panel, found, sheet)
    transaction.session.flush()


def reform(transaction: Transaction, panel: Panel, found: Round, gone: Sheet) -> None:
    """Take what rested on a sheet that is gone off the consensus, and off the stage's report, until the panel settles both anew."""
    unsign(transaction, found)
    drop_draft(transaction, panel, found.stage)
    if found.agreed is not None:
        found.version += 1
        found.agreed = {
            item: {**rating, "changes": {sheet: by for sheet, by in rating["changes"].items() if sheet != str(gone.id)}}
            for item, rating in found.agreed.items()
        }
    report = newest_report(transaction, panel, found.stage)
    if report is None:
        return
    found.reopened_at = transaction.now
    application = str(found.application)
    revised = Report(
        panel=panel.id,
        stage=report.stage,
        revision=report.revision + 1,
        text=report.text,
        recommended=report.recommended,
        results=[result for result in report.results if result["application"] != application],
        findings=report.findings,
        signed_by=None,
        at=transaction.now,
        sent_at=transaction.now,
    )
    transaction.session.add(revised)
    transaction.session.flush()
    tell_report(transaction, panel, revised, "2.4.5", reopened=application, without=str(gone.id), why=gone.why_withdrawn)


def newest_report(transaction: Transaction, panel: Panel, stage: str) -> Report | None:
    """Load a panel's last report of a stage that went out."""
    sent = select(Report).where(Report.panel == panel.id, Report.stage == stage, Report.sent_at.is_not(None))
    return transaction.session.scalar(sent.order_by(Report.revision.desc()).limit(1))


def drop_draft(transaction: Transaction, panel: Panel, stage: str) -> None:
    """Drop a stage's report that has not gone out: what its members sign has changed."""
    transaction.session.execute(delete(Report).where(Report.panel == panel.id, Report.stage == stage, Report.sent_at.is_(None)))
    transaction.session.flush()


def tell_report(transaction: Transaction, panel: Panel, report: Report, clause: str, **more: Any) -> None:  # noqa: ANN401 - facts are JSON
    """Record a panel's report, and tell workflow the official results it rests on."""
    facts = {
        "cycle": str(panel.cycle),
        "panel": str(panel.id),
        "stage": report.stage,
        "report": str(report.id),
        "recommended": report.recommended,
        "results": report.results,
    }
    kind = "panel.reported" if report.revision == 1 else "panel.report_revised"
    transaction.record(kind, f"panel:{panel.id}", clause=clause, facts=facts | more, tell=("workflow",))


def open_sheets(transaction: Transaction, panel: Panel, found: Round, sheets: Iterable[Sheet], reason: str | None = None) -> None:
    """Open sealed sheets of a round that the caller has locked; what was agreed on fewer sheets is to be signed again."""
    phase = phase_for(transaction, panel, found)
    opened = [sheet for sheet in sheets if sheet.state == "sealed"]
    for sheet in opened:
        sheet.state = step(SHEET, sheet.state, "open", phase).to
    found.opened_at = found.opened_at or transaction.now
    unsign(transaction, found)
    facts: dict[str, Any] = {"panel": str(panel.id), "stage": found.stage, "sheets": [str(sheet.id) for sheet in opened]}
    transaction.record(
        "sheets.opened", f"application:{found.application}", clause="2.3.1", facts=facts | ({"reason": reason} if reason else {})
    )
    transaction.session.flush()


def open_if_complete(transaction: Transaction, panel: Panel, found: Round) -> None:
    """Open the round's sealed sheets once every sheet is in, and they are enough (2.0); nobody recused has one."""
    cycle = transaction.session.get_one(Cycle, panel.cycle)
    sheets = live_sheets(transaction, found)
    waiting = any(sheet.state == "draft" for sheet in sheets)
    sealed = any(sheet.state == "sealed" for sheet in sheets)
    if sealed and not waiting and len(sheets) >= parameters_of(cycle).panel_minimum:
        open_sheets(transaction, panel, found, sheets)


def leave(
    transaction: Transaction,
    person: str,
    why: str,
    clause: str,
    credit_code: str | None = None,
    panel: Panel | None = None,
    *,
    keep_finished: bool = False,
) -> list[Sheet]:
    """Withdraw a person's sheets of the running stage: of one organisation, of one panel, or all; rounds thereby complete are opened.

    A recusal also takes out the opened sheets of earlier stages, as long as their reports may be revised (2.4.5). A replacement takes
    out no opened sheet: what it holds is known, and nobody may choose by it. Gives what was withdrawn.
    """
    query = (
        select(Sheet, Round, Panel, Cycle)
        .join(Round, Round.id == Sheet.round)
        .join(Panel, Panel.id == Round.panel)
        .join(Cycle, Cycle.id == Panel.cycle)
        .join(Dossier, Dossier.application == Round.application)
        .where(Sheet.person == person, Sheet.state != "withdrawn", Panel.state == "formed", standing())
        .order_by(Panel.id, Round.id)
    )
    if credit_code is not None:
        query = query.where(Dossier.credit_code == credit_code)
    if panel is not None:
        query = query.where(Panel.id == panel.id)
    revisable = PANEL["formed", "revise_report"].during or ()
    withdrawn: list[Sheet] = []
    for sheet, found, its_panel, cycle in transaction.session.execute(query).all():
        locked(transaction, found.id)
        own = [live for live in live_sheets(transaction, found) if live.id == sheet.id]
        late = why == "recused" and sheet.state == "opened" and phase_of(transaction, cycle) in revisable
        kept = why == "replaced" and (sheet.state == "opened" or (keep_finished and sheet.state == "sealed"))
        if not own or kept or not (late or stage_of(cycle) == found.stage or found.reopened_at):
            continue
        withdraw(transaction, found, own, why, clause)
        withdrawn.append(sheet)
        fill(transaction, its_panel, found)
        open_if_complete(transaction, its_panel, found)
    return withdrawn


def fall(transaction: Transaction, application: UUID, how: str, clause: str) -> None:
    """Withdraw the running stage's sheets of an application that was withdrawn or disqualified; what was reported stands."""
    query = (
        select(Round, Cycle)
        .join(Panel, Panel.id == Round.panel)
        .join(Cycle, Cycle.id == Panel.cycle)
        .where(Round.application == application)
        .with_for_update(of=Round)
    )
    for found, cycle in transaction.session.execute(query).all():
        if stage_of(cycle) == found.stage:
            withdraw(transaction, found, live_sheets(transaction, found), how, clause)


def end_stage(transaction: Transaction, panel: Panel, stage: str) -> None:
    """Withdraw the drafts left over when a stage ends: nobody waits for them any more."""
    query = select(Round).where(Round.panel == panel.id, Round.stage == stage).with_for_update()
    for found in transaction.session.scalars(query):
        left = [sheet for sheet in live_sheets(transaction, found) if sheet.state != "opened"]
        withdraw(transaction, found, left, "round_closed", "5.3.2")


def dissolve(transaction: Transaction, cycle_id: UUID) -> None:
    """Dissolve every panel of a cycle that has ended: all access ends at once (2.3.end)."""
    cycle = cycle_of(transaction, cycle_id)
    query = select(Panel).where(Panel.cycle == cycle_id, Panel.state == "formed").order_by(Panel.id).with_for_update()
    for panel in transaction.session.scalars(query):
        panel.state = step(PANEL, panel.state, "dissolve", cycle.phase).to
        panel.version += 1
        transaction.record("panel.dissolved", f"panel:{panel.id}", clause="2.3.end", facts={"cycle": str(cycle_id)})
