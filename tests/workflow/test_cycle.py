from collections.abc import Iterator

import pytest

from embedded.caller import Caller
from tests.rig import Award
from tests.workflow.committee import EARLY, PLAN, ROSTER, RULES, Committee, ok, refused


@pytest.fixture
def committee(award: Award) -> Iterator[Committee]:
    award.at("2026-02-20T09:00:00+08:00")
    people = Committee(award)
    yield people
    people.close()


def test_a_year_has_one_cycle_and_a_cancelled_one_frees_it(committee: Committee) -> None:
    cycle = committee.open_cycle(2030)
    refused(committee.office.post("/cycles", json={"year": 2030}), "year_taken", "1.5")
    committee.prepare(cycle)
    motion = committee.decide(cycle, "cancellation", text="年度有误")
    assert motion["outcome"] == "passed"
    cancelled = ok(committee.office.post(f"/cycles/{cycle}/cancellation", json={"motion": motion["id"]}))
    assert cancelled["phase"] == "cancelled"
    assert committee.open_cycle(2030) != cycle


def test_a_motion_that_failed_cancels_nothing(committee: Committee) -> None:
    cycle = committee.open_cycle(2031)
    committee.prepare(cycle)
    motion = committee.decide(cycle, "cancellation", yes=2, text="年度有误")
    assert motion["outcome"] == "rejected"
    refused(committee.office.post(f"/cycles/{cycle}/cancellation", json={"motion": motion["id"]}), "motion_not_passed", "1.5")


def test_an_edition_is_not_applied_before_it_is_in_force(award: Award, committee: Committee) -> None:
    award.at("2022-06-30T23:59:59+08:00")
    refused(committee.office.post("/cycles", json={"year": 2022}), "edition_not_in_force", "8")


def test_a_launch_needs_rules_committee_group_and_plan(committee: Committee) -> None:
    cycle = committee.open_cycle(2032)
    launch = f"/cycles/{cycle}/launch"
    refused(committee.office.post(launch), "rules_not_adopted", "2.1.1")
    ok(committee.edit(committee.office, f"/cycles/{cycle}/rules", RULES))
    motion = committee.propose(cycle, "rules")
    refused(committee.office.post(f"/motions/{motion}/opening"), "roster_chair", "2.0")
    ok(committee.edit(committee.office, f"/cycles/{cycle}/committee", ROSTER))
    ok(committee.office.post(f"/motions/{motion}/opening"))
    committee.vote(motion, 3)
    ok(committee.office.post(f"/motions/{motion}/closing", json=EARLY))
    ok(committee.office.post(f"/cycles/{cycle}/rules/approval", json={"motion": motion}))
    refused(committee.office.post(launch), "supervision_group_missing", "7.1")
    why = ok(committee.office.get(f"/cycles/{cycle}"))["actions"]["launch"]["why"]
    assert (why["code"], why["clause"]) == ("supervision_group_missing", "7.1")
    ok(committee.edit(committee.chair, f"/cycles/{cycle}/supervision-group", {"members": [{"person": "s", "name": "赵"}]}))
    refused(committee.office.post(launch), "plan_missing", "2.2.1")
    ok(committee.edit(committee.office, f"/cycles/{cycle}/plan", PLAN))
    assert ok(committee.office.post(launch))["phase"] == "open"
    refused(committee.office.post(launch), "wrong_state", "2.1.1")


def test_two_vice_chairs_and_one_chair_make_a_committee(committee: Committee) -> None:
    cycle = committee.open_cycle(2033)
    members = [{**seat, "duties": ["member"]} if seat["person"] == "vice-2" else seat for seat in ROSTER["members"]]
    refused(committee.edit(committee.office, f"/cycles/{cycle}/committee", {"members": members}), "roster_vice_chairs", "2.0")


def test_only_the_chair_makes_the_supervision_group(committee: Committee) -> None:
    cycle = committee.open_cycle(2034)
    path = f"/cycles/{cycle}/supervision-group"
    body: dict[str, object] = {"members": []}
    assert committee.edit(committee.office, path, body).status_code == 403
    assert committee.edit(committee.voters["member-1"], path, body).status_code == 403
    refused(committee.edit(committee.chair, path, body), "not_this_cycles_chair", "7.1")
    ok(committee.edit(committee.office, f"/cycles/{cycle}/committee", ROSTER))
    with committee.award.client("committee", "chair-of-another-year", duties=["chair"]) as other:
        refused(
            other.put(path, json=body, headers={"If-Match": committee.office.get(f"/cycles/{cycle}").headers["etag"]}),
            "not_this_cycles_chair",
            "7.1",
        )


def test_an_edit_needs_the_version_it_starts_from(committee: Committee) -> None:
    cycle = committee.open_cycle(2035)
    assert committee.office.put(f"/cycles/{cycle}/plan", json=PLAN).status_code == 428
    etag = committee.office.get(f"/cycles/{cycle}").headers["etag"]
    ok(committee.edit(committee.office, f"/cycles/{cycle}/rules", RULES))
    assert committee.office.put(f"/cycles/{cycle}/plan", json=PLAN, headers={"If-Match": etag}).status_code == 412


def test_approved_rules_are_frozen_and_a_changed_draft_needs_a_new_vote(committee: Committee) -> None:
    cycle = committee.open_cycle(2036)
    committee.prepare(cycle)
    motion = committee.decide(cycle, "rules")["id"]
    ok(committee.edit(committee.office, f"/cycles/{cycle}/rules", {**RULES, "material_weight": 70}))
    refused(committee.office.post(f"/cycles/{cycle}/rules/approval", json={"motion": motion}), "rules_redrafted")
    committee.approve_rules(cycle)
    refused(committee.edit(committee.office, f"/cycles/{cycle}/rules", RULES), "wrong_state", "2.1.1")
    with committee.award.client("applicant", "a") as applicant:
        read = ok(applicant.get(f"/cycles/{cycle}/rules"))
    assert read["approved"]
    assert read["document"]["material_weight"] == 70


