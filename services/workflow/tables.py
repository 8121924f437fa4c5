"""What the committee, the office and the supervision group keep; documents are JSONB, scores exact integers, money whole yuan."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import Text

from kernel.database import new_id, service_metadata
from kernel.sealed import SealedText


class Base(DeclarativeBase):
    """The workflow's tables, beside the kernel's."""

    metadata = service_metadata()
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        str: Text,
        datetime: DateTime(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
    }


class Cycle(Base):
    """An award year; `phase` is the stored one, ask `cycle.phase_of` for the phase it is in now."""

    __tablename__ = "cycle"
    __table_args__ = (Index("uq_cycle_year", "year", unique=True, postgresql_where=text("phase <> 'cancelled'")),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    year: Mapped[int]
    edition: Mapped[str]
    phase: Mapped[str] = mapped_column(default="planned")
    milestones: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Phase → ISO day."""
    window_opens: Mapped[datetime | None]
    window_closes: Mapped[datetime | None]
    budget_yuan: Mapped[int | None] = mapped_column(BigInteger)
    rules: Mapped[dict[str, Any] | None]
    """The implementation rules: a draft until `rules_hash` is set, frozen from then on."""
    rules_hash: Mapped[str | None]
    rules_motion: Mapped[UUID | None]
    launched_on: Mapped[date | None]
    opens: Mapped[datetime | None]
    """The window as announced; null before the announcement."""
    closes: Mapped[datetime | None]
    screening: Mapped[dict[str, Any] | None]
    """Count and hash of the eligible list, as intake closed it."""


class Seat(Base):
    """A person of the committee's roster or the office."""

    __tablename__ = "seat"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    unit: Mapped[str]
    duties: Mapped[list[str]]
    since: Mapped[date | None]
    """The first day of the term, `until` its last; null where none is set."""
    until: Mapped[date | None]


class Supervisor(Base):
    """A member of the cycle's supervision group; dissolved when the cycle closes."""

    __tablename__ = "supervisor"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    since: Mapped[date | None]
    until: Mapped[date | None]


class Announcement(Base):
    """The announcement that opens a cycle's window (5.1)."""

    __tablename__ = "announcement"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    announced_on: Mapped[date]
    medium: Mapped[str]
    text: Mapped[str]
    at: Mapped[datetime]


class Notification(Base):
    """A notice of the announcement to an endorsing body (`code` is its body code) or a committee member's unit (5.1)."""

    __tablename__ = "notification"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    kind: Mapped[str]
    code: Mapped[str | None]
    recipient: Mapped[str]
    at: Mapped[datetime]


class Contender(Base):
    """An eligible application, as intake's screening left it; `id` is the application's.

    `stage`: eligible, shortlisted, not_shortlisted, candidate, not_candidate, proposed, winner, fallen, withdrawn, disqualified.
    The exact score (twentieths, as a fraction) and the award it is a candidate for are set by the evaluation.
    """

    __tablename__ = "contender"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    township: Mapped[str]
    industry: Mapped[str]
    awards: Mapped[list[str]]
    fallback: Mapped[bool]
    preferred: Mapped[bool]
    stage: Mapped[str] = mapped_column(default="eligible")
    score_numerator: Mapped[int | None] = mapped_column(BigInteger)
    score_denominator: Mapped[int | None] = mapped_column(BigInteger)
    candidate_for: Mapped[str | None]


class Panel(Base):
    """A panel as scoring formed it."""

    __tablename__ = "panel"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    name: Mapped[str]
    leader: Mapped[str]
    members: Mapped[list[str]]
    applications: Mapped[list[str]]


class PanelReport(Base):
    """A panel's newest report on a stage (`material` or `site`)."""

    __tablename__ = "panel_report"

    panel_id: Mapped[UUID] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    report: Mapped[str]
    recommended: Mapped[list[str]]
    at: Mapped[datetime]


class StageResult(Base):
    """An application's exact score in a stage, `numerator`/`denominator` twentieths of a point, and which sheets it counted."""

    __tablename__ = "stage_result"

    application: Mapped[UUID] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    panel_id: Mapped[UUID]
    numerator: Mapped[int] = mapped_column(BigInteger)
    denominator: Mapped[int] = mapped_column(BigInteger)
    aggregation: Mapped[str]
    counted: Mapped[list[str]]
    not_counted: Mapped[list[dict[str, Any]]]


