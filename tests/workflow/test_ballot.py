from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from sqlalchemy import text

from tests.rig import Award
from tests.workflow.committee import EARLY, RULES, VOTERS, Committee, eligible, ok, refused
from tests.workflow.year import Year, points


@pytest.fixture
def committee(award: Award) -> Iterator[Committee]:
    award.at("2026-02-20T09:00:00+08:00")
    people = Committee(award)
    yield people
    people.close()


def names_of(contenders: list[dict[str, object]], award: str = "quality") -> list[dict[str, object]]:
    return [{"application": one["application"], "award": award} for one in contenders]


def test_more_pass_than_the_cap_most_votes_win(committee: Committee) -> None:
    four = [eligible(number) for number in range(4)]
    cycle = committee.deliberate(2030, four, [700, 700, 700, 700])
    motion = committee.propose(cycle, "winners", names=names_of(four))
    opened = ok(committee.chair.post(f"/motions/{motion}/opening"))
    assert opened["roll"] == sorted(VOTERS)
    assert [ballot["quorum"] for ballot in opened["ballots"]] == [4, 4, 4, 4]
    for contender, yes in zip(four, (5, 4, 5, 3), strict=True):
        committee.vote(motion, yes, no=5 - yes, name=contender["application"])
    closed = ok(committee.office.post(f"/motions/{motion}/closing", json={}))
    assert [ballot["won"] for ballot in closed["ballots"]] == [True, True, True, False]
    votes = {vote["person"]: vote["choice"] for vote in closed["ballots"][1]["votes"]}
    assert votes == {"chair-1": "yes", "vice-1": "yes", "vice-2": "yes", "member-1": "yes", "member-2": "no"}
    refused(
        committee.voters["chair-1"].post(f"/motions/{motion}/ballots", json={"vote": "no", "name": four[0]["application"]}),
        "wrong_state",
        "2.1.3",
    )
    again = committee.office.post(f"/cycles/{cycle}/motions", json={"kind": "winners", "title": "再议", "names": names_of(four[:1])})
    refused(again, "one_award_each", "5.4.1")


def test_an_exact_tie_across_the_cap_goes_to_the_committee(committee: Committee) -> None:
    four = [eligible(number) for number in range(4)]
    ids = [one["application"] for one in four]
    cycle = committee.deliberate(2031, four, [800, 700, 700, 700])
    motion = committee.propose(cycle, "winners", names=names_of(four))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    for one in ids:
        committee.vote(motion, 4, no=1, name=one)
    closed = ok(committee.office.post(f"/motions/{motion}/closing", json={}))
    assert [ballot["won"] for ballot in closed["ballots"]] == [True, None, None, None]
    tie = {"among": "winners", "motion": motion, "award": "quality"}
    notice = {"text": "公示", "medium": "网站", "names": [{"application": ids[0], "motion": motion}]}
    refused(committee.office.post(f"/cycles/{cycle}/notices", json=notice), "winners_tied", "5.4.2")
    again = {"kind": "winners", "title": "再议", "names": names_of(four[1:2])}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=again), "one_award_each", "5.4.1")
    three = {"kind": "major_matter", "title": "并列", "tie": {**tie, "applications": ids[1:]}}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=three), "tie_decided_wrongly", "2.1.2")
    committee.decide(cycle, "major_matter", tie={**tie, "applications": [ids[1], ids[3]]})
    settled = ok(committee.office.get(f"/motions/{motion}"))
    assert [ballot["won"] for ballot in settled["ballots"]] == [True, True, False, True]
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=three), "no_such_tie")


def test_score_then_preference_break_equal_votes(committee: Committee) -> None:
    five = [eligible(number, preferred=number == 4) for number in range(5)]
    cycle = committee.deliberate(2032, five, [700, 810, 820, 690, 700])
    motion = committee.propose(cycle, "winners", names=names_of(five))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    for one in five:
        committee.vote(motion, 5, name=one["application"])
    closed = ok(committee.office.post(f"/motions/{motion}/closing", json={}))
    assert [ballot["won"] for ballot in closed["ballots"]] == [False, True, True, False, True]


