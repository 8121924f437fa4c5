"""Recusal follows the person: for whoever is recused the organisation is in no answer, count, task, error or action (2.4.5)."""

import time
from uuid import uuid4

import httpx
import pytest

from embedded.caller import Caller
from tests.intake.applicants import credit_code
from tests.rig import Award
from tests.workflow.committee import ok
from tests.workflow.year import OVER, Year, points


class Hidden:
    """A year whose first contender one of the office's two clerks, the supervisor and a member are recused from."""

    def __init__(self, award: Award) -> None:
        self.year = Year(award, 2090, [{"material": points(700 - place)} for place in range(3)])
        self.id = self.year.names[0]
        self.named = (self.id, self.year.codes[self.id], "企业901")
        self.recused = award.client("committee", "clerk-2", duties=["office"])
        self.unsworn = award.client("committee", "clerk-9", duties=["office"])
        self.watching = award.client("supervisor", "supervisor-1")
        self.member = self.year.committee.voters["member-2"]
        for person in ("clerk-2", "supervisor-1", "member-2"):
            self.year.tell("undertaking.given", person=person)
            self.year.tell("recusal.declared", person=person, credit_code=self.named[1], kind="kinship", source="declared")

    def unseen(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code < 500, answer.text
        assert not any(name in answer.text for name in self.named), answer.text
        return answer

    def held(self, path: str, body: object) -> None:
        """Demand that a clerk without the undertaking is asked for it (7.6), at the moment at which another may go on."""
        answer = self.unsworn.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "undertaking_missing"), answer.text

    def meeting_on(self, motion: str) -> None:
        """Convene a meeting on the organisation, read it, change its agenda as somebody who doesn't see all of it, and call it off."""
        year, agenda = self.year, [{"title": f"审议{self.named[2]}", "motion": motion}]
        at = year.committee.dated("2026-08-20T14:00:00+08:00")
        meeting = ok(year.post("meetings", title="会议", place="301会议室", starts_at=at, agenda=agenda))["id"]
        self.reads(f"/cycles/{year.cycle}/meetings", f"/meetings/{meeting}")
        tag, other = {"If-Match": year.office.get(f"/meetings/{meeting}").headers["etag"]}, [{"title": "其他事项"}]
        assert self.recused.put(f"/meetings/{meeting}/agenda", json={"agenda": agenda}, headers=tag).status_code == 404
        ok(self.unseen(self.recused.put(f"/meetings/{meeting}/agenda", json={"agenda": other}, headers=tag)))
        assert [item["motion"] for item in ok(year.office.get(f"/meetings/{meeting}"))["agenda"]] == [None, motion]
        ok(year.office.post(f"/meetings/{meeting}/calling-off", json={"reason": "改期"}))

    def reads(self, *paths: str) -> None:
        for path in paths:
            for caller in (self.recused, self.watching, self.member):
                self.unseen(caller.get(path))


@pytest.fixture(scope="module")
def hidden(award: Award) -> Hidden:
    return Hidden(award)


def test_no_answer_of_a_year_names_an_organisation_to_the_recused(hidden: Hidden) -> None:
    year, cycle = hidden.year, f"/cycles/{hidden.year.cycle}"
    year.report("material", {name: score for name, score in year.material.items() if name != hidden.id}, year.names)
    hidden.reads(cycle, "/cycles", "/me")
    assert hidden.id in ok(year.office.get(cycle))["actions"]["confirm_shortlist"]["why"]["detail"]
    hidden.unseen(hidden.recused.post(f"{cycle}/shortlist", json={}))
    year.report("material", year.material, year.names)
    hidden.held(f"{cycle}/shortlist", {})
    ok(hidden.unseen(hidden.recused.post(f"{cycle}/shortlist", json={})))
    year.report("site", year.site)
    hidden.held(f"{cycle}/evaluation", {})
    ok(hidden.unseen(hidden.recused.post(f"{cycle}/evaluation", json={})))
    hidden.held(f"{cycle}/evaluation/confirmation", {})
    without = {"candidates": [{"award": "quality", "applications": year.names[1:]}]}
    hidden.unseen(hidden.recused.post(f"{cycle}/evaluation/confirmation", json=without))
    ok(hidden.unseen(hidden.recused.post(f"{cycle}/evaluation/confirmation", json={})))

    objection = ok(year.anyone.post(f"{cycle}/reports", json={"text": "举报", "application": hidden.id}))["id"]
    unnamed = ok(year.anyone.post(f"{cycle}/reports", json={"text": "举报"}))["id"]
    assert objection not in hidden.recused.get("/me").text
    assert objection in year.office.get("/me").text
    for caller in (hidden.recused, hidden.watching, hidden.member):
        assert caller.get(f"/objections/{objection}").status_code == 404
    investigation = {"findings": "经核实", "application": hidden.id}
    version = {"If-Match": hidden.recused.get(f"/objections/{unnamed}").headers["etag"]}
    assert hidden.recused.put(f"/objections/{unnamed}/investigation", json=investigation, headers=version).status_code == 404

    about = {"kind": "winners", "title": "拟获奖", "names": [{"application": hidden.id, "award": "quality"}]}
    mine, never = (hidden.recused.post(f"{cycle}/motions", json=about | {"names": [{"application": one, "award": "quality"}]})
                   for one in (hidden.id, str(uuid4())))  # fmt: skip
    assert {**mine.json(), "request_id": ""} == {**never.json(), "request_id": ""}
    hidden.held(f"{cycle}/motions", about)
    ruling = {"kind": "ruling", "title": "异议", "objection": objection, "removes_name": True}
    assert hidden.recused.post(f"{cycle}/motions", json=ruling).status_code == 404
    motion = ok(year.office.post(f"{cycle}/motions", json=about))["id"]
    assert ok(hidden.recused.get(cycle))["dashboard"]["open_motions"] == 0
    assert ok(year.office.get(cycle))["dashboard"]["open_motions"] == 1
    hidden.meeting_on(motion)
    hidden.reads(f"{cycle}/motions", "/me", f"/objections?cycle={year.cycle}", f"{cycle}/evaluation", f"{cycle}/shortlist")
    assert {caller.get(f"/motions/{motion}").status_code for caller in (hidden.recused, hidden.watching, hidden.member)} == {404}
    hidden.unseen(hidden.recused.post(f"/motions/{motion}/opening"))
    ok(year.office.post(f"/motions/{motion}/opening"))
    year.committee.vote(motion, 4, name=hidden.id, voters=("chair-1", "vice-1", "vice-2", "member-1"))
    ok(year.office.post(f"/motions/{motion}/closing", json={}))
    hidden.reads(cycle)
    hidden.unseen(hidden.recused.post(f"{cycle}/deliberation-end", json={"reasons": "不再递补"}))
    other = year.ballot({year.names[1]: 5})
    left = [{"application": year.names[1], "motion": other}]
    hidden.unseen(hidden.recused.post(f"{cycle}/notices", json={"text": "公示", "medium": "网站", "names": left}))

    ok(year.notice({hidden.id: motion, year.names[1]: other}))
    year.award.at(OVER)
    ok(year.approve())
    hidden.reads(f"{cycle}/approval")
    assert hidden.id in year.office.get(f"{cycle}/approval").text


