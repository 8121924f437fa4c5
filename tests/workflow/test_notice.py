from datetime import date, datetime
from uuid import uuid4

import pytest

from kernel.problems import Problem
from regulation.edition import example_rules
from services.workflow.notice import is_working_day
from tests.rig import Award
from tests.workflow.committee import PLAN, Committee, ok, refused
from tests.workflow.year import LAST_INSTANT, OVER, WORKING_DAYS, Year, points

FOUR = [{"material": points(700 - place)} for place in range(4)]


def test_only_a_ballot_that_was_won_puts_a_name_before_the_public(award: Award) -> None:
    year = Year(award, 2080, FOUR).evaluated()
    refused(year.notice({year.names[0]: str(uuid4())}), "winners_undecided", "5.4.2")
    refused(year.post("deliberation-end", reasons="无"), "winners_undecided", "5.4.2")
    motion = year.ballot({year.names[0]: 5, year.names[1]: 4, year.names[2]: 2, year.names[3]: 3})
    assert year.notice({year.names[0]: str(uuid4())}).status_code == 404
    refused(year.notice({year.names[0]: motion, year.names[2]: motion}), "motion_not_passed", "2.1.3")
    refused(year.notice({year.names[0]: motion}), "winner_left_out", "5.4.2")
    refused(year.post("deliberation-end", reasons="无"), "winner_left_out", "5.4.2")
    won = [year.names[0], year.names[1], year.names[3]]
    notice = ok(year.notice(dict.fromkeys(won, motion)))
    assert [name["state"] for name in notice["names"]] == ["running"] * 3
    assert notice["names"][0]["title"] == "金华市金东区人民政府质量奖（2080年）"
    assert year.phase() == "public_notice"


def test_a_fourth_winner_never_gets_through(award: Award) -> None:
    year = Year(award, 2081, FOUR).evaluated()
    motion = year.ballot(dict.fromkeys(year.names, 5))
    refused(year.notice(dict.fromkeys(year.names, motion)), "too_many_winners", "1.5")
    assert len(ok(year.notice(dict.fromkeys(year.names[:3], motion)))["names"]) == 3


def test_a_notice_waits_for_every_open_motion_on_winners(award: Award) -> None:
    year = Year(award, 2082, FOUR).evaluated()
    motion = year.ballot({year.names[0]: 5})
    year.committee.propose(year.cycle, "winners", names=[{"application": year.names[1], "award": "quality"}])
    refused(year.notice({year.names[0]: motion}), "winners_motion_open", "5.4.2")


def test_seven_full_days_run_from_the_day_after_publication_and_anyone_reads_along(award: Award) -> None:
    year = Year(award, 2083, FOUR)
    notice = year.noticed()
    read = next(one for one in ok(year.anyone.get("/public/notices", params={"limit": 200}))["items"] if one["id"] == notice)
    assert datetime.fromisoformat(read["ends_at"]) == datetime.fromisoformat(OVER)
    assert (read["days"], read["counting"]) == (7, "calendar")
    assert read["actions"]["object"]["allowed"]
    award.at(LAST_INSTANT)
    assert year.anyone.post(f"/notices/{notice}/objections", json={"text": "有异议"}).status_code == 201
    award.at(OVER)
    refused(year.anyone.post(f"/notices/{notice}/objections", json={"text": "有异议"}), "notice_over", "5.4.2")
    assert [one["id"] for one in ok(year.office.get(f"/cycles/{year.cycle}/notices"))["items"]] == [notice]
    opened = [one for one in ok(year.anyone.get("/public/announcements"))["items"] if one["cycle"] == year.cycle]
    assert [one["kind"] for one in opened] == ["opening"]


def test_working_days_leave_out_weekends_and_the_national_holiday(award: Award) -> None:
    year = Year(award, 2084, FOUR, WORKING_DAYS).evaluated()
    motion = year.ballot({year.names[0]: 5})
    notice = ok(year.notice({year.names[0]: motion}, at="2026-09-29T09:00:00+08:00"))
    # 30 September, 8 to 10 October (a Saturday that is worked), 12 to 14 October
    assert datetime.fromisoformat(notice["ends_at"]) == datetime.fromisoformat("2026-10-15T00:00:00+08:00")


def test_a_year_whose_working_days_are_unknown_refuses_rather_than_guesses(award: Award) -> None:
    assert is_working_day(date(2026, 10, 10))
    assert not is_working_day(date(2026, 10, 7))
    with pytest.raises(Problem) as unknown:
        is_working_day(date(2031, 3, 3))
    assert unknown.value.kind.code == "working_days_unknown"
    year = Year(award, 2085, FOUR, WORKING_DAYS).evaluated()
    motion = year.ballot({year.names[0]: 5})
    answer = year.notice({year.names[0]: motion}, at="2031-03-03T09:00:00+08:00")
    assert (answer.status_code, answer.json()["code"]) == (409, "working_days_unknown")


@pytest.mark.parametrize(
    ("year_number", "on", "ends", "why"),
    [(2063, "2026-09-29", "2026-10-15T00:00:00+08:00", None), (2064, "2031-03-03", None, "working_days_unknown")],
)
def test_a_plan_shows_when_its_notice_would_end_or_that_nobody_can_say_yet(
    award: Award, year_number: int, on: str, ends: str | None, why: str | None
) -> None:
    award.at("2026-02-20T09:00:00+08:00")
    committee = Committee(award)
    cycle = committee.open_cycle(year_number)
    committee.watch(cycle)
    planned = ok(committee.edit(committee.office, f"/cycles/{cycle}/plan", PLAN | {"milestones": {"public_notice": on}}))
    assert planned["dashboard"]["notice_foreseen"] is None  # without rules nobody knows what kind of days count
    ok(committee.edit(committee.office, f"/cycles/{cycle}/rules", WORKING_DAYS))
    foreseen = ok(committee.office.get(f"/cycles/{cycle}"))["dashboard"]["notice_foreseen"]
    found = foreseen["ends_at"] and datetime.fromisoformat(foreseen["ends_at"])
    assert (foreseen["published_on"], found) == (on, ends and datetime.fromisoformat(ends))
    assert (foreseen["why"] or {}).get("code") == why


def test_a_year_may_end_without_any_winner(award: Award) -> None:
    year = Year(award, 2086, FOUR).evaluated()
    year.ballot({year.names[0]: 1})
    assert ok(year.post("deliberation-end", reasons="本年度空缺"))["phase"] == "public_notice"
    assert ok(year.approve(dated="2026-04-10"))["awards"] == []


def test_a_name_that_withdraws_falls_from_its_notice(award: Award) -> None:
    year = Year(award, 2087, FOUR)
    notice = year.noticed(2)
    year.tell("application.withdrawn", "intake", application=year.names[0])
    read = next(one for one in ok(year.anyone.get("/public/notices", params={"limit": 200}))["items"] if one["id"] == notice)
    assert {name["application"]: (name["state"], name["fallen_by"]) for name in read["names"]} == {
        year.names[0]: ("fallen", "1.4"),
        year.names[1]: ("running", None),
    }
    assert year.phase() == "deliberation"


@pytest.mark.full
def test_nor_are_they_guessed_where_the_edition_itself_counts_working_days(award: Award) -> None:
    year = Year(award, 2050, FOUR, example_rules("biennial-example"), "biennial-example").evaluated()
    motion = year.ballot({year.names[0]: 5})
    answer = year.notice({year.names[0]: motion}, at="2031-03-03T09:00:00+08:00")
    assert (answer.status_code, answer.json()["code"]) == (409, "working_days_unknown")
