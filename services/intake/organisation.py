"""The applicant organisation as it states itself: an independent legal person in the district (3.1)."""

from datetime import date
from typing import Annotated, Literal

from fastapi import Path
from pydantic import ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.identity import Applicant, Principal, roles
from kernel.problems import STALE, Problem, absent
from kernel.requests import IfMatch, InTransaction, Transaction, check_version, offer
from kernel.service import API, router
from kernel.wire import Action, Answer, Body, CreditCode, Day, Line, Name
from regulation import edition
from regulation.calendar import day
from regulation.edition import Parameters
from regulation.eligibility import LegalForm, check_legal_person, check_residence
from regulation.endorsement import townships
from regulation.identifiers import check_credit_code, check_industry
from services.intake.tables import Organisation, Recusal

Size = Literal["large", "medium", "small", "micro"]
"""How large the organisation is by the national statistics (大型、中型、小型、微型)."""


class Contact(Body):
    """Whom the office reaches, and how."""

    name: Annotated[str, Line(60)]
    position: Annotated[str, Line(60, least=0)] = ""
    telephone: Annotated[str, Field(pattern=r"^[0-9+ -]{5,30}$")]
    email: Annotated[str, Field(max_length=120, pattern=r"^[^@\s]{1,64}@[A-Za-z0-9.-]{3,55}$")] | None = None


class OrganisationBody(Body):
    """What an organisation states of itself.

    `township` is the division code of the registered address; `industry` a section, division, group or class of GB/T 4754-2017.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "金华示例热管理有限公司",
                    "legal_form": "legal_person",
                    "township": "330703101",
                    "address": "孝顺镇示例路1号",
                    "registered_on": "2015-04-01",
                    "in_district_since": "2015-04-01",
                    "industry": "C3670",
                    "size": "medium",
                    "contacts": [{"name": "方志远", "position": "质量部经理", "telephone": "0579-82190000"}],
                }
            ]
        }
    )

    name: Name
    legal_form: LegalForm
    township: Annotated[str, Field(pattern=r"^[0-9]{9}$")]
    address: Annotated[str, Line(200)]
    registered_on: Day
    in_district_since: Day
    industry: Annotated[str, Line(5)]
    size: Size
    contacts: Annotated[list[Contact], Field(min_length=1, max_length=5)]


class OrganisationAnswer(Answer):
    """An organisation; version 0 means that nothing has been stated yet."""

    credit_code: str
    version: int
    name: str
    legal_form: LegalForm
    township: str
    address: str
    registered_on: date
    in_district_since: date
    industry: str
    size: Size
    contacts: list[Contact]
    actions: dict[str, Action]


def check_stated(credit_code: str, stated: OrganisationBody, p: Parameters, district: frozenset[str]) -> None:
    """Refuse what is no independent legal person of the district (its townships' codes), by credit code, form, address and industry.

    Clause 3.1.
    """
    check_credit_code(credit_code)
    check_legal_person(stated.legal_form, p)
    check_residence(stated.township, district)
    check_industry(stated.industry)


def rules_now(transaction: Transaction) -> tuple[Parameters, frozenset[str]]:
    """Give what organisations are held against today: the edition that new cycles open with, and the district's townships."""
    name = transaction.service.settings.edition
    return edition.load(name).parameters(day(transaction.now)), townships(name)


def save_organisation(transaction: Transaction, credit_code: str, stated: OrganisationBody, version: int) -> Organisation:
    """Keep what an organisation states of itself, once the rules have nothing against it.

    Clause 3.1.
    """
    session = transaction.session
    found = session.get(Organisation, credit_code)
    check_version(version, found.version if found else 0)
    check_stated(credit_code, stated, *rules_now(transaction))
    content = stated.model_dump() | {"version": version + 1}
    kept = insert(Organisation).values(credit_code=credit_code, **content)
    first_or_next = kept.on_conflict_do_update(
        index_elements=[Organisation.credit_code], set_=content, where=Organisation.version == version
    ).returning(Organisation)
    found = session.scalar(first_or_next, execution_options={"populate_existing": True})
    if found is None:
        raise Problem(STALE, current_version=version + 1)
    transaction.record(
        "organisation.saved", f"organisation:{credit_code}", clause="3.1", facts=stated.model_dump(mode="json", exclude={"contacts"})
    )
    return found


def show(transaction: Transaction, found: Organisation) -> OrganisationAnswer:
    """Show an organisation, and whether this caller may change it."""
    actions = {}
    if transaction.actor and transaction.actor.org == found.credit_code:
        actions["edit"] = offer(transaction, "PUT", f"{API}/organisations/{found.credit_code}", lambda: None)
    transaction.version = found.version
    fields = {column: getattr(found, column) for column in OrganisationAnswer.model_fields if column != "actions"}
    return OrganisationAnswer(**fields, actions=actions)


routes = router("organisation")

Code = Annotated[CreditCode, Path(description="unified social credit code")]
Reader = Annotated[Principal, roles("applicant", "committee", duties=("office",))]


@routes.get("/organisations/{credit_code}", operation_id="get_organisation")
def get_organisation(credit_code: Code, reader: Reader, transaction: InTransaction) -> OrganisationAnswer:
    """Read an organisation: its own people, and the office unless recused (2.4.5)."""
    found = transaction.session.get(Organisation, credit_code)
    if reader.role == "applicant":
        hidden = reader.org != credit_code
    else:
        recusal = select(Recusal).where(Recusal.person == reader.person, Recusal.credit_code == credit_code)
        hidden = transaction.session.scalar(recusal) is not None
    if found is None or hidden:
        raise absent()
    return show(transaction, found)


@routes.put("/organisations/{credit_code}", operation_id="put_organisation")
def put_organisation(
    credit_code: Code, stated: OrganisationBody, applicant: Applicant, transaction: InTransaction, version: IfMatch
) -> OrganisationAnswer:
    """State or restate one's own organisation; the first time from version 0 (3.1)."""
    if applicant.org != credit_code:
        raise absent()
    return show(transaction, save_organisation(transaction, credit_code, stated, version))
