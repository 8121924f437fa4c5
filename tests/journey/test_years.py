"""Whole years through the door, from their launch to their end."""

from typing import Any

import pytest

from regulation.edition import example_rules, load
from regulation.score import Score, total
from tests.rig import Award
from tests.workflow.committee import EARLY, VOTERS, ok, refused
from tests.workflow.year import OVER, Year, points

BIENNIAL_RULES = example_rules("biennial-example")


def scores(*given: float, **also: object) -> list[dict[str, Any]]:
    return [{"material": points(one)} | also for one in given]


def winners(year: Year) -> dict[str, str]:
    return {one["application"]: one["award"] for one in ok(year.office.get("/awards", params={"year": year.year}))["items"]}


def publish(year: Year, dated: str) -> None:
    ok(year.approve(dated=dated))
    ok(year.post("publication", document="金东政发〔2026〕15号", medium="网站", published_on=dated))


def close(year: Year) -> list[str]:
    """End the year; gives the phases that the record tells it went through."""
    assert ok(year.post("closure"))["phase"] == "closed"
    database = year.award.database("workflow")
    with database.connect() as connection:
        rows = connection.exec_driver_sql(
            "select facts->>'phase' from event where subject = %s and facts->>'phase' is not null order by id", (f"cycle:{year.cycle}",)
        ).all()
    database.dispose()
    return list(dict.fromkeys(row[0] for row in rows))


def convene(year: Year, motion: str) -> str:
    agenda = [{"title": "审议拟获奖名单", "motion": motion}, {"title": "其他事项"}]
    return str(ok(year.post("meetings", title="会议", place="301会议室", starts_at="2026-08-20T14:00:00+08:00", agenda=agenda))["id"])


def attend(year: Year, meeting: str, *present: str, **absent: str) -> dict[str, Any]:
    etag = year.office.get(f"/meetings/{meeting}").headers["etag"]
    body = {"present": present, "absent": [{"person": who.replace("_", "-"), "reason": why} for who, why in absent.items()]}
    return ok(year.office.put(f"/meetings/{meeting}/attendance", json=body, headers={"If-Match": etag}))


@pytest.mark.full
def test_the_plain_year(award: Award) -> None:
    year = Year(award, 2030, scores(640, 620, 605)).evaluated()
    waits = {one["what"] for one in ok(year.office.get(f"/cycles/{year.cycle}"))["dashboard"]["waits_for"]}
    assert "2030: put the proposed winners to the committee, then before the public" in waits
    task = next(one for one in ok(year.office.get("/me"))["tasks"] if one["title"].startswith("2030"))
    said = load("jindong-2022").clauses["5.4.2"].text
    assert (task["clause"], task["why"], task["href"]) == ("5.4.2", said, f"/api/v1/cycles/{year.cycle}")
    names = [{"application": name, "award": "quality"} for name in year.names[:2]]
    motion = year.committee.propose(year.cycle, "winners", names=names)
    meeting = convene(year, motion)
    refused(year.office.post(f"/motions/{motion}/opening"), "wrong_state", "5.4.2")
    short = attend(year, meeting, *VOTERS[:3], member_1="出差", member_2="病假")
    assert (short["state"], short["voters_present"], short["quorum"], short["quorate"]) == ("in_session", 3, 4, False)
    refused(year.office.post(f"/motions/{motion}/opening"), "meeting_without_quorum", "5.4.2")
    assert attend(year, meeting, *VOTERS[:4], member_2="病假")["quorate"]
    ok(year.office.post(f"/motions/{motion}/opening"))
    away = year.committee.voters["member-2"].post(f"/motions/{motion}/ballots", json={"name": year.names[0], "vote": "yes"})
    refused(away, "not_at_the_meeting", "5.4.2")
    for name in year.names[:2]:
        year.committee.vote(motion, 4, name=name)
    assert year.office.post(f"/meetings/{meeting}/ending", json={"minutes": "略"}).json()["code"] == "meeting_votes_open"
    ok(year.office.post(f"/motions/{motion}/closing", json={}))
    ended = ok(year.office.post(f"/meetings/{meeting}/ending", json={"minutes": "两家通过。"}))
    assert [(one["title"], one["outcome"]) for one in ended["agenda"]] == [("审议拟获奖名单", "passed"), ("其他事项", None)]
    ok(year.notice(dict.fromkeys(year.names[:2], motion)))
    year.published()
    assert winners(year) == dict.fromkeys(year.names[:2], "quality")
    assert close(year) == [
        "planned", "rules_approved", "open", "material_review", "site_review", "evaluation", "deliberation", "public_notice", "approval",
        "published", "closed",
    ]  # fmt: skip