class Recusal(Base):
    """A person may have nothing to do with an organisation, as scoring keeps it (2.4.5)."""

    __tablename__ = "recusal"

    person: Mapped[str] = mapped_column(primary_key=True)
    credit_code: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    source: Mapped[str]


class Disqualified(Base):
    """Who was disqualified from the review, as scoring or the door has told; it follows the person (7.6)."""

    __tablename__ = "disqualified"

    person: Mapped[str] = mapped_column(primary_key=True)


class Department(Base):
    """A department that the office stated in intake: beside the edition's bodies it gets the announcement (5.1)."""

    __tablename__ = "department"

    code: Mapped[str] = mapped_column(primary_key=True)
    zh: Mapped[str]


class Undertaking(Base):
    """A confidentiality undertaking given for a cycle (7.6)."""

    __tablename__ = "undertaking"

    person: Mapped[str] = mapped_column(primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(primary_key=True)
    given_on: Mapped[date]


class Meeting(Base):
    """A meeting of the committee: its agenda as a list of {title, motion or null}, who attends, who sent word why not, its minutes."""

    __tablename__ = "meeting"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    title: Mapped[str]
    place: Mapped[str]
    starts_at: Mapped[datetime]
    agenda: Mapped[list[dict[str, Any]]]
    state: Mapped[str]
    present: Mapped[list[str]] = mapped_column(default=list)
    absent: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    minutes: Mapped[str | None]
    ended_at: Mapped[datetime | None]


class Reopening(Base):
    """A step taken back by the committee's motion, with what it undid as it stood."""

    __tablename__ = "reopening"

    motion_id: Mapped[UUID] = mapped_column(ForeignKey("motion.id"), primary_key=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    left: Mapped[str]
    """The phase that was left, `entered` the one that runs again."""
    entered: Mapped[str]
    undone: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class Motion(Base):
    """What the committee votes on; one ballot per name, or a single one where no name is at stake.

    `subject`: rules → {rules_hash}; reopening → {from}; removal → {application, credit_codes}; ruling → {objection, removes_name,
    credit_codes}; major_matter on a tie → {tie: shortlist or winners, applications (the chosen), credit_codes, motion, award}.
    `outcome`: passed (of winners: any name), rejected, no_quorum.
    Roll, recusals, quorum and the way of voting are frozen when it opens.
    """

    __tablename__ = "motion"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    kind: Mapped[str]
    title: Mapped[str]
    text: Mapped[str]
    subject: Mapped[dict[str, Any]]
    meeting_id: Mapped[UUID | None] = mapped_column(ForeignKey("meeting.id"), index=True)
    """The meeting on whose agenda it stands; without one it is voted on by circulation."""
    state: Mapped[str] = mapped_column(default="proposed")
    outcome: Mapped[str | None]
    roll: Mapped[list[str]] = mapped_column(default=list)
    by_rules: Mapped[bool] = mapped_column(default=False)
    """Whether the approved rules govern the vote; before their approval it is more than the edition's share of the full roster."""
    secret: Mapped[bool] = mapped_column(default=False)
    proposed_at: Mapped[datetime]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class Ballot(Base):
    """The vote on one name (`application` and `award`), or on a motion as a whole.

    `outcome`: passed, rejected, no_quorum; `won` is set once the cap decided (null: tied across the cap, until a major matter decides).
    A name whose notice fell, or whose contender dropped out, frees its seat.
    """

    __tablename__ = "ballot"
    __table_args__ = (UniqueConstraint("motion_id", "application"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    motion_id: Mapped[UUID] = mapped_column(ForeignKey("motion.id"), index=True)
    application: Mapped[UUID | None]
    award: Mapped[str | None]
    credit_code: Mapped[str | None]
    recused: Mapped[list[str]] = mapped_column(default=list)
    tally: Mapped[dict[str, Any] | None]
    outcome: Mapped[str | None]
    won: Mapped[bool | None]


class Vote(Base):
    """A member's vote; of a secret one, `choice` stays null and `sealed` leads to it until closing destroys the link."""

    __tablename__ = "vote"

    ballot_id: Mapped[UUID] = mapped_column(ForeignKey("ballot.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    choice: Mapped[str | None]
    sealed: Mapped[UUID | None]
    at: Mapped[datetime]


class SealedChoice(Base):
    """A secret choice, encrypted, under a random id."""

    __tablename__ = "sealed_choice"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    ballot_id: Mapped[UUID] = mapped_column(ForeignKey("ballot.id"), index=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Finding(Base):
    """What the supervision group found; `holds` is the cycle's action that waits for the answer (7.1)."""

    __tablename__ = "finding"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    text: Mapped[str]
    holds: Mapped[str | None]
    by: Mapped[str]
    at: Mapped[datetime]
    answer: Mapped[str | None]
    answered_by: Mapped[str | None]
    answered_at: Mapped[datetime | None]
    sanction: Mapped[dict[str, Any] | None]
    """The sanction that the group proposes: {person, measure}."""
    sanction_imposed: Mapped[bool | None]


class Shortlist(Base):
    """Who goes on to site review (5.3.2), with what it rests on: the recommended in their exact order, and the office's reasons."""

    __tablename__ = "shortlist"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    applications: Mapped[list[str]]
    standings: Mapped[list[dict[str, Any]]]
    tie_broken_by: Mapped[str | None]
    motion_id: Mapped[UUID | None]
    reasons: Mapped[dict[str, Any]]
    confirmed_at: Mapped[datetime]


class Evaluation(Base):
    """The evaluation report (5.4.1): `report` holds every input, weight and exact total; `candidates` are those the office confirmed."""

    __tablename__ = "evaluation"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    report: Mapped[dict[str, Any]]
    computed_at: Mapped[datetime]
    candidates: Mapped[dict[str, Any] | None]
    reasons: Mapped[dict[str, Any]] = mapped_column(default=dict)
    confirmed_at: Mapped[datetime | None]


class Notice(Base):
    """A public notice of winners (5.4.2); it is over at the instant `ends_at`."""

    __tablename__ = "notice"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    text: Mapped[str]
    medium: Mapped[str]
    counting: Mapped[str]
    days: Mapped[int]
    published_at: Mapped[datetime]
    ends_at: Mapped[datetime]


class NoticeName(Base):
    """One name of a notice, put there by the ballot that it won; `state` is running or fallen."""

    __tablename__ = "notice_name"

    ballot_id: Mapped[UUID] = mapped_column(ForeignKey("ballot.id"), primary_key=True)
    notice_id: Mapped[UUID] = mapped_column(ForeignKey("notice.id"), index=True)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    application: Mapped[UUID] = mapped_column(index=True)
    credit_code: Mapped[str]
    organisation: Mapped[str]
    award: Mapped[str]
    state: Mapped[str] = mapped_column(default="running")
    fallen_at: Mapped[datetime | None]
    fallen_by: Mapped[str | None]
    """The clause by which it fell."""


class Objection(Base):
    """An objection to a notice, or (without `notice_id`) what somebody reported to the office; one docket for both (2.2.4)."""

    __tablename__ = "objection"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    notice_id: Mapped[UUID | None] = mapped_column(ForeignKey("notice.id"), index=True)
    application: Mapped[UUID | None]
    credit_code: Mapped[str | None]
    text: Mapped[str]
    tracking_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    state: Mapped[str]
    received_at: Mapped[datetime]
    due_on: Mapped[date | None]
    """By when the office set the investigation to be over; without it, the notice's end."""
    findings: Mapped[str | None]
    report: Mapped[str | None]
    motion_id: Mapped[UUID | None] = mapped_column(ForeignKey("motion.id"))
    removed: Mapped[bool | None]
    dismissal: Mapped[str | None]
    settled_at: Mapped[datetime | None]
    notice: Mapped[Notice | None] = relationship(viewonly=True)
    contact: Mapped["ObjectionContact | None"] = relationship(viewonly=True)


class ObjectionContact(Base):
    """Who objected, kept apart: the office alone reads it."""

    __tablename__ = "objection_contact"

    objection_id: Mapped[UUID] = mapped_column(ForeignKey("objection.id"), primary_key=True)
    name: Mapped[str | None] = mapped_column(SealedText("objection_contact.name"))
    contact: Mapped[str | None] = mapped_column(SealedText("objection_contact.contact"))


class GovernmentDecision(Base):
    """What the district government decided on a cycle's proposed winners (5.4.3); the newest one counts."""

    __tablename__ = "government_decision"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), index=True)
    decision: Mapped[str]
    document_number: Mapped[str]
    dated: Mapped[date]
    scan_id: Mapped[UUID | None]
    at: Mapped[datetime]


class Publication(Base):
    """The publication of a cycle's results (5.4.3)."""

    __tablename__ = "publication"

    cycle_id: Mapped[UUID] = mapped_column(ForeignKey("cycle.id"), primary_key=True)
    document: Mapped[str]
    medium: Mapped[str]
    published_on: Mapped[date]
    at: Mapped[datetime]


class Award(Base):
    """An award: won in a cycle here, or (without `cycle_id`) imported from earlier years. `state`: proposed, published, revoked."""

    __tablename__ = "award"
    __table_args__ = (UniqueConstraint("credit_code", "award", "year"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    cycle_id: Mapped[UUID | None] = mapped_column(ForeignKey("cycle.id"), index=True)
    application: Mapped[UUID | None]
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    edition: Mapped[str]
    award: Mapped[str]
    title: Mapped[str | None] = mapped_column(comment="what it is called with its year, as it was last told to platform clients")
    year: Mapped[int]
    rank: Mapped[int | None] = mapped_column(comment="among its award's winners of the year, where the published document ranks them")
    state: Mapped[str]
    prize: Mapped[int] = mapped_column(BigInteger)
    earlier: Mapped[list[dict[str, Any]]]
    """The organisation's earlier awards that the prize was computed from."""
    certificate: Mapped[str | None] = mapped_column(unique=True)
    plaque: Mapped[str | None] = mapped_column(unique=True)
    document_number: Mapped[str]
    approved_on: Mapped[date]
    published_on: Mapped[date | None]
    revoked_on: Mapped[date | None]
    revocation_clause: Mapped[str | None]
    revocation_document: Mapped[str | None]


class Payment(Base):
    """Money paid, in whole yuan: an award's prize, a higher honour's reward, or a cycle's review costs (with their `purpose`)."""

    __tablename__ = "payment"
    __table_args__ = (
        UniqueConstraint("award_id", "voucher"),
        UniqueConstraint("external_honour_id", "voucher"),
        UniqueConstraint("cycle_id", "voucher"),
        CheckConstraint("num_nonnulls(award_id, external_honour_id, cycle_id) = 1", name="one_subject"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    award_id: Mapped[UUID | None] = mapped_column(ForeignKey("award.id"), index=True)
    external_honour_id: Mapped[UUID | None] = mapped_column(ForeignKey("external_honour.id"), index=True)
    cycle_id: Mapped[UUID | None] = mapped_column(ForeignKey("cycle.id"), index=True)
    purpose: Mapped[str | None]
    amount: Mapped[int] = mapped_column(BigInteger)
    paid_on: Mapped[date]
    voucher: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class ResultChange(Base):
    """What platform clients follow: each change of a published result, whole, at a position given in the order of the commits."""

    __tablename__ = "result_change"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    result: Mapped[dict[str, Any]]


class Webhook(Base):
    """To whom changes of the results are brought, and how far: `position` is the last that was taken."""

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    client: Mapped[UUID] = mapped_column(index=True)
    url: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)
    failures: Mapped[int] = mapped_column(default=0)
    last_failure: Mapped[str | None]
    tried_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class HonourUse(Base):
    """A use of an honour: registered beforehand, or observed by the office (7.4); `broken` is the rule that an observed one broke."""

    __tablename__ = "honour_use"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    wording: Mapped[str]
    medium: Mapped[str]
    used_on: Mapped[date]
    promotes_product: Mapped[bool]
    observed: Mapped[bool]
    broken: Mapped[str | None]
    clause: Mapped[str | None]
    state: Mapped[str | None]
    """Of a broken rule, how far it was followed up, as in the regulation's table; null of a proper use."""
    due_on: Mapped[date | None]
    """By when the office demanded that it be put right."""
    by: Mapped[str]
    at: Mapped[datetime]


class HonourFollowUp(Base):
    """A step that followed a misuse of an honour: demand, correct or settle (2.2.5, 7.4)."""

    __tablename__ = "honour_follow_up"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    use_id: Mapped[UUID] = mapped_column(ForeignKey("honour_use.id"), index=True)
    step: Mapped[str]
    text: Mapped[str]
    due_on: Mapped[date | None]
    role: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class Promotion(Base):
    """An entry of an award's log: its winner's methods promoted, or its improvement reported (7.3, 2.2.5)."""

    __tablename__ = "promotion"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    kind: Mapped[str]
    text: Mapped[str]
    held_on: Mapped[date]
    role: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class RevocationCase(Base):
    """From a ground to the government's decision on an honour (7.2, 7.5); `state` as in the regulation's table."""

    __tablename__ = "revocation_case"
    __table_args__ = (
        Index(
            "uq_revocation_case_open", "award_id", unique=True, postgresql_where=text("state in ('investigating', 'verified', 'revoked')")
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    award_id: Mapped[UUID] = mapped_column(ForeignKey("award.id"), index=True)
    ground: Mapped[str]
    occurred_on: Mapped[date | None]
    text: Mapped[str]
    objection_id: Mapped[UUID | None] = mapped_column(ForeignKey("objection.id"))
    state: Mapped[str]
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    findings: Mapped[str | None]
    evidence: Mapped[str | None]
    """Number of the finding or judgement that the office's verification rests on."""
    verified_on: Mapped[date | None]
    verified_by: Mapped[str | None]
    document_number: Mapped[str | None]
    dated: Mapped[date | None]
    scan_id: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]


class Recovery(Base):
    """What came back of a revoked honour: prize money (`amount` whole yuan, with its voucher), the certificate or the plaque."""

    __tablename__ = "recovery"
    __table_args__ = (
        UniqueConstraint("case_id", "voucher"),
        Index("uq_recovery_object", "case_id", "item", unique=True, postgresql_where=text("item <> 'prize'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    case_id: Mapped[UUID] = mapped_column(ForeignKey("revocation_case.id"), index=True)
    item: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    recovered_on: Mapped[date]
    voucher: Mapped[str | None]
    by: Mapped[str]
    at: Mapped[datetime]


class Disclosure(Base):
    """How a revocation was made known: the credit-file entry or the announcement (7.2, 7.5); `reference` is its number or medium."""

    __tablename__ = "disclosure"

    case_id: Mapped[UUID] = mapped_column(ForeignKey("revocation_case.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    disclosed_on: Mapped[date]
    reference: Mapped[str]
    text: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]


class ExternalHonour(Base):
    """An award of a higher government, and the district's reward for it in whole yuan (6.2)."""

    __tablename__ = "external_honour"
    __table_args__ = (UniqueConstraint("credit_code", "honour", "year"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(default=1)
    credit_code: Mapped[str] = mapped_column(index=True)
    organisation: Mapped[str]
    edition: Mapped[str]
    honour: Mapped[str]
    year: Mapped[int]
    awarded_on: Mapped[date]
    document_number: Mapped[str]
    amount: Mapped[int] = mapped_column(BigInteger)
    amount_document: Mapped[str | None]
    """Number of the document that decided an amount which the edition doesn't fix."""
    by: Mapped[str]
    at: Mapped[datetime]


class Attachment(Base):
    """A file beside something here: `subject` is `cycle:`, `objection:` or `revocation_case:` and its id."""

    __tablename__ = "attachment"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(index=True)
    name: Mapped[str]
    media_type: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    by: Mapped[str | None]
    at: Mapped[datetime]


class Reading(Base):
    """When a supervisor's reading of a thing was last recorded: once in fifteen minutes is enough."""

    __tablename__ = "reading"

    person: Mapped[str] = mapped_column(primary_key=True)
    thing: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class Arrival(Base):
    """How many objections and reports came from one address since `since`; of the address only a keyed hash is kept."""

    __tablename__ = "arrival"

    address: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    since: Mapped[datetime]
    count: Mapped[int]
