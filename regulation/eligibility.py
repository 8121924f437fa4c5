"""Who may apply for what (chapters 1 and 3), and how the screening of an application is settled (5.3.1)."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from regulation.calendar import anniversary, midnight
from regulation.edition import Parameters
from regulation.refusal import Refusal

LegalForm = Literal["legal_person", "branch", "sole_trader"]
IncidentKind = Literal["accident", "violation", "bad_faith", "credit_record", "spot_check", "complaint"]
PriorityFlag = Literal["pinzi_brand", "patent_demonstration", "high_tech"]
VETO_CLAUSES: dict[IncidentKind, str] = {
    "accident": "3.3.1",
    "violation": "3.3.1",
    "bad_faith": "3.3.1",
    "credit_record": "3.3.1",
    "spot_check": "3.3.2",
    "complaint": "3.3.3",
}
REPAIRABLE: frozenset[IncidentKind] = frozenset({"credit_record", "bad_faith"})


@dataclass(frozen=True)
class Repair:
    """A credit repair that a department confirmed, and whether the office lets it count, with its reasons."""

    confirmed_by: str
    confirmed_on: date
    accepted: bool
    reason: str


@dataclass(frozen=True)
class Incident:
    """What may veto an application, by the day it occurred (a spot check: the day of its result), with the finding's date and number."""

    kind: IncidentKind
    occurred_on: date
    found_on: date
    number: str
    repair: Repair | None = None


@dataclass(frozen=True)
class Facts:
    """What an application states and the registers answer; `tax_per_mu` is yuan, `townships` are the district's division codes."""

    form: LegalForm
    township: str
    townships: frozenset[str]
    registered_on: date
    in_district_since: date
    filed_on: date
    industry: str
    cycle_year: int
    tax_year: int | None = None
    tax_per_mu: Decimal | None = None
    incidents: tuple[Incident, ...] = ()


@dataclass(frozen=True)
class Criterion:
    """One criterion of chapter 3; where `rule` is set, the system refuses what fails, and a person judges the rest."""

    clause: str
    zh: str
    en: str
    rule: bool


CRITERIA = (
    Criterion("3.1", "辖区内独立法人", "Independent legal person in the district", rule=True),
    Criterion("3.2.1", "注册登记并正常经营满3年", "Registered and normally operating for 3 years", rule=True),
    Criterion("3.2.2", "合法合规", "Lawful, in line with standards and industrial policy", rule=False),
    Criterion("3.2.3", "卓越绩效与售后服务", "Performance excellence, service and satisfaction", rule=False),
    Criterion("3.2.4", "经济和社会效益位居前列", "Economic and social results among the foremost", rule=False),
    Criterion("3.2.5", "创新成果", "Innovation", rule=False),
    Criterion("3.2.6", "社会责任与信用", "Social responsibility and credit", rule=False),
    Criterion("3.2.7", "亩均效益", "Output per mu", rule=True),
    Criterion("3.3.1", "重大事故、严重违法违规和失信", "Major accidents, serious violations and breaches of good faith", rule=True),
    Criterion("3.3.2", "监督抽查严重不合格", "Serious failures in spot checks", rule=True),
    Criterion("3.3.3", "重大投诉负有责任", "Responsibility for a major complaint", rule=True),
)


@dataclass(frozen=True)
class Finding:
    """What the rules alone say of one criterion; `refusal` is the rule's own where it refused."""

    criterion: str
    verdict: Literal["refused", "passed", "judgement"]
    refusal: Refusal | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Outcome:
    """What the office settled on one criterion, and why."""

    criterion: str
    met: bool
    reason: str


@dataclass(frozen=True)
class Determination:
    """The end of a screening; an ineligible applicant is told the clauses."""

    eligible: bool
    clauses: tuple[str, ...]


def check_awards_sought(awards: tuple[str, ...], p: Parameters) -> None:
    """Demand at least one award of the edition, each once.

    Clause 1.1.
    """
    for key in awards:
        p.award(key)
    if not awards or len(set(awards)) != len(awards):
        raise Refusal("awards_sought", "1.1", awards=", ".join(award.key for award in p.awards))


def check_field(sector: str, p: Parameters) -> None:
    """Refuse a field of activity that the awards are not for.

    Clause 1.2.
    """
    if sector not in p.fields:
        raise Refusal("field_not_covered", "1.2", field=sector, fields=", ".join(p.fields))