@pytest.mark.full
def test_the_report_says_all_that_reproduces_it(award: Award) -> None:
    year = Year(award, 2031, [{"material": points(600), "site": points(625)}, *scores(640, 650)]).reviewed()
    year.report("site", year.site)
    year.tell("application.withdrawn", "intake", application=year.names[2])
    report = ok(year.post("evaluation"))
    assert report["left_out"] == [{"application": year.names[2], "stage": "withdrawn"}]
    assert set(report["shortlist"]) == set(year.names)
    edition = load(report["edition"])
    p = edition.parameters(edition.in_force_on)
    assert report["minimum_points"] == {one.key: one.minimum_points for one in p.awards}
    for one in report["applications"]:
        material, site = (Score(one[stage]["score"]["numerator"], one[stage]["score"]["denominator"]) for stage in ("material", "site"))
        found = total(material, site, report["material_weight"], report["site_weight"])
        assert {"numerator": found.numerator, "denominator": found.denominator, "points": found.points} == one["total"]
    assert (len(report["hash"]), len(report["rules_hash"]), report["rubric"]) == (64, 64, p.rubric)
    assert ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["hash"] == report["hash"]


@pytest.mark.full
def test_nobody_reaches_600(award: Award) -> None:
    year = Year(award, 2032, scores(599.75, 599.5, awards=["quality", "innovation"], fallback=True)).evaluated()
    assert ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["candidates"] == {"quality": [], "innovation": []}
    assert ok(year.post("deliberation-end", reasons="无组织达到最低分。"))["phase"] == "public_notice"
    award.at(OVER)
    publish(year, "2026-09-09")
    assert winners(year) == {}
    close(year)


@pytest.mark.full
def test_exactly_three_above_610_and_a_tie_at_eight(award: Award) -> None:
    year = Year(award, 2033, [*scores(700, 650, 610), *scores(609.75, 609, 608, 607, 600, 600, awards=["innovation"])])
    year.report("material", year.material, year.names)
    refused(year.post("shortlist"), "shortlist_tie", "5.3.2")
    motion = year.committee.decide(year.cycle, "major_matter", tie={"among": "shortlist", "applications": [year.names[8]]})
    ok(year.post("shortlist", decided_by=motion["id"]))
    year.report("site", {name: score for name, score in year.site.items() if name != year.names[7]})
    candidates = ok(year.post("evaluation"))["candidates"]
    assert (set(candidates["quality"]), set(candidates["innovation"])) == (set(year.names[:3]), {*year.names[3:7], year.names[8]})
    ok(year.post("evaluation/confirmation"))
    won = year.ballot(dict.fromkeys(year.names[:3], 5))
    ok(year.notice(dict.fromkeys(year.names[:3], won)))
    year.published()
    assert set(winners(year)) == set(year.names[:3])
    close(year)


@pytest.mark.full
def test_a_tie_at_three(award: Award) -> None:
    year = Year(award, 2034, scores(700, 690, 640, 640)).evaluated()
    motion = year.ballot(dict.fromkeys(year.names, 5))
    ballots = {one["application"]: one["won"] for one in ok(year.office.get(f"/motions/{motion}"))["ballots"]}
    assert [ballots[name] for name in year.names] == [True, True, None, None]
    refused(year.post("deliberation-end", reasons="无"), "winners_tied", "5.4.2")
    tie = {"among": "winners", "motion": motion, "award": "quality", "applications": [year.names[3]]}
    year.committee.decide(year.cycle, "major_matter", tie=tie)
    third = [*year.names[:2], year.names[3]]
    ok(year.notice(dict.fromkeys(third, motion)))
    year.published()
    assert set(winners(year)) == set(third)


@pytest.mark.full
def test_an_objection_upheld_a_substitute_and_a_second_notice(award: Award) -> None:
    year = Year(award, 2035, scores(700, 690, 680, 670))
    notice = year.noticed(3)
    objection = ok(year.anyone.post(f"/notices/{notice}/objections", json={"text": "材料不实", "application": year.names[0]}))["id"]
    ok(year.rule(objection, removes_name=True))
    assert year.phase() == "deliberation"
    premature = {"kind": "substitute", "title": "递补", "names": [{"application": year.names[3], "award": "innovation"}]}
    refused(year.office.post(f"/cycles/{year.cycle}/motions", json=premature), "no_name_fell", "5.4.2")
    motion = year.ballot({year.names[3]: 5}, kind="substitute")
    second = ok(year.notice({year.names[3]: motion}, at="2026-09-10T09:00:00+08:00"))
    assert second["ends_at"].startswith("2026-09-1")
    award.at("2026-09-17T23:59:59.999999+08:00")
    refused(year.approve(dated="2026-09-17"), "notice_running", "5.4.3")
    award.at("2026-09-18T00:00:00+08:00")
    publish(year, "2026-09-18")
    assert set(winners(year)) == set(year.names[1:4])
    close(year)


