"""The roster of reviewers: appointment, changes, discipline (2.2.2, 2.4, 7.6)."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from kernel.database import new_id
from kernel.identity import Office, Principal, roles
from kernel.problems import Kind, Problem, absent
from kernel.requests import Cursor, DryRun, IfMatch, InTransaction, Limit, Transaction, check_version, offer, paginate
from kernel.service import router
from kernel.wire import Action, Answer, Body, Day, Line, Name, Page, Reason
from regulation import edition, rubric
from regulation.calendar import day
from regulation.conduct import check_undertaking
from regulation.qualification import Degree, Qualifications, Standard, check_appointment
from services.scoring import rounds
from services.scoring.access import Person, check_watching
from services.scoring.tables import Disqualified, Recusal, Reviewer, Sanction

routes = router("reviewers")

TOLD = ("workflow", "intake")

APPOINTED_ALREADY = Kind(409, "reviewer_appointed_already", "此人已在评审员名册中", "This person is on the roster already")

OfficeOrSupervisor = Annotated[Principal, roles("committee", "supervisor", duties=("office",))]
ReviewerId = Annotated[UUID, Path(alias="id")]
Section = Annotated[str, StringConstraints(pattern=r"^[A-T]$")]
CategoryId = Annotated[str, StringConstraints(pattern=r"^[0-9.]{1,16}$")]
EXAMPLE: JsonDict = {
    "name": "陈静",
    "degree": "bachelor",
    "senior_title": True,
    "years": 8,
    "policy_knowledge_on": "2026-01-12",
    "ethics_on": "2026-01-13",
    "trainings": [{"standard": "GB/T 19580", "on": "2025-06-03"}, {"standard": "GB/Z 19579", "on": "2025-06-04"}],
    "leader_qualified": True,
    "expertise": ["C"],
    "categories": ["4.5", "4.7"],
    "proofs": [{"clause": "2.4.2", "document": "工学学士学位证书 1033542008000123", "on": "2008-06-20"}],
}
CLAUSES = ("2.4.1", "2.4.2", "2.4.3", "2.4.4")
CATEGORY_UNKNOWN = Kind(409, "category_unknown", "评审标准中没有类目：{category}", "No rubric has this category: {category}")


class Training(Body):
    """A training in one of the two standards (2.4.3)."""

    standard: Standard
    on: Day


class Proof(Body):
    """A document that proves what one of the clauses on reviewers asks for (2.4.1 to 2.4.4), with its date."""

    clause: Literal["2.4.1", "2.4.2", "2.4.3", "2.4.4"]
    document: Annotated[str, Line(200)]
    on: Day


class ReviewerEntry(Body):
    """What the office enters of a reviewer; `years` counts full years of quality or professional work.

    `expertise` lists GB/T 4754 sections, `categories` parts of the standard.
    """

    name: Name
    degree: Degree
    senior_title: bool
    years: Annotated[int, Field(ge=0, le=80)]
    policy_knowledge_on: Day | None = None
    ethics_on: Day | None = None
    trainings: Annotated[list[Training], Field(max_length=20)]
    leader_qualified: bool
    expertise: Annotated[list[Section], Field(max_length=20)]
    categories: Annotated[list[CategoryId], Field(default_factory=list, max_length=20)]
    proofs: Annotated[list[Proof], Field(default_factory=list, max_length=50)]

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class NewReviewer(ReviewerEntry):
    """A person to be appointed: the holder of an account with the role reviewer."""

    person: Person

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "0197a1c2-7d30-7cc1-9e0b-5a4d6f3e2b10", **EXAMPLE}]})


class ReviewerChange(Body):
    """What to change of a reviewer's entry; what is left out stays, null takes off a record of knowledge or ethics."""

    name: Name | None = None
    degree: Degree | None = None
    senior_title: bool | None = None
    years: Annotated[int, Field(ge=0, le=80)] | None = None
    policy_knowledge_on: Day | None = None
    ethics_on: Day | None = None
    trainings: Annotated[list[Training], Field(max_length=20)] | None = None
    leader_qualified: bool | None = None
    expertise: Annotated[list[Section], Field(max_length=20)] | None = None
    categories: Annotated[list[CategoryId], Field(max_length=20)] | None = None
    proofs: Annotated[list[Proof], Field(max_length=50)] | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"years": 9, "leader_qualified": True}]})


class NewSanction(Body):
    """Discipline (7.6)."""

    kind: Literal["criticism", "warning", "disqualification"]
    reason: Reason

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "warning", "reason": "未按时提交评分表，经两次提醒。"}]})


class SanctionEntry(Answer):
    """A sanction as recorded."""

    kind: str
    reason: str
    at: datetime
    by: str


class ReviewerInterest(Answer):
    """An interest that recuses the reviewer, whoever put it forward (declared, office, requested); its own dates lift nothing."""

    credit_code: str
    kind: str
    since: date | None
    until: date | None
    source: str


