"""Whole years, from their launch to their end, through every service."""

from typing import Any

import pytest

from regulation.edition import example_rules, load
from tests.journey.course import Contender, Course, contenders
from tests.rig import Award
from tests.workflow.committee import EARLY, VOTERS, ok, refused

BIENNIAL_RULES = example_rules("biennial-example")
PHASES = (
    "planned", "rules_approved", "open", "material_review", "site_review", "evaluation", "deliberation", "public_notice", "approval",
    "published",
)  # fmt: skip


def stages(course: Course) -> list[str | None]:
    """Give how far each applicant reads that it came."""
    return [course.read(name)["stage"] for name in course.names]


def totals(course: Course) -> list[str]:
    listed = ok(course.office.get(f"/cycles/{course.cycle}/evaluation"))["applications"]
    shown = {one["application"]: one["total"]["points"] for one in listed}
    return [shown[name] for name in course.names if name in shown]


def convene(course: Course, motion: str) -> str:
    agenda = [{"title": "审议拟获奖名单", "motion": motion}, {"title": "其他事项"}]
    return str(ok(course.post("meetings", title="会议", place="301会议室", starts_at="2026-08-20T14:00:00+08:00", agenda=agenda))["id"])


def attend(course: Course, meeting: str, *present: str, **absent: str) -> dict[str, Any]:
    etag = course.office.get(f"/meetings/{meeting}").headers["etag"]
    body = {"present": present, "absent": [{"person": who.replace("_", "-"), "reason": why} for who, why in absent.items()]}
    return ok(course.office.put(f"/meetings/{meeting}/attendance", json=body, headers={"If-Match": etag}))


def test_the_plain_year(award: Award) -> None:
    course = Course(award, 2030, contenders("640.00", "620.00", "605.00")).evaluated()
    waits = {one["what"] for one in ok(course.office.get(f"/cycles/{course.cycle}"))["dashboard"]["waits_for"]}
    assert "2030: put the proposed winners to the committee, then before the public" in waits
    task = next(one for one in ok(course.office.get("/me"))["tasks"] if one["title"].startswith("2030"))
    said = load("jindong-2022").clauses["5.4.2"].text
    assert (task["clause"], task["why"], task["href"]) == ("5.4.2", said, f"/api/v1/cycles/{course.cycle}")
    names = [{"application": name, "award": "quality"} for name in course.names[:2]]
    motion = course.committee.propose(course.cycle, "winners", names=names)
    meeting = convene(course, motion)
    refused(course.office.post(f"/motions/{motion}/opening"), "wrong_state", "5.4.2")
    short = attend(course, meeting, *VOTERS[:3], member_1="出差", member_2="病假")
    assert (short["state"], short["voters_present"], short["quorum"], short["quorate"]) == ("in_session", 3, 4, False)
    refused(course.office.post(f"/motions/{motion}/opening"), "meeting_without_quorum", "5.4.2")
    assert attend(course, meeting, *VOTERS[:4], member_2="病假")["quorate"]
    ok(course.office.post(f"/motions/{motion}/opening"))
    away = course.committee.voters["member-2"].post(f"/motions/{motion}/ballots", json={"name": course.names[0], "vote": "yes"})
    refused(away, "not_at_the_meeting", "5.4.2")
    for name in course.names[:2]:
        course.committee.vote(motion, 4, name=name)
    assert course.office.post(f"/meetings/{meeting}/ending", json={"minutes": "略"}).json()["code"] == "meeting_votes_open"
    ok(course.office.post(f"/motions/{motion}/closing", json={}))
    ended = ok(course.office.post(f"/meetings/{meeting}/ending", json={"minutes": "两家通过。"}))
    assert [(one["title"], one["outcome"]) for one in ended["agenda"]] == [("审议拟获奖名单", "passed"), ("其他事项", None)]
    ok(course.notice(dict.fromkeys(course.names[:2], motion)))
    course.published()
    assert course.winners() == dict.fromkeys(course.names[:2], "quality")
    assert stages(course) == ["winner", "winner", "not_candidate"]
    won = ok(course.applicants[0].client.get("/awards"))["items"][0]
    course.pay(won["id"], 500_000)
    assert [one["amount"] for one in ok(course.applicants[0].client.get("/awards"))["items"][0]["payments"]] == [500_000]
    assert ok(course.applicants[2].client.get("/awards"))["items"] == []
    assert ok(course.applicants[2].client.get(f"{course.applicants[2].path}/feedback"))["stage"] == "site"
    assert course.phases() == list(PHASES)
    course.closed()
    refused(course.panels.client("r0").get(f"/panels/{course.panel}"), "panel_dissolved", "2.3.end")