@pytest.mark.full
def test_a_name_is_removed_by_motion_once(award: Award) -> None:
    year = Year(award, 2036, scores(700, 690))
    year.noticed(2)
    stranger = {"kind": "removal", "title": "移出", "text": "失信", "application": year.cycle}
    assert year.office.post(f"/cycles/{year.cycle}/motions", json=stranger).status_code == 404
    lost = year.committee.decide(year.cycle, "removal", yes=1, text="被列入严重失信名单", application=year.names[0])
    refused(year.post("removals", motion=lost["id"]), "motion_not_passed", "5.4.2")
    motion = year.committee.decide(year.cycle, "removal", text="被列入严重失信名单", application=year.names[0])
    removed = ok(year.post("removals", motion=motion["id"]))
    assert {one["application"]: one["state"] for one in removed["names"]} == {year.names[0]: "fallen", year.names[1]: "running"}
    assert year.phase() == "deliberation"
    assert year.post("removals", motion=motion["id"]).status_code == 404


@pytest.mark.full
def test_the_government_refuses_once(award: Award) -> None:
    year = Year(award, 2037, scores(700, 690))
    year.noticed()
    award.at(OVER)
    refusal = {"decision": "refuse", "document_number": "金东政函〔2026〕3号", "dated": "2026-09-09", "names": [year.names[0]]}
    assert ok(year.post("approval", **refusal))["phase"] == "deliberation"
    motion = year.ballot({year.names[1]: 5}, kind="substitute")
    ok(year.notice({year.names[1]: motion}, at="2026-09-10T09:00:00+08:00"))
    award.at("2026-09-18T00:00:00+08:00")
    publish(year, "2026-09-18")
    assert winners(year) == {year.names[1]: "quality"}


@pytest.mark.full
def test_a_quorum_lost_by_recusals_gives_no_result(award: Award) -> None:
    year = Year(award, 2038, scores(700)).evaluated()
    motion = year.committee.propose(year.cycle, "winners", names=[{"application": year.names[0], "award": "quality"}])
    for person in VOTERS[1:]:
        recusal = {"person": person, "name": year.names[0], "reason": "近亲属任职"}
        ok(year.committee.voters[person].post(f"/motions/{motion}/recusals", json=recusal))
    assert ok(year.office.post(f"/motions/{motion}/opening"))["ballots"][0]["quorum"] == 1
    closed = ok(year.office.post(f"/motions/{motion}/closing", json=EARLY))["ballots"][0]
    assert (closed["outcome"], closed["won"], closed["tally"]["recused"], closed["tally"]["base"]) == ("no_quorum", False, 4, 0)
    refused(year.notice({year.names[0]: motion}), "motion_not_passed", "2.1.3")
    again = year.ballot({year.names[0]: 5})
    assert ok(year.office.get(f"/motions/{again}"))["ballots"][0]["won"]


@pytest.mark.full
def test_a_finding_stops_the_shortlist_until_it_is_answered(award: Award) -> None:
    year = Year(award, 2039, scores(700))
    year.report("material", year.material, year.names)
    finding = {"cycle": year.cycle, "text": "抽取记录不完整", "holds": "confirm_shortlist"}
    held = ok(year.committee.supervisor.post("/findings", json=finding))["id"]
    refused(year.post("shortlist"), "finding_unanswered", "7.1")
    board = ok(year.office.get(f"/cycles/{year.cycle}"))["dashboard"]
    assert (board["next"]["allowed"], board["next"]["why"]["clause"], board["open_findings"]) == (False, "7.1", 1)
    [waiting] = [one for one in board["waits_for"] if one["clause"] == "7.1"]
    assert (waiting["who"], waiting["href"]) == ("office", f"/api/v1/findings/{held}/answer")
    ok(year.office.post(f"/findings/{held}/answer", json={"answer": "已补充"}))
    assert ok(year.post("shortlist"))["applications"] == year.names