def check_innovation_results(awards: tuple[str, ...], results: Collection[str], p: Parameters) -> None:
    """Whoever seeks an award for innovation states results in at least one of its fields, and only in those.

    Clause 1.3.
    """
    if unknown := sorted(set(results) - set(p.innovation_fields)):
        raise Refusal("innovation_field_unknown", "1.3", field=unknown[0], fields=", ".join(p.innovation_fields))
    if not results and any(p.award(key).needs_innovation_field for key in awards):
        raise Refusal("innovation_results_missing", "1.3", fields=", ".join(p.innovation_fields))


def check_voluntary(*, declared: bool) -> None:
    """Demand the declaration that the organisation applies of its own will.

    Clause 1.4.
    """
    if not declared:
        raise Refusal("not_voluntary", "1.4")


def check_legal_person(form: LegalForm, p: Parameters) -> None:
    """Refuse a branch and a sole trader: neither is an independent legal person.

    Clause 3.1.
    """
    if form in p.excluded_forms:
        raise Refusal(f"no_legal_person_{form}", "3.1")


def check_residence(township: str, townships: frozenset[str]) -> None:
    """Refuse a registered address outside the district's townships and subdistricts (division codes).

    Clause 3.1.
    """
    if township not in townships:
        raise Refusal("outside_district", "3.1", township=township)


def check_first_application(others: int) -> None:
    """Refuse a second application in a cycle; `others` counts the organisation's other ones that were not withdrawn.

    Clause 3.1.
    """
    if others:
        raise Refusal("second_application", "3.1")


def check_reapplication(awarded_year: int | None, cycle_year: int, p: Parameters, revoked_year: int | None = None) -> None:
    """Refuse a new application within the years an edition bans after an award, and after an award's revocation.

    An award's year is its cycle's. Without a ban nobody is refused.

    Clause 3.1.
    """
    ban = p.reapplication_ban_years
    if ban and revoked_year is not None and cycle_year <= revoked_year + ban:
        raise Refusal("reapplication_after_revocation", "3.1", revoked=revoked_year, year=revoked_year + ban + 1)
    if ban and awarded_year is not None and cycle_year <= awarded_year + ban:
        raise Refusal("reapplication_banned", "3.1", awarded=awarded_year, year=awarded_year + ban + 1)


def check_operating_years(registered_on: date, in_district_since: date, filed_on: date, p: Parameters) -> None:
    """Count full years to the day of filing from the later of registration and arrival in the district.

    Clause 3.2.1.
    """
    reached_on = anniversary(max(registered_on, in_district_since), p.operating_years)
    if filed_on < reached_on:
        raise Refusal("too_young", "3.2.1", earliest=midnight(reached_on), years=p.operating_years, reached_on=reached_on.isoformat())


def check_tax_per_mu(industry: str, tax_per_mu: Decimal | None, tax_year: int | None, cycle_year: int, p: Parameters) -> None:
    """Demand of industry the least tax per mu (yuan) in the year before the cycle's; exactly that much passes.

    Clause 3.2.7.
    """
    if industry[:1] not in p.industrial_sections:
        return
    if tax_per_mu is None or tax_year != cycle_year - 1:
        raise Refusal("tax_per_mu_missing", "3.2.7", year=cycle_year - 1)
    if tax_per_mu < p.tax_per_mu_minimum:
        raise Refusal("tax_per_mu_too_low", "3.2.7", year=tax_year, tax=tax_per_mu, minimum=p.tax_per_mu_minimum)


def check_veto(incident: Incident, filed_on: date, p: Parameters) -> None:
    """Refuse for what occurred within the years before filing, the day exactly that long ago included, unless its repair was accepted.

    What occurs after filing is no matter for screening: it goes through the docket.

    Clauses 3.3.1, 3.3.2, 3.3.3, 3.4.
    """
    if incident.kind in REPAIRABLE and incident.repair and incident.repair.accepted:
        return
    lifted_on = anniversary(incident.occurred_on, p.veto_years) + timedelta(days=1)
    if incident.occurred_on <= filed_on < lifted_on:
        raise Refusal(
            f"veto_{incident.kind}",
            VETO_CLAUSES[incident.kind],
            earliest=midnight(lifted_on),
            occurred_on=incident.occurred_on.isoformat(),
            number=incident.number,
            years=p.veto_years,
        )