@pytest.mark.full
def test_nobody_reaches_600(award: Award) -> None:
    course = Course(award, 2031, contenders("599.75", "599.50", awards=("quality", "innovation"), fallback=True)).evaluated()
    assert totals(course) == ["599.75", "599.50"]
    assert ok(course.office.get(f"/cycles/{course.cycle}/evaluation"))["candidates"] == {"quality": [], "innovation": []}
    assert ok(course.post("deliberation-end", reasons="无组织达到最低分。"))["phase"] == "public_notice"
    course.published()
    assert course.winners() == {}
    assert stages(course) == ["not_candidate", "not_candidate"]
    assert course.phases() == list(PHASES)
    course.closed()


@pytest.mark.full
def test_exactly_three_above_610_and_a_tie_at_eight(award: Award) -> None:
    either = Contender("609.75", ("quality", "innovation"), fallback=True)
    others = contenders("609.00", "608.00", "607.00", "600.00", "600.00", awards=("innovation",))
    course = Course(award, 2032, [*contenders("650.00", "640.00", "610.00"), either, *others])
    course.review()
    refused(course.post("shortlist"), "shortlist_tie", "5.3.2")
    motion = course.committee.decide(course.cycle, "major_matter", tie={"among": "shortlist", "applications": [course.names[8]]})
    ok(course.post("shortlist", decided_by=motion["id"]))
    course.visit()
    candidates = ok(course.post("evaluation"))["candidates"]
    assert totals(course) == ["650.00", "640.00", "610.00", "609.75", "609.00", "608.00", "607.00", "600.00"]
    assert set(candidates["quality"]) == set(course.names[:3])
    assert set(candidates["innovation"]) == {*course.names[3:7], course.names[8]}
    ok(course.post("evaluation/confirmation"))
    won = course.ballot(dict.fromkeys(course.names[:3], 5))
    ok(course.notice(dict.fromkeys(course.names[:3], won)))
    course.published()
    assert course.winners() == dict.fromkeys(course.names[:3], "quality")
    assert stages(course) == ["winner"] * 3 + ["candidate"] * 4 + ["not_shortlisted", "candidate"]
    course.closed()


@pytest.mark.full
def test_a_tie_at_three(award: Award) -> None:
    course = Course(award, 2033, contenders("650.00", "645.00", "640.00", "640.00")).evaluated()
    motion = course.ballot(dict.fromkeys(course.names, 5))
    ballots = {one["application"]: one["won"] for one in ok(course.office.get(f"/motions/{motion}"))["ballots"]}
    assert [ballots[name] for name in course.names] == [True, True, None, None]
    refused(course.post("deliberation-end", reasons="无"), "winners_tied", "5.4.2")
    tie = {"among": "winners", "motion": motion, "award": "quality", "applications": [course.names[3]]}
    course.committee.decide(course.cycle, "major_matter", tie=tie)
    third = [*course.names[:2], course.names[3]]
    ok(course.notice(dict.fromkeys(third, motion)))
    course.published()
    assert course.winners() == dict.fromkeys(third, "quality")
    assert stages(course) == ["winner", "winner", "candidate", "winner"]
    course.closed()


@pytest.mark.full
def test_an_objection_upheld_a_substitute_and_a_second_notice(award: Award) -> None:
    course = Course(award, 2034, contenders("650.00", "645.00", "640.00", "635.00"))
    notice = course.noticed(3)
    objection = ok(course.anyone.post(f"/notices/{notice}/objections", json={"text": "材料不实", "application": course.names[0]}))["id"]
    ok(course.rule(objection, removes_name=True))
    assert course.phase() == "deliberation"
    premature = {"kind": "substitute", "title": "递补", "names": [{"application": course.names[3], "award": "innovation"}]}
    refused(course.office.post(f"/cycles/{course.cycle}/motions", json=premature), "no_name_fell", "5.4.2")
    motion = course.ballot({course.names[3]: 5}, kind="substitute")
    second = ok(course.notice({course.names[3]: motion}, at="2026-09-10T09:00:00+08:00"))
    assert second["ends_at"].startswith("2026-09-1")
    course.at("2026-09-17T23:59:59.999999+08:00")
    refused(course.approve(dated="2026-09-17"), "notice_running", "5.4.3")
    course.published("2026-09-18")
    assert course.winners() == dict.fromkeys(course.names[1:], "quality")
    assert stages(course) == ["fallen", "winner", "winner", "winner"]
    course.closed()


@pytest.mark.full
def test_the_government_refuses_once(award: Award) -> None:
    course = Course(award, 2035, contenders("650.00", "645.00"))
    course.noticed()
    course.at("2026-09-09T00:00:00+08:00")
    refusal = {"decision": "refuse", "document_number": "金东政函〔2026〕3号", "dated": "2026-09-09", "names": [course.names[0]]}
    assert ok(course.post("approval", **refusal))["phase"] == "deliberation"
    motion = course.ballot({course.names[1]: 5}, kind="substitute")
    ok(course.notice({course.names[1]: motion}, at="2026-09-10T09:00:00+08:00"))
    course.published("2026-09-18")
    assert course.winners() == {course.names[1]: "quality"}
    assert stages(course) == ["fallen", "winner"]
    course.closed()