@pytest.mark.full
def test_steps_are_taken_back_by_motion_one_at_a_time(award: Award) -> None:
    year = Year(award, 2040, scores(700, 690)).evaluated()
    refused(year.post("reopening", motion=year.committee.decide(year.cycle, "major_matter")["id"]), "motion_not_passed", "2.1.2")
    lost = year.committee.decide(year.cycle, "reopening", yes=1, text="核对候选名单")
    refused(year.post("reopening", motion=lost["id"]), "motion_not_passed", "2.1.2")
    entered = []
    for _ in range(3):
        motion = year.committee.decide(year.cycle, "reopening", text="核对")
        entered.append(ok(year.post("reopening", motion=motion["id"]))["entered"])
        assert year.post("reopening", motion=motion["id"]).json()["code"] == "reopened_already"
    assert entered == ["evaluation", "site_review", "material_review"]
    listed = ok(year.office.get(f"/cycles/{year.cycle}/reopenings"))["items"]
    assert [one["left"] for one in listed] == ["deliberation", "evaluation", "site_review"]
    assert year.office.get(f"/cycles/{year.cycle}/shortlist").status_code == 404
    year.evaluated()
    year.ballot({year.names[0]: 5})
    late = {"kind": "reopening", "title": "退回", "text": "核对"}
    refused(year.office.post(f"/cycles/{year.cycle}/motions", json=late), "reopening_too_late", "2.1.2")


@pytest.mark.full
def test_a_term_that_is_over_takes_the_vote_and_the_view(award: Award) -> None:
    year = Year(award, 2041, scores(700)).evaluated()
    committee = year.committee
    roster = ok(committee.office.get(f"/cycles/{year.cycle}/committee"))["members"]
    roster = [one | ({"until": "2026-04-09"} if one["person"] == "member-2" else {}) for one in roster]
    ok(committee.edit(committee.office, f"/cycles/{year.cycle}/committee", {"members": roster}))
    motion = committee.propose(year.cycle, "major_matter")
    assert "member-2" not in ok(committee.office.post(f"/motions/{motion}/opening"))["roll"]
    assert committee.voters["member-2"].get(f"/motions/{motion}").status_code == 404
    emptied = committee.edit(committee.chair, f"/cycles/{year.cycle}/supervision-group", {"members": []})
    refused(emptied, "supervision_group_missing", "7.1")


@pytest.mark.full
def test_a_year_under_the_second_edition(award: Award) -> None:
    contenders = [*scores(700, 690, 620, 619.75), *scores(600, 599.75, awards=["nomination"])]
    year = Year(award, 2044, contenders, BIENNIAL_RULES, "biennial-example").evaluated()
    refused(year.office.post("/cycles", json={"year": 2045, "edition": "biennial-example"}), "year_taken", "1.5")
    candidates = ok(year.office.get(f"/cycles/{year.cycle}/evaluation"))["candidates"]
    expected = {"quality": set(year.names[:3]), "innovation": set(), "nomination": {year.names[4]}}
    assert {key: set(names) for key, names in candidates.items()} == expected
    motion = year.committee.propose(year.cycle, "winners", names=[{"application": name, "award": "quality"} for name in year.names[:3]])
    assert ok(year.office.post(f"/motions/{motion}/opening"))["secret"]
    for name, yes in zip(year.names[:3], (5, 4, 2), strict=True):
        year.committee.vote(motion, yes, name=name, no=5 - yes)
    year.committee.vote(motion, 3, name=year.names[2])  # one member thinks again
    closed = ok(year.office.post(f"/motions/{motion}/closing", json={}))
    found = {one["application"]: (one["tally"]["yes"], one["won"]) for one in closed["ballots"]}
    assert [found[name] for name in year.names[:3]] == [(5, True), (4, True), (3, False)]
    third = year.ballot({year.names[4]: 5}, "nomination")
    names = dict.fromkeys(year.names[:2], motion) | {year.names[4]: third}
    notice = ok(year.notice(names, at="2026-09-29T09:00:00+08:00"))
    assert (notice["days"], notice["counting"]) == (5, "working")
    award.at("2026-10-12T23:59:59.999999+08:00")  # 30 September, 8 to 10 October (a Saturday that is worked), 12 October
    refused(year.approve(dated="2026-10-12"), "notice_running", "5.4.3")
    award.at("2026-10-13T00:00:00+08:00")
    prizes = {one["application"]: one["prize"] for one in ok(year.approve(dated="2026-10-13"))["awards"]}
    assert prizes == {year.names[0]: 300_000, year.names[1]: 300_000, year.names[4]: 50_000}


@pytest.mark.full
@pytest.mark.parametrize(("edition", "number"), [("jindong-2022", 2047), ("biennial-example", 2050)])
def test_working_days_of_a_year_without_published_holidays_are_never_guessed(award: Award, edition: str, number: int) -> None:
    year = Year(award, number, scores(700), BIENNIAL_RULES, edition).evaluated()
    motion = year.ballot({year.names[0]: 5})
    answer = year.notice({year.names[0]: motion}, at="2031-03-03T09:00:00+08:00")
    assert (answer.status_code, answer.json()["code"]) == (409, "working_days_unknown")