class ReviewerAnswer(Answer):
    """A reviewer on the roster; `recused_from` lists credit codes, `unproven` the clauses for which no document is entered."""

    id: UUID
    person: str
    name: str
    degree: str
    senior_title: bool
    years: int
    policy_knowledge_on: date | None
    ethics_on: date | None
    trainings: list[dict[str, str]]
    leader_qualified: bool
    expertise: list[str]
    categories: list[str]
    proofs: list[dict[str, str]]
    unproven: list[str]
    standing: str
    appointed_at: datetime
    recused_from: list[str]
    interests: list[ReviewerInterest]
    sanctions: list[SanctionEntry]
    version: int
    actions: dict[str, Action]


def show(transaction: Transaction, reviewers: Sequence[Reviewer]) -> list[ReviewerAnswer]:
    """Answer with reviewers as the office sees them."""
    persons, caller = [one.person for one in reviewers], transaction.actor.person if transaction.actor else ""
    standing = select(Recusal).where(Recusal.person.in_({caller, *persons}), Recusal.lifted_at.is_(None)).order_by(Recusal.id)
    interests: dict[str, list[Recusal]] = {}
    for interest in transaction.session.scalars(standing):
        interests.setdefault(interest.person, []).append(interest)
    sanctions: dict[UUID, list[Sanction]] = {}
    of_all = select(Sanction).where(Sanction.reviewer.in_([one.id for one in reviewers])).order_by(Sanction.id)
    for sanctioned in transaction.session.scalars(of_all):
        sanctions.setdefault(sanctioned.reviewer, []).append(sanctioned)
    own = {one.credit_code for one in interests.get(caller, [])}
    return [
        _shown(
            transaction,
            one,
            sanctions.get(one.id, []),
            [interest for interest in interests.get(one.person, []) if one.person == caller or interest.credit_code not in own],
        )
        for one in reviewers
    ]


def _shown(transaction: Transaction, reviewer: Reviewer, sanctions: Sequence[Sanction], interests: Sequence[Recusal]) -> ReviewerAnswer:
    href = f"/api/v1/reviewers/{reviewer.id}"
    office = transaction.actor is not None and transaction.actor.has_duty("office")
    return ReviewerAnswer.model_validate(
        {
            **{name: getattr(reviewer, name) for name in ReviewerAnswer.model_fields if hasattr(reviewer, name)},
            "recused_from": sorted({one.credit_code for one in interests}),
            "interests": [ReviewerInterest.model_validate(one) for one in interests],
            "unproven": [clause for clause in CLAUSES if clause not in {proof["clause"] for proof in reviewer.proofs}],
            "sanctions": [SanctionEntry.model_validate(one) for one in sanctions],
            "actions": {
                "change": offer(transaction, "PATCH", href, lambda: None),
                "sanction": offer(transaction, "POST", f"{href}/sanctions", lambda: None),
            }
            if office
            else {},
        }
    )


def check_qualified(transaction: Transaction, values: Mapping[str, Any]) -> None:
    """Refuse whoever may not be a reviewer on this day (2.4.1 to 2.4.4)."""
    today = day(transaction.now)
    held = Qualifications(
        values["degree"],
        values["senior_title"],
        values["years"],
        values.get("policy_knowledge_on"),
        values.get("ethics_on"),
        tuple((training["standard"], date.fromisoformat(training["on"])) for training in values["trainings"]),
    )
    check_appointment(held, today, edition.load(transaction.service.settings.edition).parameters(today))
    check_categories(values.get("categories", []), *map(rubric.load, rubric.names()))


def check_categories(categories: Collection[str], *rubrics: rubric.Rubric) -> None:
    """Refuse a category that none of the rubrics has (4.1)."""
    known = {category.id for one in rubrics for category in one.categories}
    for category in categories:
        if category not in known:
            raise Problem(CATEGORY_UNKNOWN, category=category)


def columns(entry: ReviewerEntry | ReviewerChange) -> dict[str, Any]:
    """Give what was entered as the roster keeps it; only a record of knowledge or ethics may be null."""
    given = {name: getattr(entry, name) for name in entry.model_fields_set if name in ReviewerEntry.model_fields}
    if entry.trainings is not None:
        given["trainings"] = [training.model_dump(mode="json") for training in entry.trainings]
    if entry.proofs is not None:
        given["proofs"] = [proof.model_dump(mode="json") for proof in entry.proofs]
    return {name: value for name, value in given.items() if value is not None or name in {"policy_knowledge_on", "ethics_on"}}


def appoint(transaction: Transaction, new: NewReviewer) -> Reviewer:
    """Put a person on the roster."""
    if transaction.session.get(Disqualified, new.person) is not None:
        check_undertaking(None, disqualified=True)
    entered = columns(new)
    check_qualified(transaction, entered)
    values = {"id": new_id(), "person": new.person, "appointed_at": transaction.now, "categories": [], "proofs": [], **entered}
    row = transaction.session.execute(insert(Reviewer).values(values).on_conflict_do_nothing().returning(Reviewer)).scalar_one_or_none()
    if row is None:
        raise Problem(APPOINTED_ALREADY)
    transaction.record("reviewer.appointed", f"reviewer:{row.id}", clause="2.2.2", facts={"person": row.person, "name": row.name})
    return row