def test_whoever_sits_in_no_committee_of_a_cycle_reads_no_dashboard_of_it(award: Award, hidden: Hidden) -> None:
    stranger = award.client("committee", "member-9", duties=["member"])
    assert ok(stranger.get(f"/cycles/{hidden.year.cycle}"))["dashboard"] is None
    assert ok(hidden.member.get(f"/cycles/{hidden.year.cycle}"))["dashboard"] is not None


def test_the_record_names_no_organisation_to_a_recused_supervisor(award: Award, hidden: Hidden) -> None:
    group = {"members": [{"person": f"supervisor-{number}", "name": "赵"} for number in (1, 9)]}
    ok(hidden.year.committee.edit(hidden.year.committee.chair, f"/cycles/{hidden.year.cycle}/supervision-group", group))

    def events(name: str) -> str:
        supervisor = award.client("supervisor", name)
        deadline = time.monotonic() + 10
        while True:  # the record is put into its order a moment after each commit
            found = supervisor.get("/record/workflow/events", params={"limit": 200, "after": -1}).text
            if "award.proposed" in found or time.monotonic() > deadline:
                return found

    assert hidden.id in events("supervisor-9")
    seen = events("supervisor-1")
    assert hidden.year.names[1] in seen
    assert not any(name in seen for name in hidden.named)


def until(caller: Caller, path: str, status: int) -> None:
    """Ask until news has come from one service to another."""
    deadline = time.monotonic() + 20
    while (found := caller.get(path).status_code) != status:
        assert time.monotonic() < deadline, f"{path} stays {found}"


def test_the_door_names_no_account_of_an_organisation_to_whoever_is_recused_from_it(award: Award, hidden: Hidden) -> None:
    code = credit_code(987)
    form = {"credit_code": code, "organisation": "某某公司", "township": "330703101", "login": "recusal.door", "name": "王某"}
    account = ok(award.client().post("/auth/registrations", json=form | {"password": "correct-Horse-7"}))["account"]
    clerk, town = award.client("committee", "clerk-7", duties=["office"]), award.client("endorser", "town-7", body="330703101")
    interest = {"credit_code": code, "kind": "kinship", "reason": "亲属任职"}
    for caller in (clerk, town):
        assert account in caller.get("/accounts", params={"limit": 200}).text
        ok(caller.put("/me/interests", json={"interests": [interest]}))
        until(caller, f"/accounts/{account}", 404)
        assert not {account, code} & set(caller.get("/accounts", params={"limit": 200}).text.split('"'))
        assert account not in caller.get("/me").text
        assert caller.post(f"/accounts/{account}/verification").status_code == 404
    assert clerk.post(f"/accounts/{account}/activation-links", json={"purpose": "reset"}).status_code == 404
    colleague = {"credit_code": code, "login": "recusal.door.2", "name": "李某"}
    assert clerk.post("/accounts/colleagues", json=colleague).status_code == 404
    ok(hidden.year.office.post("/accounts/colleagues", json=colleague))
    lifting = {"person": "clerk-7", "credit_code": code, "reason": "误填"}
    ok(hidden.year.office.post("/reviewers/recusals/lifting", json=lifting))
    until(clerk, f"/accounts/{account}", 200)
