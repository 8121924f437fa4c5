"""The implementation rules (评审实施细则): drafted by the office, adopted by the committee, frozen and hashed into the cycle (2.1.1)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from kernel.identity import Office, SignedIn
from kernel.problems import Kind, Problem, absent
from kernel.requests import DryRun, IfMatch, InTransaction, Transaction, check_version
from kernel.service import router
from kernel.wire import Answer, Body
from regulation.edition import example_rules
from regulation.implementation import implementation_rules
from services.workflow.ballot.use_cases import check_motion_passed
from services.workflow.course import check_insight, check_move, find_cycle, lock_cycle, move, rules_hash
from services.workflow.cycle import MotionReference
from services.workflow.tables import Cycle

REDRAFTED = Kind(
    409,
    "rules_redrafted",
    "细则草案在提请表决之后已有改动，须重新表决",
    "The draft has changed since the vote was called; it needs a new vote",
)


class Share(Body):
    """At least `numerator`/`denominator` of a whole, or more than that."""

    numerator: Annotated[int, Field(ge=1, le=1000)]
    denominator: Annotated[int, Field(ge=1, le=1000)]
    more_than: bool


class Voting(Body):
    """How the committee votes."""

    quorum: Share
    majority: Share
    majority_of: Literal["present", "roster"]
    ballot: Literal["named", "secret"]
    votes_changeable: bool
    members_recused: bool


class RulesDocument(Body):
    """Everything that the regulation leaves to the implementation rules; nothing has a default."""

    model_config = ConfigDict(json_schema_extra={"examples": [example_rules("jindong-2022")]})

    aggregation: Literal["consensus", "mean", "trimmed_mean"]
    material_weight: Annotated[int, Field(ge=0, le=1000)]
    site_weight: Annotated[int, Field(ge=0, le=1000)]
    spread_percent: Annotated[int, Field(ge=0, le=100)]
    voting: Voting
    tie_chain: Annotated[list[Literal["score", "preference"]], Field(max_length=2)]
    notice_day: Literal["calendar", "working"]
    fallback_between_awards: bool
    endorsement_decline_reroute: bool


class RulesAnswer(Answer):
    """The rules of a cycle; `hash` is the SHA-256 of their RFC 8785 form, `approved` whether the committee adopted them."""

    cycle: UUID
    version: int
    document: RulesDocument
    hash: str
    approved: bool
    motion: UUID | None


def draft_rules(transaction: Transaction, cycle_id: UUID, version: int, document: RulesDocument) -> Cycle:
    """Draft the rules, or draft them anew, until the committee has adopted them."""
    cycle = lock_cycle(transaction, cycle_id)
    check_version(version, cycle.version)
    draft = document.model_dump(mode="json")
    implementation_rules(draft)
    cycle.rules = draft
    move(transaction, cycle, "draft_rules", kind="rules.drafted", facts={"hash": rules_hash(draft)}, tell=())
    return cycle


def approve_rules(transaction: Transaction, cycle_id: UUID, motion_id: UUID) -> Cycle:
    """Freeze the rules that the committee adopted, by their hash (2.1.1)."""
    cycle = lock_cycle(transaction, cycle_id)
    check_move(transaction, cycle, "approve_rules")
    motion = check_motion_passed(transaction, cycle, motion_id, "rules")
    digest = rules_hash(cycle.rules or {})
    if motion.subject["rules_hash"] != digest:
        raise Problem(REDRAFTED)
    cycle.rules_hash, cycle.rules_motion = digest, motion.id
    facts = {"rules": cycle.rules, "rules_hash": digest, "motion": str(motion.id)}
    move(transaction, cycle, "approve_rules", kind="rules.approved", facts=facts, tell=())
    return cycle


def answer_rules(transaction: Transaction, cycle: Cycle) -> RulesAnswer:
    """Answer with the rules and the cycle's version."""
    if cycle.rules is None:
        raise absent()
    transaction.version = cycle.version
    return RulesAnswer(
        cycle=cycle.id,
        version=cycle.version,
        document=RulesDocument.model_validate(cycle.rules),
        hash=rules_hash(cycle.rules),
        approved=cycle.rules_hash is not None,
        motion=cycle.rules_motion,
    )


routes = router("rules")


@routes.put("/cycles/{cycle_id}/rules", operation_id="draft_rules")
def put_rules(cycle_id: UUID, document: RulesDocument, _office: Office, transaction: InTransaction, version: IfMatch) -> RulesAnswer:
    """Draft the implementation rules (2.1.1); the version is the cycle's."""
    return answer_rules(transaction, draft_rules(transaction, cycle_id, version, document))


@routes.post("/cycles/{cycle_id}/rules/approval", operation_id="approve_rules")
def post_rules_approval(
    cycle_id: UUID, reference: MotionReference, _office: Office, transaction: InTransaction, _dry_run: DryRun
) -> RulesAnswer:
    """Freeze the rules that the committee has adopted by a motion (2.1.1)."""
    return answer_rules(transaction, approve_rules(transaction, cycle_id, reference.motion))


@routes.get("/cycles/{cycle_id}/rules", operation_id="get_rules")
def get_rules(cycle_id: UUID, person: SignedIn, transaction: InTransaction) -> RulesAnswer:
    """Read the rules: the approved ones are everybody's, a draft is the committee's and the supervision group's."""
    cycle = find_cycle(transaction, cycle_id)
    if cycle.rules_hash is None:
        check_insight(transaction, person, cycle)
    return answer_rules(transaction, cycle)