def check_repair(kind: IncidentKind, repair: Repair) -> None:
    """Refuse a repair of anything but a credit record or a breach of good faith, or one without its department or its reasons.

    Clause 3.4.
    """
    if kind not in REPAIRABLE:
        raise Refusal("repair_impossible", "3.4")
    if not repair.confirmed_by.strip():
        raise Refusal("repair_unconfirmed", "3.4")
    if not repair.reason.strip():
        raise Refusal("repair_reason_missing", "3.4")


def has_priority(flags: frozenset[PriorityFlag]) -> bool:
    """Say whether an organisation goes first among equals: any one proven flag counts the same as three.

    Clause 3.2.5.
    """
    return bool(flags)


def machine_finding(criterion: str, facts: Facts, p: Parameters) -> Finding:
    """Say what the rules alone find on one criterion; what they leave open a person judges.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.3.1.
    """
    _check_criterion(criterion)
    rule = _RULES.get(criterion)
    if rule is None:
        return Finding(criterion, "judgement")
    try:
        rule(facts, p)
    except Refusal as refusal:
        return Finding(criterion, "refused", refusal)
    return Finding(criterion, "passed")


def check_outcome(outcome: Outcome, facts: Facts, p: Parameters) -> None:
    """Demand a reason for an outcome, which can't call met what a rule refuses: that rule's refusal stands.

    Clauses 3.1, 3.2.1, 3.2.7, 3.3.1, 3.3.2, 3.3.3, 5.3.1.
    """
    finding = machine_finding(outcome.criterion, facts, p)
    if not outcome.reason.strip():
        raise Refusal("screening_reason_missing", "5.3.1", criterion=outcome.criterion)
    if outcome.met and finding.refusal:
        raise finding.refusal


def determination(outcomes: tuple[Outcome, ...]) -> Determination:
    """Settle the screening: every criterion of chapter 3 has its outcome, and ineligible cites the clauses that failed.

    Clause 5.3.1.
    """
    met: dict[str, bool] = {}
    for outcome in outcomes:
        _check_criterion(outcome.criterion)
        met[outcome.criterion] = outcome.met and met.get(outcome.criterion, True)
    if missing := [criterion.clause for criterion in CRITERIA if criterion.clause not in met]:
        raise Refusal("screening_incomplete", "5.3.1", missing=", ".join(missing))
    failed = tuple(criterion.clause for criterion in CRITERIA if not met[criterion.clause])
    return Determination(not failed, failed)


def check_verified(waiting: Collection[str]) -> None:
    """Refuse a determination while departments still have time to answer on criteria (by clause).

    Clause 5.3.1.
    """
    if waiting:
        raise Refusal("verification_open", "5.3.1", criteria=", ".join(sorted(set(waiting))))


def check_screening_closure(undetermined: int) -> None:
    """Refuse to close the screening while filed applications are still without a determination.

    Clause 5.3.1.
    """
    if undetermined:
        raise Refusal("screening_open", "5.3.1", count=undetermined)


def _check_criterion(clause: str) -> None:
    if clause not in {criterion.clause for criterion in CRITERIA}:
        raise Refusal("criterion_unknown", "5.3.1", criterion=clause)


def _standing(facts: Facts, p: Parameters) -> None:
    check_legal_person(facts.form, p)
    check_residence(facts.township, facts.townships)


def _vetoes(clause: str) -> Callable[[Facts, Parameters], None]:
    def check(facts: Facts, p: Parameters) -> None:
        for incident in facts.incidents:
            if VETO_CLAUSES[incident.kind] == clause:
                check_veto(incident, facts.filed_on, p)

    return check


_RULES: dict[str, Callable[[Facts, Parameters], None]] = {
    "3.1": _standing,
    "3.2.1": lambda facts, p: check_operating_years(facts.registered_on, facts.in_district_since, facts.filed_on, p),
    "3.2.7": lambda facts, p: check_tax_per_mu(facts.industry, facts.tax_per_mu, facts.tax_year, facts.cycle_year, p),
    **{clause: _vetoes(clause) for clause in ("3.3.1", "3.3.2", "3.3.3")},
}