def locked(transaction: Transaction, key: UUID) -> Reviewer:
    """Load and lock a reviewer."""
    reviewer = transaction.session.get(Reviewer, key, with_for_update=True, populate_existing=True)
    if reviewer is None:
        raise absent()
    return reviewer


def change(transaction: Transaction, key: UUID, given: ReviewerChange, version: int) -> Reviewer:
    """Change what the roster says of a reviewer; the qualifications are judged anew."""
    reviewer = locked(transaction, key)
    check_version(version, reviewer.version)
    for name, value in columns(given).items():
        setattr(reviewer, name, value)
    check_qualified(transaction, {name: getattr(reviewer, name) for name in ReviewerEntry.model_fields})
    reviewer.version += 1
    transaction.record("reviewer.changed", f"reviewer:{key}", clause="2.4.2", facts={"version": reviewer.version})
    return reviewer


def sanction(transaction: Transaction, key: UUID, new: NewSanction, by: str) -> Reviewer:
    """Record discipline; a disqualified reviewer loses access at once, in every role, and their sheets of the running stage."""
    reviewer = locked(transaction, key)
    transaction.session.add(Sanction(reviewer=reviewer.id, kind=new.kind, reason=new.reason, at=transaction.now, by=by))
    disqualified = new.kind == "disqualification"
    facts = {"person": reviewer.person, "kind": new.kind, "reason": new.reason}
    transaction.record("reviewer.sanctioned", f"reviewer:{key}", clause="7.6", facts=facts, tell=TOLD if disqualified else ())
    if disqualified:
        transaction.session.execute(insert(Disqualified).values(person=reviewer.person).on_conflict_do_nothing())
        reviewer.standing = "disqualified"
        reviewer.version += 1
        transaction.session.flush()
        rounds.leave(transaction, reviewer.person, "disqualified", "7.6")
    return reviewer


@routes.post("/reviewers", status_code=201, operation_id="appoint_reviewer")
def post_reviewer(new: NewReviewer, _office: Office, transaction: InTransaction, _dry_run: DryRun) -> ReviewerAnswer:
    """Appoint a reviewer; refused without the education, the years, or a dated record of each training (2.4.1 to 2.4.4)."""
    return tagged(transaction, appoint(transaction, new))


@routes.get("/reviewers", operation_id="list_reviewers")
def get_reviewers(
    reader: OfficeOrSupervisor,
    transaction: InTransaction,
    section: Annotated[Section | None, Query(description="who knows this GB/T 4754 section")] = None,
    category: Annotated[CategoryId | None, Query(description="who knows this category of the standard")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewerAnswer]:
    """List the roster in the order of appointment, to the office and to who sits in a supervision group (7.1)."""
    check_watching(transaction, reader)
    query = select(Reviewer)
    if section is not None:
        query = query.where(Reviewer.expertise.contains([section]))
    if category is not None:
        query = query.where(Reviewer.categories.contains([category]))
    found, following = paginate(transaction.session, query, Reviewer.id, cursor, limit)
    return Page(items=show(transaction, found), next_cursor=following)


@routes.get("/reviewers/{id}", operation_id="get_reviewer")
def get_reviewer(key: ReviewerId, reader: OfficeOrSupervisor, transaction: InTransaction) -> ReviewerAnswer:
    """Read what the roster says of a reviewer."""
    check_watching(transaction, reader)
    reviewer = transaction.session.get(Reviewer, key)
    if reviewer is None:
        raise absent()
    return tagged(transaction, reviewer)


@routes.patch("/reviewers/{id}", operation_id="change_reviewer")
def patch_reviewer(key: ReviewerId, given: ReviewerChange, _office: Office, transaction: InTransaction, version: IfMatch) -> ReviewerAnswer:
    """Change what the roster says of a reviewer; refused where it would no longer qualify (2.4.1 to 2.4.4)."""
    return tagged(transaction, change(transaction, key, given, version))


@routes.post("/reviewers/{id}/sanctions", operation_id="sanction_reviewer")
def post_sanction(key: ReviewerId, new: NewSanction, office: Office, transaction: InTransaction, _dry_run: DryRun) -> ReviewerAnswer:
    """Criticise, warn or disqualify a reviewer; disqualification ends all access at once (7.6)."""
    return tagged(transaction, sanction(transaction, key, new, office.person))


def tagged(transaction: Transaction, reviewer: Reviewer) -> ReviewerAnswer:
    """Answer with a reviewer and the version that an edit starts from."""
    transaction.version = reviewer.version
    return show(transaction, [reviewer])[0]