def test_a_recused_member_leaves_numerator_and_denominator_and_does_not_see_the_name(committee: Committee) -> None:
    two = [eligible(number) for number in range(2)]
    cycle = committee.deliberate(2033, two, [700, 710])
    committee.tell("recusal.declared", person="member-1", credit_code=two[0]["credit_code"], kind="shareholding", source="declared")
    motion = committee.propose(cycle, "winners", names=names_of(two))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    first, second = two[0]["application"], two[1]["application"]
    member = committee.voters["member-1"]
    assert member.post(f"/motions/{motion}/ballots", json={"name": first, "vote": "yes"}).status_code == 404
    assert [ballot["application"] for ballot in ok(member.get(f"/motions/{motion}"))["ballots"]] == [second]
    listed = ok(member.get(f"/cycles/{cycle}/motions", params={"limit": 200}))["items"]
    assert motion in {one["id"] for one in listed}
    ok(committee.voters["member-2"].post(f"/motions/{motion}/recusals", json={"person": "member-2", "name": first, "reason": "亲属任职"}))
    refused(committee.voters["member-2"].post(f"/motions/{motion}/ballots", json={"name": first, "vote": "yes"}), "member_recused", "2.4.5")
    committee.vote(motion, 2, name=first)
    closed = ok(committee.office.post(f"/motions/{motion}/closing", json=EARLY))
    tally = closed["ballots"][0]["tally"]
    assert (tally["roster"], tally["recused"], tally["quorum"], tally["outcome"]) == (5, 2, 2, "passed")
    assert closed["ballots"][1]["outcome"] == "no_quorum"
    committee.tell("recusal.lifted", person="member-1", credit_code=two[0]["credit_code"])
    assert len(ok(member.get(f"/motions/{motion}"))["ballots"]) == 2


def test_an_open_vote_loses_only_who_steps_back_or_declares_an_interest(committee: Committee) -> None:
    one = eligible(9)
    cycle = committee.deliberate(2044, [one], [700])
    motion = committee.propose(cycle, "winners", names=names_of([one]))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    recusal = {"person": "member-2", "name": one["application"], "reason": "亲属任职"}
    refused(committee.office.post(f"/motions/{motion}/recusals", json=recusal), "roll_frozen", "5.4.2")
    committee.vote(motion, 1, name=one["application"])
    for person in ("chair-1", "member-1"):
        committee.tell("recusal.declared", person=person, credit_code=one["credit_code"], kind="family", source="declared")
    ballot = ok(committee.office.get(f"/motions/{motion}"))["ballots"][0]
    assert (ballot["recused"], ballot["quorum"]) == (["member-1"], 3)
    for person in ("chair-1", "member-1"):
        committee.tell("recusal.lifted", person=person, credit_code=one["credit_code"])


def test_a_motion_all_of_whose_names_one_is_recused_from_is_absent(committee: Committee) -> None:
    one = eligible(7)
    cycle = committee.deliberate(2034, [one], [700])
    committee.tell("recusal.declared", person="vice-1", credit_code=one["credit_code"], kind="family", source="declared")
    motion = committee.propose(cycle, "winners", names=names_of([one]))
    vice = committee.voters["vice-1"]
    committee.tell("recusal.lifted", person="member-1", credit_code=one["credit_code"])
    assert vice.get(f"/motions/{motion}").status_code == 404
    assert motion not in {item["id"] for item in ok(vice.get(f"/cycles/{cycle}/motions", params={"limit": 200}))["items"]}
    assert vice.post(f"/motions/{motion}/recusals", json={"person": "vice-1", "reason": "亲属任职"}).status_code == 404


def test_one_vote_each_by_those_on_the_roll_and_nobody_sees_another_s_before_closing(award: Award, committee: Committee) -> None:
    cycle = committee.open_cycle(2035)
    committee.prepare(cycle)
    motion = committee.propose(cycle, "major_matter")
    cast = f"/motions/{motion}/ballots"
    refused(committee.chair.post(cast, json={"vote": "yes"}), "wrong_state", "2.1.2")
    ok(committee.office.post(f"/motions/{motion}/opening"))
    ok(committee.chair.post(cast, json={"vote": "abstain"}))
    refused(committee.chair.post(cast, json={"vote": "yes"}), "voted_already", "5.4.2")
    with award.client("committee", "chair-of-another-year", duties=["chair"]) as stranger:
        assert stranger.post(cast, json={"vote": "yes"}).status_code == 404
        assert stranger.post(f"/motions/{motion}/closing", json={}).status_code == 404
        assert stranger.get(f"/motions/{motion}").status_code == 404
    refused(committee.office.post(cast, json={"vote": "yes"}), "no_vote", "2.0")
    assert ok(committee.chair.get(f"/motions/{motion}"))["ballots"][0]["votes"] == [{"person": "chair-1", "choice": "abstain"}]
    for watcher in (committee.office, committee.supervisor, committee.voters["vice-1"]):
        ballot = ok(watcher.get(f"/motions/{motion}"))["ballots"][0]
        assert (ballot["votes"], ballot["voted"], ballot["tally"]) == ([], 1, None)
    events = ok(committee.supervisor.get("/record/workflow/events", params={"limit": 200}))["items"]
    voted = [one for one in events if one["kind"] == "motion.voted"]
    assert "abstain" not in str(voted)


