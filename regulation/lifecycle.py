"""What may happen when: one table per thing, `(state, action) → Step`. Nothing else in the product decides a transition.

A thing that doesn't exist yet is in state `new`. An action that changes no state leads back to the state it starts from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from regulation.edition import Parameters
from regulation.refusal import Refusal


@dataclass(frozen=True)
class Step:
    """Where an action leads, in which phases of the cycle it is allowed (`None`: in any), and by which clause."""

    to: str
    during: tuple[str, ...] | None
    clause: str


Table = Mapping[tuple[str, str], Step]
Row = tuple[str, tuple[str, ...] | None, str]

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "new": "尚未建立",
        "planned": "计划制订",
        "rules_approved": "细则审定",
        "open": "申报",
        "screening": "资格审查",
        "material_review": "材料评审",
        "site_review": "现场评审",
        "oral_defence": "答辩",
        "evaluation": "综合评价",
        "deliberation": "审议",
        "public_notice": "公示",
        "approval": "审定批准",
        "published": "公布",
        "closed": "结束",
        "cancelled": "取消",
        "draft": "草稿",
        "submitted": "待推荐",
        "returned": "退回补正",
        "filed": "已申报",
        "declined": "不予推荐",
        "withdrawn": "撤回",
        "eligible": "资格审查合格",
        "ineligible": "资格审查不合格",
        "disqualified": "取消资格",
        "formed": "已组建",
        "dissolved": "已解散",
        "sealed": "已密封",
        "opened": "已启封",
        "proposed": "已提出",
        "voting": "表决中",
        "decided": "已表决",
        "running": "公示中",
        "fallen": "已移出",
        "received": "已受理",
        "investigating": "调查核实中",
        "reported": "已报告",
        "ruled": "已裁定",
        "dismissed": "不予受理",
        "revoked": "已撤销",
        "convened": "已召集",
        "in_session": "开会中",
        "ended": "已闭会",
        "verified": "已核实",
        "unfounded": "查无实据",
        "kept": "予以保留",
        "misused": "使用不当",
        "demanded": "已责令改正",
        "corrected": "已改正",
        "settled": "已了结",
    }
)

PHASES = ("planned", "rules_approved", "open", "screening", "material_review", "site_review", "oral_defence", "evaluation",
          "deliberation", "public_notice", "approval", "published", "closed")  # fmt: skip
"""The phases of a cycle in their order; `cancelled` stands beside them."""

_BEFORE_PUBLICATION = PHASES[: PHASES.index("published")]
_FROM_OPENING = PHASES[PHASES.index("open") : PHASES.index("published")]
_REVIEW = ("material_review", "site_review")
_NOTICE = ("deliberation", "public_notice")  # a name that falls sends the cycle back while the other names' notices run on


def _table(rows: Mapping[tuple[str, str], Row]) -> Table:
    return MappingProxyType({key: Step(*row) for key, row in rows.items()})


def _unchanged(states: Iterable[str], action: str, during: tuple[str, ...] | None, clause: str) -> dict[tuple[str, str], Row]:
    return {(state, action): (state, during, clause) for state in states}


_CYCLE = {
    **_unchanged(("planned", "rules_approved"), "plan", None, "2.2.1"),
    **_unchanged(_BEFORE_PUBLICATION, "set_committee", None, "2.0"),  # posts change hands within a year; a roll once frozen stays
    **_unchanged(_BEFORE_PUBLICATION, "set_supervision_group", None, "7.1"),
    **_unchanged(("planned",), "draft_rules", None, "2.1.1"),
    ("planned", "approve_rules"): ("rules_approved", None, "2.1.1"),
    ("rules_approved", "launch"): ("open", None, "2.1.1"),
    ("open", "announce"): ("open", None, "5.1"),
    ("screening", "close_screening"): ("material_review", None, "5.3.1"),
    ("material_review", "confirm_shortlist"): ("site_review", None, "5.3.2"),
    ("site_review", "evaluate"): ("evaluation", None, "5.4.1"),
    ("evaluation", "confirm_evaluation"): ("deliberation", None, "2.2.3"),
    ("site_review", "reopen"): ("material_review", None, "2.1.2"),
    ("evaluation", "reopen"): ("site_review", None, "2.1.2"),
    ("deliberation", "reopen"): ("evaluation", None, "2.1.2"),
    ("deliberation", "publish_notice"): ("public_notice", None, "5.4.2"),
    ("deliberation", "end_deliberation"): ("public_notice", None, "5.4.2"),  # no (further) name: fewer, even none, is allowed
    ("public_notice", "remove_name"): ("deliberation", None, "5.4.2"),
    ("approval", "remove_name"): ("deliberation", None, "5.4.2"),
    ("public_notice", "approve"): ("approval", None, "5.4.3"),
    ("public_notice", "refuse"): ("deliberation", None, "5.4.3"),
    ("approval", "refuse"): ("deliberation", None, "5.4.3"),
    ("approval", "publish"): ("published", None, "5.4.3"),
    ("published", "close"): ("closed", None, "2.3.end"),
    **{(state, "cancel"): ("cancelled", None, "1.5") for state in _BEFORE_PUBLICATION},
}
_DEFENCE = {
    ("evaluation", "reopen"): ("oral_defence", None, "2.1.2"),
    ("oral_defence", "reopen"): ("site_review", None, "2.1.2"),
    ("site_review", "hear_defences"): ("oral_defence", None, "5.4.1"),
    ("oral_defence", "evaluate"): ("evaluation", None, "5.4.1"),
}

APPLICATION = _table(
    {
        ("new", "start"): ("draft", ("open",), "5.2"),
        **_unchanged(("draft", "returned"), "edit", ("open",), "5.2"),
        ("draft", "submit"): ("submitted", ("open",), "5.2"),
        ("returned", "submit"): ("submitted", ("open",), "5.2"),
        ("submitted", "endorse"): ("filed", ("open",), "5.2"),
        ("submitted", "return"): ("returned", ("open",), "5.2"),
        ("submitted", "decline"): ("declined", ("open",), "5.2"),
        ("filed", "send_back"): ("returned", ("open",), "5.3.1"),
        ("declined", "reroute"): ("submitted", ("open",), "5.2"),
        **_unchanged(("filed", "eligible", "ineligible"), "screen", ("screening",), "5.3.1"),
        **{(state, "find_eligible"): ("eligible", ("screening",), "5.3.1") for state in ("filed", "ineligible")},
        **{(state, "find_ineligible"): ("ineligible", ("screening",), "5.3.1") for state in ("filed", "eligible")},
        **{
            (state, "withdraw"): ("withdrawn", _FROM_OPENING, "1.4")
            for state in ("draft", "submitted", "returned", "declined", "filed", "eligible")
        },
        **{(state, "disqualify"): ("disqualified", _FROM_OPENING, "3.3") for state in ("filed", "eligible")},
    }
)

PANEL = _table(
    {
        ("new", "form"): ("formed", ("open", "screening", *_REVIEW), "2.2.2"),
        **_unchanged(("formed",), "assign", ("open", "screening", *_REVIEW), "2.2.2"),
        **_unchanged(("formed",), "recuse", _FROM_OPENING, "2.4.5"),
        **_unchanged(("formed",), "replace", _FROM_OPENING, "2.0"),
        **_unchanged(("formed",), "plan_site", ("site_review",), "2.3.2"),
        **_unchanged(("formed",), "report", _REVIEW, "2.3.3"),
        **_unchanged(("formed",), "revise_report", (*_REVIEW, "oral_defence", "evaluation", "deliberation"), "2.4.5"),
        ("formed", "dissolve"): ("dissolved", ("closed", "cancelled"), "2.3.end"),
    }
)

SHEET = _table(
    {
        ("new", "begin"): ("draft", _REVIEW, "2.3.1"),
        **_unchanged(("draft",), "rate", _REVIEW, "2.3.1"),
        ("draft", "seal"): ("sealed", _REVIEW, "2.3.1"),
        ("sealed", "open"): ("opened", _REVIEW, "2.3.1"),
        **{(state, "withdraw"): ("withdrawn", _FROM_OPENING, "2.4.5") for state in ("draft", "sealed", "opened")},
    }
)

MOTIONS: Mapping[str, tuple[tuple[str, ...] | None, str]] = MappingProxyType(
    {
        "rules": (("planned",), "2.1.1"),
        "winners": (("deliberation",), "2.1.3"),
        "substitute": (("deliberation",), "5.4.2"),
        "ruling": (_FROM_OPENING[_FROM_OPENING.index("material_review") :], "5.4.2"),
        "removal": (("deliberation", "public_notice", "approval"), "5.4.2"),
        "reopening": (("site_review", "oral_defence", "evaluation", "deliberation"), "2.1.2"),
        "cancellation": (_BEFORE_PUBLICATION, "1.5"),
        "major_matter": (None, "2.1.2"),
    }
)
"""Every kind of motion: the phases in which the committee may vote on it, and the clause that has it vote."""
NAMING = ("winners", "substitute")
"""The kinds of motion that propose winners, each name by a ballot of its own."""

MEETING = _table(
    {
        ("new", "convene"): ("convened", _BEFORE_PUBLICATION, "2.1.2"),
        **_unchanged(("convened",), "amend", _BEFORE_PUBLICATION, "2.1.2"),
        **{(state, "attend"): ("in_session", _BEFORE_PUBLICATION, "5.4.2") for state in ("convened", "in_session")},
        **_unchanged(("in_session",), "vote", _BEFORE_PUBLICATION, "5.4.2"),
        ("in_session", "end"): ("ended", None, "2.1.2"),
        ("convened", "call_off"): ("cancelled", None, "2.1.2"),
    }
)

NOTICE = _table(
    {
        ("new", "publish"): ("running", ("deliberation",), "5.4.2"),
        ("running", "remove"): ("fallen", ("deliberation", "public_notice", "approval"), "5.4.2"),
    }
)

OBJECTION = _table(
    {
        ("new", "object"): ("received", _NOTICE, "5.4.2"),
        ("received", "investigate"): ("investigating", None, "2.2.4"),
        **_unchanged(("investigating",), "investigate", None, "2.2.4"),
        ("investigating", "report"): ("reported", None, "5.4.2"),
        ("reported", "rule"): ("ruled", None, "5.4.2"),
        **{(state, "dismiss"): ("dismissed", None, "5.4.2") for state in ("received", "investigating")},
    }
)

AWARD = _table(
    {
        ("new", "propose"): ("proposed", ("approval",), "2.1.3"),
        ("proposed", "publish"): ("published", ("approval",), "5.4.3"),
        ("published", "revoke"): ("revoked", None, "7.2"),
    }
)

REVOCATION = _table(
    {
        ("new", "open"): ("investigating", None, "7.2"),
        ("investigating", "verify"): ("verified", None, "7.5"),
        ("investigating", "drop"): ("unfounded", None, "7.5"),
        ("verified", "revoke"): ("revoked", None, "7.2"),
        ("verified", "keep"): ("kept", None, "7.2"),
        **_unchanged(("revoked",), "recover", None, "7.2"),
        **_unchanged(("revoked",), "disclose", None, "7.2"),
    }
)


HONOUR_USE = _table(
    {
        ("new", "observe"): ("misused", None, "2.2.5"),
        **{(state, "demand"): ("demanded", None, "2.2.5") for state in ("misused", "demanded", "corrected")},
        ("demanded", "correct"): ("corrected", None, "7.4"),
        **{(state, "settle"): ("settled", None, "2.2.5") for state in ("demanded", "corrected")},
    }
)
"""What follows a use of an honour that breaks a rule."""


def cycle(p: Parameters) -> Table:
    """Give the cycle's table; where the edition has an oral defence, evaluation waits for it."""
    if not p.oral_defence:
        return _table({key: row for key, row in _CYCLE.items() if key[0] != "oral_defence"})
    return _table({key: row for key, row in _CYCLE.items() if key != ("site_review", "evaluate")} | _DEFENCE)


