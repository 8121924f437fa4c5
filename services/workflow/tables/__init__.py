"""What the committee, the office and the supervision group keep; documents are JSONB, scores exact integers, money whole yuan."""

from services.workflow.tables.award import Award, ExternalHonour, GovernmentDecision, Payment, Publication, ResultChange, Webhook
from services.workflow.tables.ballot import Ballot, Meeting, Motion, Reopening, SealedChoice, Vote
from services.workflow.tables.base import Base
from services.workflow.tables.cycle import Announcement, Attachment, Cycle, Finding, Notification, Seat, Supervisor
from services.workflow.tables.honour import Disclosure, HonourFollowUp, HonourUse, Promotion, Recovery, RevocationCase
from services.workflow.tables.notice import Arrival, Notice, NoticeName, Objection, ObjectionContact
from services.workflow.tables.person import Department, Disqualified, Reading, Recusal, Undertaking
from services.workflow.tables.review import Contender, Defence, Evaluation, Panel, PanelReport, Shortlist, StageResult

__all__ = [
    "Announcement",
    "Arrival",
    "Attachment",
    "Award",
    "Ballot",
    "Base",
    "Contender",
    "Cycle",
    "Defence",
    "Department",
    "Disclosure",
    "Disqualified",
    "Evaluation",
    "ExternalHonour",
    "Finding",
    "GovernmentDecision",
    "HonourFollowUp",
    "HonourUse",
    "Meeting",
    "Motion",
    "Notice",
    "NoticeName",
    "Notification",
    "Objection",
    "ObjectionContact",
    "Panel",
    "PanelReport",
    "Payment",
    "Promotion",
    "Publication",
    "Reading",
    "Recovery",
    "Recusal",
    "Reopening",
    "ResultChange",
    "RevocationCase",
    "SealedChoice",
    "Seat",
    "Shortlist",
    "StageResult",
    "Supervisor",
    "Undertaking",
    "Vote",
    "Webhook",
]