def test_rules_are_adopted_by_more_than_half_the_full_roster(committee: Committee) -> None:
    cycle = committee.open_cycle(2037)
    committee.prepare(cycle)
    motion = committee.propose(cycle, "rules")
    ok(committee.office.post(f"/motions/{motion}/opening"))
    committee.vote(motion, 2)
    closed = ok(committee.office.post(f"/motions/{motion}/closing", json=EARLY))
    assert closed["outcome"] == "no_quorum"
    assert closed["ballots"][0]["tally"]["majority"] == 3
    refused(committee.office.post(f"/cycles/{cycle}/rules/approval", json={"motion": motion}), "motion_not_passed", "2.1.1")


def test_the_announcement_opens_the_window_and_reaches_every_body_and_unit(award: Award, committee: Committee) -> None:
    cycle = committee.launch(2038)
    with award.client("endorser", "e", body="330703101") as endorser:
        announced = ok(endorser.get(f"/cycles/{cycle}/announcement"))
    assert sum(notice["kind"] == "unit" for notice in announced["notified"]) == 5
    assert {"330703101", "dept-economy"} <= {notice["code"] for notice in announced["notified"]}
    again = {"announced_on": "2026-02-20", "medium": "金东新闻", "text": "申报工作启动。"}
    refused(committee.office.post(f"/cycles/{cycle}/announcement", json=again), "announced_already")
    award.at("2026-03-31T23:59:59+08:00")
    assert ok(committee.office.get(f"/cycles/{cycle}"))["phase"] == "open"
    award.at("2026-04-01T00:00:00+08:00")
    assert ok(committee.office.get(f"/cycles/{cycle}"))["phase"] == "screening"


def test_a_finding_holds_its_step_until_it_is_answered(committee: Committee) -> None:
    cycle = committee.open_cycle(2039)
    committee.prepare(cycle)
    committee.approve_rules(cycle)
    finding = ok(committee.supervisor.post("/findings", json={"cycle": cycle, "text": "名单有误", "holds": "launch"}))["id"]
    refused(committee.office.post(f"/cycles/{cycle}/launch"), "finding_unanswered", "7.1")
    assert committee.supervisor.post(f"/findings/{finding}/answer", json={"answer": "已更正"}).status_code == 403
    ok(committee.office.post(f"/findings/{finding}/answer", json={"answer": "已更正"}))
    refused(committee.office.post(f"/findings/{finding}/answer", json={"answer": "再答"}), "answered_already")
    ok(committee.office.post(f"/cycles/{cycle}/launch"))


def test_a_supervisor_of_no_group_finds_nothing(award: Award, committee: Committee) -> None:
    cycle = committee.open_cycle(2040)
    committee.prepare(cycle)
    with award.client("supervisor", "stranger") as stranger:
        assert stranger.post("/findings", json={"cycle": cycle, "text": "?"}).status_code == 404
        assert stranger.get(f"/cycles/{cycle}/committee").status_code == 404
        assert stranger.get(f"/cycles/{cycle}/motions").status_code == 404
        assert ok(stranger.get("/findings"))["items"] == []
    assert ok(committee.supervisor.get(f"/cycles/{cycle}/committee"))["members"]


def test_what_waits_for_whom_is_told(award: Award, committee: Committee) -> None:
    cycle = committee.launch(2041)
    committee.swear(cycle)
    assert not [task for task in ok(committee.office.get("/me"))["tasks"] if "2041" in task["title"]]
    motion = committee.propose(cycle, "major_matter")
    ok(committee.office.post(f"/motions/{motion}/opening"))
    here = f"/api/v1/motions/{motion}"
    assert here in {task["href"] for task in ok(committee.chair.get("/me"))["tasks"]}
    committee.vote(motion, 1)
    assert here not in {task["href"] for task in ok(committee.chair.get("/me"))["tasks"]}
    with award.client("endorser", "e", body="330703101") as body:
        due = {task["href"]: task["due"] for task in ok(body.get("/me"))["tasks"]}
    assert due[f"/api/v1/cycles/{cycle}/announcement"] == "2026-03-31T16:00:00Z"


def test_the_chair_is_told_of_the_group_to_set_up_and_whoever_sits_of_the_undertaking(committee: Committee) -> None:
    def waits_for(caller: Caller) -> dict[str, str]:
        return {task["clause"]: task["href"] for task in ok(caller.get("/me"))["tasks"] if "2044" in task["title"]}

    cycle = committee.open_cycle(2044)
    assert waits_for(committee.chair) == {"7.1": f"/api/v1/cycles/{cycle}/supervision-group"}
    committee.prepare(cycle)
    committee.approve_rules(cycle)
    seated = (committee.chair, committee.voters["member-1"], committee.supervisor)
    assert [waits_for(caller) for caller in seated] == [{}, {}, {}]
    ok(committee.office.post(f"/cycles/{cycle}/launch"))
    assert [waits_for(caller) for caller in seated] == [{"7.6": "/api/v1/me/undertakings"}] * 3
    committee.tell("undertaking.given", person="supervisor-1", cycle=cycle)
    assert waits_for(committee.supervisor) == {}


def test_a_dry_run_changes_nothing(committee: Committee) -> None:
    before = ok(committee.office.get("/cycles", params={"limit": 200}))
    assert ok(committee.office.post("/cycles", json={"year": 2050}, params={"dry_run": "true"}))["year"] == 2050
    assert ok(committee.office.get("/cycles", params={"limit": 200})) == before