@pytest.mark.full
def test_a_quorum_lost_by_recusals_gives_no_result(award: Award) -> None:
    course = Course(award, 2036, contenders("650.00")).evaluated()
    [name] = course.names
    motion = course.committee.propose(course.cycle, "winners", names=[{"application": name, "award": "quality"}])
    for person in VOTERS[1:]:
        recusal = {"person": person, "name": name, "reason": "近亲属任职"}
        ok(course.committee.voters[person].post(f"/motions/{motion}/recusals", json=recusal))
    assert ok(course.office.post(f"/motions/{motion}/opening"))["ballots"][0]["quorum"] == 1
    closed = ok(course.office.post(f"/motions/{motion}/closing", json=EARLY))["ballots"][0]
    assert (closed["outcome"], closed["won"], closed["tally"]["recused"], closed["tally"]["base"]) == ("no_quorum", False, 4, 0)
    refused(course.notice({name: motion}), "motion_not_passed", "2.1.3")
    again = course.ballot({name: 5})
    ok(course.notice({name: again}))
    course.published()
    assert course.winners() == {name: "quality"}
    course.closed()


@pytest.mark.full
def test_a_finding_stops_the_shortlist_until_it_is_answered(award: Award) -> None:
    course = Course(award, 2037, contenders("650.00"))
    course.review()
    finding = {"cycle": course.cycle, "text": "抽取记录不完整", "holds": "confirm_shortlist"}
    held = ok(course.committee.supervisor.post("/findings", json=finding))["id"]
    refused(course.post("shortlist"), "finding_unanswered", "7.1")
    board = ok(course.office.get(f"/cycles/{course.cycle}"))["dashboard"]
    assert (board["next"]["allowed"], board["next"]["why"]["clause"], board["open_findings"]) == (False, "7.1", 1)
    [waiting] = [one for one in board["waits_for"] if one["clause"] == "7.1"]
    assert (waiting["who"], waiting["href"]) == ("office", f"/api/v1/findings/{held}/answer")
    assert stages(course) == [None]
    ok(course.office.post(f"/findings/{held}/answer", json={"answer": "已补充"}))
    assert ok(course.post("shortlist"))["applications"] == course.names
    course.visit()
    ok(course.post("evaluation"))
    ok(course.post("evaluation/confirmation"))
    ok(course.notice({course.names[0]: course.ballot({course.names[0]: 5})}))
    course.published()
    assert course.winners() == {course.names[0]: "quality"}
    course.closed()


@pytest.mark.full
def test_a_year_under_the_second_edition(award: Award) -> None:
    nominees = contenders("600.00", "599.75", awards=("nomination",))
    given = [*contenders("650.00", "645.00", "620.00", "619.75"), *nominees]
    course = Course(award, 2044, given, members=5, rules=BIENNIAL_RULES, edition="biennial-example").evaluated()
    refused(course.office.post("/cycles", json={"year": 2045, "edition": "biennial-example"}), "year_taken", "1.5")
    assert totals(course) == [one.points for one in given]
    candidates = ok(course.office.get(f"/cycles/{course.cycle}/evaluation"))["candidates"]
    expected = {"quality": set(course.names[:3]), "innovation": set(), "nomination": {course.names[4]}}
    assert {key: set(names) for key, names in candidates.items()} == expected
    names = [{"application": name, "award": "quality"} for name in course.names[:3]]
    motion = course.committee.propose(course.cycle, "winners", names=names)
    assert ok(course.office.post(f"/motions/{motion}/opening"))["secret"]
    for name, yes in zip(course.names[:3], (5, 4, 2), strict=True):
        course.committee.vote(motion, yes, name=name, no=5 - yes)
    course.committee.vote(motion, 3, name=course.names[2])  # one member thinks again
    closed = ok(course.office.post(f"/motions/{motion}/closing", json={}))
    found = {one["application"]: (one["tally"]["yes"], one["won"]) for one in closed["ballots"]}
    assert [found[name] for name in course.names[:3]] == [(5, True), (4, True), (3, False)]
    third = course.ballot({course.names[4]: 5}, "nomination")
    notice = ok(course.notice(dict.fromkeys(course.names[:2], motion) | {course.names[4]: third}, at="2026-09-29T09:00:00+08:00"))
    assert (notice["days"], notice["counting"]) == (5, "working")
    course.at("2026-10-12T23:59:59.999999+08:00")  # 30 September, 8 to 10 October (a Saturday that is worked), 12 October
    refused(course.approve(dated="2026-10-12"), "notice_running", "5.4.3")
    course.published("2026-10-13")
    assert course.winners() == {course.names[0]: "quality", course.names[1]: "quality", course.names[4]: "nomination"}
    assert [won["prize"] for won in course.awards()] == [300_000, 300_000, 50_000]
    assert stages(course) == ["winner", "winner", "candidate", "not_candidate", "winner", "not_candidate"]
    course.closed()
