"""Scoring's part of a result bundle: panels, recusals, opened sheets with what their commitments were made from, consensus, reports.

In public a sheet is its ratings, its nonce and the hash of its texts: enough to recompute, nothing of a losing applicant's secrets (7.6).
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from sqlalchemy import Row, select

from kernel.bundle import Audience, Part, check_settled, everything, give, publishable
from kernel.identity import Anyone
from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from services.scoring.access import check_secrecy, check_watching, cycle_of, recusals_of, recused_from
from services.scoring.consensus import agreed_percents, signatures_by_round
from services.scoring.report import signatures_by_report, words_of
from services.scoring.sheet import hash_of_texts, percents
from services.scoring.tables import Dossier, Panel, Recusal, Report, Round, Seat, Sheet

PUBLISHED = ("published", "closed")
PUBLIC_KINDS = frozenset(
    [
        "panel.formed",
        "panel.changed",
        "panel.dissolved",
        "sheet.sealed",
        "sheets.opened",
        "sheet.withdrawn",
        "consensus.put",
        "consensus.signed",
        "report.drafted",
        "report.signed",
        "panel.reported",
        "panel.report_revised",
    ]
)
"""Events that tell nothing of a losing applicant but ids and scores."""

questions = router("internal")


def panels(transaction: Transaction, found: Sequence[Panel], seen: Collection[UUID]) -> list[dict[str, Any]]:
    """Give each panel's members by their ids, and what it reviews."""
    session = transaction.session
    seats = session.scalars(select(Seat).where(Seat.panel.in_([one.id for one in found]), Seat.left_at.is_(None))).all()
    dossiers = session.scalars(select(Dossier).where(Dossier.application.in_(seen))).all()
    return [
        {
            "panel": str(panel.id),
            "name": panel.name,
            "leader": panel.leader,
            "members": sorted(seat.person for seat in seats if seat.panel == panel.id),
            "applications": sorted(str(one.application) for one in dossiers if one.panel == panel.id),
        }
        for panel in found
    ]


def recusals(transaction: Transaction, hidden: Collection[str]) -> list[dict[str, Any]]:
    """List the recusals that stand."""
    query = select(Recusal).where(Recusal.lifted_at.is_(None), Recusal.credit_code.not_in(hidden))
    return [
        {"person": one.person, "credit_code": one.credit_code, "kind": one.kind, "source": one.source}
        for one in transaction.session.scalars(query.order_by(Recusal.person, Recusal.credit_code, Recusal.source))
    ]


def sheets(found: Sequence[Row[Sheet, Round]], audience: Audience) -> list[dict[str, Any]]:
    """Give the opened sheets, and name the withdrawn; a sealed one is not there."""
    own = audience == "supervision"
    listed = []
    for sheet, its_round in found:
        opened = sheet.state == "opened"
        salt = sheet.salt or b""
        listed.append(
            {
                "sheet": str(sheet.id),
                "application": str(its_round.application),
                "stage": its_round.stage,
                "panel": str(its_round.panel),
                "person": sheet.person,
                "state": sheet.state,
                "why": sheet.why_withdrawn,
                "ratings": percents(sheet) if opened else None,
                "nonce": (sheet.nonce or b"").hex() if opened else None,
                "texts_hash": hash_of_texts(salt, sheet.texts).hex() if opened else None,
                "commitment": (sheet.commitment or b"").hex() if opened else None,
                "salt": salt.hex() if own and opened else None,
                "texts": sheet.texts if own and opened else None,
            }
        )
    return listed


def consensus(transaction: Transaction, found: Sequence[Round]) -> list[dict[str, Any]]:
    """Give each consensus sheet in percent with the stances of whoever signed it."""
    signed = signatures_by_round(transaction, [one.id for one in found])
    return [
        {
            "application": str(one.application),
            "stage": one.stage,
            "panel": str(one.panel),
            "agreed": agreed_percents(one),
            "signatures": {by.person: by.stance for by in signed[one.id]},
        }
        for one in found
        if one.opened_at is not None and one.agreed is not None
    ]


def reports(transaction: Transaction, found: Sequence[Report], audience: Audience) -> list[dict[str, Any]]:
    """Give every report that went out, with every revision; the words are the supervision group's to read."""
    signed = signatures_by_report(transaction, found)
    return [
        {
            "report": str(one.id),
            "panel": str(one.panel),
            "stage": one.stage,
            "revision": one.revision,
            "signed_by": one.signed_by,
            "recommended": one.recommended,
            "results": one.results,
            "signatures": {by.person: by.stance for by in signed[one.id]},
            "words": words_of(one) if audience == "supervision" else None,
        }
        for one in found
    ]


@questions.get("/internal/bundle")
def get_part(reader: Anyone, transaction: InTransaction, cycle: UUID, audience: Annotated[Audience, Query()]) -> Part:
    """Give scoring's part of a cycle's bundle: to its supervision group, or after publication to anybody."""
    found = cycle_of(transaction, cycle)
    session, hidden, names = transaction.session, frozenset[str](), frozenset[str]()
    if audience == "public":
        if found.phase not in PUBLISHED:
            raise absent()
    elif reader is None or reader.role != "supervisor":
        raise absent()
    else:
        check_watching(transaction, reader, found.id)
        check_secrecy(transaction, reader.person, found)
        hidden = frozenset(one.organisation for one in recusals_of(session, [reader.person]))
        names = frozenset(recused_from(session, reader.person))
    check_settled(transaction)
    seen = session.scalars(select(Dossier.application).where(Dossier.cycle == found.id, Dossier.credit_code.not_in(hidden))).all()
    of_cycle = session.scalars(select(Panel).where(Panel.cycle == found.id).order_by(Panel.id)).all()
    rounds = session.scalars(select(Round).where(Round.application.in_(seen)).order_by(Round.application, Round.stage)).all()
    states = ("opened", "withdrawn")
    its_sheets = session.execute(
        select(Sheet, Round)
        .join(Round, Round.id == Sheet.round)
        .where(Round.application.in_(seen), Sheet.state.in_(states))
        .order_by(Sheet.id)
    ).all()
    sent = session.scalars(
        select(Report)
        .where(Report.panel.in_([one.id for one in of_cycle]), Report.sent_at.is_not(None))
        .order_by(Report.panel, Report.stage, Report.revision)
    ).all()
    documents = {
        "panels": panels(transaction, of_cycle, seen),
        "recusals": recusals(transaction, hidden) if audience == "supervision" else None,
        "sheets": sheets(its_sheets, audience),
        "consensus": consensus(transaction, rounds),
        "reports": [one for one in reports(transaction, sent, audience) if not any(name in str(one) for name in names)],
    }
    if audience == "public":
        ids = {str(cycle), *(str(one.id) for one in of_cycle), *map(str, seen), *(str(sheet.id) for sheet, _ in its_sheets)}
        return give(transaction, documents, publishable(PUBLIC_KINDS, ids))
    return give(transaction, documents, everything, names)
