"""Completeness: what an application's form still lacks, section by section, each with the clause that asks for it (5.2, 5.3.1)."""

from typing import Any
from uuid import UUID

from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer
from regulation import edition
from regulation.form import Missing, form, unproved
from services.intake import access, dossier
from services.intake.application import Reader
from services.intake.form import Label
from services.intake.tables import Application, Cycle


class Lack(Answer):
    """What is missing: a JSON pointer into the section (empty: the whole of it), what it is called, and the clause that asks for it."""

    pointer: str
    label: Label
    clause: str
    clause_text: str


class SectionCompleteness(Answer):
    """How far one section has come; `unproved` are the places for a proof that nothing proves yet, which is no bar."""

    section: str
    saved: bool
    complete: bool
    missing: list[Lack]
    unproved: list[Lack]


class TaxPerMu(Answer):
    """A year's tax per mu, in yuan rounded down to the fen, as 3.2.7 reckons it."""

    year: int
    yuan: str


class Completeness(Answer):
    """Whether the form could be handed in, section by section, and what follows from its figures."""

    complete: bool
    sections: list[SectionCompleteness]
    tax_per_mu: list[TaxPerMu]


def _by_section(edition_name: str, lacking: list[Missing]) -> dict[str, list[Lack]]:
    clauses = edition.load(edition_name).clauses
    found: dict[str, list[Lack]] = {name: [] for name in form(edition_name)}
    for one in lacking:
        label = Label(zh=one.zh, en=one.en)
        found[one.section].append(Lack(pointer=one.pointer, label=label, clause=one.clause, clause_text=clauses[one.clause].text))
    return found


def completeness(transaction: Transaction, application: Application) -> Completeness:
    """Work out what is missing: for the applicant in what it edits, for everybody else in what was submitted.

    Clauses 3.2.7, 5.2.
    """
    cycle = transaction.session.get_one(Cycle, application.cycle_id)
    frozen = access.read_dossier(transaction, application, "completeness")
    content: dict[str, Any] = dossier.assemble(transaction, application) if frozen is None else frozen
    lacks = dossier.lacks(content, cycle, access.parameters(cycle))
    missing = _by_section(cycle.edition, lacks)
    proved = {one["requirement"] for one in content["attachments"]}
    bare = _by_section(cycle.edition, unproved(cycle.edition, content["sections"], proved))
    sections = [
        SectionCompleteness(
            section=name, saved=name in content["sections"], complete=not missing[name], missing=missing[name], unproved=bare[name]
        )
        for name in missing
    ]
    taxes = [TaxPerMu(year=year, yuan=f"{yuan:.2f}") for year, yuan in sorted(dossier.taxes_per_mu(content).items())]
    return Completeness(complete=not lacks, sections=sections, tax_per_mu=taxes)


routes = router("application")


@routes.get("/applications/{application}/completeness", operation_id="get_completeness")
def get_completeness(application: UUID, _reader: Reader, transaction: InTransaction) -> Completeness:
    """Read what the form still lacks, per section, with the clause that asks for it; an official's reading is recorded (5.2, 7.6)."""
    return completeness(transaction, access.find(transaction, application))
