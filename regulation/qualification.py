"""Who may be a reviewer (2.4.1 to 2.4.4); undertakings and discipline stand in `conduct`, recusal in `recusal`."""

from dataclasses import dataclass
from datetime import date
from typing import Literal

from regulation.edition import Parameters
from regulation.refusal import Refusal

Degree = Literal["none", "associate", "bachelor", "master", "doctor"]
Standard = Literal["GB/T 19580", "GB/Z 19579"]
HIGHER_DEGREES = ("bachelor", "master", "doctor")
STANDARDS: tuple[Standard, ...] = ("GB/T 19580", "GB/Z 19579")


@dataclass(frozen=True)
class Qualifications:
    """What the office has on record of a reviewer; `years` counts full years of quality or professional work."""

    degree: Degree
    senior_title: bool
    years: int
    policy_knowledge_on: date | None
    ethics_on: date | None
    trained_on: tuple[tuple[Standard, date], ...]


def check_experience(degree: Degree, years: int, p: Parameters, *, senior_title: bool) -> None:
    """Demand a bachelor's degree or a senior title, and with either the years of work; exactly that many pass.

    Clause 2.4.2.
    """
    if degree not in HIGHER_DEGREES and not senior_title:
        raise Refusal("reviewer_education", "2.4.2")
    if years < p.reviewer_experience_years:
        raise Refusal("reviewer_experience", "2.4.2", years=years, minimum=p.reviewer_experience_years)


def check_appointment(held: Qualifications, on: date, p: Parameters) -> None:
    """Refuse to appoint whoever lacks the experience, or a record dated `on` or before of policy, of both standards, or of ethics.

    Clauses 2.4.1, 2.4.2, 2.4.3, 2.4.4.
    """
    if held.policy_knowledge_on is None or held.policy_knowledge_on > on:
        raise Refusal("reviewer_policy_knowledge", "2.4.1")
    check_experience(held.degree, held.years, p, senior_title=held.senior_title)
    trained = {standard for standard, day in held.trained_on if day <= on}
    if missing := [standard for standard in STANDARDS if standard not in trained]:
        raise Refusal("reviewer_untrained", "2.4.3", standard=missing[0])
    if held.ethics_on is None or held.ethics_on > on:
        raise Refusal("reviewer_ethics", "2.4.4")
