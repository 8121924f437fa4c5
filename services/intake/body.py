"""Endorsing bodies: townships and subdistricts as the edition has them, departments with the industry sections they answer for (5.2)."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.identity import Anyone, Office
from kernel.problems import absent
from kernel.requests import InTransaction, Transaction
from kernel.service import router
from kernel.wire import Answer, Body, Name
from regulation import edition as editions
from regulation import endorsement
from regulation.endorsement import BodyKind
from services.intake.tables import Department

Section = Literal["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T"]


class DepartmentBody(Body):
    """A department and the GB/T 4754 sections whose industries it may endorse; one without any only answers questions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"code": "dept-transport", "zh": "区交通运输局", "en": "District Bureau of Transport", "sections": ["G"]}]
        }
    )

    code: Annotated[str, Field(pattern=r"^dept-[a-z0-9]{1,12}(-[a-z0-9]{1,12}){0,2}$")]
    zh: Name
    en: Name
    sections: Annotated[list[Section], Field(max_length=20)]


class EndorsingBody(Answer):
    """A body that may endorse: a township or subdistrict by its division code, or a department with its industry sections."""

    code: str
    zh: str
    en: str
    kind: BodyKind
    sections: list[Annotated[str, Field(description="GB/T 4754 section letter")]]


class EndorsingBodies(Answer):
    """The bodies of an edition."""

    items: list[EndorsingBody]


def known_bodies(transaction: Transaction, edition: str) -> Mapping[str, endorsement.Body]:
    """Give the bodies of an edition by code, each department as the office stated it last.

    Clause 5.2.
    """
    stated = transaction.session.scalars(select(Department).order_by(Department.code))
    return {
        **endorsement.bodies(edition),
        **{one.code: endorsement.Body(one.code, one.zh, one.en, "department", frozenset(one.sections)) for one in stated},
    }


def state_department(transaction: Transaction, stated: DepartmentBody) -> endorsement.Body:
    """Add a department, or restate what one answers for; workflow hears of it, since every body gets the announcement.

    Clauses 5.1, 5.2.
    """
    content = stated.model_dump() | {"sections": sorted(set(stated.sections))}
    kept = insert(Department).values(content)
    transaction.session.execute(kept.on_conflict_do_update(index_elements=[Department.code], set_=content))
    transaction.record("department.stated", f"body:{stated.code}", clause="5.2", facts=content, tell=("workflow",))
    return endorsement.Body(stated.code, stated.zh, stated.en, "department", frozenset(stated.sections))


def show(body: endorsement.Body) -> EndorsingBody:
    """Show a body."""
    return EndorsingBody(code=body.code, zh=body.zh, en=body.en, kind=body.kind, sections=sorted(body.sections))


routes = router("endorsement")


@routes.get("/endorsing-bodies", operation_id="list_endorsing_bodies")
def list_endorsing_bodies(_anyone: Anyone, transaction: InTransaction, edition: str | None = None) -> EndorsingBodies:
    """List the endorsing bodies of an edition, by default of the one that new cycles open with (5.2)."""
    name = edition or transaction.service.settings.edition
    if name not in editions.names():
        raise absent()
    return EndorsingBodies(items=[show(body) for body in known_bodies(transaction, name).values()])


@routes.post("/endorsing-bodies", operation_id="state_department", status_code=201)
def post_endorsing_body(stated: DepartmentBody, _office: Office, transaction: InTransaction) -> EndorsingBody:
    """Add a department with the industry sections it answers for, or restate one (5.2)."""
    return show(state_department(transaction, stated))