def motion(kind: str) -> Table:
    """Give the table of a motion of this kind: proposed, put to the vote, decided.

    Clause 2.1.2.
    """
    if kind not in MOTIONS:
        raise Refusal("unknown_motion", "2.1.2", kind=kind, kinds=", ".join(MOTIONS))
    during, clause = MOTIONS[kind]
    return _table(
        {
            ("new", "propose"): ("proposed", during, clause),
            **_unchanged(("proposed", "voting"), "recuse", during, "2.4.5"),
            ("proposed", "open"): ("voting", during, clause),
            **_unchanged(("voting",), "vote", during, clause),
            ("voting", "close"): ("decided", during, clause),
        }
    )


def phase(stored: str, closes: datetime | None, now: datetime) -> str:
    """Tell the phase a cycle is in: one stored as open whose window [open, close) is over is in screening, without anybody's act.

    Clause 5.2.
    """
    return "screening" if stored == "open" and closes is not None and now >= closes else stored


def step(table: Table, state: str, action: str, phase: str | None = None) -> Step:
    """Give the step an action takes from a state, in a phase of the cycle where it matters; refuse what the table doesn't hold."""
    steps = {source: found for (source, known), found in table.items() if known == action}
    if not steps:
        raise LookupError(f"no table holds the action {action}")
    if state not in steps:
        raise Refusal("wrong_state", next(iter(steps.values())).clause, **_words(state, steps))
    found = steps[state]
    if phase is not None and found.during is not None and phase not in found.during:
        raise Refusal("wrong_phase", found.clause, **_words(phase, found.during))
    return found


def answers(table: Table, state: str, phase: str | None = None) -> dict[str, Step | Refusal]:
    """Answer for every action of a table what it would do now, or why it would not."""
    found: dict[str, Step | Refusal] = {}
    for action in dict.fromkeys(known for _, known in table):
        try:
            found[action] = step(table, state, action, phase)
        except Refusal as refusal:
            found[action] = refusal
    return found


def _words(state: str, allowed: Iterable[str]) -> dict[str, Any]:
    words = list(allowed)
    return {
        "state": state.replace("_", " "),
        "state_zh": NAMES[state],
        "allowed": ", ".join(word.replace("_", " ") for word in words),
        "allowed_zh": "、".join(NAMES[word] for word in words),
    }
