"""The dossier of an application: how it is put together, and what it and the departments' findings say to the rules."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select

from kernel.requests import Transaction
from regulation import eligibility
from regulation.calendar import day
from regulation.edition import Parameters
from regulation.eligibility import Facts, Incident, Repair
from regulation.endorsement import townships
from regulation.form import Case, Missing, missing
from services.intake.access import latest
from services.intake.form import DeclaredIncident
from services.intake.organisation import OrganisationBody
from services.intake.tables import Application, Attachment, Cycle, Endorsement, Organisation, Outcome, Verification

INCIDENTS = TypeAdapter(list[DeclaredIncident])


def assemble(transaction: Transaction, application: Application) -> dict[str, Any]:
    """Put together what the applicant has stated so far, as it would be frozen; whom to telephone is no part of a dossier."""
    session = transaction.session
    organisation = session.get_one(Organisation, application.credit_code)
    stated = {name: getattr(organisation, name) for name in OrganisationBody.model_fields if name != "contacts"}
    attachments = session.scalars(
        select(Attachment)
        .where(Attachment.application_id == application.id, Attachment.removed_at.is_(None), Attachment.body.is_(None))
        .order_by(Attachment.id)
    )
    return {
        "application": str(application.id),
        "cycle": str(application.cycle_id),
        "awards": application.awards,
        "field": application.field,
        "fallback": application.fallback,
        "organisation": {"credit_code": application.credit_code}
        | stated
        | {name: stated[name].isoformat() for name in ("registered_on", "in_district_since")},
        "sections": {section.name: section.content for section in application.sections},
        "attachments": [
            {
                "id": str(attachment.id),
                "name": attachment.name,
                "requirement": attachment.requirement,
                "media_type": attachment.media_type,
                "size": attachment.size,
                "sha256": attachment.sha256.hex(),
            }
            for attachment in attachments
        ],
    }


def remark_on(transaction: Transaction, application: Application, section: str) -> str | None:
    """Give what the body or the office wants corrected in a section of a returned application."""
    if application.state != "returned":
        return None
    returns = select(Endorsement.section_remarks).where(Endorsement.application_id == application.id, Endorsement.decision == "return")
    remarks = transaction.session.scalar(returns.order_by(Endorsement.id.desc()).limit(1)) or {}
    remark: str | None = remarks.get(section)
    return remark


def declared(content: Mapping[str, Any]) -> list[DeclaredIncident]:
    """Read what the applicant declared of 3.3."""
    return INCIDENTS.validate_python(content["sections"].get("history", {}).get("incidents", []))


def incident(found: DeclaredIncident, repair: Repair | None = None) -> Incident:
    """Give an incident as the rules know it; only a repair on which the office decided counts."""
    return Incident(found.kind, found.occurred_on, found.found_on, found.number, repair)


def taxes_per_mu(content: Mapping[str, Any]) -> dict[int, Decimal]:
    """Divide each stated year's tax by its land exactly, in yuan, rounded down to the fen: no rounding lifts anybody over a minimum.

    Clause 3.2.7.
    """
    years = content["sections"].get("indicators", {}).get("years", [])
    stated = [year for year in years if year.keys() >= {"year", "tax_paid", "land_mu"}]
    return {
        year["year"]: Decimal(int(Decimal(year["tax_paid"]) * 100) * 100 // int(Decimal(year["land_mu"]) * 100)) / 100 for year in stated
    }


def lacks(content: Mapping[str, Any], cycle: Cycle, p: Parameters) -> list[Missing]:
    """List what the form still lacks before it can be handed in, each with the clause that asks for it.

    Clause 5.2.
    """
    industrial = content["organisation"]["industry"][:1] in p.industrial_sections
    innovation = any(p.award(key).needs_innovation_field for key in content["awards"])
    attachments = frozenset(one["id"] for one in content["attachments"])
    return missing(cycle.edition, content["sections"], Case(industrial, innovation, cycle.year, attachments))


def facts(content: Mapping[str, Any], cycle: Cycle, filed_on: date, incidents: Iterable[Incident]) -> Facts:
    """Put together what the rules ask of a dossier filed on a day."""
    organisation, tax_year = content["organisation"], cycle.year - 1
    tax = taxes_per_mu(content).get(tax_year)
    return Facts(
        form=organisation["legal_form"],
        township=organisation["township"],
        townships=townships(cycle.edition),
        registered_on=date.fromisoformat(organisation["registered_on"]),
        in_district_since=date.fromisoformat(organisation["in_district_since"]),
        filed_on=filed_on,
        industry=organisation["industry"],
        cycle_year=cycle.year,
        tax_year=None if tax is None else tax_year,
        tax_per_mu=tax,
        incidents=tuple(incidents),
    )


def screened_facts(transaction: Transaction, application: Application, cycle: Cycle) -> Facts:
    """Put together what the rules ask in the screening: the frozen dossier, and what departments found or saw repaired.

    Clauses 3.3.1, 3.3.2, 3.3.3, 3.4.
    """
    session = transaction.session
    answers = session.scalars(select(Verification.answer).where(Verification.application_id == application.id))
    repairs = session.scalars(select(Outcome.repairs).where(Outcome.application_id == application.id))
    return examined_facts(latest(transaction, application).content, application, cycle, [one for one in answers if one], repairs)


def examined_facts(
    content: Mapping[str, Any],
    application: Application,
    cycle: Cycle,
    answers: Iterable[Mapping[str, Any]],
    repairs: Iterable[list[dict[str, Any]]],
) -> Facts:
    """Put together what the rules ask, from what was loaded."""
    assert application.filed_at is not None  # noqa: S101 - only what was filed is screened
    found = declared(content)
    for answer in answers:
        found += INCIDENTS.validate_python(answer["incidents"])
    decided = {
        repair["number"]: Repair(repair["confirmed_by"], date.fromisoformat(repair["confirmed_on"]), repair["accepted"], repair["reason"])
        for several in repairs
        for repair in several
    }
    incidents = [incident(one, decided.get(one.number)) for one in found]
    return facts(content, cycle, day(application.filed_at), incidents)


def last_filing_day(closes: datetime) -> date:
    """Give the last day on which an application can still be filed in a window that ends before the instant `closes`."""
    return day(closes - timedelta(microseconds=1))


def innovation_fields(section: Mapping[str, Any]) -> list[str]:
    """List the fields of innovation in which a section states results (1.3)."""
    return [result["field"] for result in section.get("results", []) if "field" in result]


def check_declarations(content: Mapping[str, Any], p: Parameters) -> None:
    """Refuse a dossier that is not voluntary, or seeks what the awards are not for.

    Clauses 1.1, 1.2, 1.3, 1.4.
    """
    awards = tuple(content["awards"])
    results = innovation_fields(content["sections"].get("innovation", {}))
    eligibility.check_voluntary(declared=content["sections"].get("declarations", {}).get("voluntary", False))
    eligibility.check_awards_sought(awards, p)
    eligibility.check_field(content["field"], p)
    eligibility.check_innovation_results(awards, results, p)


def check_filing(content: Mapping[str, Any], cycle: Cycle, filed_on: date, p: Parameters) -> None:
    """Refuse what no screening could pass, as of a day of filing.

    An incident with a confirmed repair goes on to the office, which decides whether it counts.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 3.4.
    """
    standing = []
    for found in declared(content):
        if found.repair is None:
            standing.append(incident(found))
            continue
        claimed = Repair(found.repair.confirmed_by, found.repair.confirmed_on, accepted=True, reason=found.number)
        eligibility.check_repair(found.kind, claimed)
    stated = facts(content, cycle, filed_on, standing)
    for criterion in eligibility.CRITERIA:
        finding = eligibility.machine_finding(criterion.clause, stated, p)
        if finding.refusal:
            raise finding.refusal