def test_winners_wait_for_the_evaluation_and_must_be_its_candidates(committee: Committee) -> None:
    low, high = eligible(1), eligible(2)
    cycle = committee.deliberate(2036, [low, high], [600, 640])
    body = {"kind": "winners", "title": "名单", "names": names_of([low])}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=body), "candidate_not_open", "5.4.1")
    body = {"kind": "winners", "title": "名单", "names": names_of([high, high])}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=body), "one_award_each", "5.4.1")
    early = committee.open_cycle(2037)
    body = {"kind": "winners", "title": "名单", "names": names_of([high])}
    refused(committee.office.post(f"/cycles/{early}/motions", json=body), "evaluation_not_reported", "2.2.3")


def test_who_lost_the_quality_ballot_falls_back_if_it_opted_to(committee: Committee) -> None:
    both = {"awards": ["quality", "innovation"]}
    opted, not_opted = eligible(1, fallback=True, **both), eligible(2, **both)
    cycle = committee.deliberate(2038, [opted, not_opted], [640, 640])
    early = {"kind": "winners", "title": "创新奖", "names": names_of([opted], "innovation")}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=early), "candidate_not_open", "5.4.1")
    motion = committee.propose(cycle, "winners", names=names_of([opted, not_opted]))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    for one in (opted, not_opted):
        committee.vote(motion, 1, no=4, name=one["application"])
    assert ok(committee.office.post(f"/motions/{motion}/closing", json={}))["outcome"] == "rejected"
    late = {"kind": "winners", "title": "创新奖", "names": names_of([not_opted], "innovation")}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=late), "candidate_not_open", "5.4.1")
    assert committee.propose(cycle, "winners", names=names_of([opted], "innovation"))


def test_a_vote_on_names_needs_the_undertaking(committee: Committee) -> None:
    one = eligible(1)
    cycle = committee.deliberate(2039, [one], [700])
    database = committee.award.database("workflow")
    with database.begin() as connection:
        connection.execute(text("delete from undertaking where person = 'chair-1'"))
    database.dispose()
    motion = committee.propose(cycle, "winners", names=names_of([one]))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    vote = {"name": one["application"], "vote": "yes"}
    refused(committee.chair.post(f"/motions/{motion}/ballots", json=vote), "undertaking_missing", "7.6")


def test_a_withdrawn_name_can_not_be_proposed(committee: Committee) -> None:
    one = eligible(1)
    cycle = committee.deliberate(2041, [one], [700])
    committee.tell("application.withdrawn", "intake", cycle=cycle, application=one["application"])
    body = {"kind": "winners", "title": "名单", "names": names_of([one])}
    refused(committee.office.post(f"/cycles/{cycle}/motions", json=body), "candidate_not_open", "5.4.1")


def test_a_secret_ballot_keeps_only_that_a_member_voted(committee: Committee) -> None:
    rules: dict[str, Any] = deepcopy(RULES)
    rules["voting"] |= {"ballot": "secret", "votes_changeable": True}
    one = eligible(1)
    cycle = committee.deliberate(2042, [one], [700], rules)
    motion = committee.propose(cycle, "winners", names=names_of([one]))
    assert ok(committee.office.post(f"/motions/{motion}/opening"))["secret"]
    committee.vote(motion, 5, name=one["application"])
    committee.vote(motion, 0, no=1, name=one["application"])
    own = ok(committee.chair.get(f"/motions/{motion}"))["ballots"][0]["votes"]
    assert own == [{"person": "chair-1", "choice": None}]
    database = committee.award.database("workflow")
    with database.connect() as connection:
        contents = connection.execute(text("select content from sealed_choice")).scalars().all()
        assert len(contents) == 5
        assert len({len(content) for content in contents}) == 1
    closed = ok(committee.office.post(f"/motions/{motion}/closing", json={}))["ballots"][0]
    assert (closed["tally"]["yes"], closed["tally"]["no"]) == (4, 1)
    assert {vote["choice"] for vote in closed["votes"]} == {None}
    with database.connect() as connection:
        assert connection.execute(text("select count(*) from sealed_choice")).scalar() == 0
        assert connection.execute(text("select count(*) from vote where sealed is not null")).scalar() == 0
    database.dispose()


@pytest.mark.full
def test_a_term_that_is_over_takes_the_vote_and_the_view(award: Award) -> None:
    year = Year(award, 2046, [{"material": points(700)}]).evaluated()
    committee = year.committee
    roster = ok(committee.office.get(f"/cycles/{year.cycle}/committee"))["members"]
    roster = [one | ({"until": "2026-04-09"} if one["person"] == "member-2" else {}) for one in roster]
    ok(committee.edit(committee.office, f"/cycles/{year.cycle}/committee", {"members": roster}))
    motion = committee.propose(year.cycle, "major_matter")
    assert "member-2" not in ok(committee.office.post(f"/motions/{motion}/opening"))["roll"]
    assert committee.voters["member-2"].get(f"/motions/{motion}").status_code == 404
    emptied = committee.edit(committee.chair, f"/cycles/{year.cycle}/supervision-group", {"members": []})
    refused(emptied, "supervision_group_missing", "7.1")
